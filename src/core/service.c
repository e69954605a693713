// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The service's table state x event and what each cell does. Nothing here looks at a clock, a
// socket or a file: whoever calls says what time it is and carries the effects out.

#include "odp/core/service.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "odp/base/buf.h"
#include "service_internal.h"

// How long an unanswered look is waited for before it is asked again.
#define LOOK_TIMEOUT_USEC (10 * ODP_USEC_PER_SEC)
// The launcher itself ends a stop at stop_timeout; this is its time to say so.
#define STOP_GRACE_USEC     (5 * ODP_USEC_PER_SEC)
#define FREEZE_TIMEOUT_USEC (10 * ODP_USEC_PER_SEC)
// A service that stayed ready this long has proved itself: earlier failures are forgotten.
#define PROVEN_USEC     ODP_USEC_PER_MIN
#define BACKOFF_MAX_SEC 30
// For a window of 0: connections that are not odp's tell nobody when they end.
#define DIRECT_WINDOW_MIN_USEC ODP_USEC_PER_SEC

struct step {
    struct odp_service *s;
    const struct odp_service_event *event;
    struct odp_service_effects *effects;
};

static void set_reason(struct odp_service *s, const char *reason)
{
    if (reason && reason != s->reason)
        snprintf(s->reason, sizeof(s->reason), "%s", reason);
}

// The one place that writes the state.
static void enter(struct step *x, enum odp_service_state state, uint64_t deadline_usec)
{
    struct odp_service *s = x->s;

    if (s->state == ODP_SERVICE_READY && state != ODP_SERVICE_READY &&
        x->event->now_usec - s->ready_usec >= PROVEN_USEC)
        s->n_failures = 0;
    if (!x->effects->changed)
        x->effects->from = s->state;
    s->state = state;
    s->deadline_usec = deadline_usec;
    x->effects->changed = x->effects->from != state;
}

void odp_service_request(struct odp_service *s, enum odp_proto_op op,
                         struct odp_service_effects *ret)
{
    // 0 marks observations, and what is beyond it probes.
    if (++s->request_id >= ODP_PROTO_LOCATE_ID)
        s->request_id = 1;
    ret->request = true;
    ret->op = op;
    ret->request_id = s->request_id;
}

static void request(struct step *x, enum odp_proto_op op)
{
    odp_service_request(x->s, op, x->effects);
}

static uint64_t in(const struct step *x, uint64_t span_usec)
{
    return odp_usec_add(x->event->now_usec, span_usec);
}

// Rules of the quiet window, for READY alone.
static void watch_idle(struct step *x)
{
    struct odp_service *s = x->s;

    // Whoever requires it uses it, whether by a connection that odpd sees or not.
    odp_idle_update(&s->idle, x->event->n_connections + x->event->n_dependents, x->event->n_waiting,
                    x->event->now_usec);
    s->deadline_usec = s->settings.can_stop ? odp_idle_deadline(&s->idle) : ODP_NEVER;
}

// ---- the actions of the table ------------------------------------------------------------------

static void act_ignore(struct step *x)
{
    (void)x;
}

static void act_look(struct step *x)
{
    if (!x->s->waking) // it runs by what woke it, once that is known
        set_reason(x->s, x->event->kind != ODP_EVENT_LOST ? "odp-launcher has not answered yet"
                         : x->event->reason               ? x->event->reason
                                            : "odp-launcher was lost: it is asked again");
    enter(x, ODP_SERVICE_UNKNOWN, in(x, LOOK_TIMEOUT_USEC));
    request(x, ODP_PROTO_LOOK);
}

static void ask_for_start(struct step *x)
{
    x->s->waking = true;
    enter(x, ODP_SERVICE_STARTING, in(x, x->s->settings.start_timeout_usec));
    request(x, ODP_PROTO_START);
}

