// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The ledger's sums; see the header.

#include "odp/core/ledger.h"

#include <stdlib.h>

#include "odp/base/time.h"

void odp_ledger_init(struct odp_ledger *l, uint64_t now_usec)
{
    *l = (struct odp_ledger){
        .last_wake_usec = ODP_NEVER,
        .phase_since_usec = now_usec,
        .wake_since_usec = ODP_NEVER,
    };
}

void odp_ledger_deinit(struct odp_ledger *l)
{
    if (!l)
        return;
    free(l->starts_usec);
    l->starts_usec = NULL;
    l->n_starts = l->next_start = 0;
}

// Sums that would overflow stay at the end of what there is.
static void save(struct odp_ledger *l, uint64_t span_usec)
{
    uint64_t more;

    if (__builtin_mul_overflow(l->used_bytes / 1024, span_usec / ODP_USEC_PER_MS, &more) ||
        __builtin_add_overflow(l->saved_kib_msec, more, &l->saved_kib_msec))
        l->saved_kib_msec = UINT64_MAX;
}

void odp_ledger_enter(struct odp_ledger *l, enum odp_ledger_phase phase, uint64_t now_usec)
{
    uint64_t span = now_usec > l->phase_since_usec ? now_usec - l->phase_since_usec : 0;

    if (l->phase == ODP_LEDGER_AWAKE)
        l->awake_usec += span;
    if (l->phase == ODP_LEDGER_ASLEEP) {
        l->asleep_usec += span;
        save(l, span);
    }
    l->phase = phase;
    l->phase_since_usec = now_usec;
}

void odp_ledger_use(struct odp_ledger *l, uint64_t bytes)
{
    odp_ledger_peak(l, bytes);
    l->used_bytes = bytes;
}

void odp_ledger_peak(struct odp_ledger *l, uint64_t bytes)
{
    if (l->used_bytes == 0)
        l->used_bytes = bytes;
    if (bytes > l->peak_bytes)
        l->peak_bytes = bytes;
}

double odp_ledger_saved(const struct odp_ledger *l)
{
    return (double)l->saved_kib_msec / 1000 * 1024;
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
        l->last_wake_usec = now_usec > l->wake_since_usec ? now_usec - l->wake_since_usec : 0;
        odp_ledger_add_start(l, l->last_wake_usec);
    } else {
        l->n_failed_wakes++;
    }
    l->wake_since_usec = ODP_NEVER;
}

void odp_ledger_add_start(struct odp_ledger *l, uint64_t usec)
{
    // Not before it is needed: most services of a small machine sleep.
    if (!l->starts_usec)
        l->starts_usec = calloc(ODP_LEDGER_N_STARTS, sizeof(*l->starts_usec));
    if (!l->starts_usec)
        return;
    l->starts_usec[l->next_start] = usec < UINT32_MAX ? (uint32_t)usec : UINT32_MAX;
    l->next_start = (uint8_t)((l->next_start + 1) % ODP_LEDGER_N_STARTS);
    if (l->n_starts < ODP_LEDGER_N_STARTS)
        l->n_starts++;
}

size_t odp_ledger_starts(const struct odp_ledger *l, uint32_t ret_usec[ODP_LEDGER_N_STARTS])
{
    size_t first = (size_t)l->next_start + ODP_LEDGER_N_STARTS - l->n_starts;

    for (size_t i = 0; i < l->n_starts; i++)
        ret_usec[i] = l->starts_usec[(first + i) % ODP_LEDGER_N_STARTS];
    return l->n_starts;
}

static int compare_usec(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

uint64_t odp_ledger_start_percentile(const struct odp_ledger *l, unsigned percent)
{
    uint32_t usec[ODP_LEDGER_N_STARTS];
    size_t n = odp_ledger_starts(l, usec);

    if (n == 0)
        return ODP_NEVER;
    qsort(usec, n, sizeof(usec[0]), compare_usec);
    size_t rank = (n * percent + 99) / 100;
    return usec[rank == 0 ? 0 : rank > n ? n - 1 : rank - 1];
}
