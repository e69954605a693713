// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Frees a port: asks Docker what runs in it, and if that is nothing else the service manager to
// restart it. Ends a container: asks the service manager for the processes of containerd, one of
// which keeps that container; when this one is gone containerd clears away what is left of it.

#include "odp/launcher/engine_mend.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "odp/base/log.h"
#include "odp/base/time.h"
#include "odp/launcher/reason.h"
#include "odp/launcher/systemd_bus.h"

#define DOCKER     "docker.service"
#define CONTAINERD "containerd.service"
#define KEEPER     "containerd-shim" // the beginning of its name; each has one container's id
// What containerd has of a container, for as long as it has it.
#define BUNDLE "/run/containerd/io.containerd.runtime.v2.task/moby/%s"

// A restart may cut off other starts, and these ask for one. As many as systemd allows by itself;
// those that are asked for at once are one.
#define N_RESTARTS_MAX 3
#define MINUTE_USEC    (60 * ODP_USEC_PER_SEC)
#define AT_ONCE_USEC   (200 * ODP_USEC_PER_MS)

#define LOOK_MS     20
#define N_LOOKS_MAX 150

struct odp_engine_mend {
    struct odp_backend_host *host;                   // borrowed
    struct odp_engine_watch *watch;                  // borrowed
    const struct odp_engine_mend_observer *observer; // borrowed
    void *userdata;
    char id[65];                     // of the container that is to be ended; "" for none
    struct odp_engine_http *listing; // owned
    struct odp_systemd_client client;
    struct odp_systemd_bus *bus; // borrowed; NULL before it is needed
    sd_bus_slot *slot;           // owned; of the call
    const char *unit;            // that is restarted; NULL for none
    char job[64];                // the path of the restart; "" before it is known
    char why[ODP_REASON_MAX + 1];
    unsigned n_looks; // at the bundle, that are left
    uv_timer_t timer; // tells: who uses the bus cannot leave it in its callbacks
};

static bool is_left(const struct odp_engine_mend *m)
{
    char bundle[128];

    snprintf(bundle, sizeof(bundle), BUNDLE, m->id);
    return access(bundle, F_OK) == 0;
}

static void restart_containerd(struct odp_engine_mend *m);

static void on_timer(uv_timer_t *timer)
{
    struct odp_engine_mend *m = timer->data;

    if (m->n_looks > 0 && is_left(m)) {
        if (--m->n_looks > 0)
            uv_timer_start(timer, on_timer, LOOK_MS, 0);
        else
            restart_containerd(m);
        return;
    }
    if (!m->why[0] && !m->id[0])
        odp_engine_watch_doubt(m->watch, "it was restarted"); // it may not have been noticed yet
    m->observer->on_mended(m->userdata, m->why[0] ? m->why : NULL);
}

// "" for success.
static void settle(struct odp_engine_mend *m, const char *why)
{
    if (uv_is_active((uv_handle_t *)&m->timer))
        return;
    odp_reason_format(m->why, sizeof(m->why), "%s", why);
    uv_timer_start(&m->timer, on_timer, 0, 0);
}

static int makes_no_sense(struct odp_engine_mend *m)
{
    settle(m, "the service manager answers what makes no sense");
    return 0;
}

// ---- a port ------------------------------------------------------------------------------------

static int on_queued(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
    struct odp_engine_mend *m = userdata;
    const struct odp_sd_bus *sd = odp_systemd_bus_functions(m->bus);
    bool is_lost;
    const sd_bus_error *error = odp_systemd_bus_error(m->bus, message, &is_lost);
    const char *job;

    (void)ret_error;
    if (is_lost) // on_bus_lost() follows
        return 0;
    if (error)
        settle(m, error->message);
    else if (sd->message_read(message, "o", &job) < 0 || strlen(job) >= sizeof(m->job))
        return makes_no_sense(m);
    else
        strcpy(m->job, job);
    return 0;
}

