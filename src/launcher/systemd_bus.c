// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How the connection comes and goes. One that is in doubt is dropped before the next turn of the
// loop (systemd_bus_loop.c), never from within a callback, and without the callbacks that sd-bus
// would make for a lost one.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/log.h"
#include "odp/launcher/reason.h"
#include "systemd_bus_internal.h"

#define OWNER_RULE                                                                                 \
    "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0="                  \
    "'" ODP_SYSTEMD_NAME "'"

#define PAUSE_MIN_MS 50
#define PAUSE_MAX_MS 5000
#define ATTEMPT_MS   10000
// Where no bus ever was there may never be one. Who is asked for something looks at once.
#define PAUSE_NEVER_MS 60000
// How long those who wait are left in hope that a lost connection comes back.
#define PATIENCE_USEC (5 * ODP_USEC_PER_SEC)
// A connection that stood this long was sound: the pauses begin small again.
#define HEALTHY_USEC (10 * ODP_USEC_PER_SEC)

static const char *whose(const struct odp_systemd_bus *bus)
{
    return bus->is_user ? "the user's" : "the system's";
}

void odp_systemd_bus_give_up(struct odp_systemd_bus *bus, const char *format, ...)
{
    va_list args;

    if (bus->is_given_up)
        return;
    bus->is_given_up = true;
    va_start(args, format);
    odp_reason_vformat(bus->why, sizeof(bus->why), format, args);
    va_end(args);
}

// ---- losing it ---------------------------------------------------------------------------------

static void disconnect(struct odp_systemd_bus *bus)
{
    odp_systemd_bus_drop(bus, &bus->owner_slot);
    odp_systemd_bus_drop(bus, &bus->jobs_slot);
    odp_systemd_bus_drop(bus, &bus->subscribe_slot);
    odp_systemd_bus_loop_leave(bus);
    if (bus->bus)
        bus->sd->close_unref(bus->bus);
    bus->bus = NULL;
}

static void on_pace_timer(uv_timer_t *timer);

static void pause_now(struct odp_systemd_bus *bus)
{
    unsigned max_ms = bus->was_reached || bus->has_socket ? PAUSE_MAX_MS : PAUSE_NEVER_MS;

    bus->state = ODP_SYSTEMD_BUS_PAUSING;
    uv_timer_start(&bus->pace_timer, on_pace_timer, bus->pause_ms, 0);
    bus->pause_ms = bus->pause_ms * 2 < max_ms ? bus->pause_ms * 2 : max_ms;
}

static void lose_connected(struct odp_systemd_bus *bus)
{
    odp_log(ODP_LOG_NOTICE, NULL, "%s service manager is lost: %s: trying again", whose(bus),
            bus->why);
    odp_list_foreach_safe (node, &bus->clients) {
        struct odp_systemd_client *c = ODP_CONTAINER_OF(node, struct odp_systemd_client, node);
        c->on_lost(c);
    }
    disconnect(bus);
    bus->troubled_usec = odp_now_usec();
    if (bus->troubled_usec - bus->connected_usec >= HEALTHY_USEC)
        bus->pause_ms = PAUSE_MIN_MS;
    pause_now(bus);
}

static void fail_attempt(struct odp_systemd_bus *bus)
{
    char why[sizeof(bus->why) + 64];

    disconnect(bus);
    pause_now(bus);
    odp_log(ODP_LOG_DEBUG, NULL, "%s service manager: %s", whose(bus), bus->why);
    // Where there never was a bus nobody needs to wait for one to come back.
    if ((bus->was_reached || bus->has_socket) &&
        odp_now_usec() - bus->troubled_usec < PATIENCE_USEC)
        return;
    snprintf(why, sizeof(why), "cannot reach %s service manager over D-Bus: %s", whose(bus),
             bus->why);
    odp_list_foreach_safe (node, &bus->clients) {
        struct odp_systemd_client *c = ODP_CONTAINER_OF(node, struct odp_systemd_client, node);
        if (c->on_unreachable)
            c->on_unreachable(c, why);
    }
}

void odp_systemd_bus_lose(struct odp_systemd_bus *bus)
{
    if (bus->state == ODP_SYSTEMD_BUS_CONNECTED)
        lose_connected(bus);
    else
        fail_attempt(bus);
}

// ---- getting it --------------------------------------------------------------------------------

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    struct odp_systemd_bus *bus = userdata;

    (void)m;
    (void)ret_error;
    if (bus->state == ODP_SYSTEMD_BUS_CONNECTED) // else it may well be on its way to us
        odp_systemd_bus_give_up(bus, "it has left D-Bus, or come back to it");
    return 0;
}

static int on_subscribed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    struct odp_systemd_bus *bus = userdata;
    const sd_bus_error *error = bus->sd->message_get_error(m);

    (void)ret_error;
    if (error && strcmp(error->name, "org.freedesktop.systemd1.AlreadySubscribed") != 0) {
        odp_systemd_bus_give_up(bus, "%s", error->message);
        return 0;
    }
    odp_log(bus->was_reached ? ODP_LOG_NOTICE : ODP_LOG_DEBUG, NULL,
            "%s service manager is reached", whose(bus));
    bus->state = ODP_SYSTEMD_BUS_CONNECTED;
    bus->was_reached = true;
    bus->connected_usec = odp_now_usec();
    uv_timer_stop(&bus->pace_timer);
    odp_list_foreach_safe (node, &bus->clients) {
        struct odp_systemd_client *c = ODP_CONTAINER_OF(node, struct odp_systemd_client, node);
        c->on_connected(c);
    }
    return 0;
}

