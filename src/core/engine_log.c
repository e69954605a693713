// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Logs of containers; see the header.

#include "odp/core/engine_log.h"

#include <string.h>

#define FRAME_BYTES 8

// Keeps of the piece what follows the last line that was begun.
static void add_piece(const char *piece, size_t n, char *ret, size_t size, bool *is_ended)
{
    size_t n_ret = strlen(ret);

    for (size_t i = 0; i < n; i++) {
        if (piece[i] == '\n' || piece[i] == '\r') {
            *is_ended = true;
            continue;
        }
        if (*is_ended)
            n_ret = 0;
        *is_ended = false;
        if (n_ret + 1 < size)
            ret[n_ret++] = piece[i];
    }
    ret[n_ret] = '\0';
}

static size_t frame_length(const char *frame)
{
    const unsigned char *b = (const unsigned char *)frame + FRAME_BYTES - 4;

    return (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
}

void odp_engine_log_last(const char *body, size_t n_bytes, bool has_tty, char *ret, size_t size)
{
    bool is_ended = false;

    ret[0] = '\0';
    while (!has_tty && n_bytes > FRAME_BYTES) {
        size_t n = frame_length(body);
        body += FRAME_BYTES;
        n_bytes -= FRAME_BYTES;
        n = n < n_bytes ? n : n_bytes;
        add_piece(body, n, ret, size, &is_ended);
        body += n;
        n_bytes -= n;
    }
    if (has_tty)
        add_piece(body, n_bytes, ret, size, &is_ended);
}
