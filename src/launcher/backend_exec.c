// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The backend for what odp does not hold itself: commands of the file start it, stop it and tell
// whether it runs. One command at a time; who asks for another meanwhile waits for it. The commands
// themselves are process.c's.
//
// A command that outlives its launcher is taken over, not killed: half a start would be worse than
// a late one. Its exit status is lost with its parent. So `status` is asked then; where there is
// none, a start counts as done and a stop is run again.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "odp/base/list.h"
#include "odp/base/log.h"
#include "odp/launcher/backend.h"
#include "odp/launcher/process.h"
#include "odp/launcher/reason.h"
#include "odp/launcher/waiters.h"

#define STATUS_TIMEOUT_USEC (10 * ODP_USEC_PER_SEC)
// From SIGTERM to SIGKILL for a command that is late. Twice this, a start that is given up and a
// stop, is less than odpd waits beyond stop_timeout.
#define KILL_AFTER_USEC (2 * ODP_USEC_PER_SEC)

struct exec_backend {
    struct odp_backend base;
    char name[ODP_NAME_MAX + 1];
    struct odp_process *process;             // the command that runs, or NULL
    enum odp_role role;                      // what it does
    struct odp_output *output;               // while a command, or what it has started, may print
    struct odp_waiters current;              // for the command that runs
    struct odp_waiters looks, starts, stops; // for a next one; empty while none runs
    bool is_up;           // what the last command made of it, or found; as in its record
    bool is_unasked;      // nobody has asked this launcher for what the command finds: odpd is told
    bool is_unsure;       // a record could not be looked at: nothing is run before it can be
    bool has_not_stopped; // the last stop failed
};

static const struct odp_process_observer observer;

static struct exec_backend *exec_backend(struct odp_backend *b)
{
    return ODP_CONTAINER_OF(b, struct exec_backend, base);
}

static const char *word_of(enum odp_role role)
{
    return role == ODP_ROLE_START ? "start" : role == ODP_ROLE_STOP ? "stop" : "status";
}

static char *const *argv_of(const struct odp_config_service *s, enum odp_role role)
{
    return role == ODP_ROLE_START ? s->start : role == ODP_ROLE_STOP ? s->stop : s->status;
}

static uint64_t limit_of(const struct odp_config_service *s, enum odp_role role)
{
    return role == ODP_ROLE_START  ? s->start_timeout_usec
           : role == ODP_ROLE_STOP ? s->stop_timeout_usec
                                   : STATUS_TIMEOUT_USEC;
}

static struct odp_process_home home_of(struct exec_backend *b)
{
    return (struct odp_process_home){.loop = b->base.host->loop,
                                     .directory = b->base.host->directory,
                                     .name = b->name,
                                     .observer = &observer,
                                     .userdata = b,
                                     .output = b->output};
}

static bool is_under_way(const struct exec_backend *b, enum odp_role role)
{
    return b->process && b->role == role && odp_process_state(b->process) != ODP_PROCESS_ENDING;
}

static void set_up(struct exec_backend *b, bool up)
{
    const char *directory = b->base.host->directory;
    int r = 0;

    if (b->is_up == up)
        return;
    b->is_up = up;
    if (up)
        r = odp_record_mark_up(directory, b->name);
    else
        odp_record_mark_down(directory, b->name);
    if (r < 0)
        odp_log(ODP_LOG_WARNING, b->name, "cannot record in %s that it runs: %s", directory,
                strerror(-r));
}

static void answer_current(struct exec_backend *b, enum odp_proto_state state, const char *reason)
{
    if (b->is_unasked && b->current.n == 0)
        odp_backend_report(&b->base, 0, state, "%s", reason);
    b->is_unasked = false;
    odp_waiters_answer(&b->current, &b->base, state, reason);
}

// FAILED would say that it has ended. What could not be stopped runs on, and what was up so far is
// up where `status` cannot tell.
static enum odp_proto_state state_after_failed(const struct exec_backend *b, enum odp_role role)
{
    return role != ODP_ROLE_START && b->is_up ? ODP_PROTO_RUNNING : ODP_PROTO_FAILED;
}

// ---- running a command -------------------------------------------------------------------------

static int run_argv(struct exec_backend *b, char *const *argv, char *why, size_t why_size)
{
    const struct odp_backend_host *host = b->base.host;
    struct odp_process_home home;
    int r = 0;

    if (!b->output)
        r = odp_output_new(host->loop, host->directory, b->name, false, &b->output);
    if (r < 0) {
        odp_reason_format(why, why_size, "cannot make a FIFO for its output in %s: %s",
                          host->directory, strerror(-r));
        return r;
    }
    home = home_of(b);
    return odp_process_start(&home, b->role, argv, b->base.settings, KILL_AFTER_USEC, &b->process,
                             why, why_size);
}

