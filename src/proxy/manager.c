// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Brings all services up and takes them down: reads the files, matches or opens the listeners, asks
// for the first look. What happens to a service in between is managed.c's.

#include "odp/proxy/manager.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "odp/base/log.h"
#include "odp/proxy/ledger_file.h"
#include "odp/proxy/link.h"
#include "odp/proxy/probe.h"
#include "odp/proxy/requires.h"
#include "odp/proxy/visit.h"

// Without a connection to close, descriptors may become free in other programs only.
#define RETRY_MS 1000

// ---- files -------------------------------------------------------------------------------------

// Whoever wrote it expects it to do something.
static void refuse_own_file(const struct odp_manager *mgr)
{
    char path[ODP_PATH_MAX + sizeof("/odp.ini")];

    snprintf(path, sizeof(path), "%s/odp.ini", mgr->paths.config);
    if (access(path, F_OK) == 0)
        odp_log(ODP_LOG_ERR, NULL, "%s:1: odp.ini is not built yet in odp %s: it is not read", path,
                ODP_VERSION);
}

static int load_files(struct odp_manager *mgr)
{
    char dir[ODP_PATH_MAX + sizeof(ODP_CONFIG_SERVICES_DIR) + 1];
    struct odp_files files = {0};

    refuse_own_file(mgr);
    snprintf(dir, sizeof(dir), "%s/%s", mgr->paths.config, ODP_CONFIG_SERVICES_DIR);
    int r = odp_files_read(dir, ODP_CONFIG_SUFFIX, ODP_CONFIG_FILE_MAX, &files);
    if (r < 0) {
        odp_log(ODP_LOG_ERR, NULL, "cannot read %s: %s: no services", dir, strerror(-r));
        return r == -ENOMEM ? r : 0;
    }
    r = odp_config_load(&files, &mgr->config);
    odp_files_deinit(&files);
    for (size_t i = 0; i < mgr->config.faults.n; i++) {
        const struct odp_config_fault *f = &mgr->config.faults.items[i];
        odp_log(ODP_LOG_ERR, NULL, "%s:%u: %s", f->file, f->line, f->message);
    }
    return r;
}

// ---- listeners ---------------------------------------------------------------------------------

static bool name_matches(const char *passed, const char *service)
{
    // FileDescriptorName= defaults to the socket unit's name, systemd.socket(5).
    char unit[ODP_NAME_MAX + 16];

    snprintf(unit, sizeof(unit), "odp-%s.socket", service);
    return passed && (strcmp(passed, service) == 0 || strcmp(passed, unit) == 0);
}

// An address may be passed as the very one, or as a wildcard of the same port.
static struct odp_passed *match_passed(struct odp_passed *passed, int n_passed,
                                       const struct odp_managed *m, const struct odp_address *a)
{
    struct odp_passed *best = NULL;

    for (int i = 0; i < n_passed; i++) {
        struct odp_passed *p = &passed[i];
        if (p->fd < 0 ||
            !(odp_address_covers(&p->address, a) || odp_address_covers(a, &p->address)))
            continue;
        if (name_matches(p->name, m->config->name))
            return p;
        if (!best || odp_address_equal(&p->address, a))
            best = p;
    }
    return best;
}

static int open_listener(struct odp_managed *m, const struct odp_config_listen *listen,
                         struct odp_passed *passed, struct odp_listener *ret)
{
    const struct odp_config_service *config = m->config;
    bool own = !passed;
    int fd;

    if (passed) {
        fd = passed->fd;
        passed->fd = -1;
    } else {
        fd = odp_listen_open(&listen->address, config->socket_mode, config->socket_owner, m->fault,
                             sizeof(m->fault));
        if (fd < 0)
            return fd;
    }
    int r = odp_listener_init(ret, m->manager->loop, fd, odp_visit_accept, m);
    if (r < 0)
        snprintf(m->fault, sizeof(m->fault), "cannot listen on %s: %s", listen->text, strerror(-r));
    else if (own && listen->address.kind == ODP_ADDRESS_UNIX)
        ret->unlink_path = strdup(listen->address.path);
    if (r == 0)
        odp_listener_tune(ret, config->keepalive_usec);
    return r;
}

static int open_listeners(struct odp_managed *m, struct odp_passed *passed, int n_passed)
{
    m->listeners = calloc(m->config->n_listen, sizeof(*m->listeners));
    if (!m->listeners)
        return -ENOMEM;
    for (size_t i = 0; i < m->config->n_listen; i++) {
        const struct odp_config_listen *l = &m->config->listen[i];
        struct odp_passed *p = match_passed(passed, n_passed, m, &l->address);
        int r = open_listener(m, l, p, &m->listeners[i]);
        if (r < 0)
            return r;
        m->n_listeners++;
    }
    return 0;
}

