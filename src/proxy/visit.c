// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A client's connection: carries out what core/conn's table says, on real sockets. Counts itself
// into its service, and tells the service's machine what the target said.

#include "visit_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/fd.h"
#include "odp/base/log.h"
#include "odp/net/connect.h"
#include "odp/net/peer.h"
#include "odp/proxy/answer.h"
#include "odp/proxy/target.h"

static bool counts_as_waiting(enum odp_conn_state s)
{
    return s == ODP_CONN_HELD || s == ODP_CONN_TRYING || s == ODP_CONN_EARLY;
}

static bool counts_as_connection(enum odp_conn_state s)
{
    return s == ODP_CONN_CONNECTING || s == ODP_CONN_RELAYED;
}

static bool counts_as_try(enum odp_conn_state s)
{
    return s == ODP_CONN_TRYING || s == ODP_CONN_EARLY;
}

// A try may become a connection at any moment, whatever the others do: it has its place from the
// beginning.
static bool takes_place(enum odp_conn_state s)
{
    return counts_as_try(s) || counts_as_connection(s);
}

void visit_count(struct odp_visit *v, enum odp_conn_state s, int by)
{
    struct odp_managed *m = v->service;
    unsigned n = (unsigned)by; // wraps around for -1, as unsigned arithmetic does

    if (counts_as_try(s))
        m->n_tries += n;
    if (v->is_probe)
        return;
    if (counts_as_waiting(s))
        m->n_waiting += n;
    if (counts_as_connection(s))
        m->n_connections += n;
    if (takes_place(s))
        m->n_taken += n;
    if (s == ODP_CONN_CONNECTING)
        m->manager->n_connecting += n;
}

void visit_free(struct odp_visit *v)
{
    free(v);
}

static void on_retired(struct odp_io_retired *r)
{
    visit_free(ODP_CONTAINER_OF(r, struct odp_visit, retired));
}

void odp_visit_end(struct odp_visit *v)
{
    struct odp_managed *m = v->service;

    m->ledger.n_bytes_in += v->relay.flows[ODP_RELAY_CLIENT].n_bytes;
    m->ledger.n_bytes_out += v->relay.flows[ODP_RELAY_UPSTREAM].n_bytes;
    odp_relay_deinit(&v->relay);
    for (int side = 0; side < 2; side++)
        if (v->relay.ends[side].fd >= 0)
            odp_io_close(&v->relay.ends[side]);
    if (v->is_probe)
        m->probe = NULL;
    if (v->leaving)
        m->n_leaving--;
    odp_list_remove(&v->node);
    v->retired.on_free = on_retired;
    odp_io_retire(m->manager->loop, &v->retired);
    odp_manager_descriptor_freed(m->manager);
    odp_managed_client_gone(m);
}

static void on_relay_end(struct odp_relay *relay)
{
    odp_visit_event(ODP_CONTAINER_OF(relay, struct odp_visit, relay), ODP_CONN_EV_DONE);
}

void visit_start_relay(struct odp_visit *v)
{
    if (v->is_probe) {
        odp_visit_event(v, ODP_CONN_EV_CUT);
        return;
    }
    odp_list_remove(&v->node);
    odp_list_append(&v->service->relayed, &v->node);
    v->relay.on_end = on_relay_end;
    (void)odp_relay_start(&v->relay);
}

void visit_on_upstream_event(struct odp_io *io, uint32_t events)
{
    struct odp_visit *v = ODP_CONTAINER_OF(io, struct odp_visit, relay.ends[ODP_RELAY_UPSTREAM]);

    (void)events;
    if (v->state == ODP_CONN_TRYING || v->state == ODP_CONN_CONNECTING) {
        bool was_try = v->state == ODP_CONN_TRYING;
        if (io->ready & EPOLLERR)
            odp_visit_event(v, ODP_CONN_EV_REFUSED);
        else if (io->ready & (EPOLLOUT | EPOLLHUP))
            odp_visit_event(v, ODP_CONN_EV_CONNECTED);
        if (!was_try || v->state != ODP_CONN_EARLY)
            return;
    }
    if (v->state == ODP_CONN_EARLY)
        visit_on_early_event(v);
}

