// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The world of a random schedule: for each service what really runs, how its launcher and its
// target behave, and the chance that decides. One service's chance is its own, so that what happens
// to it does not depend on the others.

#pragma once

#include "sim.h"

enum unit {
    UNIT_DOWN,
    UNIT_BROKEN, // down, and failed
    UNIT_PARTLY, // some of it runs
    UNIT_STARTING,
    UNIT_UP,
    UNIT_STOPPING,
    UNIT_FROZEN,
};

struct world {
    struct fake_service *s;
    struct sim_rng rng;
    enum unit unit;
    unsigned job; // changes when a new one begins: what belongs to an older one is void
    uint32_t start_id, stop_id; // of requests without an answer
    uint32_t health_id;         // likewise, of the question whether it is healthy
    bool stop_is_ours;
    bool is_checked;       // it has a health check, which looks at the target
    bool always_up;        // nothing of it is odp's to start
    bool has_forwarder;    // accepts while the service does not listen yet, and resets
    enum fake_target good; // what the target is when it is up
    uint64_t said_usec;    // when the launcher's latest word about it arrives
    unsigned n_done;       // actions of its actor
};

#define WORLDS_MAX 4
extern struct world worlds[WORLDS_MAX];
extern bool world_is_calm;  // everybody does at once what is wanted
extern bool world_has_lost; // a word of the launcher did not arrive

// Gives the service that was just added a random file and a random world.
struct world *world_add(uint64_t seed, unsigned index, bool plain);
void world_begin(void);
// From now on everything works.
void world_calm_down(void);
void world_launcher_dies(void);

// What others do to the service.
void world_kill(struct world *w);
void world_start(struct world *w);
void world_stop(struct world *w);
void world_freeze(struct world *w);
void world_thaw(struct world *w);
void world_set_good(struct world *w, enum fake_target good);

// Lets everything work again, and checks that the services of `mask` get up and lie down.
void calm_down(unsigned mask, bool plain);

// One random action of clients, people and others; see actor.c.
void actor_act(struct world *w, bool plain);