static void close_listeners(struct odp_managed *m)
{
    for (size_t i = 0; i < m->n_listeners; i++)
        odp_listener_deinit(&m->listeners[i]);
    free(m->listeners);
    m->listeners = NULL;
    m->n_listeners = 0;
}

// A client of a socket that belongs to no service is told so by a close, not left to wait.
static int adopt_strays(struct odp_manager *mgr, struct odp_passed *passed, int n_passed)
{
    mgr->strays = calloc((size_t)n_passed + 1, sizeof(*mgr->strays));
    if (!mgr->strays)
        return -ENOMEM;
    for (int i = 0; i < n_passed; i++) {
        if (passed[i].fd < 0)
            continue;
        odp_log(ODP_LOG_WARNING, NULL,
                "passed socket %s belongs to no sound service: its connections are closed",
                passed[i].name ? passed[i].name : "unknown");
        int fd = passed[i].fd;
        passed[i].fd = -1;
        if (odp_listener_init(&mgr->strays[mgr->n_strays], mgr->loop, fd, odp_visit_turn_away,
                              mgr) == 0)
            mgr->n_strays++;
    }
    return 0;
}

// ---- services ----------------------------------------------------------------------------------

static void managed_init(struct odp_managed *m, struct odp_manager *mgr,
                         const struct odp_config_service *config)
{
    m->manager = mgr;
    m->config = config;
    odp_list_init(&m->waiting);
    odp_list_init(&m->relayed);
    odp_list_init(&m->leaving);
    odp_list_init(&m->release_node);
    odp_ledger_init(&m->ledger, odp_boottime_usec());
    odp_tries_init(&m->tries, config);
    m->armed_usec = ODP_NEVER;
    uv_timer_init(odp_io_loop_uv(mgr->loop), &m->timer);
    m->timer.data = m;
}

static void managed_begin(struct odp_managed *m)
{
    const struct odp_config_service *config = m->config;
    const struct odp_service_settings settings = {
        .start_timeout_usec = config->start_timeout_usec,
        .ready_timeout_usec = config->ready_timeout_usec,
        .stop_timeout_usec = config->stop_timeout_usec,
        .drain_timeout_usec = config->drain_timeout_usec,
        .stop_after_usec = ODP_NEVER,
        // A plain proxy that requires others sleeps, so that they can.
        .can_stop = config->backend != ODP_BACKEND_NONE || config->n_required_services > 0,
    };
    struct odp_service_effects fx;

    m->active = true;
    odp_service_init(&m->machine, &settings, config->idle_timeout_usec, odp_now_usec(), &fx);
    odp_tries_begin(&m->tries, odp_now_usec());
    odp_link_request(m->manager->link, m, fx.op, fx.request_id);
    odp_managed_arm(m);
}

static int begin_services(struct odp_manager *mgr, struct odp_passed *passed, int n_passed)
{
    int r = 0;

    for (size_t i = 0; i < mgr->n_services && r != -ENOMEM; i++) {
        struct odp_managed *m = &mgr->services[i];
        if (!m->config->enabled)
            continue;
        r = open_listeners(m, passed, n_passed);
        if (r == 0) {
            managed_begin(m);
            continue;
        }
        odp_log(ODP_LOG_ERR, m->config->name, "%s", m->fault);
        close_listeners(m);
    }
    odp_requires_refresh(mgr);
    return r == -ENOMEM ? r : adopt_strays(mgr, passed, n_passed);
}

int odp_manager_new(struct odp_io_loop *loop, const struct odp_paths *paths, bool system,
                    struct odp_manager **ret)
{
    struct odp_manager *mgr = calloc(1, sizeof(*mgr));

    *ret = mgr;
    if (!mgr)
        return -ENOMEM;
    mgr->paths = *paths;
    mgr->system = system;
    mgr->loop = loop;
    odp_list_init(&mgr->release_queue);
    odp_list_init(&mgr->release_turn.node);
    uv_timer_init(odp_io_loop_uv(loop), &mgr->retry_timer);
    mgr->retry_timer.data = mgr;
    int r = odp_relays_new(loop, &mgr->relays);
    if (r == 0)
        r = load_files(mgr);
    if (r < 0)
        return r;
    mgr->services = calloc(mgr->config.n_services + 1, sizeof(*mgr->services));
    if (!mgr->services)
        return -ENOMEM;
    for (size_t i = 0; i < mgr->config.n_services; i++)
        managed_init(&mgr->services[mgr->n_services++], mgr, mgr->config.services[i]);
    return 0;
}

