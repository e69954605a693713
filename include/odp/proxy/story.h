// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What `odp why` tells of a service's past: who woke it last, why it last went to sleep, why it
// last failed. Texts are kept only of what has happened, so a service that never woke costs
// nothing.

#pragma once

#include <stdint.h>

#include "odp/core/service.h"

struct odp_managed;

struct odp_story {
    uint64_t woken_usec; // these times: CLOCK_BOOTTIME, which nobody sets; 0: never
    char *woken_by;      // owned
    char *woken_from;    // owned; a client's address, NULL if it was none
    uint64_t stopped_usec;
    char *stopped_reason; // owned
    uint64_t direct_usec; // connections that are not odp's were seen last
    uint64_t failed_usec;
    char *failed_reason; // owned
};

// The machine went from `from` to its present state because of `kind`.
void odp_story_on_change(struct odp_managed *m, enum odp_service_state from,
                         enum odp_service_event_kind kind);

void odp_story_deinit(struct odp_story *story);