// Begins the upstream connection. Returns 0 or a negative errno when it failed at once.
static int begin_connect(struct odp_visit *v)
{
    struct odp_io *up = &v->relay.ends[ODP_RELAY_UPSTREAM];
    const struct odp_address *target = odp_managed_target(v->service);

    if (!target) // its container was lost sight of
        return -EHOSTUNREACH;
    up->on_event = visit_on_upstream_event;
    int r = odp_connect(target, &up->fd);
    if (r == 0) {
        r = odp_io_add(v->service->manager->loop, up);
        if (r < 0)
            odp_io_close(up);
    }
    if (r == 0 && target->kind == ODP_ADDRESS_UNIX)
        up->ready |= EPOLLPRI;
    return r;
}

// A client that ended its sending side and went later sends nothing more that would tell.
static bool has_left_since(const struct odp_visit *v)
{
    const struct odp_io *io = &v->relay.ends[ODP_RELAY_CLIENT];

    return (io->ready & EPOLLRDHUP) && odp_peer_has_left(io->fd);
}

static void connect_upstream(struct odp_visit *v)
{
    if (has_left_since(v)) {
        odp_visit_event(v, ODP_CONN_EV_LEFT);
        return;
    }
    int r = begin_connect(v);
    if (r == 0)
        return;
    v->starved = odp_is_exhaustion(r);
    if (v->starved)
        odp_manager_exhausted(v->service->manager, r);
    odp_visit_event(v, ODP_CONN_EV_REFUSED);
}

// True: it leaves by itself.
static bool answer(struct odp_visit *v, enum odp_conn_event event)
{
    const struct odp_managed *m = v->service;

    if (event == ODP_CONN_EV_PAGE)
        odp_log(ODP_LOG_DEBUG, m->config->name, "a client is shown the waiting page");
    else
        odp_log(ODP_LOG_INFO, m->config->name, "a waiting client is turned away: %s",
                event == ODP_CONN_EV_TIMEOUT ? "it waited too long ([wait] timeout)"
                : m->active                  ? m->machine.reason
                                             : m->fault);
    return odp_answer_begin(v, event);
}

static void carry_out(struct odp_visit *v, enum odp_conn_state from, enum odp_conn_event event,
                      unsigned fx)
{
    struct odp_managed *m = v->service;

    if (fx & ODP_CONN_FX_DROP_UPSTREAM) {
        odp_io_close(&v->relay.ends[ODP_RELAY_UPSTREAM]);
        v->n_copied = 0;
    }
    if (fx & ODP_CONN_FX_CONNECT) {
        v->early_usec = odp_now_usec();
        connect_upstream(v);
    }
    if (fx & ODP_CONN_FX_COPY) {
        v->early_usec = odp_now_usec();
        odp_tries_connected(&m->tries);
        visit_copy_early(v);
        if (!m->tries.early_end) // a forwarder is not to be tried as fast as it resets
            odp_visits_try(m);
    }
    if (fx & ODP_CONN_FX_CONSUME)
        visit_consume_copied(v);
    if (fx & ODP_CONN_FX_RELAY)
        visit_start_relay(v);
    if ((fx & ODP_CONN_FX_ANSWER) && !v->is_probe && answer(v, event))
        fx &= ~(unsigned)ODP_CONN_FX_CLOSE;
    if (fx & ODP_CONN_FX_CLOSE)
        odp_visit_end(v);
    if (fx & ODP_CONN_FX_ANSWERS)
        odp_managed_event(m, ODP_EVENT_ANSWERS, NULL);
    if (fx & ODP_CONN_FX_REFUSED) {
        visit_tell_refused(v, from);
        if (v->is_probe) // nobody waits with it: the next try is a new one
            odp_visit_event(v, ODP_CONN_EV_CUT);
        odp_answer_page(v); // its first bytes may have come during the try
    }
}