// One that does not run is not started: then it is not the one that was asked. This start is not to
// count among those that systemd allows.
static int restart(struct odp_engine_mend *m, const char *unit)
{
    m->unit = unit;
    odp_systemd_bus_watch_jobs(m->bus, unit);
    odp_systemd_bus_tell(m->bus, "ResetFailedUnit", unit);
    return odp_systemd_bus_call(m->bus, &m->slot, ODP_SYSTEMD_PATH, ODP_SYSTEMD_MANAGER,
                                "TryRestartUnit", on_queued, m, "ss", unit, "replace");
}

// ---- a container -------------------------------------------------------------------------------

// Its reply is (control group, pid, command line) of each.
static int on_processes(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
    struct odp_engine_mend *m = userdata;
    const struct odp_sd_bus *sd = odp_systemd_bus_functions(m->bus);
    bool is_lost;
    const sd_bus_error *error = odp_systemd_bus_error(m->bus, message, &is_lost);
    const char *group, *command;
    uint32_t pid;
    int r;

    (void)ret_error;
    if (is_lost)
        return 0;
    if (error) {
        settle(m, error->message);
        return 0;
    }
    if (sd->message_enter_container(message, 'a', "(sus)") < 0)
        return makes_no_sense(m);
    while ((r = sd->message_read(message, "(sus)", &group, &pid, &command)) > 0)
        if (strstr(command, KEEPER) && strstr(command, m->id) && kill((pid_t)pid, SIGKILL) == 0)
            m->n_looks = N_LOOKS_MAX;
    if (r < 0)
        return makes_no_sense(m);
    if (m->n_looks == 0 && is_left(m))
        m->n_looks = 1; // nobody is there to end
    settle(m, m->n_looks > 0 ? "" : CONTAINERD " has no process for it");
    return 0;
}

static int end_container(struct odp_engine_mend *m)
{
    char scope[96];
    int r;

    snprintf(scope, sizeof(scope), "docker-%s.scope", m->id);
    r = odp_systemd_bus_call(m->bus, NULL, ODP_SYSTEMD_PATH, ODP_SYSTEMD_MANAGER, "KillUnit", NULL,
                             NULL, "ssi", scope, "all", (int)SIGKILL);
    if (r == 0)
        r = odp_systemd_bus_call(m->bus, &m->slot, ODP_SYSTEMD_PATH, ODP_SYSTEMD_MANAGER,
                                 "GetUnitProcesses", on_processes, m, "s", CONTAINERD);
    return r;
}

// A containerd that was killed itself does not know what it has left, and clears it away when it
// begins. What runs goes on without it.
static void restart_containerd(struct odp_engine_mend *m)
{
    odp_systemd_bus_drop(m->bus, &m->slot);
    if (!odp_systemd_bus_is_connected(m->bus)) {
        settle(m, "the service manager is lost");
        return;
    }
    odp_log(ODP_LOG_NOTICE, NULL,
            "containerd does not clear away what is left of container %.12s: " CONTAINERD
            " is restarted, beside which all containers go on",
            m->id);
    if (restart(m, CONTAINERD) < 0)
        settle(m, "the launcher is out of memory");
}

// ---- the service manager -----------------------------------------------------------------------

static struct odp_engine_mend *of_client(struct odp_systemd_client *c)
{
    return ODP_CONTAINER_OF(c, struct odp_engine_mend, client);
}

static void on_connected(struct odp_systemd_client *c)
{
    struct odp_engine_mend *m = of_client(c);

    if ((m->id[0] ? end_container(m) : restart(m, DOCKER)) < 0)
        settle(m, "the launcher is out of memory");
}

static void on_job(struct odp_systemd_client *c, const struct odp_systemd_job *job)
{
    struct odp_engine_mend *m = of_client(c);

    if (m->job[0] && strcmp(job->path, m->job) == 0)
        settle(m, strcmp(job->result, "done") == 0 ? "" : "its restart has failed");
}

