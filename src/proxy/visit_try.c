// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What is particular to tries: the client's bytes are copied and stay in its socket, the first byte
// of the service decides, and a refusal is news to the service's machine. A connection to a ready
// service needs none of it, as long as it is not refused.

#include <errno.h>
#include <sys/socket.h>

#include "odp/proxy/target.h"
#include "visit_internal.h"

void odp_visit_probe(struct odp_managed *m)
{
    struct odp_visit *v = visit_new(m);

    if (!v)
        return;
    v->is_probe = true;
    m->probe = v;
    odp_visit_event(v, ODP_CONN_EV_TRY);
}

void visit_copy_early(struct odp_visit *v)
{
    struct odp_io *from = &v->relay.ends[ODP_RELAY_CLIENT];
    struct odp_io *to = &v->relay.ends[ODP_RELAY_UPSTREAM];
    char *buffer = odp_relays_buffer(v->service->manager->relays);

    if (v->is_probe || !(from->ready & EPOLLIN) || v->n_copied == ODP_RELAY_BUFFER_BYTES)
        return;
    ssize_t n = recv(from->fd, buffer, ODP_RELAY_BUFFER_BYTES, MSG_PEEK | MSG_DONTWAIT);
    if (n <= (ssize_t)v->n_copied)
        return;
    ssize_t sent =
        send(to->fd, buffer + v->n_copied, (size_t)n - v->n_copied, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) // an error shows as an event of the upstream socket
        v->n_copied += (uint32_t)sent;
}

void visit_consume_copied(struct odp_visit *v)
{
    char *buffer = odp_relays_buffer(v->service->manager->relays);

    while (v->n_copied > 0) {
        ssize_t n = recv(v->relay.ends[ODP_RELAY_CLIENT].fd, buffer, v->n_copied, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) // a reset threw them away; the relay will find out
            break;
        v->n_copied -= (uint32_t)n;
        v->relay.flows[ODP_RELAY_CLIENT].n_bytes += (uint64_t)n;
    }
    v->n_copied = 0;
}

void visit_on_early_event(struct odp_visit *v)
{
    struct odp_io *up = &v->relay.ends[ODP_RELAY_UPSTREAM];
    char byte;

    if (up->ready & EPOLLIN) {
        ssize_t n = recv(up->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            up->ready &= ~(uint32_t)EPOLLIN;
        else {
            odp_visit_event(v, n > 0 ? ODP_CONN_EV_FIRST_BYTE : ODP_CONN_EV_BROKEN);
            return;
        }
    }
    if (up->ready & (EPOLLERR | EPOLLHUP))
        odp_visit_event(v, ODP_CONN_EV_BROKEN);
    else
        visit_copy_early(v);
}

void visit_tell_refused(struct odp_visit *v, enum odp_conn_state from)
{
    struct odp_managed *m = v->service;

    if (!m->active) { // it was on its way when the service was given up
        odp_visit_event(v, ODP_CONN_EV_DENY);
        return;
    }
    if (v->starved) { // not the service's fault: when descriptors are free it is tried again
        v->starved = false;
        if (m->machine.state == ODP_SERVICE_READY)
            odp_visits_queue(m);
        return;
    }
    // It has answered somebody since this try began: what ended was the try alone. Its place is
    // free, and so it is released again.
    if (from == ODP_CONN_EARLY && m->machine.state == ODP_SERVICE_READY)
        return;
    bool was_ready = m->machine.state == ODP_SERVICE_READY;
    odp_tries_failed(&m->tries, from == ODP_CONN_EARLY);
    odp_target_failed(m);
    odp_managed_event(m, ODP_EVENT_REFUSED, NULL);
    if (was_ready)
        odp_target_doubt(m);
    // The service may have ended while this connection was on its way, and counted as no waiter.
    if (v->state == ODP_CONN_HELD && !v->is_probe && !odp_service_is_trying(&m->machine))
        odp_managed_event(m, ODP_EVENT_DEMAND, "woken by a connection");
}
