// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Between the machine's table (service.c), its actions (service_wake.c, service_sleep.c), and how
// another odpd goes on with it (service_resume.c).

#pragma once

#include "odp/core/service.h"

// *ret asks for `op`, with the next id.
void odp_service_request(struct odp_service *s, enum odp_proto_op op,
                         struct odp_service_effects *ret);

// One event in one cell of the table: the service as it is, and what the caller is to do.
struct step {
    struct odp_service *s;
    const struct odp_service_event *event;
    struct odp_service_effects *effects;
};

// NULL leaves the reason as it is.
void step_set_reason(struct odp_service *s, const char *reason);

// The one place that writes the state.
void step_enter(struct step *x, enum odp_service_state state, uint64_t deadline_usec);

void step_request(struct step *x, enum odp_proto_op op);

// That long after the event.
uint64_t step_in(const struct step *x, uint64_t span_usec);

// Rules of the quiet window, for READY, and for STOPPED while a part runs.
void step_watch_idle(struct step *x);

// When that has passed; ODP_NEVER while it is used.
uint64_t odp_service_window_end(const struct odp_service *s);

// The cells' actions: what wakes a service (service_wake.c), and what puts it to sleep
// (service_sleep.c). Each is described where it stands.
void act_look(struct step *x);
void act_start(struct step *x);
void act_met(struct step *x);
void act_tell(struct step *x);
void act_probe(struct step *x);
void act_probe_if_reply(struct step *x);
void act_ready(struct step *x);
void act_fail_report(struct step *x);
void act_fail_if_reply(struct step *x);
void act_ended_in_probe(struct step *x);
void act_fail_timeout(struct step *x);
void act_fail_requiring(struct step *x);
void act_found_failed(struct step *x);
void act_demand_failed(struct step *x);
void act_refused(struct step *x);
void act_clear_mark(struct step *x);
void act_look_aside(struct step *x);
void act_lost_start(struct step *x);

void act_want(struct step *x);
void act_stop(struct step *x);
void act_cut_and_stop(struct step *x);
void act_count(struct step *x);
void act_window_end(struct step *x);
void act_count_rest(struct step *x);
void act_rest_end(struct step *x);
void act_stop_rest(struct step *x);
void act_rest(struct step *x);
void act_dismiss(struct step *x);
void act_stop_asked(struct step *x);
void act_call_off(struct step *x);
void act_mark_commanded(struct step *x);
void act_stop_when_drained(struct step *x);
void act_back_to_ready(struct step *x);
void act_thaw(struct step *x);
void act_frozen(struct step *x);
void act_frozen_if_reply(struct step *x);
void act_frozen_long(struct step *x);
void act_stopped(struct step *x);
void act_stopped_if_whole(struct step *x);
void act_stopped_if_reply(struct step *x);
void act_lost_stop(struct step *x);
