// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odpd's heart: owns every service, feeds events to the core's machines and carries their effects
// out. What a service may do is decided in core/service, never here.

#pragma once

#include <uv.h>

#include "odp/base/buf.h"
#include "odp/core/config.h"
#include "odp/core/ledger.h"
#include "odp/core/paths.h"
#include "odp/core/service.h"
#include "odp/core/tries.h"
#include "odp/net/relay.h"
#include "odp/proxy/gates.h"
#include "odp/proxy/story.h"
#include "odp/proxy/stray.h"

struct odp_control;
struct odp_ledger_file;
struct odp_link;
struct odp_manager;
struct odp_probe;
struct odp_vigil;
struct odp_visit;

// How one service uses another one that it requires.
enum odp_requires_use {
    ODP_REQUIRES_NONE,  // it does not require it, or is asleep
    ODP_REQUIRES_WAITS, // it is to be started once the other is ready
    ODP_REQUIRES_AWAKE, // or it may be: the launcher has not said
};

// What the launcher has told of the address of a target auto:PORT; proxy/target sees to it.
struct odp_target {
    struct odp_address *addresses; // owned; the likeliest first
    size_t n_addresses;            // 0: none is known
    size_t at;                     // which one is connected to
    size_t best;                   // which one has answered, or is the likeliest
    unsigned n_failed;             // tries at it in a row
    char *why_not;                 // owned; why not, NULL: nobody has said
    bool is_unreachable;           // and never will be, as the container is now
    bool has_answered;             // its probe has passed before its address was known
};

// One service, from the reload that finds its file to the one that does not; then on until its last
// client has gone.
struct odp_managed {
    struct odp_manager *manager;
    struct odp_config_service *config; // owned
    // Owned: by this one what runs now was started, if its [backend] is another. It is at the
    // target of that. NULL: `config` says it all.
    struct odp_config_service *previous;
    bool active;                    // enabled, and it can be reached
    bool is_departed;               // no file gives it any more
    bool is_stuck;                  // while gates are settled: it keeps those that it has
    bool was_stuck;                 // when they were settled the time before
    char fault[ODP_REASON_MAX + 1]; // why it is not active although enabled
    char *file_note;                // owned; what is wrong with its file, NULL for nothing
    char *listen_note;              // owned; why it does not listen where its file says, or NULL

    struct odp_service machine;
    struct odp_tries tries;
    struct odp_ledger ledger;
    struct odp_story story;
    struct odp_target found;

    struct odp_gate **gates; // owned, each of them too
    size_t n_gates;
    struct odp_list waiting; // visits not relayed yet, in the order of their arrival
    struct odp_list relayed; // visits
    struct odp_list leaving; // visits that are not served, until they took the answer
    unsigned n_waiting;      // held, or trying
    unsigned n_connections;  // relayed, or connecting to the ready service
    unsigned n_taken;        // of max_connections: these, and the tries of clients
    unsigned n_leaving;
    // proxy/requires has these five. NULL for the users: it is not known who requires it.
    unsigned n_requiring;  // services that wait for this one
    unsigned n_dependents; // services that require it and are awake
    enum odp_requires_use counted_use;
    struct odp_managed **users; // owned array; as of odp_requires_refresh()
    size_t n_users;
    unsigned n_tries;        // under way, the bare probe included
    struct odp_visit *probe; // a try without a client, NULL if none

    struct odp_probe *own_probe; // not a try: owned, NULL while none is at work
    uint32_t probe_id;           // of the launcher's latest one
    bool is_unchecked;         // probe = auto: no container has a health check, or all are healthy
    struct odp_memory *memory; // owned, NULL while it is asleep

    struct odp_list release_node; // in manager->release_queue
    uv_timer_t timer;
    uint64_t armed_usec; // what the timer is set to, ODP_NEVER: not running
};

struct odp_manager {
    struct odp_paths paths;
    bool system;             // serves the system, not one user
    struct odp_config files; // what is wrong with them; their services are below
    struct odp_io_loop *loop;
    struct odp_relays *relays;
    struct odp_link *link;
    struct odp_control *control;
    struct odp_ledger_file *ledger_file;
    struct odp_vigil *vigil;
    struct odp_managed **services; // owned, each of them too; by name
    size_t n_services;
    struct odp_managed **departed; // likewise: their clients have not gone yet
    size_t n_departed;
    struct odp_gate **strays; // passed sockets of no sound service: owned, each of them too
    size_t n_strays;
    struct odp_strays stray_clients;
    bool has_socket_units;         // the service manager listens: a reload opens nothing
    bool is_reloading;             // services are taken apart: no call is served
    bool is_out_of_order;          // names change hands: `services` is not sorted by them
    uint32_t n_located;            // questions for control groups, ever
    unsigned n_connecting;         // upstream connects under way to ready services
    struct odp_list release_queue; // services with clients that wait for their turn to connect
    struct odp_io_turn release_turn;
    struct odp_io_turn trim_turn;
    bool exhausted;               // some listener ran out of descriptors
    bool exhausted_said;          // it was logged, so its end will be
    bool direct_said;             // that the kernel does not tell of others' connections
    uint64_t exhausted_said_usec; // when
    uv_timer_t retry_timer;       // for it
};

