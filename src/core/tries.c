// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The pace of the tries; see the header.

#include "odp/core/tries.h"

#include "odp/base/time.h"

#define LIMIT_LISTENING 8 // it accepts and nothing spoke against it yet
#define LIMIT_SUSPECT   2 // one that is silent, one that has something to say
#define LIMIT_REFUSING  1

void odp_tries_begin(struct odp_tries *t, uint64_t now_usec)
{
    t->next_usec = now_usec + ODP_USEC_PER_MS;
    t->n_rounds = 0;
    t->connects = false;
    t->early_end = false;
}

void odp_tries_stop(struct odp_tries *t)
{
    t->next_usec = ODP_NEVER;
}

bool odp_tries_due(struct odp_tries *t, uint64_t now_usec)
{
    if (t->next_usec > now_usec)
        return false;
    t->n_rounds++;
    uint64_t pause = t->interval_usec;
    if (t->n_rounds == 1)
        pause = odp_usec_min(pause, ODP_USEC_PER_MS);
    t->next_usec = now_usec + pause;
    return true;
}

unsigned odp_tries_limit(const struct odp_tries *t)
{
    if (t->early_end)
        return LIMIT_SUSPECT;
    return t->connects ? LIMIT_LISTENING : LIMIT_REFUSING;
}

void odp_tries_connected(struct odp_tries *t)
{
    t->connects = true;
}

void odp_tries_failed(struct odp_tries *t, bool connected)
{
    t->connects = false;
    if (connected)
        t->early_end = true;
}
