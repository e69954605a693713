// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The http probe's request and its words; see the header.

#include "odp/core/http_probe.h"

#include <stdio.h>

void odp_http_probe_write(const struct odp_config_service *s, struct odp_buf *ret)
{
    bool is_unix = s->target.kind == ODP_ADDRESS_UNIX;
    bool is_auto = s->target.kind == ODP_ADDRESS_AUTO;
    char local[sizeof("localhost:65535")] = "localhost";
    const char *host = is_unix || is_auto ? local : s->target_text;

    if (is_auto) // the address is another one at each start: nobody could allow it
        snprintf(local, sizeof(local), "localhost:%u", (unsigned)s->target.port);

    odp_buf_printf(ret,
                   "GET %s HTTP/1.1\r\n"
                   "Host: %s\r\n"
                   "User-Agent: odp/" ODP_VERSION "\r\n"
                   "Accept: */*\r\n"
                   "Connection: close\r\n"
                   "\r\n",
                   s->ready_path, host);
}

bool odp_http_probe_passes(const struct odp_config_service *s, unsigned status)
{
    for (size_t i = 0; i < s->n_ready_expect; i++)
        if (status >= s->ready_expect[i].first && status <= s->ready_expect[i].last)
            return true;
    return false;
}

const char *odp_http_probe_format(const struct odp_config_service *s, char *buf)
{
    static const char begin[] = "GET ", more[] = "...";
    size_t n =
        odp_utf8_cut(s->ready_path, ODP_HTTP_PROBE_TEXT_MAX + 1 - sizeof(begin) - sizeof(more));

    snprintf(buf, ODP_HTTP_PROBE_TEXT_MAX, "%s%.*s%s", begin, (int)n, s->ready_path,
             s->ready_path[n] ? more : "");
    return buf;
}