int odp_manager_begin(struct odp_manager *mgr)
{
    struct odp_passed *passed;
    // Before the launcher is forked, which must not inherit them.
    int n_passed = odp_passed_collect(&passed);

    if (n_passed < 0)
        return n_passed;
    int r = odp_ledger_file_new(mgr, &mgr->ledger_file);
    if (r == 0)
        r = odp_link_new(mgr, &mgr->link);
    if (r == 0)
        r = begin_services(mgr, passed, n_passed);
    odp_passed_free(passed, n_passed);
    return r;
}

static void say_what_stays(const struct odp_manager *mgr)
{
    for (size_t i = 0; i < mgr->n_services; i++) {
        const struct odp_managed *m = &mgr->services[i];
        if (m->active && m->ledger.phase == ODP_LEDGER_AWAKE && m->machine.settings.can_stop)
            odp_log(ODP_LOG_NOTICE, m->config->name, "is left as it is: %s", odp_managed_state(m));
    }
}

void odp_manager_free(struct odp_manager *mgr)
{
    if (!mgr)
        return;
    say_what_stays(mgr);
    odp_link_free(mgr->link);
    mgr->link = NULL;
    uv_close((uv_handle_t *)&mgr->retry_timer, NULL);
    for (size_t i = 0; i < mgr->n_services; i++) {
        struct odp_managed *m = &mgr->services[i];
        m->active = false;
        close_listeners(m);
        odp_visits_drop(m);
        odp_probe_end(m);
        odp_story_deinit(&m->story);
        uv_close((uv_handle_t *)&m->timer, NULL);
    }
    odp_ledger_file_free(mgr->ledger_file); // all connections are in the sums
    mgr->ledger_file = NULL;
    for (size_t i = 0; i < mgr->n_services; i++)
        odp_ledger_deinit(&mgr->services[i].ledger);
    for (size_t i = 0; i < mgr->n_strays; i++)
        odp_listener_deinit(&mgr->strays[i]);
    // libuv still holds the timers until it has run their closing.
    uv_run(odp_io_loop_uv(mgr->loop), UV_RUN_NOWAIT);
    free(mgr->strays);
    free(mgr->services);
    odp_relays_free(mgr->relays);
    odp_config_deinit(&mgr->config);
    free(mgr);
}

struct odp_managed *odp_manager_find(struct odp_manager *mgr, const char *name)
{
    for (size_t i = 0; i < mgr->n_services; i++)
        if (strcmp(mgr->services[i].config->name, name) == 0)
            return &mgr->services[i];
    return NULL;
}

void odp_manager_relook(struct odp_manager *mgr)
{
    for (size_t i = 0; i < mgr->n_services; i++)
        if (mgr->services[i].active)
            odp_managed_event(&mgr->services[i], ODP_EVENT_LOST, NULL);
}

bool odp_manager_is_any_awake(const struct odp_manager *mgr)
{
    for (size_t i = 0; i < mgr->n_services; i++)
        if (mgr->services[i].active && mgr->services[i].ledger.phase == ODP_LEDGER_AWAKE)
            return true;
    return false;
}

void odp_manager_trim(struct odp_manager *mgr)
{
    if (odp_manager_is_any_awake(mgr))
        return;
    odp_relays_trim(mgr->relays);
    malloc_trim(0);
}

// ---- descriptors -------------------------------------------------------------------------------

static void resume_listeners(struct odp_manager *mgr)
{
    if (mgr->exhausted_said)
        odp_log(ODP_LOG_NOTICE, NULL, "accepting resumes");
    mgr->exhausted_said = false;
    mgr->exhausted = false;
    uv_timer_stop(&mgr->retry_timer);
    odp_visits_release_soon(mgr);
    for (size_t i = 0; i < mgr->n_services; i++)
        for (size_t k = 0; k < mgr->services[i].n_listeners; k++)
            odp_listener_retry(&mgr->services[i].listeners[k]);
    for (size_t i = 0; i < mgr->n_strays; i++)
        odp_listener_retry(&mgr->strays[i]);
}

static void on_retry_timer(uv_timer_t *timer)
{
    resume_listeners(timer->data);
}

void odp_manager_exhausted(struct odp_manager *mgr, int error)
{
    if (mgr->exhausted)
        return;
    uint64_t now_usec = odp_now_usec();
    // At the limit each connection that closes lets one in: said for each, it would fill the log.
    if (mgr->exhausted_said_usec == 0 || now_usec - mgr->exhausted_said_usec >= ODP_USEC_PER_MIN) {
        mgr->exhausted_said_usec = now_usec;
        mgr->exhausted_said = true;
        odp_log(ODP_LOG_WARNING, NULL, "accepting pauses: %s", strerror(-error));
    }
    mgr->exhausted = true;
    uv_timer_start(&mgr->retry_timer, on_retry_timer, RETRY_MS, 0);
}

void odp_manager_descriptor_freed(struct odp_manager *mgr)
{
    if (mgr->exhausted)
        resume_listeners(mgr);
}
