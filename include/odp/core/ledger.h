// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a service's sleep brought: wakes and how long the last of them took, bytes, time awake and
// asleep, the memory that it did not use meanwhile. Pure sums; the caller says what time it is
// (CLOCK_BOOTTIME, so that a suspended machine counts as it was). How they outlive a restart is
// core/ledger_text's.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ODP_LEDGER_N_STARTS 64 // wakes whose durations are kept

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

    uint64_t used_bytes;     // memory that it used when it was last asked to stop; 0: not known
    uint64_t peak_bytes;     // the most that was ever seen
    uint64_t saved_kib_msec; // what it used times how long it slept

    uint32_t *starts_usec; // owned ring of ODP_LEDGER_N_STARTS, NULL before the first wake
    uint8_t n_starts;
    uint8_t next_start; // where the next one goes

    enum odp_ledger_phase phase;
    uint64_t phase_since_usec;
    uint64_t wake_since_usec; // ODP_NEVER: no wake under way
};

void odp_ledger_init(struct odp_ledger *l, uint64_t now_usec);
void odp_ledger_deinit(struct odp_ledger *l);

// Closes the running phase's account and begins this one; the same phase brings it up to date.
void odp_ledger_enter(struct odp_ledger *l, enum odp_ledger_phase phase, uint64_t now_usec);

// What it uses while it is awake, just before it is stopped: that much is saved while it is asleep.
void odp_ledger_use(struct odp_ledger *l, uint64_t bytes);

// The most that it was seen to use. Until a first odp_ledger_use() that is what it used.
void odp_ledger_peak(struct odp_ledger *l, uint64_t bytes);

// What was saved, in bytes times seconds.
double odp_ledger_saved(const struct odp_ledger *l);

// A wake begins (unless one is under way), succeeds or fails (nothing unless one is under way).
void odp_ledger_wake_begin(struct odp_ledger *l, uint64_t now_usec);
void odp_ledger_wake_end(struct odp_ledger *l, bool ready, uint64_t now_usec);

// Keeps one wake's duration, the oldest gives way; longer than 71 minutes counts as that. Without
// memory it is not kept: the sums do not depend on it.
void odp_ledger_add_start(struct odp_ledger *l, uint64_t usec);

// The kept durations, oldest first. Returns how many.
size_t odp_ledger_starts(const struct odp_ledger *l, uint32_t ret_usec[ODP_LEDGER_N_STARTS]);

// The shortest kept duration that `percent` of them (1 to 100) do not exceed: 50 is the median.
// ODP_NEVER before the first wake.
uint64_t odp_ledger_start_percentile(const struct odp_ledger *l, unsigned percent);
