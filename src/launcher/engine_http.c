// SPDX-License-Identifier: LGPL-2.1-or-later
//
// HTTP/1.1 over a unix socket by libuv's pipes; see the header. One exchange a connection: an
// engine is asked seldom, and a kept connection would have to be watched.

#include "odp/launcher/engine_http.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/buf.h"
#include "odp/core/http_body.h"
#include "odp/core/http_head.h"

#define READ_BYTES 16384

struct odp_engine_http {
    uv_pipe_t pipe;
    uv_timer_t timer;
    unsigned n_handles; // that are not closed yet
    uv_connect_t connect;
    uv_write_t write;
    odp_engine_reply_fn *on_reply; // NULL once it was called, or is not to be
    odp_engine_data_fn *on_data;   // NULL: the body is kept
    odp_engine_late_fn *on_late;   // NULL: what is late is given up
    void *userdata, *late_userdata;
    struct odp_http_head head;
    struct odp_http_body body;
    struct odp_buf text; // of the body
    struct odp_buf request;
};

// What is read is dealt with before anything else is: one buffer is enough for all.
static char read_buffer[READ_BYTES];

// ---- the end of it -----------------------------------------------------------------------------

static void on_closed(uv_handle_t *handle)
{
    struct odp_engine_http *h = handle->data;

    if (--h->n_handles > 0)
        return;
    odp_buf_deinit(&h->text);
    odp_buf_deinit(&h->request);
    free(h);
}

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_closed);
}

void odp_engine_http_free(struct odp_engine_http *h)
{
    if (!h)
        return;
    h->on_reply = NULL;
    close_handle((uv_handle_t *)&h->pipe);
    close_handle((uv_handle_t *)&h->timer);
}

// A container that is just being removed Podman finds, and then not: that is status 500.
static unsigned status_of(const struct odp_engine_http *h)
{
    bool is_gone = h->head.status == 500 && h->text.s && strncmp(h->request.s, "GET ", 4) == 0 &&
                   strcasestr(h->text.s, "no such container");

    return is_gone ? 404 : h->head.status;
}

// The caller may free it in there.
static void reply(struct odp_engine_http *h, const char *why)
{
    odp_engine_reply_fn *on_reply = h->on_reply;
    const struct odp_engine_reply r = {.why = why,
                                       .status = status_of(h),
                                       .body = h->text.s ? h->text.s : "",
                                       .n_body = h->text.n_bytes};

    if (!on_reply)
        return;
    h->on_reply = NULL;
    uv_timer_stop(&h->timer);
    uv_read_stop((uv_stream_t *)&h->pipe);
    on_reply(h->userdata, &r);
}

static void on_timer(uv_timer_t *timer)
{
    struct odp_engine_http *h = timer->data;

    if (h->on_late)
        h->on_late(h->late_userdata);
    else
        reply(h, "it does not answer");
}

// ---- the answer --------------------------------------------------------------------------------

static bool is_endless(const struct odp_engine_http *h)
{
    return h->on_data && h->head.status == 200;
}

// The body's pieces. Returns what is wrong, or NULL.
static const char *take_body(struct odp_engine_http *h, const char *bytes, size_t n_bytes)
{
    while (n_bytes > 0 && h->body.state == ODP_HTTP_BODY_MORE) {
        const char *data;
        size_t n_data, n = odp_http_body_feed(&h->body, bytes, n_bytes, &data, &n_data);

        if (is_endless(h) && n_data > 0)
            h->on_data(h->userdata, data, n_data);
        else if (h->text.n_bytes + n_data > ODP_ENGINE_BODY_MAX)
            return "its answer is too long";
        else
            odp_buf_add(&h->text, data, n_data);
        bytes += n;
        n_bytes -= n;
    }
    if (h->text.failed)
        return "the launcher is out of memory";
    return h->body.state == ODP_HTTP_BODY_BAD ? "its answer is no HTTP/1.1" : NULL;
}

static const char *take(struct odp_engine_http *h, const char *bytes, size_t n_bytes)
{
    size_t n_before = h->head.n_bytes;

    if (h->head.state == ODP_HTTP_HEAD_MORE) {
        odp_http_head_feed(&h->head, bytes, n_bytes);
        if (h->head.state == ODP_HTTP_HEAD_MORE)
            return NULL;
        if (h->head.state != ODP_HTTP_HEAD_WHOLE)
            return "its answer is no HTTP/1.1";
        odp_http_body_begin(&h->body, &h->head);
        if (is_endless(h)) {
            uv_timer_stop(&h->timer);
            h->on_data(h->userdata, "", 0);
        }
        bytes += h->head.n_bytes - n_before;
        n_bytes -= h->head.n_bytes - n_before;
    }
    return take_body(h, bytes, n_bytes);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *ret)
{
    (void)handle, (void)size;
    *ret = uv_buf_init(read_buffer, sizeof(read_buffer));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct odp_engine_http *h = stream->data;
    const char *why = NULL;

    if (n == 0)
        return;
    if (n > 0)
        why = take(h, buf->base, (size_t)n);
    else if (h->head.state == ODP_HTTP_HEAD_WHOLE && n == UV_EOF)
        odp_http_body_end(&h->body);
    else
        why = n == UV_EOF ? "it has closed the connection" : uv_strerror((int)n);
    if (!why && n < 0 && h->body.state != ODP_HTTP_BODY_WHOLE)
        why = "it has closed the connection";
    if (why)
        reply(h, why);
    else if (h->head.state == ODP_HTTP_HEAD_WHOLE && h->body.state == ODP_HTTP_BODY_WHOLE)
        reply(h, NULL);
}

// ---- the request -------------------------------------------------------------------------------

static void on_written(uv_write_t *write, int status)
{
    if (status < 0 && status != UV_ECANCELED)
        reply(write->data, uv_strerror(status));
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct odp_engine_http *h = connect->data;
    uv_stream_t *stream = (uv_stream_t *)&h->pipe;
    const uv_buf_t buf = uv_buf_init(h->request.s, (unsigned)h->request.n_bytes);

    if (!h->on_reply)
        return;
    if (status == 0)
        status = uv_write(&h->write, stream, &buf, 1, on_written);
    if (status == 0)
        status = uv_read_start(stream, on_alloc, on_read);
    if (status < 0)
        reply(h, uv_strerror(status));
}

int odp_engine_http_begin(uv_loop_t *loop, const struct odp_engine_request *request,
                          struct odp_engine_http **ret)
{
    struct odp_engine_http *h = calloc(1, sizeof(*h));

    if (!h)
        return -ENOMEM;
    odp_buf_printf(&h->request, "%s %s HTTP/1.1\r\nHost: localhost\r\n%sConnection: close\r\n\r\n",
                   request->method, request->path,
                   strcmp(request->method, "POST") == 0 ? "Content-Length: 0\r\n" : "");
    if (h->request.failed) {
        odp_buf_deinit(&h->request);
        free(h);
        return -ENOMEM;
    }
    h->on_reply = request->on_reply;
    h->on_data = request->on_data;
    h->on_late = request->on_late;
    h->userdata = request->userdata;
    h->late_userdata = request->late_userdata;
    uv_pipe_init(loop, &h->pipe, 0);
    uv_timer_init(loop, &h->timer);
    h->n_handles = 2;
    h->pipe.data = h->timer.data = h->connect.data = h->write.data = h;
    uv_timer_start(&h->timer, on_timer, request->timeout_ms, request->timeout_ms);
    uv_pipe_connect(&h->connect, &h->pipe, request->socket, on_connected);
    *ret = h;
    return 0;
}
