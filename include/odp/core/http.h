// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Tells from the first bytes of a connection whether its client speaks HTTP/1.x. Nothing is parsed
// beyond the request line: whoever is to be answered gets the same page for every path.

#pragma once

#include <stdbool.h>
#include <stddef.h>

#define ODP_HTTP_PEEK_BYTES 16384 // more than this never changes the verdict
#define ODP_HTTP_LINE_MAX   8192  // bytes of the request line, its end included

enum odp_http {
    ODP_HTTP_NO,
    ODP_HTTP_MAYBE, // so far it could be; too few bytes yet
    ODP_HTTP_YES,   // the request line is whole and sound
};

// Judges the first n_bytes that a client sent; more bytes turn MAYBE into one of the others and
// change neither of these. *ret_is_head is set in every case: true for a HEAD request, whose answer
// has no body.
enum odp_http odp_http_detect(const char *bytes, size_t n_bytes, bool *ret_is_head);
