// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Between handover_read.c (what was left, as a value) and handover_take.c (who goes on with it).

#pragma once

#include "odp/core/handover.h"
#include "odp/net/carrier.h"
#include "odp/proxy/handover.h"

// One service that was left.
struct left {
    struct odp_handover_service service;
    struct odp_config_service *config; // owned, until a service has it; as far as it was left
    struct odp_managed *m;             // whose it is now, NULL: nobody's
};

struct odp_handover {
    struct odp_manager *manager;
    struct odp_carried carried;
    char *text; // owned
    size_t n_bytes;
    struct odp_handover_reader records; // at the first one
    const char *bytes;                  // in text, behind the records; NULL: they were cut
    struct left *left;                  // owned array, in the order of their records
    size_t n_left;
    struct left **left_of; // owned array; by the manager's services, NULL: nothing was left of it
    unsigned n_visits;
    unsigned n_lost;
};
