// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One client's connection from accept to close. Its life is core/conn's table; here are the
// sockets. A visit without a client is the bare probe: it finds out whether a service answers that
// nobody waits for.

#pragma once

#include "odp/core/conn.h"
#include "odp/proxy/manager.h"

struct odp_visit {
    struct odp_relay relay; // its ends own the two fds
    union {
        struct odp_list node; // in the service's list `waiting`, `relayed` or `leaving`
        struct odp_io_retired retired;
    };
    struct odp_managed *service;
    uint64_t since_usec; // accepted
    union {
        uint64_t early_usec;  // a try: connects since; EARLY: connected since
        uint64_t leaves_usec; // leaving: closed then, whatever it does
    };
    uint32_t n_copied; // bytes of the client that this try has been sent; leaving: thrown away
    enum odp_conn_state state;
    bool is_probe;
    bool starved;  // its connect failed for want of descriptors or memory here
    bool leaving;  // not served: see proxy/answer.h
    bool answered; // leaving, and the page was sent
};

// The listener's callback; its data is the service.
void odp_visit_accept(struct odp_listener *l, int fd);

// Begins the bare probe.
void odp_visit_probe(struct odp_managed *m);

// Feeds one event to the connection; it may be ended and retired within.
void odp_visit_event(struct odp_visit *v, enum odp_conn_event event);

// Closes and retires an ended visit; for proxy/answer.
void odp_visit_end(struct odp_visit *v);

// Lets one visit connect to its ready service: now, or in its turn when the service has a place for
// it and not too many connect already.
void odp_visit_release(struct odp_visit *v);

// Above the service's bound the kernel's queue holds the rest.
void odp_visits_pace(struct odp_managed *m);

// All visits of a service.
void odp_visits_release(struct odp_managed *m); // as many as may connect now
void odp_visits_queue(struct odp_managed *m);   // to be released with the manager's next turn
void odp_visits_release_soon(struct odp_manager *mgr); // the queued services, after this batch
void odp_visits_pace(struct odp_managed *m); // accepts no more than may wait or be relayed
void odp_visits_deny(struct odp_managed *m);
void odp_visits_page(struct odp_managed *m);    // those that speak HTTP get the waiting page
void odp_visits_dismiss(struct odp_managed *m); // as deny, but for those on their way to the target
void odp_visits_cut(struct odp_managed *m);
void odp_visits_take_back(struct odp_managed *m); // what is being stopped gets no more connections
void odp_visits_drop(struct odp_managed *m);      // all of them, when odpd ends

// The bytes of the ledger and of the connections that are relayed now.
void odp_visits_sum_bytes(const struct odp_managed *m, uint64_t *ret_in, uint64_t *ret_out);

// The visits' own deadlines: the end of the wait, of an early try, of leaving.
uint64_t odp_visits_deadline(const struct odp_managed *m);
void odp_visits_expire(struct odp_managed *m, uint64_t now_usec);

// Begins as many tries as the pace allows.
void odp_visits_try(struct odp_managed *m);
// True where a try could be begun now if the pace allowed.
bool odp_visits_want_try(const struct odp_managed *m);
