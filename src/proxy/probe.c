// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The http and exec probes at work; see the header. What is asked and what passes is core's.

#include "odp/proxy/probe.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "odp/base/log.h"
#include "odp/core/http_head.h"
#include "odp/core/http_probe.h"
#include "odp/net/connect.h"
#include "odp/proxy/link.h"
#include "odp/proxy/target.h"

// From connect to the end of the head: one that hangs is not to block the next for ever.
#define HTTP_LIMIT_USEC (5 * ODP_USEC_PER_SEC)
// The launcher gives a command 10 s, and then a little to end.
#define EXEC_LIMIT_USEC (20 * ODP_USEC_PER_SEC)
// One under way for so long tells more than the answer before it.
#define TELLING_USEC ODP_USEC_PER_SEC

struct odp_probe {
    struct odp_managed *service;
    struct odp_io io;       // http; fd -1 while none is under way
    uint32_t request_id;    // exec; 0 while none is under way
    uint64_t began_usec;    // the latest one
    uint64_t deadline_usec; // of the one under way, ODP_NEVER: none is
    bool connected;
    struct odp_http_head head;
    struct odp_io_retired retired;
    char said[ODP_REASON_MAX + 1];
};

bool odp_probe_is_set(const struct odp_config_service *config)
{
    return config->probe == ODP_PROBE_HTTP || config->probe == ODP_PROBE_EXEC;
}

bool odp_probe_is_too_early(const struct odp_managed *m)
{
    enum odp_backend_type type = m->config->backend;

    // Whose own address is known runs by then.
    return !odp_managed_target(m) ||
           (m->machine.state == ODP_SERVICE_STARTING && m->found.n_addresses == 0 &&
            (type == ODP_BACKEND_CONTAINER || type == ODP_BACKEND_COMPOSE));
}

static bool is_under_way(const struct odp_managed *m)
{
    return m->own_probe && m->own_probe->deadline_usec != ODP_NEVER;
}

static void on_retired(struct odp_io_retired *r)
{
    free(ODP_CONTAINER_OF(r, struct odp_probe, retired));
}

static void hang_up(struct odp_probe *p)
{
    p->request_id = 0;
    p->deadline_usec = ODP_NEVER;
    if (p->io.fd >= 0)
        odp_io_close(&p->io);
}

void odp_probe_end(struct odp_managed *m)
{
    struct odp_probe *p = m->own_probe;

    if (!p)
        return;
    m->own_probe = NULL;
    hang_up(p);
    p->retired.on_free = on_retired;
    odp_io_retire(m->manager->loop, &p->retired);
}

// ---- its verdict -------------------------------------------------------------------------------

static void pass(struct odp_probe *p)
{
    struct odp_managed *m = p->service;

    odp_probe_end(m);
    odp_managed_event(m, ODP_EVENT_ANSWERS, NULL);
    odp_manager_descriptor_freed(m->manager);
}

__attribute__((format(printf, 2, 3))) static void fail(struct odp_probe *p, const char *format, ...)
{
    struct odp_managed *m = p->service;
    char said[sizeof(p->said)];
    va_list args;

    va_start(args, format);
    vsnprintf(said, sizeof(said), format, args);
    va_end(args);
    if (strcmp(said, p->said) != 0)
        odp_log(ODP_LOG_DEBUG, m->config->name, "probe: %s", said);
    memcpy(p->said, said, sizeof(said));
    hang_up(p);
    odp_target_failed(m);
    odp_tries_pause(&m->tries, odp_now_usec());
    if (m->machine.state == ODP_SERVICE_FAILED)
        odp_probe_end(m); // the next demand asks again
    odp_managed_arm(m);
    odp_manager_descriptor_freed(m->manager);
}