void odp_visit_event(struct odp_visit *v, enum odp_conn_event event)
{
    struct odp_managed *m = v->service;
    enum odp_conn_state from = v->state;
    unsigned n_waiting = m->n_waiting, n_connections = m->n_connections, n_taken = m->n_taken;
    unsigned fx = odp_conn_step(&v->state, event);

    if (v->state != from) {
        visit_count(v, from, -1);
        visit_count(v, v->state, 1);
    }
    bool state_changed = v->state != from;
    bool counts_changed = m->n_waiting != n_waiting || m->n_connections != n_connections;
    bool frees_place = m->n_taken < n_taken;
    carry_out(v, from, event, fx);
    if (frees_place)
        odp_visits_queue(m);
    if (frees_place || from == ODP_CONN_CONNECTING)
        odp_visits_release_soon(m->manager);
    if (counts_changed) {
        odp_visits_pace(m);
        odp_managed_event(m, ODP_EVENT_COUNTS, NULL);
    }
    // A try that stands has a deadline of its own; and who leaves a service that is not active has
    // nobody else to arm it.
    if (state_changed && (!counts_changed || v->leaving))
        odp_managed_arm(m);
}

// While held or tried: has the client gone, or more to say?
void visit_on_client_event(struct odp_io *io, uint32_t events)
{
    struct odp_visit *v = ODP_CONTAINER_OF(io, struct odp_visit, relay.ends[ODP_RELAY_CLIENT]);

    if ((events & (EPOLLERR | EPOLLHUP)) || ((events & EPOLLRDHUP) && odp_peer_has_left(io->fd))) {
        odp_visit_event(v, ODP_CONN_EV_LEFT);
        return;
    }
    odp_answer_page(v);
    if (v->state == ODP_CONN_EARLY)
        visit_copy_early(v);
    else if (v->state == ODP_CONN_HELD && v->service->tries.connects)
        odp_visits_try(v->service); // beside a silent one, one that has something to say
}

struct odp_visit *visit_new(struct odp_managed *m)
{
    struct odp_visit *v = malloc(sizeof(*v));

    if (!v)
        return NULL;
    memset(v, 0, sizeof(*v));
    odp_relay_init(&v->relay, m->manager->relays);
    odp_list_init(&v->node);
    v->service = m;
    v->state = ODP_CONN_HELD;
    v->since_usec = odp_now_usec();
    return v;
}

void odp_visit_accept(struct odp_listener *l, int fd)
{
    struct odp_managed *m = l->data;

    if (fd < 0) {
        odp_manager_exhausted(m->manager, fd);
        return;
    }
    struct odp_visit *v = visit_new(m);
    if (!v) {
        odp_close(fd);
        return;
    }
    struct odp_io *io = &v->relay.ends[ODP_RELAY_CLIENT];
    io->fd = fd;
    io->on_event = visit_on_client_event;
    if (odp_io_add(m->manager->loop, io) < 0) {
        odp_close(fd);
        free(v);
        return;
    }
    if (l->is_unix)
        io->ready |= EPOLLPRI;
    odp_list_append(&m->waiting, &v->node);
    visit_count(v, v->state, 1);
    if (!m->active) // one of the last, from the queue of a socket that is about to close
        odp_visit_event(v, ODP_CONN_EV_DENY);
    else if (m->machine.state == ODP_SERVICE_READY)
        odp_visit_release(v);
    if (v->state == ODP_CONN_HELD) { // retired or not: it is freed after this batch
        odp_visits_pace(m);
        if (m->machine.state == ODP_SERVICE_READY) // queued: it waits like any other
            odp_managed_event(m, ODP_EVENT_COUNTS, NULL);
        else
            odp_managed_event(m, ODP_EVENT_DEMAND, "woken by a connection");
    }
}
