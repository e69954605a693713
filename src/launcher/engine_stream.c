// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Cuts an endless answer into lines; see the header.

#include "odp/launcher/engine_stream.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/buf.h"
#include "odp/launcher/reason.h"

#define LINE_MAX_BYTES (256 * 1024) // of an event

struct odp_engine_stream {
    struct odp_engine_http *http;                      // owned
    const struct odp_engine_stream_observer *observer; // borrowed
    void *userdata;
    struct odp_buf line; // as far as it has come
    bool skips;          // the rest of a line that is too long
};

void odp_engine_stream_free(struct odp_engine_stream *s)
{
    if (!s)
        return;
    odp_engine_http_free(s->http);
    odp_buf_deinit(&s->line);
    free(s);
}

static void end_line(struct odp_engine_stream *s, const char *line, size_t n_bytes)
{
    if (s->skips)
        s->observer->on_open(s->userdata);
    else if (n_bytes > 0)
        s->observer->on_line(s->userdata, line, n_bytes);
    s->skips = false;
}

static void take_lines(struct odp_engine_stream *s)
{
    char *at = s->line.s, *end = s->line.s + s->line.n_bytes, *newline;

    while ((newline = memchr(at, '\n', (size_t)(end - at)))) {
        end_line(s, at, (size_t)(newline - at));
        at = newline + 1;
    }
    s->line.n_bytes = (size_t)(end - at);
    memmove(s->line.s, at, s->line.n_bytes);
}

static void forget_line(struct odp_engine_stream *s)
{
    odp_buf_deinit(&s->line);
    s->line = (struct odp_buf){0};
}

static void on_data(void *userdata, const char *data, size_t n_bytes)
{
    struct odp_engine_stream *s = userdata;

    if (n_bytes == 0) {
        s->observer->on_open(s->userdata);
        return;
    }
    odp_buf_add(&s->line, data, n_bytes);
    if (!s->line.failed)
        take_lines(s);
    if (s->line.failed || s->line.n_bytes > LINE_MAX_BYTES) {
        forget_line(s);
        s->skips = true;
    }
}

static void on_reply(void *userdata, const struct odp_engine_reply *reply)
{
    struct odp_engine_stream *s = userdata;
    bool is_refused = !reply->why && reply->status != 200;
    char why[64];

    if (is_refused)
        odp_reason_format(why, sizeof(why), "it tells no events (status %u)", reply->status);
    else
        odp_reason_format(why, sizeof(why), "%s",
                          reply->why ? reply->why : "it has ended its events");
    s->observer->on_ended(s->userdata, is_refused, why);
}

int odp_engine_stream_open(uv_loop_t *loop, const char *socket, const char *path,
                           const struct odp_engine_stream_observer *observer, void *userdata,
                           struct odp_engine_stream **ret)
{
    struct odp_engine_stream *s = path ? calloc(1, sizeof(*s)) : NULL;
    const struct odp_engine_request request = {.socket = socket,
                                               .method = "GET",
                                               .path = path,
                                               .timeout_ms = ODP_ENGINE_TIMEOUT_MS,
                                               .on_reply = on_reply,
                                               .on_data = on_data,
                                               .userdata = s};

    if (!s || odp_engine_http_begin(loop, &request, &s->http) < 0) {
        free(s);
        return -ENOMEM;
    }
    s->observer = observer;
    s->userdata = userdata;
    *ret = s;
    return 0;
}
