// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A growing text, doubled as it fills.

#include "odp/base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 256

// Room for n_bytes more and the NUL.
static bool reserve(struct odp_buf *b, size_t n_bytes)
{
    size_t size = b->size ? b->size : FIRST_SIZE;

    if (b->failed)
        return false;
    if (n_bytes >= SIZE_MAX / 2 - b->n_bytes) {
        b->failed = true;
        return false;
    }
    while (size <= b->n_bytes + n_bytes)
        size *= 2;
    if (size == b->size)
        return true;
    char *s = realloc(b->s, size);
    if (!s) {
        b->failed = true;
        return false;
    }
    b->s = s;
    b->size = size;
    return true;
}

void odp_buf_add(struct odp_buf *b, const void *data, size_t n_bytes)
{
    if (!reserve(b, n_bytes))
        return;
    if (n_bytes > 0)
        memcpy(b->s + b->n_bytes, data, n_bytes);
    b->n_bytes += n_bytes;
    b->s[b->n_bytes] = '\0';
}

void odp_buf_printf(struct odp_buf *b, const char *format, ...)
{
    va_list args, again;

    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0)
        b->failed = true;
    else if (reserve(b, (size_t)n)) {
        vsnprintf(b->s + b->n_bytes, (size_t)n + 1, format, again);
        b->n_bytes += (size_t)n;
    }
    va_end(again);
}

void odp_buf_deinit(struct odp_buf *b)
{
    if (!b)
        return;
    free(b->s);
    *b = (struct odp_buf){0};
}

size_t odp_utf8_cut(const char *s, size_t n_max)
{
    size_t n = strnlen(s, n_max);

    while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80) // a continuation byte would be first
        n--;
    return n;
}
