// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What systemd_bus.c (how the connection comes and goes), systemd_bus_loop.c (its place in the
// loop) and systemd_call.c (what is said over it) share. Nobody else looks inside.

#pragma once

#include <uv.h>

#include "odp/launcher/systemd_bus.h"

#define ODP_SYSTEMD_NAME "org.freedesktop.systemd1"

enum odp_systemd_bus_state {
    ODP_SYSTEMD_BUS_PAUSING,
    ODP_SYSTEMD_BUS_CONNECTING,
    ODP_SYSTEMD_BUS_CONNECTED,
};

struct odp_systemd_bus {
    struct odp_backend_host *host; // borrowed
    bool is_user;
    const struct odp_sd_bus *sd; // NULL until it was loaded
    struct odp_list clients;

    enum odp_systemd_bus_state state;
    sd_bus *bus; // owned, as is what follows; NULL while pausing
    sd_bus_slot *owner_slot, *jobs_slot, *subscribe_slot;
    uv_poll_t *poll;
    int armed_events;
    bool is_given_up;         // the next turn of the loop loses it
    char why[ODP_REASON_MAX]; // it is in trouble
    bool was_reached;         // ever
    bool has_socket;          // the last attempt found somebody to talk to

    uv_prepare_t prepare;
    uv_timer_t due_timer;  // when sd-bus wants to be called at the latest
    uv_timer_t pace_timer; // when a pause ends, or an attempt must have
    unsigned n_handles;    // that are not closed yet
    unsigned pause_ms;     // the next one
    uint64_t connected_usec;
    uint64_t troubled_usec; // since when it is not
};

// The connection is in doubt: the next turn of the loop loses it. The first reason counts.
void odp_systemd_bus_give_up(struct odp_systemd_bus *bus, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// It was given up: who uses it is told, and it is tried again after a pause. Not from within a
// callback of sd-bus.
void odp_systemd_bus_lose(struct odp_systemd_bus *bus);

// A connection that was just opened is processed with each turn of the loop from now on. Returns 0
// or a negative errno.
int odp_systemd_bus_loop_enter(struct odp_systemd_bus *bus);

// It is to be closed. Also for one that is not there, or was not entered.
void odp_systemd_bus_loop_leave(struct odp_systemd_bus *bus);

// Sees every message before its callback does.
int odp_systemd_bus_on_message(sd_bus_message *m, void *userdata, sd_bus_error *ret_error);
