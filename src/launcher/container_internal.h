// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What backend_container.c, container_action.c, container_look.c and container_told.c share: one
// service that is containers of an engine.

#pragma once

#include "odp/launcher/container_facts.h"
#include "odp/launcher/container_order.h"
#include "odp/launcher/engine_watch.h"
#include "odp/launcher/locate.h"
#include "odp/launcher/waiters.h"

enum odp_container_action {
    ODP_CONTAINER_NOTHING,
    ODP_CONTAINER_START,
    ODP_CONTAINER_STOP,
    ODP_CONTAINER_N_ACTIONS,
};

// How far the present action is with a container.
enum odp_container_stage {
    ODP_CONTAINER_WAITS,   // for others
    ODP_CONTAINER_CALLED,  // not answered yet
    ODP_CONTAINER_SETTLES, // answered; what came of it shows by a look
    ODP_CONTAINER_DONE,
};

struct odp_container_service;

struct odp_container {
    struct odp_container_service *service; // borrowed
    char *name;                            // owned; as people call it
    struct odp_container_facts facts;
    struct odp_engine_http *look; // owned
    bool is_looking;
    bool looks_again; // something happened meanwhile

    enum odp_container_stage stage;
    bool has_unpaused;
    bool has_retried;
    struct odp_engine_http *call; // owned
};

struct odp_container_service {
    struct odp_backend base;
    struct odp_engine_client client;
    struct odp_engine_watch *watch; // borrowed; NULL before the first request
    struct odp_engine_place place;
    bool is_user;
    char **names;                      // owned, NULL terminated; the strings are the containers'
    struct odp_container **containers; // owned
    size_t n_containers;
    struct odp_order order; // of the containers by their places
    bool was_lost;          // what ended since has ended with its engine

    enum odp_container_action action;
    char trouble[ODP_REASON_MAX + 1]; // what went wrong first; "" for nothing
    uint64_t stop_by_usec;            // SIGKILL is due
    uv_timer_t timer;                 // the limit of a stop

    struct odp_engine_query *query; // owned; NULL: nobody asks for control groups
    struct odp_locate locate;
    struct odp_waiters looks;
    struct odp_waiters waiters[ODP_CONTAINER_N_ACTIONS];
    enum odp_proto_state told; // what odpd knows; NO_STATE: nothing that it can go by
};

// ---- backend_container.c -----------------------------------------------------------------------

// Something has changed, whatever it is: answers and does what can be now, and tells odpd.
void odp_container_step(struct odp_container_service *s);

// ---- container_look.c --------------------------------------------------------------------------

// Asks the engine, and odp_container_step() follows. Where it has crashed, its log is asked, too.
void odp_container_look(struct odp_container *c);
void odp_container_look_all(struct odp_container_service *s);
bool odp_container_is_looking(const struct odp_container_service *s);

// Looks that are under way are let go of.
void odp_container_forget_looks(struct odp_container_service *s);

// ---- container_told.c --------------------------------------------------------------------------

// Good until the next call.
struct odp_container_id odp_container_id(const struct odp_container_service *s,
                                         const struct odp_container *c);

void odp_container_answer_looks(struct odp_container_service *s);

// Tells what has changed by itself or by another's hand.
void odp_container_observe(struct odp_container_service *s);

// In which control groups does it run? `why` is told to who has asked before; NULL: nothing.
void odp_container_locate(struct odp_container_service *s, uint32_t id);
void odp_container_locate_drop(struct odp_container_service *s, const char *why);

// ---- container_action.c ------------------------------------------------------------------------

// Does what can be done now of the present action, and begins the next that is waited for. A
// container that is being looked at has to wait; the others have not.
void odp_container_action_run(struct odp_container_service *s);

// The stop took longer than its timeout.
void odp_container_action_late(struct odp_container_service *s);

// The present action is given up; its waiters are left.
void odp_container_action_drop(struct odp_container_service *s);

// The engine was lost: what was under way begins again.
void odp_container_action_restart(struct odp_container_service *s);