// The files as they are now. Returns 0 or a negative errno.
int odp_manager_read(const struct odp_manager *mgr, struct odp_files *ret);

// What is wrong with the file of that name, in its first line that has a fault; NULL for nothing.
const struct odp_config_fault *odp_manager_first_fault(const struct odp_manager *mgr,
                                                       const char *name);

// Logs what is wrong with mgr->files.
void odp_manager_tell_faults(const struct odp_manager *mgr);

// Reads the files; faulty ones are logged and left out. Returns 0 or a negative errno; *ret is the
// caller's in any case (NULL on -ENOMEM).
int odp_manager_new(struct odp_io_loop *loop, const struct odp_paths *paths, bool system,
                    struct odp_manager **ret);

// Starts the launcher, opens the listeners, asks about every service. Returns 0 or a negative
// errno.
int odp_manager_begin(struct odp_manager *mgr);

// Closes listeners and connections. Services are left as they are.
void odp_manager_free(struct odp_manager *mgr);

// NULL: none of that name is served.
struct odp_managed *odp_manager_find(const struct odp_manager *mgr, const char *name);

// Feeds one event to the machine; `reason` may be NULL. Carries the effects out before it returns.
void odp_managed_event(struct odp_managed *m, enum odp_service_event_kind kind, const char *reason);

// A report of the launcher.
void odp_managed_report(struct odp_managed *m, const struct odp_proto_message *report);

// The launcher is back after it was lost.
void odp_manager_relook(struct odp_manager *mgr);

// True where a service waits for what the launcher does or tells.
bool odp_manager_awaits_launcher(const struct odp_manager *mgr);

// Sets the service's timer to the nearest of its deadlines.
void odp_managed_arm(struct odp_managed *m);

// The name of the state for people and programs: the machine's, or invalid, or disabled.
const char *odp_managed_state(const struct odp_managed *m);

bool odp_manager_is_any_awake(const struct odp_manager *mgr);

// If nothing is awake: gives memory and pipes that were kept for speed back to the system, once in
// this turn of the loop, however often it is asked for.
void odp_manager_trim(struct odp_manager *mgr);

// Why it is in that state, in words; "" where nothing is to be said.
const char *odp_managed_reason(const struct odp_managed *m);

// What else is to be known of it, in words; nothing is added where that is nothing.
void odp_managed_add_notes(const struct odp_managed *m, struct odp_buf *b);

// `note` is one of a service's; a text of NULL takes it away.
void odp_managed_set_note(char **note, const char *text);

// Brings the ledger's account of time in line with the machine's state.
void odp_managed_keep_ledger(struct odp_managed *m);

// ---- life.c: how services come and go ----------------------------------------------------------

// Takes the config over. Neither listens nor asks. NULL: out of memory.
struct odp_managed *odp_managed_new(struct odp_manager *mgr, struct odp_config_service *config);

// It has gates: it is served from now on.
void odp_managed_begin(struct odp_managed *m);

// The same for one that another odpd has left: goes on from its machine. `before`, by which what
// runs was started, is taken over; of it name, target, backend, backend_digest and stop_timeout
// suffice. NULL: nothing is known of that.
void odp_managed_resume(struct odp_managed *m, const struct odp_service *machine,
                        struct odp_config_service *before);

// It is not served any more: clients that wait are told `why`, connections go on. What runs is left
// alone.
void odp_managed_end(struct odp_managed *m, const char *why);

// Other settings: taken over. All apply at once but for [backend], and the target if both have
// changed: those wait until what runs is stopped.
void odp_managed_configure(struct odp_managed *m, struct odp_config_service *config);

// What was started by earlier settings has ended.
void odp_managed_settle(struct odp_managed *m);

// To be called when a client of a departed service has gone; after the last one it is freed.
void odp_managed_client_gone(struct odp_managed *m);

// At the end of odpd: closes all and drops the clients, but for its memory.
void odp_managed_close(struct odp_managed *m);
void odp_managed_free(struct odp_managed *m);

// Descriptors ran out while accepting; a descriptor was closed.
void odp_manager_exhausted(struct odp_manager *mgr, int error);
void odp_manager_descriptor_freed(struct odp_manager *mgr);
