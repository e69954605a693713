// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The backend that runs a command of its own. It keeps who asked for what, and turns what happens
// to the process into answers; the process itself is process.c's.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/list.h"
#include "odp/base/log.h"
#include "odp/launcher/backend.h"
#include "odp/launcher/process.h"
#include "odp/launcher/waiters.h"

struct process_backend {
    struct odp_backend base;
    struct odp_process *process; // NULL where nothing runs
    struct odp_waiters starts;   // of this process, or while it is ending of the next one
    struct odp_waiters stops;
    bool is_unsure; // a record could not be looked at: nothing is started before it can be
};

static const struct odp_process_observer observer;

static struct process_backend *process_backend(struct odp_backend *b)
{
    return ODP_CONTAINER_OF(b, struct process_backend, base);
}

static struct odp_process_home home_of(struct process_backend *b)
{
    return (struct odp_process_home){.loop = b->base.host->loop,
                                     .directory = b->base.host->directory,
                                     .name = b->base.settings->name,
                                     .observer = &observer,
                                     .userdata = b};
}

// Takes over what an earlier launcher has started.
static void adopt(struct process_backend *b)
{
    const struct odp_process_home home = home_of(b);
    int r = odp_process_adopt(&home, false, &b->process);

    b->is_unsure = r < 0 && r != -ENOENT;
    if (b->is_unsure)
        odp_log(ODP_LOG_ERR, home.name, "cannot tell whether it runs: %s", strerror(-r));
    else if (r == 0)
        odp_log(ODP_LOG_INFO, home.name, "runs since before; taken over");
}

static void start_now(struct process_backend *b)
{
    const struct odp_config_service *settings = b->base.settings;
    const struct odp_process_home home = home_of(b);
    char why[ODP_REASON_MAX + 1];

    if (settings->backend != ODP_BACKEND_PROCESS)
        odp_waiters_answer(&b->starts, &b->base, ODP_PROTO_FAILED,
                           "its backend has just been changed: try again");
    else if (odp_process_start(&home, ODP_ROLE_SERVICE, settings->command, settings,
                               settings->stop_timeout_usec, &b->process, why, sizeof(why)) < 0)
        odp_waiters_answer(&b->starts, &b->base, ODP_PROTO_FAILED, why);
}

static void on_running(void *userdata)
{
    struct process_backend *b = userdata;

    odp_waiters_answer(&b->starts, &b->base, ODP_PROTO_RUNNING, "");
}

static void on_stuck(void *userdata)
{
    static const char reason[] = "not even SIGKILL has ended all of its processes";
    struct process_backend *b = userdata;

    odp_log(ODP_LOG_ERR, b->base.settings->name, "%s", reason);
    // FAILED would say that it has ended.
    odp_waiters_answer(&b->stops, &b->base, ODP_PROTO_RUNNING, reason);
    odp_waiters_answer(&b->starts, &b->base, ODP_PROTO_FAILED, reason);
}

static void on_gone(void *userdata, const struct odp_process_end *end)
{
    struct process_backend *b = userdata;
    enum odp_proto_state state;
    char reason[ODP_REASON_MAX + 1];

    b->process = NULL;
    state = odp_process_end_describe(end, reason, sizeof(reason));
    if (b->stops.n > 0) {
        odp_waiters_answer(&b->stops, &b->base, ODP_PROTO_INACTIVE,
                           end->was_killed ? "had to be killed: it did not end within stop_timeout"
                                           : "");
    } else if (b->starts.n == 0) {
        odp_backend_report(&b->base, 0, state, "%s", reason);
    } else if (end->error[0] != '\0') {
        odp_waiters_answer(&b->starts, &b->base, ODP_PROTO_FAILED, reason);
    }
    if (b->starts.n > 0)
        start_now(b);
}

static const struct odp_process_observer observer = {
    .on_running = on_running,
    .on_stuck = on_stuck,
    .on_gone = on_gone,
};

static void process_look(struct odp_backend *base, uint32_t id)
{
    struct process_backend *b = process_backend(base);

    if (b->is_unsure)
        adopt(b);
    if (b->is_unsure) {
        odp_backend_report(base, id, ODP_PROTO_STALE, "cannot read the record of its process");
        return;
    }
    if (!b->process) {
        odp_backend_report(base, id, ODP_PROTO_INACTIVE, "%s", "");
        return;
    }
    switch (odp_process_state(b->process)) {
    case ODP_PROCESS_STARTING:
        odp_backend_report(base, id, ODP_PROTO_STARTING, "is being started");
        return;
    case ODP_PROCESS_RUNNING: odp_backend_report(base, id, ODP_PROTO_RUNNING, "%s", ""); return;
    case ODP_PROCESS_ENDING: odp_backend_report(base, id, ODP_PROTO_RUNNING, "is ending"); return;
    }
}

static void process_start(struct odp_backend *base, uint32_t id)
{
    struct process_backend *b = process_backend(base);

    if (b->is_unsure)
        adopt(b);
    if (b->is_unsure) {
        odp_backend_report(base, id, ODP_PROTO_FAILED, "cannot read the record of its process");
    } else if (b->process && odp_process_state(b->process) == ODP_PROCESS_RUNNING) {
        odp_backend_report(base, id, ODP_PROTO_RUNNING, "%s", "");
    } else {
        odp_waiters_add(&b->starts, base, id);
        if (!b->process)
            start_now(b);
    }
}

static void process_stop(struct odp_backend *base, uint32_t id)
{
    struct process_backend *b = process_backend(base);

    if (b->is_unsure)
        adopt(b);
    odp_waiters_answer(&b->starts, &b->base, ODP_PROTO_FAILED,
                       "was to be stopped before it had started");
    if (b->is_unsure) {
        odp_backend_report(base, id, ODP_PROTO_RUNNING, "cannot read the record of its process");
    } else if (!b->process) {
        odp_backend_report(base, id, ODP_PROTO_INACTIVE, "%s", "");
    } else {
        odp_waiters_add(&b->stops, base, id);
        odp_process_terminate(b->process);
    }
}

static bool process_is_idle(struct odp_backend *base)
{
    struct process_backend *b = process_backend(base);

    if (b->is_unsure)
        adopt(b);
    return !b->process && !b->is_unsure;
}

static void process_rename(struct odp_backend *base, const char *name)
{
    const struct process_backend *b = process_backend(base);

    if (b->process)
        odp_process_rename(b->process, name);
}

static void process_free(struct odp_backend *base)
{
    struct process_backend *b = process_backend(base);

    odp_process_free(b->process);
    free(b);
}

static const struct odp_backend_vtable process_vtable = {
    .type = ODP_BACKEND_PROCESS,
    .look = process_look,
    .start = process_start,
    .stop = process_stop,
    .is_idle = process_is_idle,
    .rename = process_rename,
    .free = process_free,
};

int odp_backend_process_new(struct odp_backend_host *host,
                            const struct odp_config_service *settings, struct odp_backend **ret)
{
    struct process_backend *b = calloc(1, sizeof(*b));

    if (!b)
        return -ENOMEM;
    b->base.vtable = &process_vtable;
    b->base.host = host;
    b->base.settings = settings;
    adopt(b);
    *ret = &b->base;
    return 0;
}
