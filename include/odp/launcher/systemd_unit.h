// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One unit as it is watched: what is known of it, by looking and by its signals. D-Bus is given two
// rules for each, so that nothing of other units ever wakes the launcher.

#pragma once

#include "odp/launcher/systemd_bus.h"
#include "odp/launcher/systemd_facts.h"

struct odp_systemd_unit {
    char *name; // owned; as the file has it
    char *id;   // owned; the same, or what that is an alias of
    struct odp_unit_facts facts;
    bool is_looked_at; // since the state last changed
    bool is_looking;

    struct odp_systemd_bus *bus; // borrowed; NULL while it is not watched
    sd_bus_slot *changed_slot, *look_slot;
    unsigned n_crashes; // short runs in a row that Restart= followed
    uint64_t active_usec;

    // Something of the facts is not as before, or a look has ended. Must not deinitialise the unit.
    void (*on_changed)(struct odp_systemd_unit *u, void *userdata);
    void *userdata;
};

// Returns 0 or -ENOMEM; *u is to be deinitialised in both cases. The callback and its userdata are
// the caller's to set.
int odp_systemd_unit_init(struct odp_systemd_unit *u, const char *name);
void odp_systemd_unit_deinit(struct odp_systemd_unit *u);

// It is another unit from now on, of which nothing is known; watched if the one before was. Returns
// 0 or -ENOMEM, where it is as it was.
int odp_systemd_unit_replace(struct odp_systemd_unit *u, const char *name);

// Begins and ends watching; a watched unit is to be unwatched when the bus is lost.
void odp_systemd_unit_watch(struct odp_systemd_unit *u, struct odp_systemd_bus *bus);
void odp_systemd_unit_unwatch(struct odp_systemd_unit *u);

// Takes note of a job that has ended. Returns whether it was one of this unit.
bool odp_systemd_unit_on_job(struct odp_systemd_unit *u, const struct odp_systemd_job *job);

// Asks how it is; on_changed follows, unless the bus is lost. To study is to ask for everything,
// which costs the service manager some milliseconds. A look does so where the unit is not simply
// inactive. Nothing while another one is under way.
void odp_systemd_unit_look(struct odp_systemd_unit *u);
void odp_systemd_unit_study(struct odp_systemd_unit *u);

// It is about to be started: what follows is of this start.
void odp_systemd_unit_begin_start(struct odp_systemd_unit *u);

// While it loops: how long it has to stay active until it loops no more. ODP_NEVER: it is not
// active, or does not loop.
uint64_t odp_systemd_unit_stable_in_usec(const struct odp_systemd_unit *u);
void odp_systemd_unit_forget_crashes(struct odp_systemd_unit *u);