static void on_bus_lost(struct odp_systemd_client *c)
{
    struct odp_engine_mend *m = of_client(c);

    odp_systemd_bus_drop(m->bus, &m->slot);
    settle(m, "the service manager is lost");
}

static void on_unreachable(struct odp_systemd_client *c, const char *why)
{
    settle(of_client(c), why);
}

static void join(struct odp_engine_mend *m)
{
    m->bus = odp_systemd_bus_join(m->host, false, &m->client);
    if (!m->bus)
        settle(m, "the launcher is out of memory");
    else if (odp_systemd_bus_is_connected(m->bus))
        on_connected(&m->client);
}

// ---- the engine --------------------------------------------------------------------------------

static bool may_count(struct odp_mended *mended)
{
    uint64_t now_usec = odp_now_usec();

    if (mended->n > 0 && now_usec - mended->last_usec < AT_ONCE_USEC)
        return true;
    if (mended->n == 0 || now_usec - mended->began_usec >= MINUTE_USEC)
        *mended = (struct odp_mended){.began_usec = now_usec};
    if (mended->n == N_RESTARTS_MAX)
        return false;
    mended->n++;
    mended->last_usec = now_usec;
    return true;
}

static void on_listed(void *userdata, const struct odp_engine_reply *reply)
{
    struct odp_engine_mend *m = userdata;

    if (reply->why) {
        odp_engine_watch_doubt(m->watch, reply->why);
    } else if (reply->status != 200 ||
               !m->observer->may_restart(m->userdata, reply->body, reply->n_body)) {
        settle(m, "other containers run, and would be stopped");
    } else if (!may_count(&m->host->mended)) {
        settle(m, "that was done too often in this minute");
    } else {
        odp_log(ODP_LOG_NOTICE, NULL,
                "docker was killed while it started a container, and keeps its port for nobody: "
                "as no other runs, " DOCKER " is restarted");
        join(m);
    }
}

// Without `all`: those that run, are paused, or are about to be started again.
static int list(struct odp_engine_mend *m)
{
    return odp_engine_watch_call(m->watch, "GET", "/containers/json", on_listed, m, &m->listing);
}

// ---- its life ----------------------------------------------------------------------------------

static void on_closed(uv_handle_t *timer)
{
    free(timer->data);
}

int odp_engine_mend_begin(struct odp_backend_host *host, struct odp_engine_watch *w, const char *id,
                          const struct odp_engine_mend_observer *observer, void *userdata,
                          struct odp_engine_mend **ret)
{
    struct odp_engine_mend *m = calloc(1, sizeof(*m));

    if (!m)
        return -ENOMEM;
    m->host = host;
    m->watch = w;
    m->observer = observer;
    m->userdata = userdata;
    m->client = (struct odp_systemd_client){.on_connected = on_connected,
                                            .on_job = on_job,
                                            .on_lost = on_bus_lost,
                                            .on_unreachable = on_unreachable};
    snprintf(m->id, sizeof(m->id), "%s", id ? id : "");
    uv_timer_init(host->loop, &m->timer);
    m->timer.data = m;
    if (id) {
        odp_log(ODP_LOG_NOTICE, NULL,
                "docker was killed while it started container %.12s, and knows nothing of it any "
                "more: what containerd has of it is ended",
                id);
        join(m);
    } else if (list(m) < 0) {
        odp_engine_mend_free(m);
        return -ENOMEM;
    }
    *ret = m;
    return 0;
}

void odp_engine_mend_free(struct odp_engine_mend *m)
{
    if (!m)
        return;
    odp_engine_http_free(m->listing);
    if (m->bus) {
        odp_systemd_bus_drop(m->bus, &m->slot);
        if (m->unit)
            odp_systemd_bus_unwatch_jobs(m->bus, m->unit);
        odp_systemd_bus_leave(m->bus, &m->client);
    }
    uv_close((uv_handle_t *)&m->timer, on_closed);
}
