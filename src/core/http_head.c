// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The response head, RFC 9112 sections 2 to 6: one step a byte, so that it does not matter in which
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

// The fields that are looked at; bits of framing.field stand for them.
static const char *const fields[] = {"content-length", "transfer-encoding"};
#define FIELD_LENGTH 1U
#define FIELD_CODING 2U

// framing.n_matched while the value of Content-Length is read.
enum { LENGTH_BEFORE, LENGTH_WITHIN, LENGTH_BEHIND };

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

static char to_lower(unsigned char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

// ---- what tells where the body ends ------------------------------------------------------------

static void name_begins(struct odp_http_framing *f)
{
    f->field = FIELD_LENGTH | FIELD_CODING;
    f->n_matched = 0;
}

// ':' ends the name.
static void name_goes_on(struct odp_http_framing *f, unsigned char c)
{
    for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]) && f->field; i++)
        if ((f->field & 1U << i) && fields[i][f->n_matched] != (c == ':' ? '\0' : to_lower(c)))
            f->field = (uint8_t)(f->field & ~(1U << i));
    f->n_matched++;
    if (c != ':')
        return;
    f->n_matched = 0;
    if (f->field == FIELD_LENGTH) {
        f->is_bad |= f->has_length; // twice
        f->length = 0;
    }
}

static void length_goes_on(struct odp_http_framing *f, unsigned char c)
{
    bool is_space = c == ' ' || c == '\t';

    if (is_space) {
        f->n_matched = f->n_matched == LENGTH_BEFORE ? LENGTH_BEFORE : LENGTH_BEHIND;
        return;
    }
    f->is_bad |= !is_digit(c) || f->n_matched == LENGTH_BEHIND ||
                 __builtin_mul_overflow(f->length, 10, &f->length) ||
                 __builtin_add_overflow(f->length, (uint64_t)(c - '0'), &f->length);
    f->n_matched = LENGTH_WITHIN;
}

static void coding_goes_on(struct odp_http_framing *f, unsigned char c)
{
    static const char chunked[] = "chunked";

    if (c == ' ' || c == '\t')
        return;
    // More than one of them does not match either.
    if (f->n_matched < sizeof(chunked) - 1 && chunked[f->n_matched] == to_lower(c))
        f->n_matched++;
    else
        f->n_matched = UINT8_MAX;
}

static void value_goes_on(struct odp_http_framing *f, unsigned char c)
{
    if (f->field == FIELD_LENGTH)
        length_goes_on(f, c);
    else if (f->field == FIELD_CODING)
        coding_goes_on(f, c);
}

static void value_ends(struct odp_http_framing *f)
{
    if (f->field == FIELD_LENGTH) {
        f->is_bad |= f->n_matched == LENGTH_BEFORE;
        f->has_length = true;
    } else if (f->field == FIELD_CODING) {
        bool is_chunked = f->n_matched == strlen("chunked") && f->coding == ODP_HTTP_PLAIN;
        f->coding = is_chunked ? ODP_HTTP_CHUNKED : ODP_HTTP_OTHER_CODING;
    }
}

// ---- lines -------------------------------------------------------------------------------------

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
static enum at after_text(struct odp_http_head *h, enum at at, unsigned char c)
{
    if (at == AT_VALUE && (c == '\n' || c == '\r'))
        value_ends(&h->framing);
    else if (at == AT_VALUE)
        value_goes_on(&h->framing, c);
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
    h->framing = (struct odp_http_framing){.length = 0};
    return AT_VERSION;
}

static enum at after_line_begin(struct odp_http_head *h, enum at at, unsigned char c)
{
    if (c == '\r')
        return AT_END_LF;
    if (c == '\n')
        return after_head(h);
    if ((c == ' ' || c == '\t') && at == AT_NEXT_LINE) { // folded
        h->framing.is_bad |= h->framing.field != 0;
        return AT_VALUE;
    }
    name_begins(&h->framing);
    name_goes_on(&h->framing, c);
    return is_token_char(c) ? AT_NAME : AT_BAD;
}

static enum at after_name(struct odp_http_head *h, unsigned char c)
{
    if (c != ':' && !is_token_char(c))
        return AT_BAD;
    name_goes_on(&h->framing, c);
    return c == ':' ? AT_VALUE : AT_NAME;
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
        return c == ' ' || c == '\r' || c == '\n' ? after_text(h, AT_REASON, c) : AT_BAD;
    case AT_REASON:
    case AT_VALUE: return after_text(h, at, c);
    case AT_REASON_LF: return c == '\n' ? AT_FIRST_LINE : AT_BAD;
    case AT_VALUE_LF: return c == '\n' ? AT_NEXT_LINE : AT_BAD;
    case AT_FIRST_LINE:
    case AT_NEXT_LINE: return after_line_begin(h, at, c);
    case AT_NAME: return after_name(h, c);
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
