// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Renames that the launcher has been told and has not answered yet: until then its reports bear the
// old names. Used by link.c alone.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "odp/base/list.h"
#include "odp/proxy/link.h"

struct renames {
    struct odp_list batches; // in the order they were told
};

void renames_init(struct renames *r);
void renames_deinit(struct renames *r); // may be used on

// Returns 0 or -ENOMEM.
int renames_add(struct renames *r, uint32_t id, const struct odp_link_rename *items, size_t n);

// The batch is answered, and so is each one before it.
void renames_done(struct renames *r, uint32_t id);

// What a service that a report names is called now; NULL: it is another one's name by now.
const char *renames_translate(const struct renames *r, const char *name);
