// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Reads the head of an HTTP/1.x response, byte by byte as it comes: status line and header fields
// up to the empty line. Strict about what a head is, and bounded; keeps nothing but the status and
// what tells where the body ends (RFC 9112 section 6): core/http_body reads that.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ODP_HTTP_HEAD_MAX 16384 // bytes, interim heads included

enum odp_http_head_state {
    ODP_HTTP_HEAD_MORE,  // sound so far
    ODP_HTTP_HEAD_WHOLE, // `status` is known; what follows is the body
    ODP_HTTP_HEAD_BAD,   // not a response of HTTP/1.x
    ODP_HTTP_HEAD_LONG,  // longer than ODP_HTTP_HEAD_MAX
};

enum odp_http_coding {
    ODP_HTTP_PLAIN,
    ODP_HTTP_CHUNKED,
    ODP_HTTP_OTHER_CODING, // any other, or several
};

// What the fields Content-Length and Transfer-Encoding say. A head is no worse for what is wrong
// with them.
struct odp_http_framing {
    uint64_t length;
    bool has_length;
    bool is_bad;    // they make no sense
    uint8_t coding; // enum odp_http_coding

    // The parser's own: which of the two the present field may be, and how far it is.
    uint8_t field, n_matched;
};

// All zero before the first byte.
struct odp_http_head {
    enum odp_http_head_state state;
    uint8_t at;        // the parser's own
    uint8_t n_matched; // likewise
    uint16_t status;   // 100 to 999 once it is whole
    uint32_t n_bytes;  // that were taken: once it is whole, the length of all heads together
    struct odp_http_framing framing;
};

// Takes the next bytes, no more than the head needs. Interim responses (1xx) are passed over, but
// for 101, after which no HTTP follows. Returns the state; once it is not MORE, nothing changes it.
enum odp_http_head_state odp_http_head_feed(struct odp_http_head *h, const char *bytes,
                                            size_t n_bytes);
