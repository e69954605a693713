// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The pace of the tries while a service starts: when the next one is due, and how many may be under
// way. Tries come 1 ms and 2 ms after the start request, then at the service's interval. Until one
// connects there is a single one at a time. After a forwarder ended one early (it accepts before
// its service listens) only two are under way at once, so that it is not stormed.
//
// Probes of their own (http, exec) come one at a time, and the pause begins at the end of each.

#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "odp/core/config.h"

enum odp_tries_pace {
    ODP_TRIES_TCP,  // as above
    ODP_TRIES_HTTP, // pauses of 1, 4, 8, 16 ms ... up to the interval: a quick service is not made
                    // to wait for it, and a slow one is asked no more often
    ODP_TRIES_EXEC, // a command costs too much for that: the interval from the first on
};

struct odp_tries {
    enum odp_tries_pace pace;
    uint64_t interval_usec;
    uint64_t next_usec; // ODP_NEVER: not trying
    unsigned n_rounds;  // since the start request
    bool connects;      // the latest try connected
    bool early_end;     // one was ended before a byte, since the start request
};

// Not trying, at the pace that [ready] of the file asks for.
void odp_tries_init(struct odp_tries *t, const struct odp_config_service *config);

// The pace of other settings from the next pause on.
void odp_tries_set(struct odp_tries *t, const struct odp_config_service *config);

// A start was asked for, or a target is to be tried anew: the first try is due at once, since
// nothing else may run there yet, or after 1 ms where a process has just been asked for.
void odp_tries_begin(struct odp_tries *t, uint64_t now_usec);

void odp_tries_stop(struct odp_tries *t);

// True when a round is due; sets the next one.
bool odp_tries_due(struct odp_tries *t, uint64_t now_usec);

// A probe has ended: the pause to the next one begins now.
void odp_tries_pause(struct odp_tries *t, uint64_t now_usec);

// How many tries may be under way at once.
unsigned odp_tries_limit(const struct odp_tries *t);

void odp_tries_connected(struct odp_tries *t);
// `connected`: it had been connected and was ended before a byte.
void odp_tries_failed(struct odp_tries *t, bool connected);
