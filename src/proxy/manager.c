// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Brings all services up and takes them down: reads the files, has them listen, asks for the first
// look. What a reload does in between is reload.c's.

#include "odp/proxy/manager.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "odp/base/log.h"
#include "odp/core/units.h"
#include "odp/net/systemd.h"
#include "odp/proxy/handover.h"
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

int odp_manager_read(const struct odp_manager *mgr, struct odp_files *ret)
{
    char dir[ODP_PATH_MAX + sizeof(ODP_CONFIG_SERVICES_DIR) + 1];

    refuse_own_file(mgr);
    snprintf(dir, sizeof(dir), "%s/%s", mgr->paths.config, ODP_CONFIG_SERVICES_DIR);
    return odp_files_read(dir, ODP_CONFIG_SUFFIX, ODP_CONFIG_FILE_MAX, ret);
}

void odp_manager_tell_faults(const struct odp_manager *mgr)
{
    for (size_t i = 0; i < mgr->files.faults.n; i++) {
        const struct odp_config_fault *f = &mgr->files.faults.items[i];
        odp_log(ODP_LOG_ERR, NULL, "%s:%u: %s", f->file, f->line, f->message);
    }
}

const struct odp_config_fault *odp_manager_first_fault(const struct odp_manager *mgr,
                                                       const char *name)
{
    char stem[ODP_NAME_MAX + sizeof("/" ODP_CONFIG_SUFFIX)];
    size_t n_stem = (size_t)snprintf(stem, sizeof(stem), "/%s" ODP_CONFIG_SUFFIX, name);

    for (size_t i = 0; i < mgr->files.faults.n; i++) {
        const struct odp_config_fault *f = &mgr->files.faults.items[i];
        size_t n_file = strlen(f->file);
        if (n_file >= n_stem && strcmp(f->file + n_file - n_stem, stem) == 0)
            return f;
    }
    return NULL;
}

static int take_service(struct odp_manager *mgr, size_t i)
{
    struct odp_managed *m = odp_managed_new(mgr, mgr->files.services[i]);

    mgr->files.services[i] = NULL; // the service's
    if (!m)
        return -ENOMEM;
    mgr->services[mgr->n_services++] = m;
    return 0;
}

static int load_files(struct odp_manager *mgr)
{
    struct odp_files files = {0};
    int r = odp_manager_read(mgr, &files);

    if (r < 0) {
        odp_log(ODP_LOG_ERR, NULL, "cannot read %s/" ODP_CONFIG_SERVICES_DIR ": %s: no services",
                mgr->paths.config, strerror(-r));
        return r == -ENOMEM ? r : 0;
    }
    r = odp_config_load(&files, &mgr->files);
    odp_files_deinit(&files);
    odp_manager_tell_faults(mgr);
    mgr->services = calloc(mgr->files.n_services + 1, sizeof(struct odp_managed *));
    if (!mgr->services)
        r = -ENOMEM;
    for (size_t i = 0; i < mgr->files.n_services && r == 0; i++)
        r = take_service(mgr, i);
    if (r == 0)
        mgr->files.n_services = 0;
    return r;
}

// ---- services ----------------------------------------------------------------------------------

static int begin_services(struct odp_manager *mgr, struct odp_handover *handover)
{
    int r = odp_gates_settle(mgr);

    if (r < 0)
        return r;
    odp_handover_match(handover);
    for (size_t i = 0; i < mgr->n_services; i++)
        if (mgr->services[i]->n_gates > 0 && !odp_handover_resume(handover, i))
            odp_managed_begin(mgr->services[i]);
    odp_handover_take_clients(handover);
    odp_requires_refresh(mgr);
    odp_handover_go_on(handover);
    for (size_t i = 0; i < mgr->n_strays; i++)
        odp_log(ODP_LOG_WARNING, NULL,
                "passed socket %s belongs to no sound service: who connects is turned away",
                mgr->strays[i]->passed_name ? mgr->strays[i]->passed_name : "unknown");
    return 0;
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
    odp_list_init(&mgr->trim_turn.node);
    uv_timer_init(odp_io_loop_uv(loop), &mgr->retry_timer);
    mgr->retry_timer.data = mgr;
    odp_strays_init(mgr);
    int r = odp_relays_new(loop, &mgr->relays);
    return r < 0 ? r : load_files(mgr);
}

static int count_listeners(const struct odp_passed *passed, int n_passed)
{
    int n = 0;

    for (int i = 0; i < n_passed; i++)
        n += !passed[i].is_carrier;
    return n;
}

