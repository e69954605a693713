// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Looks at units and hears their signals. What they mean for a service is others' to say.

#include "odp/launcher/systemd_unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/log.h"
#include "odp/base/time.h"
#include "systemd_properties.h"

#define PROPERTIES     "org.freedesktop.DBus.Properties"
#define UNIT_INTERFACE "org.freedesktop.systemd1.Unit"

// A unit that ends within this time after it became active, and does so as many times in a row,
// is in a loop of Restart=.
#define STABLE_USEC   (10 * ODP_USEC_PER_SEC)
#define N_CRASHES_MAX 3

// ---- what has changed --------------------------------------------------------------------------

static void count_crash(struct odp_systemd_unit *u)
{
    if (u->active_usec > 0 && odp_now_usec() - u->active_usec >= STABLE_USEC)
        u->n_crashes = 0;
    u->active_usec = 0;
    u->n_crashes++;
    u->facts.is_looping |= u->n_crashes >= N_CRASHES_MAX;
}

void odp_systemd_unit_forget_crashes(struct odp_systemd_unit *u)
{
    u->n_crashes = 0;
    u->facts.is_looping = false;
}

static bool is_awake(const struct odp_unit_facts *f)
{
    return f->state != ODP_UNIT_INACTIVE && f->state != ODP_UNIT_FAILED;
}

// Returns whether anything that counts is another than before.
static bool compare(struct odp_systemd_unit *u, const struct odp_unit_facts *before)
{
    struct odp_unit_facts *now = &u->facts;
    bool has_moved = now->state != before->state ||
                     strcmp(now->sub_state, before->sub_state) != 0 ||
                     strcmp(now->freezer_state, before->freezer_state) != 0;

    now->has_left_inactive |= is_awake(now);
    if (odp_unit_waits_for_restart(now) && !odp_unit_waits_for_restart(before))
        count_crash(u);
    if (now->state == ODP_UNIT_ACTIVE && (before->state != ODP_UNIT_ACTIVE || !u->active_usec))
        u->active_usec = odp_now_usec();
    return has_moved || now->job_id != before->job_id || now->is_looping != before->is_looping;
}

static int on_properties_changed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    struct odp_systemd_unit *u = userdata;
    const struct odp_sd_bus *sd = odp_systemd_bus_functions(u->bus);
    const struct odp_unit_facts before = u->facts;
    const char *interface;

    (void)ret_error;
    if (sd->message_read(m, "s", &interface) < 0 ||
        odp_systemd_properties_read(sd, m, &u->facts) < 0 || !compare(u, &before))
        return 0;
    u->is_looked_at = false;
    u->on_changed(u, u->userdata);
    return 0;
}

// The unit's own signal of it comes later.
bool odp_systemd_unit_on_job(struct odp_systemd_unit *u, const struct odp_systemd_job *job)
{
    if (strcmp(job->unit, u->id) != 0)
        return false;
    if (u->facts.job_id == job->id)
        u->facts.job_id = 0;
    return true;
}

// ---- watching ----------------------------------------------------------------------------------

int odp_systemd_unit_init(struct odp_systemd_unit *u, const char *name)
{
    *u = (struct odp_systemd_unit){.name = strdup(name), .id = strdup(name)};
    return u->name && u->id ? 0 : -ENOMEM;
}

void odp_systemd_unit_deinit(struct odp_systemd_unit *u)
{
    odp_systemd_unit_unwatch(u);
    free(u->name);
    free(u->id);
    u->name = u->id = NULL;
}

// Returns the object's path or NULL; the caller's.
static char *path_of(const struct odp_systemd_unit *u)
{
    char *path;

    if (odp_systemd_bus_functions(u->bus)->path_encode(ODP_SYSTEMD_PATH "/unit", u->id, &path) < 0)
        return NULL;
    return path;
}

void odp_systemd_unit_watch(struct odp_systemd_unit *u, struct odp_systemd_bus *bus)
{
    ODP_CLEANUP_FREE char *path = NULL;
    ODP_CLEANUP_FREE char *rule = NULL;

    u->bus = bus;
    path = path_of(u);
    if (!path ||
        asprintf(&rule,
                 "path='%s',interface='" PROPERTIES
                 "',member='PropertiesChanged',arg0='" UNIT_INTERFACE "'",
                 path) < 0 ||
        odp_systemd_bus_match(u->bus, &u->changed_slot, rule, on_properties_changed, u) < 0)
        odp_log(ODP_LOG_ERR, NULL, "out of memory: %s is not watched", u->name);
    odp_systemd_bus_watch_jobs(bus, u->id);
}

void odp_systemd_unit_unwatch(struct odp_systemd_unit *u)
{
    if (!u->bus)
        return;
    odp_systemd_bus_drop(u->bus, &u->changed_slot);
    odp_systemd_bus_drop(u->bus, &u->look_slot);
    odp_systemd_bus_unwatch_jobs(u->bus, u->id);
    u->bus = NULL;
    u->is_looking = u->is_looked_at = false;
}

