// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The request line, RFC 9112 section 3: method SP target SP HTTP/1.DIGIT CRLF. A bare LF ends it
// too. Stricter than a server would be: what is wrongly taken for HTTP gets an answer in a protocol
// that it does not speak.

#include "odp/core/http.h"

#include <string.h>

#define METHOD_MAX 32

struct cursor {
    const char *s;
    size_t n_bytes, at;
    bool cut; // it ended where more was needed
};

// The next byte, -1 at the end; never moves on.
static int peek(struct cursor *c)
{
    if (c->at < c->n_bytes)
        return (unsigned char)c->s[c->at];
    c->cut = true;
    return -1;
}

static bool take(struct cursor *c, char wanted)
{
    if (peek(c) != wanted)
        return false;
    c->at++;
    return true;
}

// An RFC 9110 token may be more, but no registered method is.
static bool take_method(struct cursor *c)
{
    size_t begin = c->at;

    for (;;) {
        int byte = peek(c);
        bool letter = byte >= 'A' && byte <= 'Z';
        if (!letter && (byte != '-' || c->at == begin))
            break;
        c->at++;
    }
    if (c->at - begin > METHOD_MAX) {
        c->cut = false;
        return false;
    }
    return c->at > begin && !c->cut;
}

static bool take_target(struct cursor *c)
{
    size_t begin = c->at;

    while (peek(c) > ' ' && peek(c) != 0x7f)
        c->at++;
    return c->at > begin && !c->cut;
}

static bool take_version(struct cursor *c)
{
    static const char words[] = " HTTP/1.";

    for (const char *p = words; *p; p++)
        if (!take(c, *p))
            return false;
    int digit = peek(c);
    if (digit < '0' || digit > '9')
        return false;
    c->at++;
    (void)take(c, '\r');
    return take(c, '\n');
}

enum odp_http odp_http_detect(const char *bytes, size_t n_bytes, bool *ret_is_head)
{
    bool too_long = n_bytes >= ODP_HTTP_LINE_MAX;
    struct cursor c = {.s = bytes, .n_bytes = too_long ? ODP_HTTP_LINE_MAX : n_bytes};

    *ret_is_head = false;
    bool is_head = n_bytes >= 5 && memcmp(bytes, "HEAD ", 5) == 0;
    if (take_method(&c) && take(&c, ' ') && take_target(&c) && take_version(&c)) {
        *ret_is_head = is_head;
        return ODP_HTTP_YES;
    }
    return c.cut && !too_long ? ODP_HTTP_MAYBE : ODP_HTTP_NO;
}
