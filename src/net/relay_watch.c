// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The watch over unacknowledged bytes; see the header. What a peer's silence means is keepalive.c's
// to say.

#include "relay_watch.h"

#include "odp/net/keepalive.h"

#define LOOK_MS 15000

static bool is_owed(struct odp_relay *r, int side)
{
    struct odp_relay_flow *to = &r->flows[!side]; // what is sent to that side
    bool is_lifted = to->lifted;
    enum odp_keepalive_sign sign = odp_keepalive_look(r->ends[side].fd, &is_lifted);

    to->lifted = is_lifted;
    to->gone = sign == ODP_KEEPALIVE_GONE;
    return sign == ODP_KEEPALIVE_OWED;
}

static void look(struct relay_watch *w, struct odp_relay *r)
{
    bool is_busy = false;

    for (int side = 0; side < 2; side++)
        is_busy |= is_owed(r, side);
    if (is_busy)
        odp_list_append(&w->relays, &r->watched);
    for (int side = 0; side < 2; side++) {
        if (r->flows[!side].gone) {
            relay_on_gone(r, side);
            return;
        }
    }
}

static void arm(struct relay_watch *w);

static void on_timer(uv_timer_t *timer)
{
    struct relay_watch *w = timer->data;
    struct odp_list due;

    w->is_armed = false;
    odp_list_init(&due);
    while (!odp_list_empty(&w->relays)) {
        struct odp_list *node = w->relays.next;
        odp_list_remove(node);
        odp_list_append(&due, node);
    }
    // One that ends may take others along: they leave this list by themselves.
    while (!odp_list_empty(&due)) {
        struct odp_list *node = due.next;
        odp_list_remove(node);
        look(w, ODP_CONTAINER_OF(node, struct odp_relay, watched));
    }
    arm(w);
}

static void arm(struct relay_watch *w)
{
    if (w->is_armed || odp_list_empty(&w->relays))
        return;
    w->is_armed = true;
    uv_timer_start(&w->timer, on_timer, LOOK_MS, 0);
}

void relay_watch_init(struct relay_watch *w, struct odp_io_loop *loop)
{
    *w = (struct relay_watch){0};
    odp_list_init(&w->relays);
    uv_timer_init(odp_io_loop_uv(loop), &w->timer);
    w->timer.data = w;
}

void relay_watch_close(struct relay_watch *w, uv_close_cb on_closed)
{
    uv_close((uv_handle_t *)&w->timer, on_closed);
}

void relay_watch_add(struct relay_watch *w, struct odp_relay *relay)
{
    if (!odp_list_empty(&relay->watched))
        return;
    odp_list_append(&w->relays, &relay->watched);
    arm(w);
}

void relay_watch_rest(struct relay_watch *w)
{
    if (!odp_list_empty(&w->relays))
        return;
    w->is_armed = false;
    uv_timer_stop(&w->timer);
}
