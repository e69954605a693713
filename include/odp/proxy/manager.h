// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odpd's heart: owns every service, feeds events to the core's machines and carries their effects
// out. What a service may do is decided in core/service, never here.

#pragma once

#include <uv.h>

#include "odp/core/config.h"
#include "odp/core/ledger.h"
#include "odp/core/paths.h"
#include "odp/core/service.h"
#include "odp/core/tries.h"
#include "odp/net/listen.h"
#include "odp/net/relay.h"
#include "odp/proxy/story.h"

struct odp_control;
struct odp_ledger_file;
struct odp_link;
struct odp_manager;
struct odp_probe;
struct odp_visit;

// One service of the files. Stays for the life of the manager.
struct odp_managed {
    struct odp_manager *manager;
    const struct odp_config_service *config; // the manager's
    bool active;                             // enabled, and it can be reached
    char fault[ODP_REASON_MAX + 1];          // why it is not active although enabled

    struct odp_service machine;
    struct odp_tries tries;
    struct odp_ledger ledger;
    struct odp_story story;

    struct odp_listener *listeners; // owned array
    size_t n_listeners;
    struct odp_list waiting; // visits not relayed yet, in the order of their arrival
    struct odp_list relayed; // visits
    struct odp_list leaving; // visits that are not served, until they took the answer
    unsigned n_waiting;      // held, or trying
    unsigned n_connections;  // relayed, or connecting to the ready service
    unsigned n_taken;        // of max_connections: these, and the tries of clients
    unsigned n_leaving;
    unsigned n_requiring;    // services that wait for this one; proxy/requires counts both
    unsigned n_dependents;   // services that require it and are awake
    unsigned n_tries;        // under way, the bare probe included
    struct odp_visit *probe; // a try without a client, NULL if none

    struct odp_probe *own_probe; // http or exec: owned, NULL while none is at work
    uint32_t probe_id;           // of the latest request for an exec probe

    struct odp_list release_node; // in manager->release_queue
    uv_timer_t timer;
    uint64_t armed_usec; // what the timer is set to, ODP_NEVER: not running
};

struct odp_manager {
    struct odp_paths paths;
    bool system; // serves the system, not one user
    struct odp_config config;
    struct odp_io_loop *loop;
    struct odp_relays *relays;
    struct odp_link *link;
    struct odp_control *control;
    struct odp_ledger_file *ledger_file;
    struct odp_managed *services; // owned array
    size_t n_services;
    struct odp_listener *strays; // passed sockets of no sound service: owned array
    size_t n_strays;
    unsigned n_connecting;         // upstream connects under way to ready services
    struct odp_list release_queue; // services with clients that wait for their turn to connect
    struct odp_io_turn release_turn;
    bool exhausted;               // some listener ran out of descriptors
    bool exhausted_said;          // it was logged, so its end will be
    bool direct_said;             // that the kernel does not tell of others' connections
    uint64_t exhausted_said_usec; // when
    uv_timer_t retry_timer;       // for it
};

// Reads the files; faulty ones are logged and left out. Returns 0 or a negative errno; *ret is the
// caller's in any case (NULL on -ENOMEM).
int odp_manager_new(struct odp_io_loop *loop, const struct odp_paths *paths, bool system,
                    struct odp_manager **ret);

// Starts the launcher, opens the listeners, asks about every service. Returns 0 or a negative
// errno.
int odp_manager_begin(struct odp_manager *mgr);

// Closes listeners and connections. Services are left as they are.
void odp_manager_free(struct odp_manager *mgr);

struct odp_managed *odp_manager_find(struct odp_manager *mgr, const char *name);

// Feeds one event to the machine; `reason` may be NULL. Carries the effects out before it returns.
void odp_managed_event(struct odp_managed *m, enum odp_service_event_kind kind, const char *reason);

// A report of the launcher.
void odp_managed_report(struct odp_managed *m, const struct odp_proto_message *report);

// The launcher is back after it was lost.
void odp_manager_relook(struct odp_manager *mgr);

// Sets the service's timer to the nearest of its deadlines.
void odp_managed_arm(struct odp_managed *m);

// The name of the state for people and programs: the machine's, or invalid, or disabled.
const char *odp_managed_state(const struct odp_managed *m);

bool odp_manager_is_any_awake(const struct odp_manager *mgr);

// If nothing is awake: gives memory and pipes that were kept for speed back to the system.
void odp_manager_trim(struct odp_manager *mgr);

// Why it is in that state, in words; "" where nothing is to be said.
const char *odp_managed_reason(const struct odp_managed *m);

// Descriptors ran out while accepting; a descriptor was closed.
void odp_manager_exhausted(struct odp_manager *mgr, int error);
void odp_manager_descriptor_freed(struct odp_manager *mgr);
