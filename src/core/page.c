// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The page of a client that cannot be served; see the header.

#include "odp/core/page.h"

#include <stddef.h>
#include <string.h>

static const char *escape_of(char byte)
{
    switch (byte) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return (unsigned char)byte < ' ' || byte == 0x7f ? " " : NULL;
    }
}

static void add_escaped(struct odp_buf *b, const char *text)
{
    for (const char *p = text; *p; p++) {
        const char *escape = escape_of(*p);
        if (escape)
            odp_buf_add(b, escape, strlen(escape));
        else
            odp_buf_add(b, p, 1);
    }
}

static void add_element(struct odp_buf *b, const char *name, const char *text)
{
    if (!text || !text[0])
        return;
    odp_buf_printf(b, "<%s>", name);
    add_escaped(b, text);
    odp_buf_printf(b, "</%s>\n", name);
}

static void write_body(const struct odp_page *page, unsigned retry_sec, struct odp_buf *b)
{
    odp_buf_printf(b, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width\">\n");
    add_element(b, "title", page->title);
    odp_buf_printf(b, "<style>body { font-family: sans-serif; line-height: 1.5; max-width: 36em; "
                      "margin: 4em auto; padding: 0 1em }</style>\n</head>\n<body>\n");
    add_element(b, "h1", page->title);
    add_element(b, "p", page->description);
    add_element(b, "p", page->reason);
    if (page->refresh)
        add_element(b, "p", "This page looks again by itself.");
    else
        odp_buf_printf(b, "<p>Try again in %u second%s.</p>\n", retry_sec,
                       retry_sec == 1 ? "" : "s");
    odp_buf_printf(b, "</body>\n</html>\n");
}

void odp_page_write(const struct odp_page *page, struct odp_buf *b)
{
    unsigned retry_sec = page->retry_sec > 0 ? page->retry_sec : 1;
    struct odp_buf body = {0};

    write_body(page, retry_sec, &body);
    odp_buf_printf(b,
                   "HTTP/1.1 503 Service Unavailable\r\n"
                   "Content-Type: text/html; charset=utf-8\r\n"
                   "Content-Length: %zu\r\n"
                   "Connection: close\r\n"
                   "Cache-Control: no-store\r\n"
                   "Retry-After: %u\r\n",
                   body.n_bytes, retry_sec);
    if (page->refresh)
        odp_buf_printf(b, "Refresh: %d\r\n", ODP_PAGE_REFRESH_SEC);
    odp_buf_add(b, "\r\n", 2);
    if (!page->head)
        odp_buf_add(b, body.s, body.n_bytes);
    b->failed |= body.failed;
    odp_buf_deinit(&body);
}