static void fail_http(struct odp_probe *p, const char *what)
{
    char name[ODP_HTTP_PROBE_TEXT_MAX];

    fail(p, "%s: %s", odp_http_probe_format(p->service->config, name), what);
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
        pass(p);
    else
        fail(p, "%s said %u", odp_http_probe_format(config, name), p->head.status);
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

    while (is_under_way(m)) {
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

static void on_probe_event(struct odp_io *io, uint32_t events)
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

static void begin_http(struct odp_probe *p)
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

// ---- exec --------------------------------------------------------------------------------------

static void begin_exec(struct odp_probe *p)
{
    struct odp_managed *m = p->service;

    m->probe_id = (m->probe_id + 1) | ODP_PROTO_PROBE_ID;
    p->request_id = m->probe_id;
    p->deadline_usec = odp_usec_add(p->began_usec, EXEC_LIMIT_USEC);
    odp_link_request(m->manager->link, m, ODP_PROTO_PROBE, p->request_id);
}

void odp_probe_report(struct odp_managed *m, const struct odp_proto_message *report)
{
    struct odp_probe *p = m->own_probe;

    if (!p || p->request_id == 0 || report->id != p->request_id)
        return; // nobody waits for it any more
    if (report->state == ODP_PROTO_ANSWERS)
        pass(p);
    else
        fail(p, "%s", report->reason[0] ? report->reason : "its command failed");
}

// ---- for managed -------------------------------------------------------------------------------

static struct odp_probe *probe_new(struct odp_managed *m)
{
    struct odp_probe *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    p->service = m;
    p->io = (struct odp_io){.fd = -1, .on_event = on_probe_event};
    p->deadline_usec = ODP_NEVER;
    return p;
}

void odp_probe_on_change(struct odp_managed *m, enum odp_service_event_kind kind)
{
    enum odp_service_state s = m->machine.state;

    if (s == ODP_SERVICE_STARTING || s == ODP_SERVICE_PROBING) {
        // It has just passed, and yet refuses clients: asked at once, the two would chase each
        // other.
        if (kind == ODP_EVENT_REFUSED && odp_probe_is_set(m->config))
            m->tries.next_usec = odp_usec_add(odp_now_usec(), m->tries.interval_usec);
    } else if (s != ODP_SERVICE_FAILED || kind != ODP_EVENT_DEADLINE || !is_under_way(m)) {
        odp_probe_end(m);
    }
}

bool odp_probe_is_wanted(const struct odp_managed *m)
{
    enum odp_service_state s = m->machine.state;

    if (is_under_way(m) || odp_probe_is_too_early(m))
        return false;
    // A command that looks into what is only being started costs much and tells little.
    return (s == ODP_SERVICE_PROBING && odp_probe_is_set(m->config)) ||
           (s == ODP_SERVICE_STARTING && m->config->probe == ODP_PROBE_HTTP);
}

void odp_probe_begin(struct odp_managed *m)
{
    if (!m->own_probe)
        m->own_probe = probe_new(m);
    if (!m->own_probe) // out of memory: the next round may have some
        return;
    m->own_probe->began_usec = odp_now_usec();
    if (m->config->probe == ODP_PROBE_HTTP)
        begin_http(m->own_probe);
    else
        begin_exec(m->own_probe);
}

uint64_t odp_probe_deadline(const struct odp_managed *m)
{
    return m->own_probe ? m->own_probe->deadline_usec : ODP_NEVER;
}

void odp_probe_expire(struct odp_managed *m, uint64_t now_usec)
{
    struct odp_probe *p = m->own_probe;

    if (odp_probe_deadline(m) > now_usec || !is_under_way(m))
        return;
    if (m->config->probe == ODP_PROBE_EXEC)
        fail(p, "odp-launcher has not said how its probe command ended");
    else
        fail_http(p, p->connected ? "no answer within 5s" : "no connection within 5s");
}

const char *odp_probe_last_answer(struct odp_managed *m)
{
    struct odp_probe *p = m->own_probe;
    char name[ODP_HTTP_PROBE_TEXT_MAX];

    if (!p)
        return NULL;
    if (!is_under_way(m) || (p->said[0] && odp_now_usec() - p->began_usec < TELLING_USEC))
        return p->said;
    if (m->config->probe == ODP_PROBE_HTTP)
        snprintf(p->said, sizeof(p->said), "%s has no answer so far",
                 odp_http_probe_format(m->config, name));
    else
        snprintf(p->said, sizeof(p->said), "its probe command has not ended so far");
    return p->said;
}