static int open_bus(struct odp_systemd_bus *bus)
{
    const char *why = "";
    int r;

    if (!bus->sd)
        bus->sd = odp_sd_bus_load(&why);
    if (!bus->sd) {
        odp_systemd_bus_give_up(bus, "libsystemd cannot be loaded: %s", why);
        return -ENOSYS;
    }
    r = bus->is_user ? bus->sd->open_user(&bus->bus) : bus->sd->open_system(&bus->bus);
    if (r < 0)
        odp_systemd_bus_give_up(bus, "%s",
                                r == -ENOMEDIUM ? "no bus is set up: XDG_RUNTIME_DIR is not set"
                                                : strerror(-r));
    return r;
}

static int begin(struct odp_systemd_bus *bus)
{
    int r = odp_systemd_bus_loop_enter(bus);

    if (r < 0)
        return r;
    r = bus->sd->add_match_async(bus->bus, &bus->owner_slot, OWNER_RULE, on_owner_changed, NULL,
                                 bus);
    if (r >= 0)
        r = bus->sd->add_filter(bus->bus, &bus->jobs_slot, odp_systemd_bus_on_message, bus);
    if (r >= 0)
        r = odp_systemd_bus_call(bus, &bus->subscribe_slot, ODP_SYSTEMD_PATH, ODP_SYSTEMD_MANAGER,
                                 "Subscribe", on_subscribed, bus, NULL);
    return r;
}

static void attempt(struct odp_systemd_bus *bus)
{
    int r;

    bus->state = ODP_SYSTEMD_BUS_CONNECTING;
    bus->is_given_up = false;
    bus->has_socket = open_bus(bus) >= 0;
    if (!bus->has_socket) {
        odp_systemd_bus_lose(bus);
        return;
    }
    r = begin(bus);
    if (r < 0) {
        odp_systemd_bus_give_up(bus, "%s", strerror(-r));
        odp_systemd_bus_lose(bus);
        return;
    }
    uv_timer_start(&bus->pace_timer, on_pace_timer, ATTEMPT_MS, 0);
}

static void on_pace_timer(uv_timer_t *timer)
{
    struct odp_systemd_bus *bus = timer->data;

    if (bus->state == ODP_SYSTEMD_BUS_PAUSING)
        attempt(bus);
    else
        odp_systemd_bus_give_up(bus, "it does not answer"); // on_prepare() follows
}

void odp_systemd_bus_hurry(struct odp_systemd_bus *bus)
{
    if (bus->state == ODP_SYSTEMD_BUS_PAUSING)
        uv_timer_start(&bus->pace_timer, on_pace_timer, 0, 0);
}

bool odp_systemd_bus_is_connected(const struct odp_systemd_bus *bus)
{
    return bus->state == ODP_SYSTEMD_BUS_CONNECTED && !bus->is_given_up;
}

// ---- its life ----------------------------------------------------------------------------------

static struct odp_systemd_bus *bus_new(struct odp_backend_host *host, bool is_user)
{
    struct odp_systemd_bus *bus = calloc(1, sizeof(*bus));

    if (!bus)
        return NULL;
    bus->host = host;
    bus->is_user = is_user;
    bus->pause_ms = PAUSE_MIN_MS;
    bus->troubled_usec = odp_now_usec();
    odp_list_init(&bus->clients);
    uv_prepare_init(host->loop, &bus->prepare);
    uv_timer_init(host->loop, &bus->due_timer);
    uv_timer_init(host->loop, &bus->pace_timer);
    bus->prepare.data = bus->due_timer.data = bus->pace_timer.data = bus;
    bus->n_handles = 3;
    return bus;
}

static void on_closed(uv_handle_t *handle)
{
    struct odp_systemd_bus *bus = handle->data;

    if (--bus->n_handles == 0)
        free(bus);
}

static void bus_free(struct odp_systemd_bus *bus)
{
    disconnect(bus);
    uv_close((uv_handle_t *)&bus->prepare, on_closed);
    uv_close((uv_handle_t *)&bus->due_timer, on_closed);
    uv_close((uv_handle_t *)&bus->pace_timer, on_closed);
}

static struct odp_systemd_bus **place_of(struct odp_backend_host *host, bool is_user)
{
    return is_user ? &host->user_bus : &host->system_bus;
}

struct odp_systemd_bus *odp_systemd_bus_join(struct odp_backend_host *host, bool is_user,
                                             struct odp_systemd_client *c)
{
    struct odp_systemd_bus **place = place_of(host, is_user);

    if (!*place)
        *place = bus_new(host, is_user);
    if (*place) {
        odp_list_append(&(*place)->clients, &c->node);
        odp_systemd_bus_hurry(*place);
    }
    return *place;
}

void odp_systemd_bus_leave(struct odp_systemd_bus *bus, struct odp_systemd_client *c)
{
    odp_list_remove(&c->node);
    if (!odp_list_empty(&bus->clients))
        return;
    *place_of(bus->host, bus->is_user) = NULL;
    bus_free(bus);
}