// What it requires comes first.
static void act_start(struct step *x)
{
    uint64_t requires_usec = x->s->settings.requires_timeout_usec;

    // Who came before the first look was answered has found nothing that could be started again.
    bool is_first = x->s->state == ODP_SERVICE_UNKNOWN && !x->s->waking;
    bool by_request = x->event->kind == ODP_EVENT_START || x->event->kind == ODP_EVENT_DEMAND;

    x->s->wanted = false;
    x->s->unwanted = false;
    x->s->waking = false;
    set_reason(x->s, by_request                 ? x->event->reason
                     : x->event->n_waiting == 0 ? "started again: it was asked for meanwhile"
                     : is_first                 ? "woken by a connection"
                                                : "started again: somebody waits");
    if (requires_usec > 0)
        enter(x, ODP_SERVICE_REQUIRING, in(x, requires_usec));
    else
        ask_for_start(x);
}

static void act_met(struct step *x)
{
    set_reason(x->s, x->event->reason);
    ask_for_start(x);
}

static void act_tell(struct step *x)
{
    set_reason(x->s, x->event->reason);
}

static void act_want(struct step *x)
{
    x->s->wanted = true; // also behind a stop that is asked for again
}

static void act_stop(struct step *x)
{
    struct odp_service *s = x->s;

    s->unwanted = false;
    s->waking = false;
    if (x->event->kind == ODP_EVENT_STOP) {
        s->wanted = false;
        set_reason(s, x->event->reason);
        x->effects->waiters = ODP_WAITERS_DENY;
    }
    enter(x, ODP_SERVICE_STOPPING,
          in(x, odp_usec_add(s->settings.stop_timeout_usec, STOP_GRACE_USEC)));
    request(x, ODP_PROTO_STOP);
}

static void act_cut_and_stop(struct step *x)
{
    x->effects->cut = true;
    act_stop(x);
}

// What odp itself wakes keeps what woke it, whoever tells that it runs.
static void say_why_it_runs(struct step *x)
{
    const struct odp_service *s = x->s;
    const char *why = x->event->reason;

    if (s->state == ODP_SERVICE_FREEZING && x->event->id != 0 && why && why[0])
        set_reason(x->s, why); // it could not be frozen
    else if (!s->waking && s->state != ODP_SERVICE_THAWING)
        set_reason(x->s, "found running");
}

static void act_probe(struct step *x)
{
    if (x->s->unwanted) {
        act_stop(x);
        return;
    }
    x->s->wanted = false;
    if (x->event->kind == ODP_EVENT_RUNNING)
        say_why_it_runs(x);
    enter(x, ODP_SERVICE_PROBING, in(x, x->s->settings.ready_timeout_usec));
}

// A report that ends nothing but the job it belongs to: observations are ignored.
static void act_probe_if_reply(struct step *x)
{
    if (x->event->id == 0)
        return;
    act_probe(x);
    set_reason(x->s, x->event->reason); // why it could not be stopped
}

static void act_ready(struct step *x)
{
    struct odp_service *s = x->s;

    if (s->state == ODP_SERVICE_FAILED)
        set_reason(s, "answered late, after its start had failed");
    s->wanted = false;
    s->unwanted = false;
    s->waking = false;
    s->ready_usec = x->event->now_usec;
    s->n_direct = 0;
    s->idle.quiet_usec = ODP_NEVER;
    enter(x, ODP_SERVICE_READY, ODP_NEVER);
    watch_idle(x);
    x->effects->waiters = ODP_WAITERS_RELEASE;
}

// The window of connections that are not odp's begins anew in full.
static void stay_awake(struct step *x)
{
    struct odp_service *s = x->s;
    uint64_t window_usec = s->idle.timeout_usec;

    s->n_direct = x->event->n_direct;
    s->idle.quiet_usec = x->event->now_usec;
    s->deadline_usec =
        in(x, window_usec > DIRECT_WINDOW_MIN_USEC ? window_usec : DIRECT_WINDOW_MIN_USEC);
}

static void act_count(struct step *x)
{
    watch_idle(x);
}

