// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Clients of passed sockets that belong to no sound service: the file has a fault, or there is none
// any more. One that speaks HTTP gets a page with the reason, any other is closed without a byte.
// They are nobody's visits; the next odpd does not get them.

#pragma once

#include <uv.h>

#include "odp/base/list.h"

struct odp_listener;
struct odp_manager;

// Part of the manager.
struct odp_strays {
    struct odp_list clients;
    unsigned n_clients;
    uv_timer_t timer; // runs while there are clients
};

void odp_strays_init(struct odp_manager *mgr);

// Closes the clients. The timer is closed when libuv has run once more.
void odp_strays_deinit(struct odp_manager *mgr);

// The listener's callback; its data is the manager, and it is that of a gate.
void odp_stray_accept(struct odp_listener *l, int fd);
