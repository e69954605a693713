// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Looks after relays that were sent something: has the far side acknowledged it, is it still there?
// One timer for all of them, which runs only while there are any. An idle connection is none.

#pragma once

#include "odp/net/relay.h"

struct relay_watch {
    uv_timer_t timer;
    struct odp_list relays; // sent to since the last look, or not acknowledged then
    bool is_armed;
};

void relay_watch_init(struct relay_watch *w, struct odp_io_loop *loop);

// The timer's closing ends with on_closed.
void relay_watch_close(struct relay_watch *w, uv_close_cb on_closed);

// Something was sent to an end of it. For every send: cheap where it is watched already.
void relay_watch_add(struct relay_watch *w, struct odp_relay *relay);

// No timer for nobody.
void relay_watch_rest(struct relay_watch *w);

// relay.c's: that end's peer is gone. The relay may be freed within (through odp_io_retire).
void relay_on_gone(struct odp_relay *relay, int side);