static void act_window_end(struct step *x)
{
    struct odp_service *s = x->s;

    watch_idle(x);
    if (s->deadline_usec > x->event->now_usec)
        return;
    if (x->event->n_direct > 0) {
        stay_awake(x);
        return;
    }
    char span[ODP_SPAN_MAX];
    snprintf(s->reason, sizeof(s->reason), "quiet for %s",
             odp_span_format(s->idle.timeout_usec, span, sizeof(span)));
    if (s->settings.freeze) {
        enter(x, ODP_SERVICE_FREEZING, in(x, FREEZE_TIMEOUT_USEC));
        request(x, ODP_PROTO_FREEZE);
    } else {
        act_stop(x);
    }
}

static void act_dismiss(struct step *x)
{
    set_reason(x->s, x->event->reason);
    if (x->event->n_connections == 0)
        act_stop(x);
    else
        enter(x, ODP_SERVICE_DISMISSED, in(x, x->s->settings.drain_timeout_usec));
}

// `odp stop` where it is not known to answer: what is connected to it still has its time to end.
static void act_stop_asked(struct step *x)
{
    struct odp_service *s = x->s;

    if (x->event->n_connections > 0) {
        s->wanted = false;
        s->unwanted = false;
        s->waking = false;
        x->effects->waiters = ODP_WAITERS_DENY;
    }
    act_dismiss(x);
}

// Nothing was started yet. But after a failed start, or where somebody is connected, something of
// it may run: as in FAILED.
static void act_call_off(struct step *x)
{
    if (x->s->n_failures > 0 || x->event->n_connections > 0) {
        act_stop_asked(x);
        return;
    }
    set_reason(x->s, x->event->reason);
    x->effects->waiters = ODP_WAITERS_DENY;
    enter(x, ODP_SERVICE_STOPPED, ODP_NEVER);
}

// Draining by the window becomes draining by command: the deadline stays.
static void act_mark_commanded(struct step *x)
{
    set_reason(x->s, x->event->reason);
    enter(x, ODP_SERVICE_DISMISSED, x->s->deadline_usec);
}

static void act_stop_when_drained(struct step *x)
{
    if (x->event->n_connections == 0)
        act_stop(x);
}

static void act_back_to_ready(struct step *x)
{
    enter(x, ODP_SERVICE_READY, ODP_NEVER);
    watch_idle(x);
    x->effects->waiters = ODP_WAITERS_RELEASE;
}

static void act_thaw(struct step *x)
{
    bool by_request = x->event->kind == ODP_EVENT_START || x->event->kind == ODP_EVENT_DEMAND;

    x->s->wanted = false;
    set_reason(x->s, by_request                ? x->event->reason
                     : x->event->n_waiting > 0 ? "thawed: somebody waits"
                                               : "thawed: it was asked for meanwhile");
    enter(x, ODP_SERVICE_THAWING, in(x, FREEZE_TIMEOUT_USEC));
    request(x, ODP_PROTO_THAW);
}

static void act_frozen(struct step *x)
{
    x->s->waking = false;
    if (x->s->unwanted)
        act_stop(x);
    else if (x->event->n_waiting > 0 || x->s->wanted)
        act_thaw(x);
    else
        enter(x, ODP_SERVICE_FROZEN, in(x, x->s->settings.stop_after_usec));
}

static void act_frozen_if_reply(struct step *x)
{
    if (x->event->id != 0)
        act_frozen(x);
}

// Frozen by another hand than odp's it may have connections: they are not cut off for quiet.
static void act_frozen_long(struct step *x)
{
    if (x->event->n_connections == 0)
        act_stop(x);
    else
        enter(x, ODP_SERVICE_FROZEN, in(x, x->s->settings.stop_after_usec));
}

// Everything of it is inactive, by whosever hand.
static void act_stopped(struct step *x)
{
    struct odp_service *s = x->s;

    // A start that outlived the launcher counts as inactive until it is done: only a stop ends it.
    if (s->unwanted) {
        act_stop(x);
        return;
    }
    if (x->event->n_waiting > 0 || s->wanted) {
        act_start(x);
        return;
    }
    s->waking = false;
    if (s->state != ODP_SERVICE_STOPPING && x->event->reason && x->event->reason[0])
        set_reason(s, x->event->reason);
    else if (s->state == ODP_SERVICE_UNKNOWN)
        set_reason(s, "not running");
    // A launcher that was lost meanwhile does not shorten the backoff.
    bool backing_off =
        s->state == ODP_SERVICE_UNKNOWN && s->n_failures > 0 && x->event->now_usec < s->retry_usec;
    enter(x, backing_off ? ODP_SERVICE_FAILED : ODP_SERVICE_STOPPED, ODP_NEVER);
}

