// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a browser is shown that cannot be served: a whole HTTP response, 503 Service Unavailable,
// with a small page that needs nothing else to be fetched. Says why in plain words, and when to try
// again.

#pragma once

#include <stdbool.h>

#include "odp/base/buf.h"

#define ODP_PAGE_REFRESH_SEC 2

struct odp_page {
    const char *title;       // one line, e.g. "wiki is starting"
    const char *description; // of the service; NULL or "" for none
    const char *reason;      // NULL or "" for none
    unsigned retry_sec;      // Retry-After; 0 counts as 1
    bool refresh;            // a browser asks again by itself, after ODP_PAGE_REFRESH_SEC
    bool head;               // the answer to a HEAD request: the same without its body
};

// Appends the response. The texts may hold any bytes: they are escaped, and control bytes in them
// become spaces; none of them goes into the header. b->failed tells of a lack of memory.
void odp_page_write(const struct odp_page *page, struct odp_buf *b);
