// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Runs one command of an exec service after the other, and says what the end of each one means for
// those who wait. The commands themselves are process.c's.

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "exec_internal.h"
#include "odp/base/log.h"
#include "odp/launcher/reason.h"

#define STATUS_TIMEOUT_USEC (10 * ODP_USEC_PER_SEC)
// From SIGTERM to SIGKILL for a command that is late. Twice this, a start that is given up and a
// stop, is less than odpd waits beyond stop_timeout.
#define KILL_AFTER_USEC (2 * ODP_USEC_PER_SEC)

static const struct odp_process_observer observer;

const char *exec_word(enum odp_role role)
{
    return role == ODP_ROLE_START ? "start" : role == ODP_ROLE_STOP ? "stop" : "status";
}

static char *const *argv_of(const struct odp_config_service *s, enum odp_role role)
{
    return role == ODP_ROLE_START ? s->start : role == ODP_ROLE_STOP ? s->stop : s->status;
}

uint64_t exec_limit_usec(const struct odp_config_service *s, enum odp_role role)
{
    return role == ODP_ROLE_START  ? s->start_timeout_usec
           : role == ODP_ROLE_STOP ? s->stop_timeout_usec
                                   : STATUS_TIMEOUT_USEC;
}

struct odp_process_home exec_home(struct exec_backend *b)
{
    struct odp_process_home home = {.loop = b->base.host->loop,
                                    .directory = b->base.host->directory,
                                    .name = b->name,
                                    .observer = &observer,
                                    .userdata = b,
                                    .output = b->output};

    exec_units_home(b, &home);
    return home;
}

bool exec_is_under_way(const struct exec_backend *b, enum odp_role role)
{
    return b->process && b->role == role && odp_process_state(b->process) != ODP_PROCESS_ENDING;
}

static void set_up(struct exec_backend *b, bool up)
{
    const char *directory = b->base.host->directory;
    int r = 0;

    if (!up)
        exec_units_release(b);
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

void exec_answer_current(struct exec_backend *b, enum odp_proto_state state, const char *reason)
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

    if (!b->output && !b->units)
        r = odp_output_new(host->loop, host->directory, b->name, false, &b->output);
    if (r < 0) {
        odp_reason_format(why, why_size, "cannot make a FIFO for its output in %s: %s",
                          host->directory, strerror(-r));
        return r;
    }
    home = exec_home(b);
    return odp_process_start(&home, b->role, argv, b->base.settings, KILL_AFTER_USEC, &b->process,
                             why, why_size);
}

// Those who wait for the role's command wait for this one.
void exec_run(struct exec_backend *b, enum odp_role role, struct odp_waiters *waiters)
{
    const struct odp_config_service *settings = b->base.settings;
    char *const *argv = argv_of(settings, role);
    char why[ODP_REASON_MAX + 1];

    b->role = role;
    odp_waiters_move(&b->current, &b->base, waiters);
    if (!argv) {
        exec_answer_current(b, ODP_PROTO_FAILED, "its backend has just been changed: try again");
        return;
    }
    exec_units_begin(b, role);
    if (run_argv(b, argv, why, sizeof(why)) == 0) {
        b->is_up |= role == ODP_ROLE_START && !b->units; // it marks that itself before it runs
        odp_process_limit(b->process, exec_limit_usec(settings, role));
        return;
    }
    exec_answer_current(b, state_after_failed(b, role), why);
}

void exec_run_start(struct exec_backend *b)
{
    // Something that was slow to answer runs since an earlier start: few commands take a second one
    // well. Where it does not run after all, it is started next.
    if (!b->process && b->is_up && b->base.settings->status && exec_units_are_known(b))
        exec_run(b, ODP_ROLE_STATUS, &b->looks);
    exec_run_next(b);
}

