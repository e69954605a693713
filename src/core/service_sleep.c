// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The actions of the table that put a service to sleep: its quiet window, stops, freezing, its end.

#include <stdio.h>

#include "odp/base/buf.h"
#include "service_internal.h"

// The launcher itself ends a stop at stop_timeout; this is its time to say so.
#define STOP_GRACE_USEC     (5 * ODP_USEC_PER_SEC)
#define FREEZE_TIMEOUT_USEC (10 * ODP_USEC_PER_SEC)
// For a window of 0: connections that are not odp's tell nobody when they end.
#define DIRECT_WINDOW_MIN_USEC ODP_USEC_PER_SEC

// A part may be on its way to the whole, by somebody else's hand: it has the time of a start.
uint64_t odp_service_window_end(const struct odp_service *s)
{
    uint64_t end_usec = odp_idle_deadline(&s->idle);
    uint64_t started_usec = odp_usec_add(s->idle.quiet_usec, s->settings.start_timeout_usec);

    if (!s->settings.can_stop)
        return ODP_NEVER;
    return s->state == ODP_SERVICE_STOPPED && started_usec != ODP_NEVER && started_usec > end_usec
               ? started_usec
               : end_usec;
}

void step_watch_idle(struct step *x)
{
    struct odp_service *s = x->s;

    // Whoever requires it uses it, whether by a connection that odpd sees or not.
    odp_idle_update(&s->idle, x->event->n_connections + x->event->n_dependents, x->event->n_waiting,
                    x->event->now_usec);
    s->deadline_usec = odp_service_window_end(s);
}

void act_want(struct step *x)
{
    x->s->wanted = true; // also behind a stop that is asked for again
}

void act_stop(struct step *x)
{
    struct odp_service *s = x->s;

    s->unwanted = false;
    s->waking = false;
    if (x->event->kind == ODP_EVENT_STOP) {
        s->wanted = false;
        step_set_reason(s, x->event->reason);
        x->effects->waiters = ODP_WAITERS_DENY;
    }
    step_enter(x, ODP_SERVICE_STOPPING,
               step_in(x, odp_usec_add(s->settings.stop_timeout_usec, STOP_GRACE_USEC)));
    step_request(x, ODP_PROTO_STOP);
}

void act_cut_and_stop(struct step *x)
{
    x->effects->cut = true;
    act_stop(x);
}

// The window of connections that are not odp's begins anew in full.
static void stay_awake(struct step *x)
{
    struct odp_service *s = x->s;
    uint64_t window_usec = s->idle.timeout_usec;

    s->n_direct = x->event->n_direct;
    s->idle.quiet_usec = x->event->now_usec;
    s->deadline_usec =
        step_in(x, window_usec > DIRECT_WINDOW_MIN_USEC ? window_usec : DIRECT_WINDOW_MIN_USEC);
}

void act_count(struct step *x)
{
    step_watch_idle(x);
}

// The deadline may be one that has been put off.
static bool has_window_ended(struct step *x)
{
    step_watch_idle(x);
    if (x->s->deadline_usec > x->event->now_usec)
        return false;
    if (x->event->n_direct > 0)
        stay_awake(x);
    return x->event->n_direct == 0;
}

void act_window_end(struct step *x)
{
    struct odp_service *s = x->s;
    char span[ODP_SPAN_MAX];

    if (!has_window_ended(x))
        return;
    snprintf(s->reason, sizeof(s->reason), "quiet for %s",
             odp_span_format(s->idle.timeout_usec, span, sizeof(span)));
    if (s->settings.freeze) {
        step_enter(x, ODP_SERVICE_FREEZING, step_in(x, FREEZE_TIMEOUT_USEC));
        step_request(x, ODP_PROTO_FREEZE);
    } else {
        act_stop(x);
    }
}

// ---- what runs on of a service that is stopped -------------------------------------------------

void act_rest(struct step *x)
{
    struct odp_service *s = x->s;
    const char *why = x->event->reason;

    if (x->event->is_partly && !s->is_partly) {
        step_set_reason(s, why && why[0] ? why : NULL); // not why all of it slept before
        if (!s->keeps_window)
            s->idle.quiet_usec = ODP_NEVER;
    }
    s->is_partly = x->event->is_partly;
    s->keeps_window &= s->is_partly;
    s->deadline_usec = ODP_NEVER;
    if (s->is_partly)
        step_watch_idle(x);
}

void act_count_rest(struct step *x)
{
    if (x->s->is_partly)
        step_watch_idle(x);
}

