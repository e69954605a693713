// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The simulation: one manager over the fakes, its trace, its checks, and the two ways to drive it:
// golden traces and random schedules.

#pragma once

#include <setjmp.h>
#include <stdio.h>

#include "fakes.h"
#include "odp/base/buf.h"
#include "odp/proxy/visit.h"

// ---- one run -----------------------------------------------------------------------------------

struct sim {
    struct odp_manager *manager;
    bool began;
    jmp_buf on_failure;
    char check[64];    // what failed; "" while nothing has
    char message[512]; // and how
};
extern struct sim sim;

// Before the services are added.
void sim_reset(void);
// Makes the manager and begins.
void sim_begin(void);
// Runs until nothing is left to be done at this moment, and checks.
void sim_settle(void);
// Lets time pass until then: timers, tasks and what follows from them.
void sim_pass(uint64_t until_usec);
// The window of a ready service ends with connections that do not count: no setting leads there
// yet.
void sim_drain_by_hand(struct fake_service *s);
// `odp reload`: the files as they are now.
void sim_reload(void);
// Ends the manager, and checks that nothing is left behind.
void sim_end(void);

// Calls run(data, a, b) at that time: before odpd's timers of the same time, or late, behind them.
typedef void (*sim_task_cb)(void *data, uint64_t a, uint64_t b);
void sim_task(uint64_t at_usec, sim_task_cb run, void *data, uint64_t a, uint64_t b);
void sim_task_late(uint64_t at_usec, sim_task_cb run, void *data, uint64_t a, uint64_t b);

// Ends the run: it jumps to sim.on_failure.
_Noreturn void sim_fail(const char *check, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// ---- the trace ---------------------------------------------------------------------------------

extern struct odp_buf *sim_trace; // NULL: nobody reads it
extern bool sim_trace_is_short;   // without what single clients see, which begins with a colon
void sim_say(const struct fake_service *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// Something that the service or its clients can see; `what` tells it from others.
void sim_note(struct fake_service *s, uint64_t what);
struct fake_service *sim_service_of(const struct odp_managed *m);
// Prints how b differs from a, line by line.
void sim_diff(FILE *f, const char *a, const char *b);

// ---- coverage ----------------------------------------------------------------------------------

extern unsigned long sim_cells[ODP_SERVICE_N_STATES][ODP_EVENT_N_KINDS][SIM_N_WAYS];
extern unsigned long sim_conn_cells[ODP_CONN_N_STATES][ODP_CONN_N_EVENTS];
// Steps the cells that no manager reaches. Prints the sum; false: cells are missing.
bool sim_coverage(void);

// ---- checks ------------------------------------------------------------------------------------

void sim_check_request(struct fake_service *s, enum odp_proto_op op);
void sim_check_step(struct fake_service *s, const struct odp_service_event *event,
                    const struct odp_service_effects *fx);
void sim_check_all(void);
void sim_check_sent(struct fake_conn *c, const char *bytes, size_t n_bytes);
void sim_check_relay_done(const struct odp_visit *v);
void sim_check_closed(const struct fake_conn *c);
void sim_check_accept(const struct fake_service *s);

// ---- the ways to drive it ----------------------------------------------------------------------

struct sim_rng {
    uint64_t s;
};
uint64_t sim_random(struct sim_rng *r);
unsigned sim_below(struct sim_rng *r, unsigned n);
bool sim_chance(struct sim_rng *r, unsigned percent);

struct sim_options {
    uint64_t seed;
    unsigned n_schedules;
    unsigned first; // schedule to begin with
    bool rewrite;
    bool coverage;
    const char *only; // part of the name of a golden trace
};

// One stimulus of a golden trace. False: it is not understood.
bool sim_stimulus(const char *who, const char *what);

// What is about to run, to be told where it crashes.
void sim_running(const char *what);

// Return true if all were well.
bool sim_golden(const char *directory, const struct sim_options *o);
bool sim_schedules(const struct sim_options *o);
