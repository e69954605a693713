// SPDX-License-Identifier: LGPL-2.1-or-later
//
// http probes: connections of odpd's own to the target. What is asked and what passes is core's.

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "odp/core/http_probe.h"
#include "odp/net/connect.h"
#include "odp/proxy/target.h"
#include "probe_internal.h"

// From connect to the end of the head: one that hangs is not to block the next for ever.
#define HTTP_LIMIT_USEC (5 * ODP_USEC_PER_SEC)

static void fail_http(struct odp_probe *p, const char *what)
{
    char name[ODP_HTTP_PROBE_TEXT_MAX];

    probe_fail(p, "%s: %s", odp_http_probe_format(p->service->config, name), what);
}

static void fail_errno(struct odp_probe *p, int error)
{
    fail_http(p, error == ECONNREFUSED ? "connection refused"
                 : error == ECONNRESET ? "connection reset"
                                       : strerror(error));
}

// ---- http --------------------------------------------------------------------------------------

static void on_head(struct odp_probe *p)
{
    const struct odp_config_service *config = p->service->config;
    char name[ODP_HTTP_PROBE_TEXT_MAX];

    if (odp_http_probe_passes(config, p->head.status))
        probe_pass(p);
    else
        probe_fail(p, "%s said %u", odp_http_probe_format(config, name), p->head.status);
}

static void take(struct odp_probe *p, const char *bytes, size_t n_bytes)
{
    switch (odp_http_head_feed(&p->head, bytes, n_bytes)) {
    case ODP_HTTP_HEAD_MORE: break;
    case ODP_HTTP_HEAD_WHOLE: on_head(p); break;
    case ODP_HTTP_HEAD_BAD: fail_http(p, "what came is not HTTP/1.x"); break;
    case ODP_HTTP_HEAD_LONG: fail_http(p, "its head has no end within 16 KiB"); break;
    }
}

// Every turn takes bytes of a bounded head, or ends the loop. A small body comes with the head and
// is read with it, so that most servers see no reset.
static void receive(struct odp_managed *m)
{
    char *buffer = odp_relays_buffer(m->manager->relays);

    while (m->own_probe && m->own_probe->is_under_way) {
        struct odp_probe *p = m->own_probe;
        ssize_t n = recv(p->io.fd, buffer, ODP_RELAY_BUFFER_BYTES, MSG_DONTWAIT);
        if (n > 0)
            take(p, buffer, (size_t)n);
        else if (n == 0)
            fail_http(p, "ended before its answer was whole");
        else if (errno == EAGAIN)
            break;
        else if (errno != EINTR)
            fail_errno(p, errno);
    }
}

// One send is enough: the request is smaller than the empty queue of a socket.
static bool send_request(struct odp_probe *p)
{
    struct odp_buf b = {0};
    ssize_t n = -1;

    odp_http_probe_write(p->service->config, &b);
    errno = ENOMEM;
    if (!b.failed)
        n = send(p->io.fd, b.s, b.n_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    bool sent = n >= 0 && (size_t)n == b.n_bytes;
    if (!sent)
        fail_errno(p, n < 0 ? errno : EMSGSIZE);
    odp_buf_deinit(&b);
    return sent;
}

void probe_on_io(struct odp_io *io, uint32_t events)
{
    struct odp_probe *p = ODP_CONTAINER_OF(io, struct odp_probe, io);
    struct odp_managed *m = p->service;

    (void)events;
    if (!p->connected) {
        int error = 0;
        socklen_t size = sizeof(error);
        if (!(io->ready & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
            return;
        if (getsockopt(io->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
            error = errno;
        if (error != 0) {
            fail_errno(p, error);
            return;
        }
        p->connected = true;
        if (!send_request(p))
            return;
    }
    receive(m);
}

void probe_begin_http(struct odp_probe *p)
{
    struct odp_managed *m = p->service;
    int r = odp_connect(odp_managed_target(m), &p->io.fd);

    p->head = (struct odp_http_head){0};
    p->connected = false;
    p->deadline_usec = odp_usec_add(p->began_usec, HTTP_LIMIT_USEC);
    if (r == 0)
        r = odp_io_add(m->manager->loop, &p->io);
    if (r == 0)
        return;
    if (odp_is_exhaustion(r))
        odp_manager_exhausted(m->manager, r);
    fail_errno(p, -r);
}

void probe_expire_http(struct odp_probe *p)
{
    fail_http(p, p->connected ? "no answer within 5s" : "no connection within 5s");
}
