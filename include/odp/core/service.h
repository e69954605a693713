// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The state machine of one service, as a pure step: an event and the time come in, effects go out
// as values, the caller carries them out. The table state x event is total; one function writes the
// state; there is one absolute deadline. Every launcher request carries an id; the report to any
// but the latest request is stale and dropped here.

#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "odp/core/config.h"
#include "odp/core/idle.h"
#include "odp/core/proto.h"

enum odp_service_state {
    ODP_SERVICE_UNKNOWN, // the launcher has not said yet
    ODP_SERVICE_STOPPED,
    ODP_SERVICE_REQUIRING, // wanted; what it requires is not ready yet
    ODP_SERVICE_STARTING,  // the start was asked for
    ODP_SERVICE_PROBING,   // it runs, but has not answered yet
    ODP_SERVICE_READY,
    ODP_SERVICE_DRAINING,  // the window ended with connections that did not count
    ODP_SERVICE_DISMISSED, // draining because of `odp stop`
    ODP_SERVICE_STOPPING,
    ODP_SERVICE_FREEZING,
    ODP_SERVICE_FROZEN,
    ODP_SERVICE_THAWING,
    ODP_SERVICE_FAILED,
    ODP_SERVICE_N_STATES,
};

enum odp_service_event_kind {
    ODP_EVENT_DEMAND, // a client waits; it is counted in n_waiting already
    ODP_EVENT_START,  // `odp start`, or a client that was told to come again: wanted although
                      // nobody waits, and at once in spite of backoff
    ODP_EVENT_STOP,   // `odp stop`
    ODP_EVENT_DEADLINE,
    ODP_EVENT_RUNNING, // these four: the launcher's reports
    ODP_EVENT_INACTIVE,
    ODP_EVENT_FAILED,
    ODP_EVENT_FROZEN,
    ODP_EVENT_ANSWERS, // a try got a byte, or stood long enough; or a probe passed
    ODP_EVENT_REFUSED, // the target refused, or ended a connection before a byte
    ODP_EVENT_COUNTS,  // n_connections, n_waiting or n_dependents changed
    ODP_EVENT_LOST,    // what is known of it is worth nothing: the launcher is a new one, or has
                       // other settings (`reason` says so); it is asked again
    ODP_EVENT_PENDING, // these three: of the services it requires some are not ready; the reason
                       // says which
    ODP_EVENT_MET,     // all are ready
    ODP_EVENT_UNMET,   // one will not be; the reason says which, and why
    ODP_EVENT_N_KINDS,
};

struct odp_service_event {
    enum odp_service_event_kind kind;
    uint64_t now_usec;      // CLOCK_MONOTONIC
    unsigned n_connections; // relayed, or on the way to it
    unsigned n_waiting;     // held; and services in REQUIRING that wait for this one
    unsigned n_dependents;  // other services that require this one and are awake
    unsigned n_direct;      // of DEADLINE in READY and STOPPED: connections that are not odp's
    uint32_t id;            // of a report: the request it answers, 0 an observation
    bool is_partly;         // of INACTIVE: some of it runs on
    // Of a report, of START, STOP, DEMAND, LOST and the last three: why; of DEADLINE: what the last
    // probe said, where that was not enough. May be NULL.
    const char *reason;
};

enum odp_service_waiters {
    ODP_WAITERS_KEEP,
    ODP_WAITERS_RELEASE, // relay all that are held
    ODP_WAITERS_DENY,    // answer all that wait with the service's reason
};

struct odp_service_effects {
    bool request; // send `op` with `request_id`
    enum odp_proto_op op;
    uint32_t request_id;
    enum odp_service_waiters waiters;
    bool cut;     // end all relayed connections
    bool changed; // the state is another one than before
    enum odp_service_state from;
};

struct odp_service_settings {
    uint64_t start_timeout_usec;
    uint64_t ready_timeout_usec;
    uint64_t stop_timeout_usec;
    uint64_t drain_timeout_usec;
    uint64_t stop_after_usec; // of a frozen service, ODP_NEVER: it stays frozen
    // How long REQUIRING may last before the start has failed, 0: it requires no other service.
    // What it requires has timeouts of its own; this one is for what they do not bound.
    uint64_t requires_timeout_usec;
    bool can_stop; // false for a plain proxy: nothing of it is odp's to stop
    bool freeze;   // freeze instead of stopping when the window ends
};

struct odp_service {
    struct odp_service_settings settings;
    enum odp_service_state state;
    uint64_t deadline_usec; // ODP_NEVER: none
    struct odp_idle idle;
    uint32_t request_id; // of the latest request
    unsigned n_failures; // starts failed in a row
    uint64_t retry_usec; // in FAILED: before it, demand is denied
    uint64_t ready_usec; // since when it is ready
    unsigned n_direct;   // in READY, and STOPPED: what kept it awake when its window had ended
    bool wanted;         // start it without a waiter as soon as that is possible
    bool unwanted;       // UNKNOWN only: a stop was asked when the launcher was lost
    bool waking;         // started by us and not ready yet: its end is a failed start
    bool is_partly;      // in STOPPED: some of it runs, and that has a window, too
    bool keeps_window;   // it was READY, and should all of it run again its window goes on
    char reason[ODP_REASON_MAX + 1];
};

// A service in UNKNOWN; *ret asks for the first look.
void odp_service_init(struct odp_service *s, const struct odp_service_settings *settings,
                      uint64_t idle_timeout_usec, uint64_t now_usec,
                      struct odp_service_effects *ret);

// A machine that another odpd has left: state, times and marks are its own, the settings these.
// What it had asked for is looked up again, as after a launcher that was lost. Held clients, and
// those it counts, are told by events later.
void odp_service_resume(struct odp_service *s, const struct odp_service_settings *settings,
                        uint64_t idle_timeout_usec, uint64_t now_usec,
                        struct odp_service_effects *ret);

// Returns 0, or -ESTALE when the event was a report to an older request (nothing happened).
int odp_service_step(struct odp_service *s, const struct odp_service_event *event,
                     struct odp_service_effects *ret);

// Gives a machine at work other settings. What it waits for is waited for as long as these say,
// from the moment it began; a running quiet window too. Only an ordered stop keeps its deadline.
void odp_service_set(struct odp_service *s, const struct odp_service_settings *settings,
                     uint64_t idle_timeout_usec, uint64_t now_usec);

// True where the target is to be tried: held clients' own connections, a bare probe, or, but for
// UNKNOWN, the http or exec probe.
bool odp_service_is_trying(const struct odp_service *s);

// True where its quiet window is running, or would be if nobody used it.
bool odp_service_has_window(const struct odp_service *s);

// True where something waits for what the launcher does or tells: one that was lost is had again
// soon. `n_waiting` as in an event.
bool odp_service_awaits_launcher(const struct odp_service *s, unsigned n_waiting);

// The state's own name, for logs and tests.
const char *odp_service_state_to_string(enum odp_service_state s);

// The name `odp status` shows: starting stands for requiring, starting and probing, frozen for
// freezing, frozen and thawing.
const char *odp_service_state_public(enum odp_service_state s);

const char *odp_service_event_to_string(enum odp_service_event_kind k);

// From the n-th failed start in a row to the next one that a client may cause: 0, 1, 2 ... 30 s.
uint64_t odp_service_backoff_usec(unsigned n_failures);
