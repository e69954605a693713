// SPDX-License-Identifier: LGPL-2.1-or-later
//
// From units to control groups; see the header. A list of names that grows by the members of
// targets, and is gone through from its beginning to its end.

#include "odp/launcher/systemd_groups.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/fd.h"
#include "odp/base/log.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"
#define INTERFACE  "org.freedesktop.systemd1."
#define UNITS_MAX  256

// What a unit's target says of it.
enum bond {
    BOND_STOPS,  // it is stopped with the target
    BOND_PULLED, // it is only started with it
};

struct odp_systemd_groups {
    struct odp_systemd_bus *bus;                 // borrowed
    const struct odp_systemd_groups_observer *o; // borrowed
    void *userdata;
    char **units; // owned
    size_t n_units;
    size_t at; // the one that was asked for
    sd_bus_slot *slot;
};

static void ask_next(struct odp_systemd_groups *g);

// The interface with the property ControlGroup, NULL for kinds of units that have none.
static const char *interface_of(const char *unit)
{
    static const struct {
        const char *suffix, *interface;
    } kinds[] = {
        {".service", INTERFACE "Service"}, {".scope", INTERFACE "Scope"},
        {".slice", INTERFACE "Slice"},     {".socket", INTERFACE "Socket"},
        {".mount", INTERFACE "Mount"},
    };
    const char *suffix = strrchr(unit, '.');

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && suffix; i++)
        if (strcmp(suffix, kinds[i].suffix) == 0)
            return kinds[i].interface;
    return NULL;
}

static bool is_target(const char *unit)
{
    const char *suffix = strrchr(unit, '.');

    return suffix && strcmp(suffix, ".target") == 0;
}

static int add_unit(struct odp_systemd_groups *g, const char *name)
{
    char **units;

    for (size_t i = 0; i < g->n_units; i++)
        if (strcmp(g->units[i], name) == 0)
            return 0;
    if (g->n_units == UNITS_MAX)
        return 0;
    units = reallocarray(g->units, g->n_units + 1, sizeof(*units));
    if (!units)
        return -ENOMEM;
    g->units = units;
    units[g->n_units] = strdup(name);
    if (!units[g->n_units])
        return -ENOMEM;
    g->n_units++;
    return 0;
}

// ---- answers -----------------------------------------------------------------------------------

// True where it is an answer.
static bool is_answer(struct odp_systemd_groups *g, sd_bus_message *m, bool *ret_lost)
{
    const sd_bus_error *error = odp_systemd_bus_error(g->bus, m, ret_lost);

    odp_systemd_bus_drop(g->bus, &g->slot);
    return !error;
}

static int on_group(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    struct odp_systemd_groups *g = userdata;
    const char *path;
    bool is_lost;

    (void)ret_error;
    if (is_answer(g, m, &is_lost) &&
        odp_systemd_bus_functions(g->bus)->message_read(m, "v", "s", &path) >= 0 && path[0])
        g->o->on_group(g->userdata, path);
    g->at++;
    if (!is_lost)
        ask_next(g);
    return 0;
}

// Whether a property of a target names members that stand in this bond to it.
static bool is_bond(const char *property, enum bond bond)
{
    static const char *const bonds[][5] = {
        [BOND_STOPS] = {"ConsistsOf", "BoundBy", "RequiredBy", NULL},
        [BOND_PULLED] = {"Requires", "Wants", "BindsTo", "Upholds", NULL},
    };

    for (size_t i = 0; bonds[bond][i]; i++)
        if (strcmp(bonds[bond][i], property) == 0)
            return true;
    return false;
}

static int read_names(struct odp_systemd_groups *g, const struct odp_sd_bus *sd, sd_bus_message *m)
{
    const char *name;
    int r = sd->message_enter_container(m, 'v', "as");

    if (r >= 0)
        r = sd->message_enter_container(m, 'a', "s");
    while (r >= 0 && (r = sd->message_read(m, "s", &name)) > 0)
        // Another target may be anything, up to the whole system.
        if (interface_of(name))
            r = add_unit(g, name);
    if (r >= 0)
        r = sd->message_exit_container(m);
    return r < 0 ? r : sd->message_exit_container(m);
}

static int read_members(struct odp_systemd_groups *g, sd_bus_message *m, enum bond bond)
{
    const struct odp_sd_bus *sd = odp_systemd_bus_functions(g->bus);
    const char *property;
    int r = sd->message_rewind(m, 1);

    if (r >= 0)
        r = sd->message_enter_container(m, 'a', "{sv}");
    while (r >= 0 && (r = sd->message_enter_container(m, 'e', "sv")) > 0) {
        r = sd->message_read(m, "s", &property);
        if (r >= 0)
            r = is_bond(property, bond) ? read_names(g, sd, m) : sd->message_skip(m, "v");
        if (r >= 0)
            r = sd->message_exit_container(m);
    }
    return r;
}

static int on_target(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    struct odp_systemd_groups *g = userdata;
    size_t n_before = g->n_units;
    bool is_lost;

    (void)ret_error;
    if (is_answer(g, m, &is_lost)) {
        int r = read_members(g, m, BOND_STOPS);
        if (r >= 0 && g->n_units == n_before)
            r = read_members(g, m, BOND_PULLED);
        if (r < 0)
            odp_log(ODP_LOG_WARNING, NULL, "%s: its members cannot be read: %s", g->units[g->at],
                    strerror(-r));
    }
    g->at++;
    if (!is_lost)
        ask_next(g);
    return 0;
}

// ---- questions ---------------------------------------------------------------------------------

// Returns false where nothing was asked.
static bool ask(struct odp_systemd_groups *g, const char *unit)
{
    const char *interface = interface_of(unit);
    ODP_CLEANUP_FREE char *path = NULL;
    int r = -ENOENT;

    if (odp_systemd_bus_functions(g->bus)->path_encode(ODP_SYSTEMD_PATH "/unit", unit, &path) < 0)
        return false;
    if (interface)
        r = odp_systemd_bus_call(g->bus, &g->slot, path, PROPERTIES, "Get", on_group, g, "ss",
                                 interface, "ControlGroup");
    else if (is_target(unit))
        r = odp_systemd_bus_call(g->bus, &g->slot, path, PROPERTIES, "GetAll", on_target, g, "s",
                                 INTERFACE "Unit");
    return r == 0;
}

static void ask_next(struct odp_systemd_groups *g)
{
    for (; g->at < g->n_units; g->at++)
        if (ask(g, g->units[g->at]))
            return;
    g->o->on_done(g->userdata);
}

struct odp_systemd_groups *odp_systemd_groups_new(struct odp_systemd_bus *bus,
                                                  const struct odp_systemd_groups_observer *o,
                                                  void *userdata, const char *const *units,
                                                  size_t n_units)
{
    struct odp_systemd_groups *g = calloc(1, sizeof(*g));
    int r = g ? 0 : -ENOMEM;

    if (g)
        *g = (struct odp_systemd_groups){.bus = bus, .o = o, .userdata = userdata};
    for (size_t i = 0; i < n_units && r == 0; i++)
        r = add_unit(g, units[i]);
    if (r < 0) {
        odp_systemd_groups_free(g);
        return NULL;
    }
    return g;
}

void odp_systemd_groups_begin(struct odp_systemd_groups *g)
{
    ask_next(g);
}

void odp_systemd_groups_free(struct odp_systemd_groups *g)
{
    if (!g)
        return;
    odp_systemd_bus_drop(g->bus, &g->slot);
    for (size_t i = 0; i < g->n_units; i++)
        free(g->units[i]);
    free(g->units);
    free(g);
}
