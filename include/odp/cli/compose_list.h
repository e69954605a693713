// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which containers a Compose project has: its engine knows.

#pragma once

#include "odp/cli/run.h"

// Their names, in their order, without those that `docker compose run` has made. Returns 0 or a
// negative errno, as odp_engine_get() does; there are names only where the status is 200. *ret is
// to be deinitialised in all cases.
int odp_compose_list(const char *socket, const char *project, unsigned *ret_status,
                     struct odp_words *ret);
