// SPDX-License-Identifier: LGPL-2.1-or-later
//
// An exec service whose commands run in units of systemd. What an earlier launcher has left is
// found by the units' names: a command that runs is taken over, one that has ended meanwhile is
// taken over for its status, and a start that has ended well tells that the service is up.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exec_internal.h"
#include "odp/base/list.h"
#include "odp/base/log.h"
#include "odp/launcher/label.h"
#include "odp/launcher/systemd_bus.h"
#include "odp/launcher/systemd_facts.h"

struct exec_units {
    struct exec_backend *backend;
    struct odp_systemd_client client;
    struct odp_systemd_bus *bus;
    sd_bus_slot *find_slot;
    char label[ODP_LABEL_MAX + 1];
    bool is_known;    // what an earlier launcher has left
    unsigned started; // bit n: the n-th start unit holds what it has started
    unsigned number;  // of the unit of the command that runs or is next
};

static const enum odp_role roles[] = {ODP_ROLE_STOP, ODP_ROLE_START, ODP_ROLE_STATUS};

bool exec_units_are_known(const struct exec_backend *b)
{
    return !b->units || (b->units->is_known && odp_systemd_bus_is_connected(b->units->bus));
}

// ---- what is there -----------------------------------------------------------------------------

struct found {
    enum odp_role role;
    unsigned number; // 0: none
    bool is_busy;
};

static bool parse(const struct exec_units *u, const char *name, enum odp_role *ret_role,
                  unsigned *ret_number)
{
    char unit[ODP_COMMAND_UNIT_MAX + 1];

    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
        for (unsigned n = 1; n <= ODP_COMMAND_UNITS; n++) {
            if (strcmp(odp_command_unit(u->label, roles[i], n, unit), name) != 0)
                continue;
            *ret_role = roles[i];
            *ret_number = n;
            return true;
        }
    return false;
}

// A command that runs comes before one that has ended, and a stop before a start. What is being
// stopped has been released, by the one that was here before: what was started is no more.
static void weigh(struct exec_units *u, const char *name, const char *state_name, const char *job,
                  struct found *best)
{
    enum odp_unit_state state = odp_unit_state_from_string(state_name);
    struct found f = {.is_busy =
                          job[0] || state == ODP_UNIT_ACTIVATING || state == ODP_UNIT_DEACTIVATING};
    bool is_released = strcmp(job, "stop") == 0 && state != ODP_UNIT_ACTIVATING;

    if (!parse(u, name, &f.role, &f.number) || is_released ||
        (!f.is_busy && state == ODP_UNIT_INACTIVE))
        return;
    if (f.role == ODP_ROLE_START && state == ODP_UNIT_ACTIVE) {
        u->started |= 1U << f.number;
    } else if (f.role == ODP_ROLE_STATUS && !f.is_busy) {
        odp_systemd_bus_tell(u->bus, state == ODP_UNIT_FAILED ? "ResetFailedUnit" : "StopUnit",
                             name);
    } else if (best->number == 0 || (f.is_busy && !best->is_busy) ||
               (f.is_busy == best->is_busy && f.role == ODP_ROLE_STOP)) {
        *best = f;
    }
}

static int read_found(struct exec_units *u, sd_bus_message *m, struct found *best)
{
    const struct odp_sd_bus *sd = odp_systemd_bus_functions(u->bus);
    const char *name, *state, *job, *ignored;
    uint32_t job_id;
    int r = sd->message_enter_container(m, 'a', "(ssssssouso)");

    while (r >= 0 &&
           (r = sd->message_read(m, "(ssssssouso)", &name, &ignored, &ignored, &state, &ignored,
                                 &ignored, &ignored, &job_id, &job, &ignored)) > 0)
        weigh(u, name, state, job, best);
    return r;
}

static int on_found(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    struct exec_units *u = userdata;
    struct exec_backend *b = u->backend;
    struct found best = {0};
    bool is_lost;
    const sd_bus_error *error = odp_systemd_bus_error(u->bus, m, &is_lost);

    (void)ret_error;
    odp_systemd_bus_drop(u->bus, &u->find_slot);
    if (is_lost)
        return 0;
    u->started = 0;
    if (error || read_found(u, m, &best) < 0)
        odp_log(ODP_LOG_ERR, b->name, "cannot tell whether a command of it runs: %s",
                error ? error->message : "systemd's answer cannot be read");
    u->is_known = true;
    u->number = best.number > 0 ? best.number : 1;
    exec_found(b, best.role, best.number, u->started != 0);
    return 0;
}

// ---- the connection ----------------------------------------------------------------------------