void exec_run_next(struct exec_backend *b)
{
    if (!exec_units_are_known(b)) {
        exec_units_hurry(b);
        return;
    }
    while (!b->process && b->stops.n + b->starts.n + b->looks.n > 0) {
        if (b->stops.n > 0)
            exec_run(b, ODP_ROLE_STOP, &b->stops);
        else if (b->starts.n > 0)
            exec_run(b, ODP_ROLE_START, &b->starts);
        else if (b->base.settings->status)
            exec_run(b, ODP_ROLE_STATUS, &b->looks);
        else
            odp_waiters_answer(&b->looks, &b->base,
                               b->is_up ? ODP_PROTO_RUNNING : ODP_PROTO_INACTIVE, "");
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
    const char *word = exec_word(b->role);

    if (end->was_late) {
        odp_span_format(exec_limit_usec(b->base.settings, b->role), span, sizeof(span));
        odp_reason_format(what, sizeof(what), "did not end within %s and was killed%s%s", span,
                          end->last_words[0] ? ", last words: " : "", end->last_words);
    } else {
        odp_process_end_describe(end, what, sizeof(what));
    }
    if (b->units && !end->error[0]) // its words are in the journal
        odp_reason_format(ret, size, "%s: %s, see odp logs %s", word, what, b->name);
    else
        odp_reason_format(ret, size, "%s: %s", word, what);
}

static void on_start_end(struct exec_backend *b, bool is_well, const char *why)
{
    if (is_well)
        exec_units_started(b);
    // Given up for a stop, it may have started something nevertheless: the stop will tell.
    if (b->stops.n == 0)
        set_up(b, is_well);
    exec_answer_current(b, is_well ? ODP_PROTO_RUNNING : ODP_PROTO_FAILED, why);
}

static void on_stop_end(struct exec_backend *b, bool is_well, const char *why)
{
    b->has_not_stopped = !is_well;
    if (is_well)
        set_up(b, false);
    exec_answer_current(b, is_well ? ODP_PROTO_INACTIVE : state_after_failed(b, ODP_ROLE_STOP),
                        why);
    if (b->is_up)
        odp_waiters_answer(&b->starts, &b->base, ODP_PROTO_RUNNING, why);
}

// Tells those too who wait for what is the case already.
static void on_status_end(struct exec_backend *b, bool is_told, bool is_up, const char *why)
{
    if (!is_told) {
        exec_answer_current(b, state_after_failed(b, ODP_ROLE_STATUS), why);
        return;
    }
    set_up(b, is_up);
    exec_answer_current(b, is_up ? ODP_PROTO_RUNNING : ODP_PROTO_INACTIVE, "");
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
        exec_answer_current(b, ODP_PROTO_RUNNING, "");
    else
        odp_waiters_move(&b->looks, &b->base, &b->current);
    if (can_ask)
        exec_run(b, ODP_ROLE_STATUS, &b->looks);
}

// Of an earlier command of that role something runs on, so that its unit is still there.
static bool run_again(struct exec_backend *b)
{
    char *const *argv = argv_of(b->base.settings, b->role);
    char why[ODP_REASON_MAX + 1];

    if (!argv || !exec_units_try_next(b) || run_argv(b, argv, why, sizeof(why)) < 0)
        return false;
    odp_process_limit(b->process, exec_limit_usec(b->base.settings, b->role));
    return true;
}

static void on_gone(void *userdata, const struct odp_process_end *end)
{
    struct exec_backend *b = userdata;
    bool has_exited = end->status_is_known && end->code == CLD_EXITED && !end->error[0];
    bool is_well = has_exited && end->status == 0 && !end->was_late;
    char why[ODP_REASON_MAX + 1] = "";

    b->process = NULL;
    if (end->is_taken && run_again(b))
        return;
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
    exec_run_next(b);
}

// A child marks that itself, and whether a command could be run is told by its end. That a unit was
// made is seen by the next launcher, too.
static void on_running(void *userdata)
{
    struct exec_backend *b = userdata;

    if (b->units && b->role == ODP_ROLE_START)
        set_up(b, true);
}

static void on_stuck(void *userdata)
{
    struct exec_backend *b = userdata;
    char reason[ODP_REASON_MAX + 1];

    odp_reason_format(reason, sizeof(reason), "%s: %s", exec_word(b->role),
                      b->units && !exec_units_are_known(b)
                          ? "it cannot be ended while D-Bus is gone"
                          : "not even SIGKILL has ended all of its processes");
    odp_log(ODP_LOG_ERR, b->name, "%s", reason);
    exec_answer_current(b, state_after_failed(b, b->role), reason);
    odp_waiters_answer(&b->stops, &b->base, state_after_failed(b, ODP_ROLE_STOP), reason);
    odp_waiters_answer(&b->starts, &b->base, ODP_PROTO_FAILED, reason);
    odp_waiters_answer(&b->looks, &b->base, state_after_failed(b, ODP_ROLE_STATUS), reason);
}

static const struct odp_process_observer observer = {
    .on_running = on_running,
    .on_stuck = on_stuck,
    .on_gone = on_gone,
};
