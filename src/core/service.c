// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The service's table state x event; what its cells do is in service_wake and service_sleep.
// Nothing of it looks at a clock, a socket or a file: whoever calls says what time it is and
// carries the effects out.

#include "odp/core/service.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "service_internal.h"

// A service that stayed ready this long has proved itself: earlier failures are forgotten.
#define PROVEN_USEC     ODP_USEC_PER_MIN
#define BACKOFF_MAX_SEC 30

void step_set_reason(struct odp_service *s, const char *reason)
{
    if (reason && reason != s->reason)
        snprintf(s->reason, sizeof(s->reason), "%s", reason);
}

void step_enter(struct step *x, enum odp_service_state state, uint64_t deadline_usec)
{
    struct odp_service *s = x->s;

    if (s->state == ODP_SERVICE_READY && state != ODP_SERVICE_READY &&
        x->event->now_usec - s->ready_usec >= PROVEN_USEC)
        s->n_failures = 0;
    if (!x->effects->changed)
        x->effects->from = s->state;
    s->is_partly = false;
    s->keeps_window &= state == ODP_SERVICE_PROBING;
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

void step_request(struct step *x, enum odp_proto_op op)
{
    odp_service_request(x->s, op, x->effects);
}

uint64_t step_in(const struct step *x, uint64_t span_usec)
{
    return odp_usec_add(x->event->now_usec, span_usec);
}

// ---- the table ---------------------------------------------------------------------------------

typedef void (*action_fn)(struct step *x);

static void act_ignore(struct step *x)
{
    (void)x;
}

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
    [ODP_SERVICE_STOPPED]   = ROW(act_start,         act_start, act_stop_rest,      act_rest_end,     act_probe,          act_rest,             act_rest,             act_frozen, O,         O,           act_count_rest,        act_look),
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
    [ODP_SERVICE_DRAINING]  = ROW(act_back_to_ready, act_back_to_ready, act_mark_commanded, act_cut_and_stop, O,          act_stopped_if_whole, act_stopped,          act_frozen, O,         O,           act_stop_when_drained, act_look_aside),
    [ODP_SERVICE_DISMISSED] = ROW(O,                 act_want,  O,                  act_cut_and_stop, O,                  act_stopped_if_whole, act_stopped,          O,          O,         O,           act_stop_when_drained, act_look_aside),
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

bool odp_service_has_window(const struct odp_service *s)
{
    return s->state == ODP_SERVICE_READY || (s->state == ODP_SERVICE_STOPPED && s->is_partly);
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
