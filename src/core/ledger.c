// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The ledger's sums; see the header.

#include "odp/core/ledger.h"

#include "odp/base/time.h"

void odp_ledger_init(struct odp_ledger *l, uint64_t now_usec)
{
    *l = (struct odp_ledger){
        .last_wake_usec = ODP_NEVER,
        .phase_since_usec = now_usec,
        .wake_since_usec = ODP_NEVER,
    };
}

void odp_ledger_enter(struct odp_ledger *l, enum odp_ledger_phase phase, uint64_t now_usec)
{
    uint64_t span = now_usec > l->phase_since_usec ? now_usec - l->phase_since_usec : 0;

    if (l->phase == ODP_LEDGER_AWAKE)
        l->awake_usec += span;
    else if (l->phase == ODP_LEDGER_ASLEEP)
        l->asleep_usec += span;
    l->phase = phase;
    l->phase_since_usec = now_usec;
}

void odp_ledger_wake_begin(struct odp_ledger *l, uint64_t now_usec)
{
    if (l->wake_since_usec == ODP_NEVER)
        l->wake_since_usec = now_usec;
}

void odp_ledger_wake_end(struct odp_ledger *l, bool ready, uint64_t now_usec)
{
    if (l->wake_since_usec == ODP_NEVER)
        return;
    if (ready) {
        l->n_wakes++;
        l->last_wake_usec = now_usec - l->wake_since_usec;
    } else {
        l->n_failed_wakes++;
    }
    l->wake_since_usec = ODP_NEVER;
}
