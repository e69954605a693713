// SPDX-License-Identifier: LGPL-2.1-or-later
//
// sd-bus on the libuv loop. Before each turn of the loop everything that came is processed, and
// what sd-bus then waits for is handed to libuv.

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "systemd_bus_internal.h"

static void on_poll(uv_poll_t *poll_handle, int status, int events)
{
    struct odp_systemd_bus *bus = poll_handle->data;

    (void)events;
    if (status < 0)
        bus->armed_events = 0; // libuv has stopped watching
    // All that is to be done is done before the next turn: on_prepare().
}

static void on_due_timer(uv_timer_t *timer)
{
    (void)timer; // likewise
}

static void arm_timer(struct odp_systemd_bus *bus)
{
    uint64_t due_usec, now_usec = odp_now_usec();

    // It is an absolute time of CLOCK_MONOTONIC.
    if (bus->sd->get_timeout(bus->bus, &due_usec) < 0 || due_usec == ODP_NEVER) {
        uv_timer_stop(&bus->due_timer);
        return;
    }
    uv_update_time(bus->host->loop);
    uv_timer_start(
        &bus->due_timer, on_due_timer,
        due_usec > now_usec ? (due_usec - now_usec + ODP_USEC_PER_MS - 1) / ODP_USEC_PER_MS : 0, 0);
}

static void arm(struct odp_systemd_bus *bus)
{
    int wanted = bus->sd->get_events(bus->bus);
    int events = UV_READABLE | (wanted > 0 && (wanted & POLLOUT) ? UV_WRITABLE : 0);

    if (events != bus->armed_events)
        uv_poll_start(bus->poll, events, on_poll);
    bus->armed_events = events;
    arm_timer(bus);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct odp_systemd_bus *bus = prepare->data;
    int r = 0;

    while (!bus->is_given_up && (r = bus->sd->process(bus->bus, NULL)) > 0)
        ;
    if (r < 0)
        odp_systemd_bus_give_up(bus, "%s", strerror(-r));
    else if (bus->sd->is_open(bus->bus) <= 0)
        odp_systemd_bus_give_up(bus, "it has closed the connection");
    if (bus->is_given_up)
        odp_systemd_bus_lose(bus);
    else
        arm(bus);
}

int odp_systemd_bus_loop_enter(struct odp_systemd_bus *bus)
{
    int r;

    bus->poll = calloc(1, sizeof(*bus->poll));
    if (!bus->poll)
        return -ENOMEM;
    r = uv_poll_init(bus->host->loop, bus->poll, bus->sd->get_fd(bus->bus));
    if (r < 0) {
        free(bus->poll);
        bus->poll = NULL;
        return r;
    }
    bus->poll->data = bus;
    bus->armed_events = 0;
    uv_prepare_start(&bus->prepare, on_prepare);
    return 0;
}

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle);
}

void odp_systemd_bus_loop_leave(struct odp_systemd_bus *bus)
{
    if (bus->poll)
        uv_close((uv_handle_t *)bus->poll, on_poll_closed);
    bus->poll = NULL;
    uv_prepare_stop(&bus->prepare);
    uv_timer_stop(&bus->due_timer);
}
