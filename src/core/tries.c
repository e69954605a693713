// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The pace of the tries; see the header.

#include "odp/core/tries.h"

#include "odp/base/time.h"

#define LIMIT_LISTENING 8 // it accepts and nothing spoke against it yet
#define LIMIT_SUSPECT   2 // one that is silent, one that has something to say
#define LIMIT_REFUSING  1
#define ROUNDS_GROWING  20 // after these the pause is above every sensible interval

void odp_tries_init(struct odp_tries *t, const struct odp_config_service *config)
{
    *t = (struct odp_tries){
        .pace = config->probe == ODP_PROBE_HTTP ? ODP_TRIES_HTTP
                : config->probe == ODP_PROBE_EXEC || config->probe == ODP_PROBE_HEALTH
                    ? ODP_TRIES_EXEC
                    : ODP_TRIES_TCP,
        .interval_usec = config->ready_interval_usec,
        .next_usec = ODP_NEVER,
    };
}

void odp_tries_set(struct odp_tries *t, const struct odp_config_service *config)
{
    struct odp_tries fresh;

    odp_tries_init(&fresh, config);
    t->pace = fresh.pace;
    t->interval_usec = fresh.interval_usec;
}

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

static uint64_t pause_of(const struct odp_tries *t)
{
    uint64_t pause_usec = ODP_NEVER;

    if (t->n_rounds <= 1 && t->pace != ODP_TRIES_EXEC)
        pause_usec = ODP_USEC_PER_MS;
    else if (t->n_rounds < ROUNDS_GROWING && t->pace == ODP_TRIES_HTTP)
        pause_usec = ODP_USEC_PER_MS << t->n_rounds;
    return odp_usec_min(pause_usec, t->interval_usec);
}

bool odp_tries_due(struct odp_tries *t, uint64_t now_usec)
{
    if (t->next_usec > now_usec)
        return false;
    t->n_rounds++;
    odp_tries_pause(t, now_usec);
    return true;
}

void odp_tries_pause(struct odp_tries *t, uint64_t now_usec)
{
    t->next_usec = odp_usec_add(now_usec, pause_of(t));
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
