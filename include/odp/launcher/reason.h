// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Reasons are texts that travel to people through odpd: one line of sound UTF-8, whatever the
// service printed.

#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "odp/core/proto.h"

// Replaces control characters by spaces and bytes that are not UTF-8 by '?'; a character that was
// cut at the end goes.
void odp_reason_clean(char *s);

// Where a chain "while doing this: that: the cause" begins to fit into n_max_bytes: its end is what
// counts. Of one whose last part is longer that part, of what is no chain the whole.
const char *odp_reason_cause(const char *message, size_t n_max_bytes);

// printf into a reason of `size` bytes, cut and cleaned.
void odp_reason_format(char *s, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void odp_reason_vformat(char *s, size_t size, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
