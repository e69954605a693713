// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Text that came from elsewhere made fit for a terminal and for JSON.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "odp/base/buf.h"

// Reads the UTF-8 character that *s starts with and moves *s behind it. Returns the code point, or
// -1 for a byte that belongs to no sound character (*s moves on by one). Not for the end of s.
int32_t odp_text_next(const char **s);

// True for what would move a terminal's cursor, colour it or turn the reading direction.
bool odp_text_is_control(int32_t code_point);

// Appends s with `?` in place of control characters and of bytes that are not UTF-8.
void odp_text_add(struct odp_buf *b, const char *s);

// Appends an amount of memory as one wants to know it, with three digits or so: 900K, 212M, 1.5G.
void odp_text_add_bytes(struct odp_buf *b, double bytes);

// The code points of sound UTF-8.
size_t odp_text_width(const char *s);

// Appends JSON, two spaces a level, and no control character even within strings.
void odp_json_add(struct odp_buf *b, const cJSON *json);