// It is not frozen: who comes next would have to start the other part all the same. Why that ended
// is still what people want to know.
void act_rest_end(struct step *x)
{
    struct odp_service *s = x->s;
    char span[ODP_SPAN_MAX], rest[ODP_SPAN_MAX + sizeof("; the rest was quiet for ")];

    if (!s->is_partly || !has_window_ended(x))
        return;
    int n = snprintf(rest, sizeof(rest), "; the rest was quiet for %s",
                     odp_span_format(s->idle.timeout_usec, span, sizeof(span)));
    size_t room = sizeof(s->reason) - 1 - (size_t)n;
    snprintf(s->reason + odp_utf8_cut(s->reason, room), (size_t)n + 1, "%s", rest);
    act_stop(x);
}

void act_stop_rest(struct step *x)
{
    if (x->s->is_partly)
        act_dismiss(x);
}

// ---- stops -------------------------------------------------------------------------------------

void act_dismiss(struct step *x)
{
    step_set_reason(x->s, x->event->reason);
    if (x->event->n_connections == 0)
        act_stop(x);
    else
        step_enter(x, ODP_SERVICE_DISMISSED, step_in(x, x->s->settings.drain_timeout_usec));
}

// `odp stop` where it is not known to answer: what is connected to it still has its time to end.
void act_stop_asked(struct step *x)
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
void act_call_off(struct step *x)
{
    if (x->s->n_failures > 0 || x->event->n_connections > 0) {
        act_stop_asked(x);
        return;
    }
    step_set_reason(x->s, x->event->reason);
    x->effects->waiters = ODP_WAITERS_DENY;
    step_enter(x, ODP_SERVICE_STOPPED, ODP_NEVER);
}

// Draining by the window becomes draining by command: the deadline stays.
void act_mark_commanded(struct step *x)
{
    step_set_reason(x->s, x->event->reason);
    step_enter(x, ODP_SERVICE_DISMISSED, x->s->deadline_usec);
}

void act_stop_when_drained(struct step *x)
{
    if (x->event->n_connections == 0)
        act_stop(x);
}

void act_back_to_ready(struct step *x)
{
    step_enter(x, ODP_SERVICE_READY, ODP_NEVER);
    step_watch_idle(x);
    x->effects->waiters = ODP_WAITERS_RELEASE;
}

void act_thaw(struct step *x)
{
    bool by_request = x->event->kind == ODP_EVENT_START || x->event->kind == ODP_EVENT_DEMAND;

    x->s->wanted = false;
    step_set_reason(x->s, by_request                ? x->event->reason
                          : x->event->n_waiting > 0 ? "thawed: somebody waits"
                                                    : "thawed: it was asked for meanwhile");
    step_enter(x, ODP_SERVICE_THAWING, step_in(x, FREEZE_TIMEOUT_USEC));
    step_request(x, ODP_PROTO_THAW);
}

// Why it was woken last is no reason for this.
static void be_frozen(struct step *x)
{
    if (x->s->state == ODP_SERVICE_UNKNOWN)
        step_set_reason(x->s, "found frozen");
    else if (x->s->state != ODP_SERVICE_FREEZING)
        step_set_reason(x->s, "frozen by somebody else");
    step_enter(x, ODP_SERVICE_FROZEN, step_in(x, x->s->settings.stop_after_usec));
}

void act_frozen(struct step *x)
{
    x->s->waking = false;
    if (x->s->unwanted)
        act_stop(x);
    else if (x->event->n_waiting > 0 || x->s->wanted)
        act_thaw(x);
    else
        be_frozen(x);
}

void act_frozen_if_reply(struct step *x)
{
    if (x->event->id != 0)
        act_frozen(x);
}

// Frozen by another hand than odp's it may have connections: they are not cut off for quiet.
void act_frozen_long(struct step *x)
{
    if (x->event->n_connections == 0)
        act_stop(x);
    else
        step_enter(x, ODP_SERVICE_FROZEN, step_in(x, x->s->settings.stop_after_usec));
}

// It is inactive, or a part of it, by whosever hand.
void act_stopped(struct step *x)
{
    struct odp_service *s = x->s;
    bool keeps_window = s->state == ODP_SERVICE_READY || s->keeps_window;

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
        step_set_reason(s, x->event->reason);
    else if (s->state == ODP_SERVICE_UNKNOWN)
        step_set_reason(s, "not running");
    // A launcher that was lost meanwhile does not shorten the backoff.
    bool backing_off =
        s->state == ODP_SERVICE_UNKNOWN && s->n_failures > 0 && x->event->now_usec < s->retry_usec;
    step_enter(x, backing_off ? ODP_SERVICE_FAILED : ODP_SERVICE_STOPPED, ODP_NEVER);
    if (backing_off)
        return;
    s->keeps_window = keeps_window;
    act_rest(x);
}

// What drains is stopped anyway, and what runs on of it may have connections.
void act_stopped_if_whole(struct step *x)
{
    if (!x->event->is_partly)
        act_stopped(x);
}

void act_stopped_if_reply(struct step *x)
{
    if (x->event->id != 0)
        act_stopped(x);
}

void act_lost_stop(struct step *x)
{
    x->s->unwanted = true;
    act_look(x);
}