static struct exec_units *of_client(struct odp_systemd_client *c)
{
    return ODP_CONTAINER_OF(c, struct exec_units, client);
}

// A command that this launcher runs looks after itself.
static void on_connected(struct odp_systemd_client *c)
{
    struct exec_units *u = of_client(c);
    char names[sizeof(roles) / sizeof(roles[0])][ODP_COMMAND_UNIT_MAX + 1];
    char more[sizeof(roles) / sizeof(roles[0])][ODP_COMMAND_UNIT_MAX + 1];
    size_t n_suffix = strlen("1.service");

    if (u->is_known) {
        exec_run_next(u->backend);
        return;
    }
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        odp_command_unit(u->label, roles[i], 1, names[i]);
        odp_command_unit(u->label, roles[i], 2, more[i]);
        more[i][strlen(more[i]) - n_suffix] = '?';
    }
    if (odp_systemd_bus_call(u->bus, &u->find_slot, ODP_SYSTEMD_PATH, ODP_SYSTEMD_MANAGER,
                             "ListUnitsByPatterns", on_found, u, "asas", 0, 6, names[0], names[1],
                             names[2], more[0], more[1], more[2]) < 0)
        odp_log(ODP_LOG_ERR, u->backend->name, "out of memory: its commands are not looked for");
}

static void on_lost(struct odp_systemd_client *c)
{
    struct exec_units *u = of_client(c);

    odp_systemd_bus_drop(u->bus, &u->find_slot);
}

static void on_unreachable(struct odp_systemd_client *c, const char *why)
{
    struct exec_backend *b = of_client(c)->backend;

    odp_waiters_answer(&b->looks, &b->base, ODP_PROTO_STALE, why);
    odp_waiters_answer(&b->starts, &b->base, ODP_PROTO_FAILED, why);
    odp_waiters_answer(&b->stops, &b->base, ODP_PROTO_RUNNING, why);
}

// ---- for the backend ---------------------------------------------------------------------------

int exec_units_init(struct exec_backend *b)
{
    struct exec_units *u = calloc(1, sizeof(*u));

    if (!u)
        return -ENOMEM;
    b->units = u;
    u->backend = b;
    u->number = 1;
    u->client.on_connected = on_connected;
    u->client.on_lost = on_lost;
    u->client.on_unreachable = on_unreachable;
    odp_label_read(b->base.host->directory, b->name, u->label);
    u->bus = odp_systemd_bus_join(b->base.host, geteuid() != 0, &u->client);
    if (!u->bus)
        return -ENOMEM;
    if (odp_systemd_bus_is_connected(u->bus))
        on_connected(&u->client);
    return 0;
}

void exec_units_free(struct exec_units *u)
{
    if (!u)
        return;
    if (u->find_slot)
        odp_systemd_bus_drop(u->bus, &u->find_slot);
    if (u->bus)
        odp_systemd_bus_leave(u->bus, &u->client);
    free(u);
}

void exec_units_hurry(const struct exec_backend *b)
{
    if (b->units)
        odp_systemd_bus_hurry(b->units->bus);
}

void exec_units_home(const struct exec_backend *b, struct odp_process_home *home)
{
    if (!b->units)
        return;
    home->units = b->base.host;
    home->label = b->units->label;
    home->number = b->units->number;
}

// With nothing started under it, the label of before a rename is done with.
void exec_units_begin(struct exec_backend *b, enum odp_role role)
{
    const char *directory = b->base.host->directory;

    if (!b->units)
        return;
    b->units->number = 1;
    if (role != ODP_ROLE_START || b->units->started != 0 || strcmp(b->units->label, b->name) == 0)
        return;
    odp_label_forget(directory, b->name);
    odp_label_read(directory, b->name, b->units->label);
}

bool exec_units_try_next(struct exec_backend *b)
{
    return b->units->number++ < ODP_COMMAND_UNITS;
}

void exec_units_started(struct exec_backend *b)
{
    if (b->units)
        b->units->started |= 1U << b->units->number;
}

void exec_units_release(struct exec_backend *b)
{
    char unit[ODP_COMMAND_UNIT_MAX + 1];

    for (unsigned n = 1; b->units && n <= ODP_COMMAND_UNITS; n++)
        if (b->units->started & 1U << n)
            odp_systemd_bus_tell(b->units->bus, "StopUnit",
                                 odp_command_unit(b->units->label, ODP_ROLE_START, n, unit));
    if (b->units)
        b->units->started = 0;
}

void exec_units_rename(struct exec_backend *b)
{
    odp_label_keep(b->base.host->directory, b->name, b->units->label);
}
