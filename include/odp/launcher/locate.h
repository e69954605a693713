// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The answer to a question for control groups while it is put together: groups are added as they
// are found, and told all at once.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "odp/core/proto.h"
#include "odp/launcher/backend.h"

struct odp_locate {
    struct odp_backend *backend; // borrowed
    uint32_t id;
    char **paths; // owned
    size_t n_paths;
    bool is_unknown;              // what was found is not all of it
    char why[ODP_REASON_MAX + 1]; // the first thing that was wrong
};

void odp_locate_begin(struct odp_locate *l, struct odp_backend *b, uint32_t id);

// It runs in this group, too.
void odp_locate_add(struct odp_locate *l, const char *path);

// Something has no group, and that is why there may be none in the end.
void odp_locate_miss(struct odp_locate *l, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// It cannot be found out: the answer will be that, whatever is added. Logged.
void odp_locate_fail(struct odp_locate *l, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Tells odpd. Nothing is added any more.
void odp_locate_answer(struct odp_locate *l);

void odp_locate_deinit(struct odp_locate *l);
