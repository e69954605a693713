// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Reads the head of an HTTP/1.x response, byte by byte as it comes: status line and header fields
// up to the empty line. Strict about what a head is, and bounded; keeps nothing but the status.

#pragma once

#include <stddef.h>
#include <stdint.h>

#define ODP_HTTP_HEAD_MAX 16384 // bytes, interim heads included

enum odp_http_head_state {
    ODP_HTTP_HEAD_MORE,  // sound so far
    ODP_HTTP_HEAD_WHOLE, // `status` is known; what follows is the body
    ODP_HTTP_HEAD_BAD,   // not a response of HTTP/1.x
    ODP_HTTP_HEAD_LONG,  // longer than ODP_HTTP_HEAD_MAX
};

// All zero before the first byte.
struct odp_http_head {
    enum odp_http_head_state state;
    uint8_t at;        // the parser's own
    uint8_t n_matched; // likewise
    uint16_t status;   // 100 to 999 once it is whole
    uint32_t n_bytes;  // that were taken: once it is whole, the length of all heads together
};

// Takes the next bytes, no more than the head needs. Interim responses (1xx) are passed over, but
// for 101, after which no HTTP follows. Returns the state; once it is not MORE, nothing changes it.
enum odp_http_head_state odp_http_head_feed(struct odp_http_head *h, const char *bytes,
                                            size_t n_bytes);