// Those who wait for the role's command wait for this one.
static void run(struct exec_backend *b, enum odp_role role, struct odp_waiters *waiters)
{
    const struct odp_config_service *settings = b->base.settings;
    char *const *argv = argv_of(settings, role);
    char why[ODP_REASON_MAX + 1];

    b->role = role;
    odp_waiters_move(&b->current, &b->base, waiters);
    if (!argv) {
        answer_current(b, ODP_PROTO_FAILED, "its backend has just been changed: try again");
        return;
    }
    if (run_argv(b, argv, why, sizeof(why)) == 0) {
        b->is_up |= role == ODP_ROLE_START; // it marks that itself before it runs
        odp_process_limit(b->process, limit_of(settings, role));
        return;
    }
    answer_current(b, state_after_failed(b, role), why);
}

static void run_next(struct exec_backend *b)
{
    while (!b->process && b->stops.n + b->starts.n + b->looks.n > 0) {
        if (b->stops.n > 0)
            run(b, ODP_ROLE_STOP, &b->stops);
        else if (b->starts.n > 0)
            run(b, ODP_ROLE_START, &b->starts);
        else
            run(b, ODP_ROLE_STATUS, &b->looks);
    }
    // What a command has left running prints on into its FIFO, and would block with no reader.
    if (b->process || b->is_up || !b->output)
        return;
    odp_output_free(b->output);
    b->output = NULL;
    odp_output_remove(b->base.host->directory, b->name);
}

// ---- its end -----------------------------------------------------------------------------------

static void describe(const struct exec_backend *b, const struct odp_process_end *end, char *ret,
                     size_t size)
{
    char what[ODP_REASON_MAX + 1], span[ODP_SPAN_MAX];
    const char *word = word_of(b->role);

    if (end->was_late) {
        odp_span_format(limit_of(b->base.settings, b->role), span, sizeof(span));
        odp_reason_format(ret, size, "%s: did not end within %s and was killed%s%s", word, span,
                          end->last_words[0] ? ", last words: " : "", end->last_words);
        return;
    }
    odp_process_end_describe(end, what, sizeof(what));
    odp_reason_format(ret, size, "%s: %s", word, what);
}

static void on_start_end(struct exec_backend *b, bool is_well, const char *why)
{
    // Given up for a stop, it may have started something nevertheless: the stop will tell.
    if (b->stops.n == 0)
        set_up(b, is_well);
    answer_current(b, is_well ? ODP_PROTO_RUNNING : ODP_PROTO_FAILED, why);
}

static void on_stop_end(struct exec_backend *b, bool is_well, const char *why)
{
    b->has_not_stopped = !is_well;
    if (is_well)
        set_up(b, false);
    answer_current(b, is_well ? ODP_PROTO_INACTIVE : state_after_failed(b, ODP_ROLE_STOP), why);
    if (b->is_up)
        odp_waiters_answer(&b->starts, &b->base, ODP_PROTO_RUNNING, why);
}

// Tells those too who wait for what is the case already.
static void on_status_end(struct exec_backend *b, bool is_told, bool is_up, const char *why)
{
    if (!is_told) {
        answer_current(b, state_after_failed(b, ODP_ROLE_STATUS), why);
        return;
    }
    set_up(b, is_up);
    answer_current(b, is_up ? ODP_PROTO_RUNNING : ODP_PROTO_INACTIVE, "");
    if (is_up)
        odp_waiters_answer(&b->starts, &b->base, ODP_PROTO_RUNNING, "");
    else
        odp_waiters_answer(&b->stops, &b->base, ODP_PROTO_INACTIVE, "");
}

// An adopted one has ended: nobody knows how. Who waits for it waits for what comes of it.
static void on_unknown_end(struct exec_backend *b)
{
    bool can_ask = b->base.settings->status;

    if (b->role == ODP_ROLE_START && b->stops.n > 0)
        return; // given up
    b->is_unasked &= b->current.n == 0;
    if (b->role == ODP_ROLE_STOP)
        odp_waiters_move(&b->stops, &b->base, &b->current);
    else if (b->role == ODP_ROLE_START && can_ask)
        odp_waiters_move(&b->starts, &b->base, &b->current);
    else if (b->role == ODP_ROLE_START)
        answer_current(b, ODP_PROTO_RUNNING, "");
    else
        odp_waiters_move(&b->looks, &b->base, &b->current);
    if (can_ask)
        run(b, ODP_ROLE_STATUS, &b->looks);
}

static void on_gone(void *userdata, const struct odp_process_end *end)
{
    struct exec_backend *b = userdata;
    bool has_exited = end->status_is_known && end->code == CLD_EXITED && !end->error[0];
    bool is_well = has_exited && end->status == 0 && !end->was_late;
    char why[ODP_REASON_MAX + 1] = "";

    b->process = NULL;
    if (!is_well)
        describe(b, end, why, sizeof(why));
    if (!end->status_is_known && !end->was_late && !end->error[0])
        on_unknown_end(b);
    else if (b->role == ODP_ROLE_START)
        on_start_end(b, is_well, why);
    else if (b->role == ODP_ROLE_STOP)
        on_stop_end(b, is_well, why);
    else
        on_status_end(b, has_exited && !end->was_late, is_well, why);
    run_next(b);
}

