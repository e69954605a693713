// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a reload has to do: the services as they are against the files as they are now. Pure.
//
// A service and a file belong together where the name is the same, and something else too: a listen
// address, the target or the backend. Failing that, where a listen address is the same: the file
// was renamed. Failing that, where the name is. So both a renamed file and two files that exchanged
// their names or their addresses are told apart from new ones.
//
// A file with a fault leaves its service as it was, also one that was renamed in the same edit
// (where no other file belongs to the service, and a listen address is the same), and so does one
// that asks for what another service has: whoever had an address, a target or a unit keeps it, and
// among those that had it not the first one by name gets it.

#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "odp/core/config.h"

enum odp_plan_action {
    ODP_PLAN_KEEP,   // no setting has changed
    ODP_PLAN_CHANGE, // from `before` to `after`
    ODP_PLAN_ADD,    // `after` is new
    ODP_PLAN_REMOVE, // no file belongs to `before` any more
    ODP_PLAN_FAULTY, // `before` stays as it was, or nothing is added where there is none
};

struct odp_plan_item {
    enum odp_plan_action action;
    bool renamed;                      // KEEP or CHANGE: the file has another name than before
    struct odp_config_service *before; // borrowed; NULL for what is new
    // Owned; NULL for REMOVE, and for a file that is faulty by itself. Of another faulty one it is
    // what was refused.
    struct odp_config_service *after;
    const char
        *faulty_file; // borrowed from the config; FAULTY by a file of another name, else NULL
};

struct odp_plan {
    struct odp_plan_item *items; // owned; one for each of `before` in that order, then what is new
    size_t n_items;
};

// `before` are the services in force: by themselves they are sound, and free of clashes. `config`
// is what odp_config_read() gave: its services move to the plan, the faults that show only now are
// added, with the names of those files in `invalid`. Returns 0 (faults or not) or -ENOMEM; *ret is
// to be deinitialised in both cases.
int odp_plan_make(struct odp_config_service *const *before, size_t n_before,
                  struct odp_config *config, struct odp_plan *ret);

// Which file belongs to which service, by the same signs, and nothing else of a plan: ret[k]
// becomes the index of the file of before[k], SIZE_MAX: none. Of `before` it needs the name, listen
// and target addresses, `enabled`, backend and backend_digest. Returns 0, or -ENOMEM with no file
// for any of them.
int odp_plan_pair(struct odp_config_service *const *before, size_t n_before,
                  struct odp_config_service *const *files, size_t n_files, size_t *ret);

// Takes item->after over from the plan.
struct odp_config_service *odp_plan_take(struct odp_plan_item *item);

void odp_plan_deinit(struct odp_plan *plan);

const char *odp_plan_action_to_string(enum odp_plan_action a);
