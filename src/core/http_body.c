// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The body of a response; see the header. Chunk extensions and trailers are passed over.

#include "odp/core/http_body.h"

#include <stdbool.h>

enum at {
    AT_LENGTH,       // n_bytes are still to come
    AT_CONNECTION,   // all that comes until the connection ends
    AT_SIZE,         // the digits of a chunk's size
    AT_SIZE_REST,    // up to the end of that line
    AT_CHUNK,        // n_bytes are still to come
    AT_CHUNK_END,    // CR LF
    AT_TRAILER,      // a line begins
    AT_TRAILER_REST, // up to its end
};

void odp_http_body_begin(struct odp_http_body *b, const struct odp_http_head *head)
{
    const struct odp_http_framing *f = &head->framing;

    *b = (struct odp_http_body){.at = AT_CONNECTION};
    if (head->status < 200 || head->status == 204 || head->status == 304) {
        b->state = ODP_HTTP_BODY_WHOLE;
    } else if (f->is_bad || f->coding == ODP_HTTP_OTHER_CODING) {
        b->state = ODP_HTTP_BODY_BAD;
    } else if (f->coding == ODP_HTTP_CHUNKED) {
        b->at = AT_SIZE; // whatever the length says
    } else if (f->has_length) {
        b->at = AT_LENGTH;
        b->n_bytes = f->length;
        b->state = f->length == 0 ? ODP_HTTP_BODY_WHOLE : ODP_HTTP_BODY_MORE;
    }
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static enum at after_size(struct odp_http_body *b)
{
    b->n_line = 0;
    return b->n_bytes > 0 ? AT_CHUNK : AT_TRAILER;
}

static enum at in_size(struct odp_http_body *b, char c)
{
    int digit = digit_of(c);

    if (digit >= 0 && b->n_bytes <= UINT64_MAX >> 4) {
        b->n_bytes = b->n_bytes << 4 | (unsigned)digit;
        return AT_SIZE;
    }
    if (digit < 0 && b->n_line > 1) {
        if (c == '\n')
            return after_size(b);
        if (c == '\r' || c == ';' || c == ' ' || c == '\t')
            return AT_SIZE_REST;
    }
    b->state = ODP_HTTP_BODY_BAD;
    return AT_SIZE;
}

static enum at in_trailer(struct odp_http_body *b, char c)
{
    if (c == '\n')
        b->state = ODP_HTTP_BODY_WHOLE;
    return c == '\r' ? AT_TRAILER : AT_TRAILER_REST;
}

static enum at in_chunk_end(struct odp_http_body *b, char c)
{
    if (c == '\n') {
        b->n_line = 0;
        return AT_SIZE;
    }
    if (c != '\r' || b->n_line > 1)
        b->state = ODP_HTTP_BODY_BAD;
    return AT_CHUNK_END;
}

// One byte that is none of the body's.
static void step(struct odp_http_body *b, char c)
{
    enum at at = (enum at)b->at;

    b->n_line++;
    switch (at) {
    case AT_SIZE: at = in_size(b, c); break;
    case AT_SIZE_REST: at = c == '\n' ? after_size(b) : at; break;
    case AT_CHUNK_END: at = in_chunk_end(b, c); break;
    case AT_TRAILER: at = in_trailer(b, c); break;
    case AT_TRAILER_REST: at = c == '\n' ? AT_TRAILER : at; break;
    case AT_LENGTH:
    case AT_CONNECTION:
    case AT_CHUNK: break;
    }
    b->at = (uint8_t)at;
    if (b->n_line > (at == AT_TRAILER || at == AT_TRAILER_REST ? ODP_HTTP_TRAILER_MAX
                                                               : ODP_HTTP_CHUNK_LINE_MAX))
        b->state = ODP_HTTP_BODY_BAD;
}

static bool is_in_data(const struct odp_http_body *b)
{
    return b->at == AT_LENGTH || b->at == AT_CONNECTION || b->at == AT_CHUNK;
}

// n bytes of the body have come.
static void take(struct odp_http_body *b, size_t n)
{
    if (b->at == AT_CONNECTION)
        return;
    b->n_bytes -= n;
    if (b->n_bytes > 0)
        return;
    if (b->at == AT_LENGTH)
        b->state = ODP_HTTP_BODY_WHOLE;
    b->at = AT_CHUNK_END;
    b->n_line = 0;
}

size_t odp_http_body_feed(struct odp_http_body *b, const char *bytes, size_t n_bytes,
                          const char **ret_data, size_t *ret_n)
{
    size_t n_taken = 0, n;

    *ret_data = bytes;
    *ret_n = 0;
    while (n_taken < n_bytes && b->state == ODP_HTTP_BODY_MORE && !is_in_data(b))
        step(b, bytes[n_taken++]);
    if (n_taken == n_bytes || b->state != ODP_HTTP_BODY_MORE)
        return n_taken;
    n = n_bytes - n_taken;
    if (b->at != AT_CONNECTION && n > b->n_bytes)
        n = (size_t)b->n_bytes;
    *ret_data = bytes + n_taken;
    *ret_n = n;
    take(b, n);
    return n_taken + n;
}

enum odp_http_body_state odp_http_body_end(struct odp_http_body *b)
{
    if (b->state == ODP_HTTP_BODY_MORE)
        b->state = b->at == AT_CONNECTION ? ODP_HTTP_BODY_WHOLE : ODP_HTTP_BODY_BAD;
    return b->state;
}
