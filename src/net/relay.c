// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A relay's life: what its two flows do together, and how it ends. All of an idle connection's cost
// is in struct odp_relay. Does not know what it relays, nor why.

#include "odp/net/relay.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "relay_flow.h"

int odp_relays_new(struct odp_io_loop *loop, struct odp_relays **ret)
{
    struct odp_relays *relays = malloc(sizeof(*relays));
    if (!relays)
        return -ENOMEM;
    relays->loop = loop;
    odp_pipe_pool_init(&relays->pool);
    relay_watch_init(&relays->watch, loop);
    *ret = relays;
    return 0;
}

void odp_relays_trim(struct odp_relays *relays)
{
    odp_pipe_pool_trim(&relays->pool);
    relay_watch_rest(&relays->watch);
}

static void on_closed(uv_handle_t *timer)
{
    struct relay_watch *w = timer->data;

    free(ODP_CONTAINER_OF(w, struct odp_relays, watch));
}

void odp_relays_close(struct odp_relays *relays)
{
    if (!relays)
        return;
    odp_relays_trim(relays);
    relay_watch_close(&relays->watch, on_closed);
}

char *odp_relays_buffer(struct odp_relays *relays)
{
    return relays->buffer;
}

// Makes close() send a reset instead of an orderly end. A reset discards what is still unsent, so
// it is passed on only where nothing is.
static void pass_reset_on(const struct odp_io *end)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    int n_unsent = 0;

    if (ioctl(end->fd, SIOCOUTQNSD, &n_unsent) < 0 || n_unsent == 0)
        (void)setsockopt(end->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static bool end_if_over(struct odp_relay *r)
{
    const struct odp_relay_flow *in = &r->flows[ODP_RELAY_CLIENT];
    const struct odp_relay_flow *out = &r->flows[ODP_RELAY_UPSTREAM];
    // A client that reset while its service takes nothing would never be noticed by a read.
    bool abandoned = !in->done && (r->ends[ODP_RELAY_CLIENT].ready & EPOLLERR);

    if (!abandoned && (!in->done || !out->done))
        return false;
    if (abandoned || in->reset || out->reset) {
        pass_reset_on(&r->ends[ODP_RELAY_CLIENT]);
        pass_reset_on(&r->ends[ODP_RELAY_UPSTREAM]);
    }
    r->on_end(r);
    return true;
}

// Returns true when the relay has ended (it may be gone).
static bool run(struct odp_relay *r)
{
    bool again = false;

    for (int side = 0; side < 2; side++)
        if (!r->flows[side].done && relay_flow_pump(r, side) == RELAY_FLOW_OUT_OF_TURN)
            again = true;
    if (again) {
        odp_io_turn_add(r->relays->loop, &r->turn);
        return false;
    }
    return end_if_over(r);
}

void relay_on_gone(struct odp_relay *r, int side)
{
    r->ends[side].ready |= EPOLLERR;
    relay_flow_source_failed(r, side);
    (void)run(r);
}

static void on_turn(struct odp_io_turn *turn)
{
    (void)run(ODP_CONTAINER_OF(turn, struct odp_relay, turn));
}

// Who moves much comes after those of this batch that move little: they cost nearly nothing, and
// would wait longest.
static void on_event(struct odp_relay *r)
{
    if (r->flows[ODP_RELAY_CLIENT].splice || r->flows[ODP_RELAY_UPSTREAM].splice)
        odp_io_turn_add(r->relays->loop, &r->turn);
    else
        (void)run(r);
}

static void on_client_event(struct odp_io *io, uint32_t events)
{
    (void)events;
    on_event(ODP_CONTAINER_OF(io, struct odp_relay, ends[ODP_RELAY_CLIENT]));
}

static void on_upstream_event(struct odp_io *io, uint32_t events)
{
    (void)events;
    on_event(ODP_CONTAINER_OF(io, struct odp_relay, ends[ODP_RELAY_UPSTREAM]));
}

void odp_relay_init(struct odp_relay *relay, struct odp_relays *relays)
{
    *relay = (struct odp_relay){.relays = relays, .turn.on_turn = on_turn};
    relay->ends[ODP_RELAY_CLIENT].fd = -1;
    relay->ends[ODP_RELAY_UPSTREAM].fd = -1;
    odp_list_init(&relay->turn.node);
    odp_list_init(&relay->watched);
}

bool odp_relay_start(struct odp_relay *relay)
{
    relay->ends[ODP_RELAY_CLIENT].on_event = on_client_event;
    relay->ends[ODP_RELAY_UPSTREAM].on_event = on_upstream_event;
    relay_watch_add(&relay->relays->watch, relay); // another process may have sent to them
    return run(relay);
}

void odp_relay_deinit(struct odp_relay *relay)
{
    odp_list_remove(&relay->turn.node);
    odp_list_remove(&relay->watched);
    for (int side = 0; side < 2; side++)
        relay_flow_drop(relay, &relay->flows[side]);
}

int odp_relay_adopt_bytes(struct odp_relay *relay, int flow, const char *bytes, uint32_t n)
{
    relay_flow_keep(relay, &relay->flows[flow], bytes, n);
    return relay->flows[flow].pipe ? 0 : -ENOMEM;
}
