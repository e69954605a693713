// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Reads the body of an HTTP/1.x response as it comes (RFC 9112 sections 6 and 7): of a known
// length, in chunks, or up to the connection's end. Copies nothing, and bounds what it does not
// hand on; how much of the body is kept is the caller's to bound.

#pragma once

#include <stddef.h>
#include <stdint.h>

#include "odp/core/http_head.h"

#define ODP_HTTP_CHUNK_LINE_MAX 256  // bytes of a line with a chunk's size
#define ODP_HTTP_TRAILER_MAX    4096 // bytes behind the last chunk

enum odp_http_body_state {
    ODP_HTTP_BODY_MORE,
    ODP_HTTP_BODY_WHOLE,
    ODP_HTTP_BODY_BAD, // it cannot be told where it ends, or it ended too early
};

struct odp_http_body {
    enum odp_http_body_state state;
    uint8_t at;       // the parser's own
    uint32_t n_line;  // likewise: bytes of the present line, or of all trailers
    uint64_t n_bytes; // still to come, of the body or the present chunk
};

// Begins the body behind a whole head, which answers a GET or a POST. May be whole, or bad, at
// once.
void odp_http_body_begin(struct odp_http_body *b, const struct odp_http_head *head);

// Takes bytes up to the end of one piece of the body, which is *ret_data, within `bytes`; *ret_n is
// 0 where there was none. Returns how many bytes were taken: all of them, unless there is a piece
// or the body has ended.
size_t odp_http_body_feed(struct odp_http_body *b, const char *bytes, size_t n_bytes,
                          const char **ret_data, size_t *ret_n);

// The connection has ended. Returns the state, which is final.
enum odp_http_body_state odp_http_body_end(struct odp_http_body *b);
