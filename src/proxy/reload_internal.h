// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One reload under way, shared by the reload*.c files. Nobody else includes it.

#pragma once

#include "odp/core/plan.h"
#include "odp/proxy/reload.h"

struct reloading {
    struct odp_manager *mgr;
    struct odp_plan plan;
    struct odp_managed **all; // owned; the service of each item, NULL: none
    size_t n_before;          // items that had one before
    bool *is_told;            // owned; of each item: the launcher is to load its settings
    struct odp_reload *report;
};

// ---- reload_report.c ---------------------------------------------------------------------------

// Something was done to a service; `was` is its name before, or NULL.
void reload_add_row(struct reloading *r, enum odp_reload_kind kind, const char *name,
                    const char *was);

// That was all. why_not: nothing has changed; else NULL.
void reload_report_end(struct reloading *r, const char *why_not);

// ---- reload_names.c ----------------------------------------------------------------------------

// Whatever bears the name of a renamed service, but for the service itself.
void reload_rename(struct reloading *r);
