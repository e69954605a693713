// SPDX-License-Identifier: LGPL-2.1-or-later
//
// [requires] service between the services' machines: wakes what one requires, tells it when all of
// that is ready or that it will not be, and lets nothing sleep that somebody uses. Services are
// looked up by name whenever they are needed: the files may have changed in between.

#pragma once

#include "odp/proxy/manager.h"

// To be called when services have come or gone, and when what they require has changed: counts
// anew, and whoever waits is told what is true now.
void odp_requires_refresh(struct odp_manager *mgr);

// m is freed, or is no service of the files any more.
void odp_requires_forget_users(struct odp_managed *m);

// The machine of m went into its present state because of `kind`. May feed events to any machine,
// that of m included.
void odp_requires_on_change(struct odp_managed *m, enum odp_service_event_kind kind);

// Those who wait for m are turned away: for services the wake has failed.
void odp_requires_deny(struct odp_managed *m);

enum odp_requires_use odp_requires_use_of(const struct odp_managed *user,
                                          const struct odp_managed *used);

// The first service that waits for m, NULL if none does.
const struct odp_managed *odp_requires_first_waiter(const struct odp_managed *m);

// True where "it runs" says nothing: a plain proxy runs always. One that requires others is asleep
// until it is wanted, so that these may be.
bool odp_requires_counts_as_asleep(const struct odp_managed *m);
