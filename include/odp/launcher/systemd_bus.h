// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The connection to a service manager over D-Bus, one for all services of a scope, made when the
// first of them is asked for. Lost, it is made again after a growing pause: clients are told, and
// ask again for what they need to know. Nothing here blocks, and nothing polls.

#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "odp/base/list.h"
#include "odp/launcher/backend.h"
#include "odp/launcher/systemd_library.h"

#define ODP_SYSTEMD_MANAGER "org.freedesktop.systemd1.Manager"
#define ODP_SYSTEMD_PATH    "/org/freedesktop/systemd1"

struct odp_systemd_bus;

// A job that has ended, as the signal JobRemoved tells it. All is borrowed.
struct odp_systemd_job {
    uint32_t id;
    const char *path;
    const char *unit;
    const char *result; // done, failed, dependency, ...
};

// Embedded in who uses the connection. None of these may remove a client.
struct odp_systemd_client {
    struct odp_list node;

    // Calls can be made, and signals come for what is matched from now on.
    void (*on_connected)(struct odp_systemd_client *c);

    // A job of some watched unit, perhaps another client's. NULL: it waits for none.
    void (*on_job)(struct odp_systemd_client *c, const struct odp_systemd_job *job);

    // Nothing that was called is answered any more, and no match holds: let go of all slots.
    void (*on_lost)(struct odp_systemd_client *c);

    // It cannot be had at present; `why` is one line. Said again after each attempt that fails.
    // NULL: whoever waits has a limit.
    void (*on_unreachable)(struct odp_systemd_client *c, const char *why);
};

// Adds a client to the connection of the scope. on_connected follows, unless it is connected
// already; nothing is called from within. Returns NULL when out of memory.
struct odp_systemd_bus *odp_systemd_bus_join(struct odp_backend_host *host, bool is_user,
                                             struct odp_systemd_client *c);

// The last one ends the connection. The client's slots must be gone.
void odp_systemd_bus_leave(struct odp_systemd_bus *bus, struct odp_systemd_client *c);

bool odp_systemd_bus_is_connected(const struct odp_systemd_bus *bus);

// Somebody waits: where it is not connected, an attempt is made now rather than after the pause.
// on_connected or on_unreachable follows.
void odp_systemd_bus_hurry(struct odp_systemd_bus *bus);

// Calls a method of the service manager; `types` and what follows as in sd_bus_message_append(3).
// The callback is not called once the slot is let go of. An error of the connection is no error
// here: on_lost follows. Returns 0 or -ENOMEM.
int odp_systemd_bus_call(struct odp_systemd_bus *bus, sd_bus_slot **ret_slot, const char *path,
                         const char *interface, const char *method,
                         sd_bus_message_handler_t callback, void *userdata, const char *types, ...);

// The same in two steps, for what is not put in one line: a message for a method of the manager,
// which is appended to, and sending it, which takes it over. A callback of NULL: no answer is
// wanted. Return 0, -ENOMEM, or -ENOTCONN where on_lost follows.
int odp_systemd_bus_new_call(struct odp_systemd_bus *bus, sd_bus_message **ret, const char *method);
int odp_systemd_bus_send(struct odp_systemd_bus *bus, sd_bus_slot **ret_slot, sd_bus_message *m,
                         sd_bus_message_handler_t callback, void *userdata);

// Calls a method of the manager that takes a unit's name, and does not wait for the answer.
void odp_systemd_bus_tell(struct odp_systemd_bus *bus, const char *method, const char *unit);

// Matches signals of the service manager; `rest` is the rule without its type and sender. Likewise.
int odp_systemd_bus_match(struct odp_systemd_bus *bus, sd_bus_slot **ret_slot, const char *rest,
                          sd_bus_message_handler_t callback, void *userdata);

// Begins and ends telling of a unit's jobs. All that was begun ends with the connection.
void odp_systemd_bus_watch_jobs(struct odp_systemd_bus *bus, const char *unit);
void odp_systemd_bus_unwatch_jobs(struct odp_systemd_bus *bus, const char *unit);

// What an answer says is wrong, NULL for nothing. Where it says that nobody was there to answer,
// the connection is given up and *ret_lost is set: on_lost follows.
const sd_bus_error *odp_systemd_bus_error(struct odp_systemd_bus *bus, sd_bus_message *m,
                                          bool *ret_lost);

// The functions to read messages with.
const struct odp_sd_bus *odp_systemd_bus_functions(const struct odp_systemd_bus *bus);

// Lets go of a slot; NULL is none.
void odp_systemd_bus_drop(struct odp_systemd_bus *bus, sd_bus_slot **slot);
