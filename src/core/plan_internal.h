// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Between the two steps of a plan. Nobody else includes it.

#pragma once

#include "odp/core/plan.h"

// Finds the service of each file. Fills ret->items, which has room for all: FAULTY for files that
// are so by themselves, else as the settings differ. config's services move to the items. Returns
// 0, or -ENOMEM with nothing moved.
int odp_plan_match(struct odp_config_service *const *before, size_t n_before,
                   struct odp_config *config, struct odp_plan *ret);
