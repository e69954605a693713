// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the messages of the service manager say about a unit.

#pragma once

#include "odp/launcher/systemd_facts.h"
#include "odp/launcher/systemd_library.h"

// Takes what a{sv} has. Returns a negative errno where it is none; some may be taken by then.
int odp_systemd_properties_read(const struct odp_sd_bus *sd, sd_bus_message *m,
                                struct odp_unit_facts *facts);

// Takes the first unit of the answer to ListUnitsByNames. *ret_id, its own name, is the caller's.
// Returns 0, -ENOENT where no unit can have such a name, or another negative errno.
int odp_systemd_listing_read(const struct odp_sd_bus *sd, sd_bus_message *m,
                             struct odp_unit_facts *facts, char **ret_id);