// Whether the command could be run is told by its end.
static void on_running(void *userdata)
{
    (void)userdata;
}

static void on_stuck(void *userdata)
{
    struct exec_backend *b = userdata;
    char reason[ODP_REASON_MAX + 1];

    odp_reason_format(reason, sizeof(reason), "%s: not even SIGKILL has ended all of its processes",
                      word_of(b->role));
    odp_log(ODP_LOG_ERR, b->name, "%s", reason);
    answer_current(b, state_after_failed(b, b->role), reason);
    odp_waiters_answer(&b->stops, &b->base, state_after_failed(b, ODP_ROLE_STOP), reason);
    odp_waiters_answer(&b->starts, &b->base, ODP_PROTO_FAILED, reason);
    odp_waiters_answer(&b->looks, &b->base, state_after_failed(b, ODP_ROLE_STATUS), reason);
}

static const struct odp_process_observer observer = {
    .on_running = on_running,
    .on_stuck = on_stuck,
    .on_gone = on_gone,
};

// ---- requests ----------------------------------------------------------------------------------

// Takes over the command that an earlier launcher has run, and the output of what it has started.
static void adopt(struct exec_backend *b)
{
    const struct odp_backend_host *host = b->base.host;
    struct odp_process_home home;
    int r, is_up;

    if (!b->output)
        odp_output_new(host->loop, host->directory, b->name, true, &b->output);
    home = home_of(b);
    r = odp_process_adopt(&home, true, &b->process);
    // After it: a start command that has just ended has left its mark.
    is_up = odp_record_is_marked_up(host->directory, b->name);
    b->is_unsure = r == -ENOENT ? is_up < 0 : r < 0;
    b->is_up = b->process ? is_up != 0 : is_up > 0;
    if (b->is_unsure && r == -ENOENT)
        r = is_up;
    if (b->is_unsure)
        odp_log(ODP_LOG_ERR, b->name, "cannot tell whether a command of it runs: %s", strerror(-r));
    if (b->process) {
        b->role = odp_process_role(b->process);
        b->is_unasked = true;
        odp_process_limit(b->process, limit_of(b->base.settings, b->role));
        odp_log(ODP_LOG_INFO, b->name, "its %s command runs since before; taken over",
                word_of(b->role));
    }
    if (!b->is_unsure)
        run_next(b);
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
        odp_backend_report(base, id, ODP_PROTO_INACTIVE, "is being started");
    } else if (!base->settings->status) {
        odp_backend_report(base, id, b->is_up ? ODP_PROTO_RUNNING : ODP_PROTO_INACTIVE, "%s", "");
    } else {
        odp_waiters_add(is_under_way(b, ODP_ROLE_STATUS) ? &b->current : &b->looks, base, id);
        run_next(b);
    }
}

static void exec_start(struct odp_backend *base, uint32_t id)
{
    struct exec_backend *b = exec_backend(base);

    if (!is_sure(b, id, ODP_PROTO_FAILED))
        return;
    odp_waiters_add(is_under_way(b, ODP_ROLE_START) ? &b->current : &b->starts, base, id);
    // Something that was slow to answer runs since an earlier start: few commands take a second one
    // well. Where it does not run after all, it is started next.
    if (!b->process && b->is_up && base->settings->status)
        run(b, ODP_ROLE_STATUS, &b->looks);
    run_next(b);
}

// A start under way is given up, as systemd does it, and the stop cleans up behind it.
static void exec_stop(struct odp_backend *base, uint32_t id)
{
    static const char reason[] = "was to be stopped before it had started";
    struct exec_backend *b = exec_backend(base);

    if (!is_sure(b, id, ODP_PROTO_RUNNING))
        return;
    odp_waiters_answer(&b->starts, base, ODP_PROTO_FAILED, reason);
    if (is_under_way(b, ODP_ROLE_START)) {
        b->is_unasked = false;
        answer_current(b, ODP_PROTO_FAILED, reason);
        odp_process_terminate(b->process);
    }
    odp_waiters_add(is_under_way(b, ODP_ROLE_STOP) ? &b->current : &b->stops, base, id);
    run_next(b);
}

// What is up is stopped by the settings that started it, unless these have just proved unable to.
// A mark that other settings left says nothing here.
static bool exec_is_idle(struct odp_backend *base)
{
    struct exec_backend *b = exec_backend(base);
    bool stops_it = base->settings->backend == ODP_BACKEND_EXEC && !b->has_not_stopped;

    if (b->is_unsure)
        adopt(b);
    return !b->process && !b->is_unsure && !(b->is_up && stops_it);
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
}

static void exec_free(struct odp_backend *base)
{
    struct exec_backend *b = exec_backend(base);

    odp_process_free(b->process);
    odp_output_free(b->output);
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
    adopt(b);
    *ret = &b->base;
    return 0;
}
