// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Renamed services: the launcher is told, and what was logged of them is found under the new name.

#include "reload_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/keep.h"

// Names may be exchanged: all go aside first. `~` stands in no service's name.
void odp_reload_move_logs(const struct odp_manager *mgr, const struct odp_link_rename *renames,
                          size_t n)
{
    char directory[ODP_PATH_MAX + sizeof(ODP_LOGS_DIR) + 1], aside[ODP_NAME_MAX + 2];

    snprintf(directory, sizeof(directory), "%s/" ODP_LOGS_DIR, mgr->paths.runtime);
    for (size_t i = 0; i < n; i++) {
        snprintf(aside, sizeof(aside), "%s~", renames[i].to);
        odp_keep_rename(directory, renames[i].from, aside);
    }
    for (size_t i = 0; i < n; i++) {
        snprintf(aside, sizeof(aside), "%s~", renames[i].to);
        odp_keep_rename(directory, aside, renames[i].to);
    }
}

// The launcher may know another service by the name that a departed one had.
static bool is_known_as(const struct reloading *r, size_t item)
{
    const struct odp_managed *m = r->all[item];

    return !m->is_departed || !odp_manager_find(r->mgr, m->config->name);
}

void reload_rename(struct reloading *r)
{
    struct odp_link_rename *renames = calloc(r->n_before + 1, sizeof(*renames));
    size_t n = 0;

    for (size_t i = 0; i < r->n_before; i++) {
        const struct odp_plan_item *it = &r->plan.items[i];
        if (!it->renamed || !renames || !is_known_as(r, i))
            continue;
        memcpy(renames[n].from, it->before->name, sizeof(renames[n].from));
        memcpy(renames[n].to, it->after->name, sizeof(renames[n].to));
        n++;
    }
    if (renames) {
        odp_reload_move_logs(r->mgr, renames, n);
        odp_link_rename(r->mgr->link, renames, n);
    }
    free(renames);
    for (size_t i = 0; i < r->n_before; i++) // the log has its new name by now
        if (r->plan.items[i].renamed)
            reload_add_row(r, ODP_RELOAD_RENAMED, r->plan.items[i].after->name,
                           r->plan.items[i].before->name);
}
