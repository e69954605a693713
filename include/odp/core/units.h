// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The text of a service's socket unit, odp-NAME.socket: the service manager listens for it and
// hands the socket to odpd. Pure: who writes it where is the command line's.
//
// What stands in it beside the addresses was found by experiment: no limit on triggers and starts,
// or a crash loop of odpd takes the sockets along for good; no DeferAcceptSec=, which breaks
// servers that speak first; no FlushPending=, which loses clients; no condition, which refuses
// them.

#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "odp/base/buf.h"
#include "odp/core/config.h"

#define ODP_UNITS_PREFIX   "odp-"
#define ODP_UNITS_SUFFIX   ".socket"
#define ODP_UNITS_NAME_MAX (sizeof(ODP_UNITS_PREFIX ODP_UNITS_SUFFIX) - 1 + ODP_NAME_MAX)
#define ODP_UNITS_ODPD     "odpd.service"
#define ODP_UNITS_USER     "odp" // whom odpd runs as in the system

// How the text begins: who finds a file that begins otherwise has not made it.
#define ODP_UNITS_MARK "# Made by odp from "

// The unit's name into buf of ODP_UNITS_NAME_MAX + 1. Returns buf.
const char *odp_units_name(const char *service, char *buf, size_t size);

// Appends the unit's text. `is_user`: for a user's service manager. s->file is to be absolute.
// Returns 0, -ENOMEM (`ret` is not whole then), or ODP_UNITS_E_UNFIT and one line in `why`: an
// address that no unit can hold.
#define ODP_UNITS_E_UNFIT 1
int odp_units_socket(const struct odp_config_service *s, bool is_user, struct odp_buf *ret,
                     char *why, size_t why_size);
