// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A growing text. All zero is empty; a failed allocation is remembered and reported at the end,
// so that callers need not check each step.

#pragma once

#include <stdbool.h>
#include <stddef.h>

struct odp_buf {
    char *s; // owned; NUL terminated once anything was added
    size_t n_bytes;
    size_t size;
    bool failed; // out of memory; what was added since is lost
};

void odp_buf_add(struct odp_buf *b, const void *data, size_t n_bytes);
void odp_buf_printf(struct odp_buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void odp_buf_deinit(struct odp_buf *b);

// The length of the longest beginning of s that has at most n_max bytes and no character cut in
// two. s is sound UTF-8.
size_t odp_utf8_cut(const char *s, size_t n_max);
