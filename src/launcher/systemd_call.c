// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What is said over the connection to a service manager: calls, rules for signals, and whether an
// answer is one.

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "systemd_bus_internal.h"

#define RULE_MAX 1280 // a unit's name has up to 255 bytes, and each may take three in a path

// An error of the connection shows in the next turn of the loop.
static int sent(struct odp_systemd_bus *bus, int r)
{
    if (r >= 0)
        return 0;
    if (r == -ENOMEM)
        return r;
    odp_systemd_bus_give_up(bus, "%s", strerror(-r));
    return 0;
}

int odp_systemd_bus_call(struct odp_systemd_bus *bus, sd_bus_slot **ret_slot, const char *path,
                         const char *interface, const char *method,
                         sd_bus_message_handler_t callback, void *userdata, const char *types, ...)
{
    va_list args;
    int r;

    va_start(args, types);
    r = bus->sd->call_method_asyncv(bus->bus, ret_slot, ODP_SYSTEMD_NAME, path, interface, method,
                                    callback, userdata, types, args);
    va_end(args);
    return sent(bus, r);
}

int odp_systemd_bus_new_call(struct odp_systemd_bus *bus, sd_bus_message **ret, const char *method)
{
    int r = bus->sd->message_new_method_call(bus->bus, ret, ODP_SYSTEMD_NAME, ODP_SYSTEMD_PATH,
                                             ODP_SYSTEMD_MANAGER, method);

    return sent(bus, r) < 0 ? r : r < 0 ? -ENOTCONN : 0;
}

int odp_systemd_bus_send(struct odp_systemd_bus *bus, sd_bus_slot **ret_slot, sd_bus_message *m,
                         sd_bus_message_handler_t callback, void *userdata)
{
    int r = bus->sd->call_async(bus->bus, ret_slot, m, callback, userdata, 0);

    bus->sd->message_unref(m);
    return sent(bus, r) < 0 ? r : r < 0 ? -ENOTCONN : 0;
}

void odp_systemd_bus_tell(struct odp_systemd_bus *bus, const char *method, const char *unit)
{
    const bool is_stop = strcmp(method, "StopUnit") == 0;

    if (!odp_systemd_bus_is_connected(bus))
        return;
    if (is_stop)
        (void)odp_systemd_bus_call(bus, NULL, ODP_SYSTEMD_PATH, ODP_SYSTEMD_MANAGER, method, NULL,
                                   NULL, "ss", unit, "replace");
    else
        (void)odp_systemd_bus_call(bus, NULL, ODP_SYSTEMD_PATH, ODP_SYSTEMD_MANAGER, method, NULL,
                                   NULL, "s", unit);
}

int odp_systemd_bus_match(struct odp_systemd_bus *bus, sd_bus_slot **ret_slot, const char *rest,
                          sd_bus_message_handler_t callback, void *userdata)
{
    char rule[RULE_MAX];

    snprintf(rule, sizeof(rule), "type='signal',sender='" ODP_SYSTEMD_NAME "',%s", rest);
    return sent(bus, bus->sd->add_match_async(bus->bus, ret_slot, rule, callback, NULL, userdata));
}

// ---- jobs ---------------------------------------------------------------------------------------

int odp_systemd_bus_on_message(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    struct odp_systemd_bus *bus = userdata;
    struct odp_systemd_job job;

    (void)ret_error;
    if (bus->state != ODP_SYSTEMD_BUS_CONNECTED ||
        bus->sd->message_is_signal(m, ODP_SYSTEMD_MANAGER, "JobRemoved") <= 0)
        return 0;
    if (bus->sd->message_read(m, "uoss", &job.id, &job.path, &job.unit, &job.result) >= 0)
        odp_list_foreach_safe (node, &bus->clients) {
            struct odp_systemd_client *c = ODP_CONTAINER_OF(node, struct odp_systemd_client, node);
            if (c->on_job)
                c->on_job(c, &job);
        }
    bus->sd->message_rewind(m, 1);
    return 0;
}

static int on_rule_answered(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    struct odp_systemd_bus *bus = userdata;
    const sd_bus_error *error = bus->sd->message_get_error(m);

    (void)ret_error;
    if (error) // without the rule a job would never be seen to end
        odp_systemd_bus_give_up(bus, "%s", error->message);
    return 0;
}

static void call_dbus(struct odp_systemd_bus *bus, const char *method, const char *types, ...)
{
    va_list args;
    int r;

    va_start(args, types);
    r = bus->sd->call_method_asyncv(bus->bus, NULL, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                    "org.freedesktop.DBus", method, on_rule_answered, bus, types,
                                    args);
    va_end(args);
    if (sent(bus, r) < 0)
        odp_systemd_bus_give_up(bus, "out of memory");
}

// The rule is D-Bus's alone. sd-bus would look at it, too, and let nothing pass: it compares no
// argument behind one that is no text, and the first of JobRemoved is a number.
static void change_job_rule(struct odp_systemd_bus *bus, const char *method, const char *unit)
{
    char rule[RULE_MAX];

    snprintf(rule, sizeof(rule),
             "type='signal',sender='" ODP_SYSTEMD_NAME "',path='" ODP_SYSTEMD_PATH
             "',interface='" ODP_SYSTEMD_MANAGER "',member='JobRemoved',arg2='%s'",
             unit);
    call_dbus(bus, method, "s", rule);
}

void odp_systemd_bus_watch_jobs(struct odp_systemd_bus *bus, const char *unit)
{
    change_job_rule(bus, "AddMatch", unit);
}

void odp_systemd_bus_unwatch_jobs(struct odp_systemd_bus *bus, const char *unit)
{
    if (odp_systemd_bus_is_connected(bus))
        change_job_rule(bus, "RemoveMatch", unit);
}

// ---- answers ------------------------------------------------------------------------------------

const sd_bus_error *odp_systemd_bus_error(struct odp_systemd_bus *bus, sd_bus_message *m,
                                          bool *ret_lost)
{
    static const char *const nobody[] = {
        SD_BUS_ERROR_NO_REPLY,          SD_BUS_ERROR_TIMEOUT,         SD_BUS_ERROR_DISCONNECTED,
        SD_BUS_ERROR_NAME_HAS_NO_OWNER, SD_BUS_ERROR_SERVICE_UNKNOWN,
    };
    const sd_bus_error *error = bus->sd->message_get_error(m);

    *ret_lost = false;
    for (size_t i = 0; error && i < sizeof(nobody) / sizeof(nobody[0]); i++)
        *ret_lost |= strcmp(error->name, nobody[i]) == 0;
    if (*ret_lost)
        odp_systemd_bus_give_up(bus, "%s", error->message);
    return error;
}

const struct odp_sd_bus *odp_systemd_bus_functions(const struct odp_systemd_bus *bus)
{
    return bus->sd;
}

void odp_systemd_bus_drop(struct odp_systemd_bus *bus, sd_bus_slot **slot)
{
    if (*slot)
        bus->sd->slot_unref(*slot);
    *slot = NULL;
}