static void act_stopped_if_reply(struct step *x)
{
    if (x->event->id != 0)
        act_stopped(x);
}

// The wake failed: what is said here is what the waiting clients and the status are told.
static void fail(struct step *x, const char *reason)
{
    struct odp_service *s = x->s;

    set_reason(s, reason);
    s->wanted = false;
    s->waking = false;
    s->n_failures++;
    s->retry_usec = in(x, odp_service_backoff_usec(s->n_failures));
    enter(x, ODP_SERVICE_FAILED, ODP_NEVER);
    x->effects->waiters = ODP_WAITERS_DENY;
}

static void act_fail_report(struct step *x)
{
    const char *reason =
        x->event->reason && x->event->reason[0] ? x->event->reason : "ended before it answered";
    fail(x, reason);
}

static void act_fail_if_reply(struct step *x)
{
    if (x->event->id != 0)
        act_fail_report(x);
}

// While probing: the end of what we started is a failed start. What was found running, or had
// answered before, was ended by somebody.
static void act_ended_in_probe(struct step *x)
{
    if (x->s->waking)
        act_fail_report(x);
    else
        act_stopped(x);
}

static void act_fail_timeout(struct step *x)
{
    bool starting = x->s->state == ODP_SERVICE_STARTING;
    const char *said = starting || !x->event->reason ? "" : x->event->reason;
    char span[ODP_SPAN_MAX], text[ODP_REASON_MAX + 1];

    odp_span_format(starting ? x->s->settings.start_timeout_usec
                             : x->s->settings.ready_timeout_usec,
                    span, sizeof(span));
    int n = snprintf(text, sizeof(text),
                     starting ? "did not start within %s ([backend] start_timeout)%s"
                              : "runs, but did not answer within %s ([ready] timeout)%s",
                     span, said[0] ? ": " : "");
    size_t room = sizeof(text) - 1 - (size_t)n;
    snprintf(text + n, room + 1, "%.*s", (int)odp_utf8_cut(said, room), said);
    fail(x, text);
}

// The reason names what it waits for.
static void act_fail_requiring(struct step *x)
{
    char span[ODP_SPAN_MAX], text[ODP_SPAN_MAX + ODP_REASON_MAX + sizeof("given up after : ")];

    odp_span_format(x->s->settings.requires_timeout_usec, span, sizeof(span));
    snprintf(text, sizeof(text), "given up after %s: %s", span, x->s->reason);
    fail(x, text);
}

// A failed state that the look found: nobody asked for a start, so it is no failed wake.
static void act_found_failed(struct step *x)
{
    x->s->unwanted = false;
    if (x->event->n_waiting > 0 || x->s->wanted) {
        act_start(x);
        return;
    }
    x->s->waking = false;
    set_reason(x->s, x->event->reason);
    enter(x, ODP_SERVICE_FAILED, ODP_NEVER);
}

static void act_demand_failed(struct step *x)
{
    if (x->event->now_usec < x->s->retry_usec)
        x->effects->waiters = ODP_WAITERS_DENY;
    else
        act_start(x);
}

static void act_refused(struct step *x)
{
    enter(x, ODP_SERVICE_PROBING, in(x, x->s->settings.ready_timeout_usec));
}

static void act_clear_mark(struct step *x)
{
    x->s->wanted = false;
    x->effects->waiters = ODP_WAITERS_DENY;
}

static void act_look_aside(struct step *x)
{
    request(x, ODP_PROTO_LOOK);
}

static void act_lost_start(struct step *x)
{
    x->s->wanted = true;
    act_look(x);
}

static void act_lost_stop(struct step *x)
{
    x->s->unwanted = true;
    act_look(x);
}

// ---- the table ---------------------------------------------------------------------------------

