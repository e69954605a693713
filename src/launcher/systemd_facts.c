// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Units' states, and what they say. The texts are systemd_reason.c's.

#include "odp/launcher/systemd_facts.h"

#include <string.h>

static const char *const states[] = {
    [ODP_UNIT_INACTIVE] = "inactive",         [ODP_UNIT_ACTIVE] = "active",
    [ODP_UNIT_RELOADING] = "reloading",       [ODP_UNIT_ACTIVATING] = "activating",
    [ODP_UNIT_DEACTIVATING] = "deactivating", [ODP_UNIT_FAILED] = "failed",
};

// Those that are not here (maintenance, refreshing) pass, and the unit runs meanwhile.
enum odp_unit_state odp_unit_state_from_string(const char *s)
{
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        if (strcmp(states[i], s) == 0)
            return (enum odp_unit_state)i;
    return ODP_UNIT_RELOADING;
}

const char *odp_unit_state_to_string(enum odp_unit_state state)
{
    return states[state];
}

bool odp_unit_is_frozen(const struct odp_unit_facts *f)
{
    return strncmp(f->freezer_state, "frozen", strlen("frozen")) == 0;
}

bool odp_unit_waits_for_restart(const struct odp_unit_facts *f)
{
    return strncmp(f->sub_state, "auto-restart", strlen("auto-restart")) == 0;
}

bool odp_unit_is_settled(const struct odp_unit_facts *f)
{
    return f->job_id == 0 && (f->state == ODP_UNIT_INACTIVE || f->state == ODP_UNIT_ACTIVE ||
                              f->state == ODP_UNIT_FAILED);
}

bool odp_unit_is_down(const struct odp_unit_facts *f)
{
    return f->job_id == 0 && (f->state == ODP_UNIT_INACTIVE || f->state == ODP_UNIT_FAILED);
}

bool odp_unit_is_loaded(const struct odp_unit_facts *f)
{
    return f->load_state[0] == '\0' || strcmp(f->load_state, "loaded") == 0;
}

enum odp_unit_verdict odp_unit_judge(const struct odp_unit_facts *f)
{
    if (f->is_looping)
        return ODP_UNITS_FAILED;
    if (!odp_unit_is_settled(f))
        return f->state == ODP_UNIT_RELOADING && f->job_id == 0 ? ODP_UNITS_RUNNING
                                                                : ODP_UNITS_IN_BETWEEN;
    if (f->state == ODP_UNIT_ACTIVE) // even if its file is gone
        return odp_unit_is_frozen(f) ? ODP_UNITS_FROZEN : ODP_UNITS_RUNNING;
    if (f->state == ODP_UNIT_FAILED)
        return ODP_UNITS_FAILED;
    return f->is_made || odp_unit_is_loaded(f) ? ODP_UNITS_INACTIVE : ODP_UNITS_FAILED;
}
