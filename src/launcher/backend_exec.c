// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The backend for what odp does not hold itself: commands of the file start it, stop it and tell
// whether it runs. One command at a time (exec_command.c); who asks for another meanwhile waits for
// it.
//
// A command that outlives its launcher is taken over, not killed: half a start would be worse than
// a late one. Its exit status is lost with its parent. So `status` is asked then; where there is
// none, a start counts as done and a stop is run again.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "exec_internal.h"
#include "odp/base/list.h"
#include "odp/base/log.h"

static struct exec_backend *exec_backend(struct odp_backend *b)
{
    return ODP_CONTAINER_OF(b, struct exec_backend, base);
}

static void take_over(struct exec_backend *b)
{
    b->role = odp_process_role(b->process);
    b->is_unasked = true;
    odp_process_limit(b->process, exec_limit_usec(b->base.settings, b->role));
    odp_log(ODP_LOG_INFO, b->name, "its %s command runs since before; taken over",
            exec_word(b->role));
}

// Takes over the command that an earlier launcher has run, and the output of what it has started.
static void adopt(struct exec_backend *b)
{
    const struct odp_backend_host *host = b->base.host;
    struct odp_process_home home;
    int r, is_up;

    if (!b->output)
        odp_output_new(host->loop, host->directory, b->name, true, &b->output);
    home = exec_home(b);
    r = odp_process_adopt(&home, true, &b->process);
    // After it: a start command that has just ended has left its mark.
    is_up = odp_record_is_marked_up(host->directory, b->name);
    b->is_unsure = r == -ENOENT ? is_up < 0 : r < 0;
    b->is_up = b->process ? is_up != 0 : is_up > 0;
    if (b->is_unsure && r == -ENOENT)
        r = is_up;
    if (b->is_unsure)
        odp_log(ODP_LOG_ERR, b->name, "cannot tell whether a command of it runs: %s", strerror(-r));
    if (b->process)
        take_over(b);
    if (!b->is_unsure)
        exec_run_next(b);
}

void exec_found(struct exec_backend *b, enum odp_role role, unsigned number, bool is_started)
{
    struct odp_process_home home = exec_home(b);
    int r = 0;

    home.number = number;
    if (number > 0)
        r = odp_process_adopt_unit(&home, role, &b->process);
    if (r < 0)
        odp_log(ODP_LOG_ERR, b->name, "its command that runs is lost: %s", strerror(-r));
    // After it: what an earlier launcher found to be up.
    b->is_up = is_started || (number > 0 && role == ODP_ROLE_START) ||
               odp_record_is_marked_up(b->base.host->directory, b->name) > 0;
    if (b->process)
        take_over(b);
    else if (b->starts.n > 0)
        exec_run_start(b);
    exec_run_next(b);
}

// False where the request is answered with that state: nothing can be done.
static bool is_sure(struct exec_backend *b, uint32_t id, enum odp_proto_state otherwise)
{
    if (b->is_unsure)
        adopt(b);
    if (b->is_unsure)
        odp_backend_report(&b->base, id, otherwise, "cannot read the record of its command");
    return !b->is_unsure;
}

static void exec_look(struct odp_backend *base, uint32_t id)
{
    struct exec_backend *b = exec_backend(base);

    if (!is_sure(b, id, ODP_PROTO_STALE))
        return;
    if (b->process && (b->role == ODP_ROLE_STOP || b->stops.n > 0)) {
        odp_backend_report(base, id, ODP_PROTO_RUNNING, "is being stopped");
    } else if (b->process && b->role == ODP_ROLE_START) {
        odp_backend_report(base, id, ODP_PROTO_STARTING, "is being started");
    } else if (!base->settings->status && exec_units_are_known(b)) {
        odp_backend_report(base, id, b->is_up ? ODP_PROTO_RUNNING : ODP_PROTO_INACTIVE, "%s", "");
    } else {
        odp_waiters_add(exec_is_under_way(b, ODP_ROLE_STATUS) ? &b->current : &b->looks, base, id);
        exec_run_next(b);
    }
}

static void exec_start(struct odp_backend *base, uint32_t id)
{
    struct exec_backend *b = exec_backend(base);

    if (!is_sure(b, id, ODP_PROTO_FAILED))
        return;
    odp_waiters_add(exec_is_under_way(b, ODP_ROLE_START) ? &b->current : &b->starts, base, id);
    exec_run_start(b);
}

// A start under way is given up, as systemd does it, and the stop cleans up behind it.
static void exec_stop(struct odp_backend *base, uint32_t id)
{
    static const char reason[] = "was to be stopped before it had started";
    struct exec_backend *b = exec_backend(base);

    if (!is_sure(b, id, ODP_PROTO_RUNNING))
        return;
    odp_waiters_answer(&b->starts, base, ODP_PROTO_FAILED, reason);
    if (exec_is_under_way(b, ODP_ROLE_START)) {
        b->is_unasked = false;
        exec_answer_current(b, ODP_PROTO_FAILED, reason);
        odp_process_terminate(b->process);
    }
    odp_waiters_add(exec_is_under_way(b, ODP_ROLE_STOP) ? &b->current : &b->stops, base, id);
    exec_run_next(b);
}

// What is up is stopped by the settings that started it, unless these have just proved unable to.
// A mark that other settings left says nothing here.
static bool exec_is_idle(struct odp_backend *base)
{
    struct exec_backend *b = exec_backend(base);
    bool stops_it = base->settings->backend == ODP_BACKEND_EXEC && !b->has_not_stopped;

    if (b->is_unsure)
        adopt(b);
    return !b->process && !b->is_unsure && exec_units_are_known(b) && !(b->is_up && stops_it);
}

// `start` marks its service up by itself.
static void exec_before_rename(struct odp_backend *base)
{
    const struct exec_backend *b = exec_backend(base);

    if (b->process)
        odp_process_await_command(b->process);
}

static void exec_rename(struct odp_backend *base, const char *name)
{
    struct exec_backend *b = exec_backend(base);

    memcpy(b->name, name, strlen(name) + 1);
    if (b->process)
        odp_process_rename(b->process, name);
    if (b->units)
        exec_units_rename(b);
}

static void exec_free(struct odp_backend *base)
{
    struct exec_backend *b = exec_backend(base);

    odp_process_free(b->process);
    odp_output_free(b->output);
    exec_units_free(b->units);
    free(b);
}

static const struct odp_backend_vtable exec_vtable = {
    .type = ODP_BACKEND_EXEC,
    .look = exec_look,
    .start = exec_start,
    .stop = exec_stop,
    .is_idle = exec_is_idle,
    .before_rename = exec_before_rename,
    .rename = exec_rename,
    .free = exec_free,
};

int odp_backend_exec_new(struct odp_backend_host *host, const struct odp_config_service *settings,
                         struct odp_backend **ret)
{
    struct exec_backend *b = calloc(1, sizeof(*b));

    if (!b)
        return -ENOMEM;
    b->base.vtable = &exec_vtable;
    b->base.host = host;
    b->base.settings = settings;
    memcpy(b->name, settings->name, sizeof(b->name));
    if (!host->uses_units)
        adopt(b);
    else if (exec_units_init(b) < 0) {
        exec_free(&b->base);
        return -ENOMEM;
    }
    *ret = &b->base;
    return 0;
}