int odp_systemd_unit_replace(struct odp_systemd_unit *u, const char *name)
{
    struct odp_systemd_bus *bus = u->bus;
    struct odp_systemd_unit next;

    if (odp_systemd_unit_init(&next, name) < 0) {
        odp_systemd_unit_deinit(&next);
        return -ENOMEM;
    }
    next.on_changed = u->on_changed;
    next.userdata = u->userdata;
    next.facts.is_made = u->facts.is_made;
    odp_systemd_unit_deinit(u);
    *u = next;
    if (bus)
        odp_systemd_unit_watch(u, bus);
    return 0;
}

// ---- looking -----------------------------------------------------------------------------------

// True where the name is an alias: its signals bear another one.
static bool take_id(struct odp_systemd_unit *u, char *id)
{
    struct odp_systemd_bus *bus = u->bus;

    if (strcmp(id, u->id) == 0) {
        free(id);
        return false;
    }
    odp_systemd_unit_unwatch(u);
    free(u->id);
    u->id = id;
    odp_systemd_unit_watch(u, bus);
    return true;
}

static void end_look(struct odp_systemd_unit *u)
{
    u->is_looking = false;
    u->is_looked_at = true;
    // By its signals alone a unit that Restart= takes care of seems to be down for a moment.
    if (odp_unit_is_down(&u->facts))
        odp_systemd_unit_forget_crashes(u);
    u->on_changed(u, u->userdata);
}

// What an answer to a look says is wrong; true where it was dealt with.
static bool fail_look(struct odp_systemd_unit *u, sd_bus_message *m)
{
    bool is_lost;
    const sd_bus_error *error = odp_systemd_bus_error(u->bus, m, &is_lost);

    odp_systemd_bus_drop(u->bus, &u->look_slot);
    if (error && !is_lost) {
        odp_log(ODP_LOG_WARNING, NULL, "%s: cannot look at it: %s", u->name, error->message);
        end_look(u);
    }
    return error;
}

static int on_told_all(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    struct odp_systemd_unit *u = userdata;
    const struct odp_unit_facts before = u->facts;

    (void)ret_error;
    if (fail_look(u, m))
        return 0;
    // What a property said is not true any more only because it is not told again.
    u->facts.result[0] = u->facts.freezer_state[0] = '\0';
    u->facts.exec_main_code = 0;
    if (odp_systemd_properties_read(odp_systemd_bus_functions(u->bus), m, &u->facts) < 0)
        odp_log(ODP_LOG_WARNING, NULL, "%s: its properties cannot be read", u->name);
    compare(u, &before);
    end_look(u);
    return 0;
}

void odp_systemd_unit_study(struct odp_systemd_unit *u)
{
    ODP_CLEANUP_FREE char *path = NULL;

    if (!u->bus || u->look_slot)
        return;
    path = path_of(u);
    // An empty interface stands for all: those of a unit depend on its type.
    u->is_looking = path && odp_systemd_bus_call(u->bus, &u->look_slot, path, PROPERTIES, "GetAll",
                                                 on_told_all, u, "s", "") == 0;
    if (!u->is_looking)
        odp_log(ODP_LOG_ERR, NULL, "out of memory: cannot look at %s", u->name);
}

static int on_listed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    struct odp_systemd_unit *u = userdata;
    const struct odp_unit_facts before = u->facts;
    char *id = NULL;
    int r;

    (void)ret_error;
    if (fail_look(u, m))
        return 0;
    r = odp_systemd_listing_read(odp_systemd_bus_functions(u->bus), m, &u->facts, &id);
    compare(u, &before);
    if (r < 0) {
        odp_log(ODP_LOG_WARNING, NULL, "%s: cannot look at it: %s", u->name, strerror(-r));
        end_look(u);
    } else if (take_id(u, id)) {
        odp_systemd_unit_look(u); // what happened before the matches were right
    } else if (u->facts.state == ODP_UNIT_INACTIVE) {
        end_look(u);
    } else {
        odp_systemd_unit_study(u); // is it frozen, why has it failed?
    }
    return 0;
}

void odp_systemd_unit_look(struct odp_systemd_unit *u)
{
    if (!u->bus || u->look_slot)
        return;
    u->is_looking =
        odp_systemd_bus_call(u->bus, &u->look_slot, ODP_SYSTEMD_PATH, ODP_SYSTEMD_MANAGER,
                             "ListUnitsByNames", on_listed, u, "as", 1, u->name) == 0;
    if (!u->is_looking)
        odp_log(ODP_LOG_ERR, NULL, "out of memory: cannot look at %s", u->name);
}

void odp_systemd_unit_begin_start(struct odp_systemd_unit *u)
{
    odp_systemd_unit_forget_crashes(u);
    u->active_usec = 0;
    u->is_looked_at = false;
    u->facts.has_left_inactive = is_awake(&u->facts);
    u->facts.start_asked_usec = odp_now_usec();
}

uint64_t odp_systemd_unit_stable_in_usec(const struct odp_systemd_unit *u)
{
    uint64_t since_usec = odp_now_usec() - u->active_usec;

    if (!u->facts.is_looping || u->facts.state != ODP_UNIT_ACTIVE || u->active_usec == 0)
        return ODP_NEVER;
    return since_usec < STABLE_USEC ? STABLE_USEC - since_usec : 0;
}