typedef void (*action_fn)(struct step *x);

// Columns in the order of enum odp_service_event_kind, named to keep the rows readable. The last
// three are for those who wait for what they require.
#define ROW(demand, start, stop, deadline, running, inactive, failed, frozen, answers, refused,    \
            counts, lost)                                                                          \
    {                                                                                              \
        [ODP_EVENT_DEMAND] = demand, [ODP_EVENT_START] = start, [ODP_EVENT_STOP] = stop,           \
        [ODP_EVENT_DEADLINE] = deadline, [ODP_EVENT_RUNNING] = running,                            \
        [ODP_EVENT_INACTIVE] = inactive, [ODP_EVENT_FAILED] = failed, [ODP_EVENT_FROZEN] = frozen, \
        [ODP_EVENT_ANSWERS] = answers, [ODP_EVENT_REFUSED] = refused, [ODP_EVENT_COUNTS] = counts, \
        [ODP_EVENT_LOST] = lost, [ODP_EVENT_PENDING] = act_ignore, [ODP_EVENT_MET] = act_ignore,   \
        [ODP_EVENT_UNMET] = act_ignore                                                             \
    }
#define O act_ignore

// clang-format off
static const action_fn table[ODP_SERVICE_N_STATES][ODP_EVENT_N_KINDS] = {
    //                            demand             start      stop                deadline          running             inactive              failed                frozen      answers    refused      counts                 lost
    [ODP_SERVICE_UNKNOWN]   = ROW(O,                 act_want,  act_stop_asked,     act_look,         act_probe,          act_stopped,          act_found_failed,     act_frozen, act_ready, O,           O,                     act_look),
    [ODP_SERVICE_STOPPED]   = ROW(act_start,         act_start, O,                  O,                act_probe,          O,                    O,                    act_frozen, O,         O,           O,                     act_look),
    [ODP_SERVICE_REQUIRING] = {
        [ODP_EVENT_DEMAND] = O,
        [ODP_EVENT_START] = O,
        [ODP_EVENT_STOP] = act_call_off,
        [ODP_EVENT_DEADLINE] = act_fail_requiring,
        [ODP_EVENT_RUNNING] = act_probe,
        [ODP_EVENT_INACTIVE] = O,
        [ODP_EVENT_FAILED] = O,
        [ODP_EVENT_FROZEN] = act_frozen,
        [ODP_EVENT_ANSWERS] = act_ready,
        [ODP_EVENT_REFUSED] = O,
        [ODP_EVENT_COUNTS] = O,
        [ODP_EVENT_LOST] = O,
        [ODP_EVENT_PENDING] = act_tell,
        [ODP_EVENT_MET] = act_met,
        [ODP_EVENT_UNMET] = act_fail_report,
    },
    [ODP_SERVICE_STARTING]  = ROW(O,                 O,         act_stop_asked,     act_fail_timeout, act_probe,          act_fail_if_reply,    act_fail_if_reply,    act_frozen_if_reply, act_ready, O,           O,                     act_lost_start),
    [ODP_SERVICE_PROBING]   = ROW(O,                 O,         act_stop_asked,     act_fail_timeout, O,                  act_ended_in_probe,   act_ended_in_probe,   act_frozen, act_ready, O,           O,                     act_look),
    [ODP_SERVICE_READY]     = ROW(O,                 O,         act_dismiss,        act_window_end,   O,                  act_stopped,          act_stopped,          act_frozen, O,         act_refused, act_count,             act_look_aside),
    [ODP_SERVICE_DRAINING]  = ROW(act_back_to_ready, act_back_to_ready, act_mark_commanded, act_cut_and_stop, O,          act_stopped,          act_stopped,          act_frozen, O,         O,           act_stop_when_drained, act_look_aside),
    [ODP_SERVICE_DISMISSED] = ROW(O,                 act_want,  O,                  act_cut_and_stop, O,                  act_stopped,          act_stopped,          O,          O,         O,           act_stop_when_drained, act_look_aside),
    [ODP_SERVICE_STOPPING]  = ROW(O,                 act_want,  act_clear_mark,     act_look,         act_probe_if_reply, act_stopped_if_reply, act_stopped_if_reply, O,          O,         O,           O,                     act_lost_stop),
    [ODP_SERVICE_FREEZING]  = ROW(O,                 act_want,  act_stop_asked,     act_look,         act_probe,          act_stopped,          act_found_failed,     act_frozen, O,         O,           O,                     act_look),
    [ODP_SERVICE_FROZEN]    = ROW(act_thaw,          act_thaw,  act_stop_asked,     act_frozen_long,  act_probe,          act_stopped,          act_found_failed,     O,          O,         O,           O,                     act_look_aside),
    [ODP_SERVICE_THAWING]   = ROW(O,                 O,         act_stop_asked,     act_look,         act_probe,          act_stopped,          act_found_failed,     O,          O,         O,           O,                     act_lost_start),
    [ODP_SERVICE_FAILED]    = ROW(act_demand_failed, act_start, act_stop_asked,     O,                act_probe,          O,                    O,                    act_frozen, act_ready, O,           O,                     act_look),
};
// clang-format on

