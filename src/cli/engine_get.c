// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One question to a container engine over its unix socket, waited for: bounded in bytes and in
// time. What comes back is not trusted.

#include "odp/cli/engine_get.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "odp/base/fd.h"
#include "odp/base/time.h"
#include "odp/cli/client.h"

#define ANSWER_BYTES_MAX (4u << 20)
#define REQUEST_MAX      1024
#define PATIENCE_USEC    (10 * ODP_USEC_PER_SEC)

int odp_engine_ask(int fd, const char *path)
{
    char request[REQUEST_MAX];
    int n = snprintf(request, sizeof(request),
                     "GET %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: odp/" ODP_VERSION
                     "\r\nConnection: close\r\n\r\n",
                     path);

    if (n < 0 || n >= (int)sizeof(request))
        return -ENAMETOOLONG;
    return send(fd, request, (size_t)n, MSG_NOSIGNAL) == n ? 0 : -EIO;
}

static void take_body(struct odp_engine_answer *a, const char *bytes, size_t n_bytes)
{
    while (n_bytes > 0 && a->body.state == ODP_HTTP_BODY_MORE) {
        const char *data;
        size_t n_data, n = odp_http_body_feed(&a->body, bytes, n_bytes, &data, &n_data);

        odp_buf_add(&a->text, data, n_data);
        bytes += n;
        n_bytes -= n;
    }
}

static void take(struct odp_engine_answer *a, const char *bytes, size_t n_bytes)
{
    if (a->head.state == ODP_HTTP_HEAD_MORE) {
        uint32_t before = a->head.n_bytes;

        if (odp_http_head_feed(&a->head, bytes, n_bytes) != ODP_HTTP_HEAD_WHOLE)
            return;
        odp_http_body_begin(&a->body, &a->head);
        bytes += a->head.n_bytes - before;
        n_bytes -= a->head.n_bytes - before;
    }
    take_body(a, bytes, n_bytes);
}

static bool is_whole(const struct odp_engine_answer *a)
{
    return a->head.state == ODP_HTTP_HEAD_WHOLE && a->body.state == ODP_HTTP_BODY_WHOLE;
}

static bool is_sound(const struct odp_engine_answer *a)
{
    return a->head.state == ODP_HTTP_HEAD_MORE ||
           (a->head.state == ODP_HTTP_HEAD_WHOLE && a->body.state != ODP_HTTP_BODY_BAD);
}

int odp_engine_answer_read(struct odp_engine_answer *a, int fd)
{
    char chunk[16384];
    ssize_t n = recv(fd, chunk, sizeof(chunk), 0);

    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    if (n == 0 && a->head.state == ODP_HTTP_HEAD_WHOLE)
        (void)odp_http_body_end(&a->body);
    else if (n == 0)
        return -ECONNRESET;
    take(a, chunk, (size_t)n);
    return is_sound(a) && a->text.n_bytes <= ANSWER_BYTES_MAX ? 0 : -EBADMSG;
}

// Returns 0 or a negative errno; -EBADMSG: it makes no sense.
static int receive(int fd, struct odp_engine_answer *a)
{
    uint64_t deadline_usec = odp_now_usec() + PATIENCE_USEC;
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    while (!is_whole(a)) {
        uint64_t now_usec = odp_now_usec();

        if (now_usec >= deadline_usec ||
            poll(&poll_fd, 1, (int)((deadline_usec - now_usec) / ODP_USEC_PER_MS) + 1) == 0)
            return -ETIMEDOUT;
        int r = odp_engine_answer_read(a, fd);
        if (r < 0)
            return r;
    }
    return a->text.failed ? -ENOMEM : 0;
}

int odp_engine_get_text(const char *socket, const char *path, unsigned *ret_status,
                        struct odp_buf *ret)
{
    struct odp_engine_answer answer = {0};
    struct odp_client client;
    int r = odp_client_connect(socket, &client);

    *ret_status = 0;
    if (r < 0)
        return r;
    r = odp_engine_ask(client.fd, path);
    if (r == 0)
        r = receive(client.fd, &answer);
    odp_client_deinit(&client);
    if (r == 0) {
        *ret_status = answer.head.status;
        odp_buf_add(ret, answer.text.s, answer.text.n_bytes);
        r = ret->failed ? -ENOMEM : 0;
    }
    odp_buf_deinit(&answer.text);
    return r;
}

int odp_engine_get(const char *socket, const char *path, unsigned *ret_status, cJSON **ret)
{
    struct odp_buf text = {0};
    int r = odp_engine_get_text(socket, path, ret_status, &text);

    *ret = NULL;
    if (r == 0) {
        *ret = cJSON_ParseWithLength(text.s ? text.s : "", text.n_bytes);
        r = *ret ? 0 : -EBADMSG;
    }
    odp_buf_deinit(&text);
    return r;
}