int odp_manager_begin(struct odp_manager *mgr)
{
    struct odp_passed *passed;
    // Before the launcher is forked, which must not inherit them.
    int n_passed = odp_passed_collect(&passed);

    if (n_passed < 0)
        return n_passed;
    mgr->has_socket_units =
        count_listeners(passed, n_passed) > 0 || odp_systemd_unit_is(ODP_UNITS_ODPD);
    struct odp_handover *handover = NULL;
    int r = odp_ledger_file_new(mgr, &mgr->ledger_file);
    if (r == 0)
        r = odp_link_new(mgr, &mgr->link);
    if (r == 0)
        handover = odp_handover_read(mgr, passed, n_passed);
    if (r == 0)
        r = odp_gates_adopt(mgr, passed, n_passed);
    if (r == 0)
        r = begin_services(mgr, handover);
    odp_handover_free(handover);
    odp_passed_free(passed, n_passed);
    return r;
}

static void say_what_stays(const struct odp_manager *mgr)
{
    for (size_t i = 0; i < mgr->n_services; i++) {
        const struct odp_managed *m = mgr->services[i];
        if (m->active && m->ledger.phase == ODP_LEDGER_AWAKE && m->machine.settings.can_stop)
            odp_log(ODP_LOG_NOTICE, m->config->name, "is left as it is: %s", odp_managed_state(m));
    }
}

static void close_services(struct odp_manager *mgr)
{
    for (size_t i = 0; i < mgr->n_services; i++)
        odp_managed_close(mgr->services[i]);
    for (size_t i = 0; i < mgr->n_departed; i++) {
        mgr->departed[i]->is_departed = false; // its last client's end is not what frees it
        odp_managed_close(mgr->departed[i]);
    }
}

static void free_services(struct odp_manager *mgr)
{
    for (size_t i = 0; i < mgr->n_services; i++)
        odp_managed_free(mgr->services[i]);
    for (size_t i = 0; i < mgr->n_departed; i++)
        odp_managed_free(mgr->departed[i]);
    free(mgr->services);
    free(mgr->departed);
}

void odp_manager_free(struct odp_manager *mgr)
{
    if (!mgr)
        return;
    say_what_stays(mgr);
    odp_link_free(mgr->link);
    mgr->link = NULL;
    uv_close((uv_handle_t *)&mgr->retry_timer, NULL);
    close_services(mgr);
    odp_ledger_file_free(mgr->ledger_file); // all connections are in the sums
    mgr->ledger_file = NULL;
    odp_gates_close_strays(mgr);
    odp_strays_deinit(mgr);
    odp_relays_close(mgr->relays);
    // libuv still holds the timers until it has run their closing.
    uv_run(odp_io_loop_uv(mgr->loop), UV_RUN_NOWAIT);
    free_services(mgr);
    odp_config_deinit(&mgr->files);
    odp_list_remove(&mgr->trim_turn.node);
    free(mgr);
}

static int compare_to_service(const void *name, const void *element)
{
    const struct odp_managed *const *m = element;

    return strcmp(name, (*m)->config->name);
}

static struct odp_managed *find_in_disorder(const struct odp_manager *mgr, const char *name)
{
    for (size_t i = 0; i < mgr->n_services; i++)
        if (strcmp(mgr->services[i]->config->name, name) == 0)
            return mgr->services[i];
    return NULL;
}

struct odp_managed *odp_manager_find(const struct odp_manager *mgr, const char *name)
{
    if (mgr->is_out_of_order)
        return find_in_disorder(mgr, name);
    struct odp_managed **found = mgr->n_services == 0
                                     ? NULL
                                     : bsearch(name, mgr->services, mgr->n_services,
                                               sizeof(struct odp_managed *), compare_to_service);
    return found ? *found : NULL;
}

void odp_manager_relook(struct odp_manager *mgr)
{
    for (size_t i = 0; i < mgr->n_services; i++)
        odp_managed_event(mgr->services[i], ODP_EVENT_LOST, NULL);
}

bool odp_manager_awaits_launcher(const struct odp_manager *mgr)
{
    for (size_t i = 0; i < mgr->n_services; i++) {
        const struct odp_managed *m = mgr->services[i];

        if (m->active && odp_service_awaits_launcher(&m->machine, m->n_waiting + m->n_requiring))
            return true;
    }
    return false;
}

bool odp_manager_is_any_awake(const struct odp_manager *mgr)
{
    for (size_t i = 0; i < mgr->n_services; i++)
        if (mgr->services[i]->active && mgr->services[i]->ledger.phase == ODP_LEDGER_AWAKE)
            return true;
    return mgr->n_departed > 0; // somebody is connected there
}

static void on_trim_turn(struct odp_io_turn *turn)
{
    const struct odp_manager *mgr = ODP_CONTAINER_OF(turn, struct odp_manager, trim_turn);

    if (odp_manager_is_any_awake(mgr))
        return;
    odp_relays_trim(mgr->relays);
    malloc_trim(0);
}

void odp_manager_trim(struct odp_manager *mgr)
{
    mgr->trim_turn.on_turn = on_trim_turn;
    odp_io_turn_add(mgr->loop, &mgr->trim_turn);
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
    odp_gates_retry(mgr);
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
