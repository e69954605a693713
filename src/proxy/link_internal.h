// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What link.c and link_reach.c share. Nobody else includes it.

#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "odp/net/io.h"
#include "odp/proxy/link.h"
#include "outbox.h"
#include "renames.h"

#define LAUNCHER "odp-launcher"

struct odp_link {
    struct odp_manager *manager;
    struct odp_io io; // our end; -1 while there is no launcher
    uv_process_t process;
    bool process_active; // the handle is open: a launcher of our own runs
    bool ending;
    bool is_resting; // it had nothing to do and has left: what is said next starts it again
    bool is_unheard; // something that was sent has not reached this one
    int reach_error; // why it could not be reached the last time; said once
    uv_timer_t respawn_timer;
    uint64_t reached_usec; // the latest try
    unsigned pause_ms;
    struct outbox outbox;
    struct renames renames;
    uint32_t rename_id; // of the latest batch
};

// ---- link_reach.c ------------------------------------------------------------------------------

// Starts a launcher of our own, or connects to the one of the service manager. True: link->io is
// open. Else it will be tried again.
bool link_reach(struct odp_link *link);

// The launcher is lost: it is reached again after the pause, and asked about every service.
void link_lose(struct odp_link *link);

// Nothing of what it was told or has told counts any more.
void link_forget_talk(struct odp_link *link);

void link_reach_deinit(struct odp_link *link);

// ---- link.c ------------------------------------------------------------------------------------

void link_on_event(struct odp_io *io, uint32_t events);
