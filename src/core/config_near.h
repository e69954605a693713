// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which of the services in force could clash with one, found by what they want instead of by
// looking at each: a set of hundreds is read again at each reload. What is found may be too much,
// since who has left stays in the index, but never too little: odp_config_check_pair() has the last
// word.
//
// An item is a caller's number for a service, now with these settings and now with those; its
// position is where it stands in config->services.

#pragma once

#include "config_internal.h"
#include "odp/base/index.h"

struct odp_config_near {
    const struct odp_config *config; // borrowed; the services in force
    struct odp_index index;          // from what is wanted to items
    size_t *positions;               // by item; ODP_INDEX_END: it is not in force
    size_t *rounds;                  // by item; of the last search that found it
    size_t *found;                   // positions, the result of the last search
    size_t n_found, n_items, round;
};

// How many entries of the index a service takes at most.
size_t odp_config_near_need(const struct odp_config_service *s);

// `n_entries`: the need of all that will ever be let in. Returns 0 or -ENOMEM; *ret is to be
// deinitialised in both cases.
int odp_config_near_init(struct odp_config_near *ret, const struct odp_config *config,
                         size_t n_items, size_t n_entries);
void odp_config_near_deinit(struct odp_config_near *x);

// The item stands at `position` as `s`.
void odp_config_near_let_in(struct odp_config_near *x, size_t item, size_t position,
                            const struct odp_config_service *s);
// The item stands elsewhere, or with ODP_INDEX_END nowhere.
void odp_config_near_move(struct odp_config_near *x, size_t item, size_t position);

// Fills x->found: all that could clash with `s`, in the order of their positions.
void odp_config_near_find(struct odp_config_near *x, const struct odp_config_service *s);

// The first position of that name, or of an enabled service that `listens`, which is asked of each
// whose listen addresses could take the target; ODP_INDEX_END for none.
size_t odp_config_near_named(const struct odp_config_near *x, const char *name);
size_t odp_config_near_listening(const struct odp_config_near *x, const struct odp_address *target,
                                 bool (*listens)(const struct odp_config_service *s,
                                                 const struct odp_address *target));
