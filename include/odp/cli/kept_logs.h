// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What odpd keeps of a service's lines in bounded files where there is no journal (base/keep.h).

#pragma once

#include <stdbool.h>
#include <stddef.h>

// Prints the last `n_lines` (as in odp/cli/journal.h) of service `name`, fit for a terminal. With
// `follows` also what comes, until the reader goes. Returns an exit code; what went wrong has been
// said.
int odp_kept_logs_show(const char *directory, const char *name, bool follows, size_t n_lines);
