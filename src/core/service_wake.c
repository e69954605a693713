// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The actions of the table that wake a service, and what becomes of a wake that fails.

#include <stdio.h>

#include "odp/base/buf.h"
#include "service_internal.h"

// How long an unanswered look is waited for before it is asked again.
#define LOOK_TIMEOUT_USEC (10 * ODP_USEC_PER_SEC)

void act_look(struct step *x)
{
    if (!x->s->waking) // it runs by what woke it, once that is known
        step_set_reason(x->s, x->event->kind != ODP_EVENT_LOST ? "odp-launcher has not answered yet"
                              : x->event->reason               ? x->event->reason
                                                 : "odp-launcher was lost: it is asked again");
    step_enter(x, ODP_SERVICE_UNKNOWN, step_in(x, LOOK_TIMEOUT_USEC));
    step_request(x, ODP_PROTO_LOOK);
}

static void ask_for_start(struct step *x)
{
    x->s->waking = true;
    step_enter(x, ODP_SERVICE_STARTING, step_in(x, x->s->settings.start_timeout_usec));
    step_request(x, ODP_PROTO_START);
}

// What it requires comes first.
void act_start(struct step *x)
{
    uint64_t requires_usec = x->s->settings.requires_timeout_usec;

    // Who came before the first look was answered has found nothing that could be started again.
    bool is_first = x->s->state == ODP_SERVICE_UNKNOWN && !x->s->waking;
    bool by_request = x->event->kind == ODP_EVENT_START || x->event->kind == ODP_EVENT_DEMAND;

    x->s->wanted = false;
    x->s->unwanted = false;
    x->s->waking = false;
    step_set_reason(x->s, by_request                 ? x->event->reason
                          : x->event->n_waiting == 0 ? "started again: it was asked for meanwhile"
                          : is_first                 ? "woken by a connection"
                                                     : "started again: somebody waits");
    if (requires_usec > 0)
        step_enter(x, ODP_SERVICE_REQUIRING, step_in(x, requires_usec));
    else
        ask_for_start(x);
}

void act_met(struct step *x)
{
    step_set_reason(x->s, x->event->reason);
    ask_for_start(x);
}

void act_tell(struct step *x)
{
    step_set_reason(x->s, x->event->reason);
}

// What odp itself wakes keeps what woke it, whoever tells that it runs.
static void say_why_it_runs(struct step *x)
{
    const struct odp_service *s = x->s;
    const char *why = x->event->reason;

    if (s->state == ODP_SERVICE_FREEZING && x->event->id != 0 && why && why[0])
        step_set_reason(x->s, why); // it could not be frozen
    else if (!s->waking && s->state != ODP_SERVICE_THAWING)
        step_set_reason(x->s, "found running");
}

void act_probe(struct step *x)
{
    if (x->s->unwanted) {
        act_stop(x);
        return;
    }
    x->s->wanted = false;
    if (x->event->kind == ODP_EVENT_RUNNING)
        say_why_it_runs(x);
    step_enter(x, ODP_SERVICE_PROBING, step_in(x, x->s->settings.ready_timeout_usec));
}

// A report that ends nothing but the job it belongs to: observations are ignored.
void act_probe_if_reply(struct step *x)
{
    const char *why = x->event->reason;
    char reason[ODP_REASON_MAX + 1];

    if (x->event->id == 0)
        return;
    act_probe(x);
    if (!why || !why[0])
        return;
    snprintf(reason, sizeof(reason), "could not be stopped: %s", why);
    step_set_reason(x->s, reason);
}

void act_ready(struct step *x)
{
    struct odp_service *s = x->s;

    if (s->state == ODP_SERVICE_FAILED)
        step_set_reason(s, "answered late, after its start had failed");
    s->wanted = false;
    s->unwanted = false;
    s->waking = false;
    s->ready_usec = x->event->now_usec;
    s->n_direct = 0;
    if (!s->keeps_window)
        s->idle.quiet_usec = ODP_NEVER;
    step_enter(x, ODP_SERVICE_READY, ODP_NEVER);
    step_watch_idle(x);
    x->effects->waiters = ODP_WAITERS_RELEASE;
}

// The wake failed: what is said here is what the waiting clients and the status are told.
static void fail(struct step *x, const char *reason)
{
    struct odp_service *s = x->s;

    step_set_reason(s, reason);
    s->wanted = false;
    s->waking = false;
    s->n_failures++;
    s->retry_usec = step_in(x, odp_service_backoff_usec(s->n_failures));
    step_enter(x, ODP_SERVICE_FAILED, ODP_NEVER);
    x->effects->waiters = ODP_WAITERS_DENY;
}

void act_fail_report(struct step *x)
{
    const char *reason =
        x->event->reason && x->event->reason[0] ? x->event->reason : "ended before it answered";
    fail(x, reason);
}

void act_fail_if_reply(struct step *x)
{
    if (x->event->id != 0)
        act_fail_report(x);
}

// While probing: the end of what we started is a failed start. What was found running, or had
// answered before, was ended by somebody.
void act_ended_in_probe(struct step *x)
{
    if (x->s->waking)
        act_fail_report(x);
    else
        act_stopped(x);
}

void act_fail_timeout(struct step *x)
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
void act_fail_requiring(struct step *x)
{
    char span[ODP_SPAN_MAX], text[ODP_SPAN_MAX + ODP_REASON_MAX + sizeof("given up after : ")];

    odp_span_format(x->s->settings.requires_timeout_usec, span, sizeof(span));
    snprintf(text, sizeof(text), "given up after %s: %s", span, x->s->reason);
    fail(x, text);
}

// A failed state that the look found: nobody asked for a start, so it is no failed wake.
void act_found_failed(struct step *x)
{
    x->s->unwanted = false;
    if (x->event->n_waiting > 0 || x->s->wanted) {
        act_start(x);
        return;
    }
    x->s->waking = false;
    step_set_reason(x->s, x->event->reason);
    step_enter(x, ODP_SERVICE_FAILED, ODP_NEVER);
}

void act_demand_failed(struct step *x)
{
    if (x->event->now_usec < x->s->retry_usec)
        x->effects->waiters = ODP_WAITERS_DENY;
    else
        act_start(x);
}

void act_refused(struct step *x)
{
    step_enter(x, ODP_SERVICE_PROBING, step_in(x, x->s->settings.ready_timeout_usec));
}

void act_clear_mark(struct step *x)
{
    x->s->wanted = false;
    x->effects->waiters = ODP_WAITERS_DENY;
}

void act_look_aside(struct step *x)
{
    step_request(x, ODP_PROTO_LOOK);
}

void act_lost_start(struct step *x)
{
    x->s->wanted = true;
    act_look(x);
}
