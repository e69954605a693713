// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a service's sleep brought: wakes, bytes, time awake and asleep. Pure sums; the caller says
// what time it is (CLOCK_BOOTTIME, so that a suspended machine counts as it was).

#pragma once

#include <stdbool.h>
#include <stdint.h>

enum odp_ledger_phase {
    ODP_LEDGER_UNKNOWN, // counts for neither
    ODP_LEDGER_AWAKE,
    ODP_LEDGER_ASLEEP,
};

struct odp_ledger {
    uint64_t n_wakes; // demand to ready
    uint64_t n_failed_wakes;
    uint64_t last_wake_usec; // how long the last wake took; ODP_NEVER before the first
    uint64_t n_bytes_in;     // client to service
    uint64_t n_bytes_out;
    uint64_t awake_usec;
    uint64_t asleep_usec;

    enum odp_ledger_phase phase;
    uint64_t phase_since_usec;
    uint64_t wake_since_usec; // ODP_NEVER: no wake under way
};

void odp_ledger_init(struct odp_ledger *l, uint64_t now_usec);

// Closes the running phase's account and begins this one; the same phase brings it up to date.
void odp_ledger_enter(struct odp_ledger *l, enum odp_ledger_phase phase, uint64_t now_usec);

// A wake begins (unless one is under way), succeeds or fails (nothing unless one is under way).
void odp_ledger_wake_begin(struct odp_ledger *l, uint64_t now_usec);
void odp_ledger_wake_end(struct odp_ledger *l, bool ready, uint64_t now_usec);
