// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a container engine answers to GET /containers/NAME/logs: pieces in frames of 8 bytes, the
// last four of which are the length of what follows, big endian; plain where the container has a
// terminal.

#pragma once

#include <stdbool.h>
#include <stddef.h>

// The last line that is not blank, cut to `size`. It may hold any byte but NUL.
void odp_engine_log_last(const char *body, size_t n_bytes, bool has_tty, char *ret, size_t size);
