// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Requests of one kind that are not answered yet, in the order they came.

#pragma once

#include <stdint.h>

#include "odp/launcher/backend.h"

#define ODP_WAITERS_MAX 16

struct odp_waiters {
    uint32_t ids[ODP_WAITERS_MAX];
    unsigned n;
};

// One that finds no room is answered FAILED at once.
void odp_waiters_add(struct odp_waiters *w, struct odp_backend *b, uint32_t id);

// Appends those of `from`, which is empty after it.
void odp_waiters_move(struct odp_waiters *w, struct odp_backend *b, struct odp_waiters *from);

// Answers all; none is left.
void odp_waiters_answer(struct odp_waiters *w, struct odp_backend *b, enum odp_proto_state state,
                        const char *reason);
