// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A client's connection that began in another odpd: the same visit again, out of what was left of
// it. Nothing is decided here; who is told of it sees to that later.

#include <sys/socket.h>

#include "odp/base/fd.h"
#include "odp/proxy/answer.h"
#include "visit_internal.h"

static int socket_option(int fd, int option)
{
    int value = -1;
    socklen_t size = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, option, &value, &size) < 0 ? -1 : value;
}

// What epoll tells of an end it tells anew: it is registered for the first time here.
static bool register_end(struct odp_visit *v, int side, int fd)
{
    struct odp_io *io = &v->relay.ends[side];

    if (fd < 0 || socket_option(fd, SO_TYPE) != SOCK_STREAM) {
        odp_close(fd);
        return false;
    }
    io->fd = fd;
    if (odp_io_add(v->service->manager->loop, io) < 0) {
        io->fd = odp_close(fd);
        return false;
    }
    if (socket_option(fd, SO_DOMAIN) == AF_UNIX)
        io->ready |= EPOLLPRI;
    return true;
}

// Its bytes go with the pipe or the box: without that some would be missing in the middle.
static bool resume_flow(struct odp_visit *v, int flow, const struct odp_handover_flow *record,
                        const struct visit_left *left)
{
    struct odp_relay_flow *f = &v->relay.flows[flow];

    f->eof = record->eof;
    f->done = record->done;
    f->reset = record->reset;
    f->n_bytes = record->n_bytes;
    if (record->n_held == 0)
        return true;
    if (left->bytes[flow]) // there are no pipes then
        return odp_relay_adopt_bytes(&v->relay, flow, left->bytes[flow], record->n_held) == 0;
    return odp_relay_adopt_pipe(&v->relay, flow, left->pipes[flow]) == 0;
}

// The ledger's file has counted its bytes so far: they are the connection's again.
static void take_sum(uint64_t *sum, uint64_t n_bytes)
{
    *sum -= odp_usec_min(*sum, n_bytes);
}

static void resume_relayed(struct odp_visit *v)
{
    struct odp_managed *m = v->service;

    take_sum(&m->ledger.n_bytes_in, v->relay.flows[ODP_RELAY_CLIENT].n_bytes);
    take_sum(&m->ledger.n_bytes_out, v->relay.flows[ODP_RELAY_UPSTREAM].n_bytes);
    v->state = ODP_CONN_RELAYED;
    visit_count(v, v->state, 1);
    visit_start_relay(v);
}

static void resume_waiting(struct odp_visit *v, const struct odp_handover_visit *record)
{
    v->state = record->state;
    v->relay.ends[ODP_RELAY_CLIENT].on_event = visit_on_client_event;
    v->relay.ends[ODP_RELAY_UPSTREAM].on_event = visit_on_upstream_event;
    if (v->state == ODP_CONN_EARLY) {
        v->early_usec = odp_usec_min(record->until_usec, odp_now_usec());
        v->n_copied =
            record->n_copied < ODP_RELAY_BUFFER_BYTES ? record->n_copied : ODP_RELAY_BUFFER_BYTES;
    }
    odp_list_append(&v->service->waiting, &v->node);
    visit_count(v, v->state, 1);
}

static void drop_pipes(const struct visit_left *left)
{
    for (int flow = 0; flow < 2; flow++)
        for (int end = 0; end < 2; end++)
            odp_close(left->pipes[flow][end]);
}

// Each step takes its descriptors over, whatever became of the others. What a visit in that state
// has no use for is closed: an upstream socket is in nobody's way then.
static bool resume_all(struct odp_visit *v, const struct visit_left *left)
{
    const struct odp_handover_visit *record = left->record;
    bool is_relayed = record->state == ODP_CONN_RELAYED, is_whole;

    is_whole = register_end(v, ODP_RELAY_CLIENT, left->ends[ODP_RELAY_CLIENT]);
    if (is_relayed || record->state == ODP_CONN_EARLY)
        is_whole &= register_end(v, ODP_RELAY_UPSTREAM, left->ends[ODP_RELAY_UPSTREAM]);
    else
        odp_close(left->ends[ODP_RELAY_UPSTREAM]);
    if (!is_relayed) {
        drop_pipes(left);
        return is_whole;
    }
    is_whole &= resume_flow(v, ODP_RELAY_CLIENT, &record->in, left);
    is_whole &= resume_flow(v, ODP_RELAY_UPSTREAM, &record->out, left);
    return is_whole;
}

// Whoever is left of the two is not to take it for an orderly end.
static void give_up(struct odp_visit *v)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};

    odp_relay_deinit(&v->relay);
    for (int side = 0; side < 2; side++) {
        struct odp_io *io = &v->relay.ends[side];
        if (io->fd < 0)
            continue;
        (void)setsockopt(io->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        odp_io_close(io);
    }
    visit_free(v);
}

bool visit_resume(struct odp_managed *m, const struct visit_left *left)
{
    const struct odp_handover_visit *record = left->record;
    struct odp_visit *v = m ? visit_new(m) : NULL;

    if (!v) {
        odp_close(left->ends[ODP_RELAY_CLIENT]);
        odp_close(left->ends[ODP_RELAY_UPSTREAM]);
        drop_pipes(left);
        return false;
    }
    if (!resume_all(v, left)) {
        give_up(v);
        return false;
    }
    v->since_usec = odp_usec_min(record->since_usec, v->since_usec);
    switch (record->state) {
    case ODP_CONN_RELAYED: resume_relayed(v); break;
    case ODP_CONN_ENDED:
        v->n_copied = record->n_copied;
        odp_answer_resume(v, record->answered, record->until_usec);
        break;
    case ODP_CONN_HELD:
    case ODP_CONN_EARLY:
    case ODP_CONN_TRYING:
    case ODP_CONN_CONNECTING:
    case ODP_CONN_N_STATES: resume_waiting(v, record); break;
    }
    return true;
}
