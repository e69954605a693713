// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The response head, RFC 9112 sections 2 to 5: one step a byte, so that it does not matter in which
// pieces it comes. Two liberties that the RFC gives are taken: a line may end in LF alone, and a
// field may be folded. The reason phrase and the space before it may be missing, as with servers
// in use.

#include "odp/core/http_head.h"

#include <stdbool.h>
#include <string.h>

enum at {
    AT_VERSION, // n_matched bytes of "HTTP/1." are there
    AT_MINOR,
    AT_SPACE,
    AT_STATUS,
    AT_STATUS_END,
    AT_REASON,
    AT_REASON_LF,  // behind its CR
    AT_FIRST_LINE, // begins, right behind the status line
    AT_NAME,
    AT_VALUE,
    AT_VALUE_LF,
    AT_NEXT_LINE, // begins, behind a field
    AT_END_LF,    // of the empty line
    AT_BAD,
};

static const char version[] = "HTTP/1.";

// RFC 9110, 5.6.2.
static bool is_token_char(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

// Within a field's value or the reason phrase.
static bool is_text(unsigned char c)
{
    return c == '\t' || (c >= ' ' && c != 0x7f);
}

static enum at after_version(struct odp_http_head *h, unsigned char c)
{
    if (c != (unsigned char)version[h->n_matched])
        return AT_BAD;
    return ++h->n_matched == sizeof(version) - 1 ? AT_MINOR : AT_VERSION;
}

static enum at after_status(struct odp_http_head *h, unsigned char c)
{
    if (!is_digit(c) || (h->status == 0 && c == '0'))
        return AT_BAD;
    h->status = (uint16_t)(h->status * 10 + (c - '0'));
    return h->status >= 100 ? AT_STATUS_END : AT_STATUS;
}

// A line's text goes on, or its end comes.
static enum at after_text(enum at at, unsigned char c)
{
    if (c == '\n')
        return at == AT_REASON ? AT_FIRST_LINE : AT_NEXT_LINE;
    if (c == '\r')
        return at == AT_REASON ? AT_REASON_LF : AT_VALUE_LF;
    return is_text(c) ? at : AT_BAD;
}

// The empty line is behind us: the end, or the next head after an interim one.
static enum at after_head(struct odp_http_head *h)
{
    if (h->status >= 200 || h->status == 101) {
        h->state = ODP_HTTP_HEAD_WHOLE;
        return AT_END_LF;
    }
    h->n_matched = 0;
    h->status = 0;
    return AT_VERSION;
}

static enum at after_line_begin(struct odp_http_head *h, enum at at, unsigned char c)
{
    if (c == '\r')
        return AT_END_LF;
    if (c == '\n')
        return after_head(h);
    if ((c == ' ' || c == '\t') && at == AT_NEXT_LINE)
        return AT_VALUE; // folded
    return is_token_char(c) ? AT_NAME : AT_BAD;
}

static enum at step(struct odp_http_head *h, unsigned char c)
{
    enum at at = (enum at)h->at;

    switch (at) {
    case AT_VERSION: return after_version(h, c);
    case AT_MINOR: return is_digit(c) ? AT_SPACE : AT_BAD;
    case AT_SPACE: return c == ' ' ? AT_STATUS : AT_BAD;
    case AT_STATUS: return after_status(h, c);
    case AT_STATUS_END:
        return c == ' ' || c == '\r' || c == '\n' ? after_text(AT_REASON, c) : AT_BAD;
    case AT_REASON:
    case AT_VALUE: return after_text(at, c);
    case AT_REASON_LF: return c == '\n' ? AT_FIRST_LINE : AT_BAD;
    case AT_VALUE_LF: return c == '\n' ? AT_NEXT_LINE : AT_BAD;
    case AT_FIRST_LINE:
    case AT_NEXT_LINE: return after_line_begin(h, at, c);
    case AT_NAME: return c == ':' ? AT_VALUE : is_token_char(c) ? AT_NAME : AT_BAD;
    case AT_END_LF: return c == '\n' ? after_head(h) : AT_BAD;
    case AT_BAD: break;
    }
    return AT_BAD;
}

enum odp_http_head_state odp_http_head_feed(struct odp_http_head *h, const char *bytes,
                                            size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes && h->state == ODP_HTTP_HEAD_MORE; i++) {
        if (h->n_bytes == ODP_HTTP_HEAD_MAX) {
            h->state = ODP_HTTP_HEAD_LONG;
            break;
        }
        h->n_bytes++;
        h->at = (uint8_t)step(h, (unsigned char)bytes[i]);
        if (h->at == AT_BAD)
            h->state = ODP_HTTP_HEAD_BAD;
    }
    return h->state;
}