static bool is_report(enum odp_service_event_kind k)
{
    return k == ODP_EVENT_RUNNING || k == ODP_EVENT_INACTIVE || k == ODP_EVENT_FAILED ||
           k == ODP_EVENT_FROZEN;
}

int odp_service_step(struct odp_service *s, const struct odp_service_event *event,
                     struct odp_service_effects *ret)
{
    struct step x = {.s = s, .event = event, .effects = ret};

    *ret = (struct odp_service_effects){.from = s->state};
    if (is_report(event->kind) && event->id != 0 && event->id != s->request_id)
        return -ESTALE;
    // A timer that was armed for an earlier deadline may still fire.
    if (event->kind == ODP_EVENT_DEADLINE && event->now_usec < s->deadline_usec)
        return 0;
    table[s->state][event->kind](&x);
    return 0;
}

void odp_service_init(struct odp_service *s, const struct odp_service_settings *settings,
                      uint64_t idle_timeout_usec, uint64_t now_usec,
                      struct odp_service_effects *ret)
{
    struct odp_service_event event = {.kind = ODP_EVENT_DEADLINE, .now_usec = now_usec};
    struct step x = {.s = s, .event = &event, .effects = ret};

    *s = (struct odp_service){
        .settings = *settings,
        .idle = {.timeout_usec = idle_timeout_usec, .quiet_usec = ODP_NEVER},
    };
    *ret = (struct odp_service_effects){.from = s->state};
    act_look(&x);
}

bool odp_service_is_trying(const struct odp_service *s)
{
    // Where a stop was under way when the launcher was lost, what still answers is ending.
    return (s->state == ODP_SERVICE_UNKNOWN && !s->unwanted) || s->state == ODP_SERVICE_STARTING ||
           s->state == ODP_SERVICE_PROBING;
}

bool odp_service_awaits_launcher(const struct odp_service *s, unsigned n_waiting)
{
    switch (s->state) {
    case ODP_SERVICE_UNKNOWN: return n_waiting > 0 || s->wanted || s->unwanted || s->waking;
    case ODP_SERVICE_STARTING:
    case ODP_SERVICE_STOPPING:
    case ODP_SERVICE_FREEZING:
    case ODP_SERVICE_THAWING: return true;
    case ODP_SERVICE_STOPPED:
    case ODP_SERVICE_REQUIRING:
    case ODP_SERVICE_PROBING:
    case ODP_SERVICE_READY:
    case ODP_SERVICE_DRAINING:
    case ODP_SERVICE_DISMISSED:
    case ODP_SERVICE_FROZEN:
    case ODP_SERVICE_FAILED:
    case ODP_SERVICE_N_STATES: break;
    }
    return false;
}

uint64_t odp_service_backoff_usec(unsigned n_failures)
{
    unsigned sec = n_failures == 0 ? 0 : n_failures - 1;

    return (sec > BACKOFF_MAX_SEC ? BACKOFF_MAX_SEC : sec) * ODP_USEC_PER_SEC;
}
