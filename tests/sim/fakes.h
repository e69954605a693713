// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What stands below the real manager in the simulation: a clock, libuv's timers, the event loop's
// epoll, sockets with clients and targets at their far ends, the way to the launcher. Nothing here
// waits or looks at the real world, so a run is the same every time. All of it is one global world,
// reset for each run.

#pragma once

#include <uv.h>

#include "odp/core/proto.h"
#include "odp/proxy/manager.h"

// ---- the clock and libuv's timers --------------------------------------------------------------

void fake_time_reset(void);
uint64_t fake_time_since_begin(void);
void fake_time_begin_anew(void);                   // what is since_begin() counts from now
void fake_time_set(uint64_t now_usec);             // CLOCK_MONOTONIC, forward only
void fake_time_turn_realtime(int64_t by_usec);     // somebody sets the clock
void fake_time_sleep_machine(uint64_t usec);       // CLOCK_BOOTTIME and CLOCK_REALTIME alone go on
uint64_t fake_timers_due(void);                    // when the next timer is due; ODP_NEVER: none
uint64_t fake_timer_due(const uv_timer_t *handle); // the same of one timer
bool fake_timers_run(void);                        // those due now; true if any was
size_t fake_timers_n_open(void);                   // initialised and not closed yet

// ---- services, their clients and targets -------------------------------------------------------

enum fake_target {
    FAKE_REFUSES, // nothing listens
    FAKE_HANGS,   // neither accepts nor refuses
    FAKE_RESETS,  // a forwarder before its service listens: accepts, then resets
    FAKE_SILENT,  // accepts and says nothing
    FAKE_ECHOES,  // answers each message
    FAKE_GREETS,  // speaks first, then answers each message
    FAKE_N_TARGETS,
};

// How a cell of the machine's table is reached.
enum sim_way {
    SIM_BY_MANAGER,  // files alone can bring it about
    SIM_BY_SETTINGS, // a setting that no key gives yet
    SIM_BY_HAND,     // its state was set, or the machine was stepped alone
    SIM_N_WAYS,
};

struct fake_service {
    char name[ODP_NAME_MAX + 1];
    char *text; // owned; its file
    bool unix_target;
    unsigned index;
    struct odp_managed *managed; // the manager's
    struct odp_list conns;       // in the order in which they came
    enum fake_target target;
    enum sim_way way;
    uint64_t stop_after_usec; // SIM_BY_SETTINGS: it is frozen, and stopped after this
    unsigned n_clients;
    unsigned n_excused; // a reload found so many places taken: they may be more than there are now
    unsigned n_direct;  // connections to its target that did not come through odp
    uint32_t request_ids[2]; // the latest, and the one before
    uint32_t stop_id;        // of the latest stop
    uint32_t probe_id;       // of the latest request for its probe command
    bool stop_runs;          // as far as the launcher has told
    uint64_t digest;         // of everything that its machine and its clients saw
};

#define FAKE_SERVICES_MAX 12

void fake_services_reset(void);
// `settings` are lines of an INI file, to which what every file needs is added.
struct fake_service *fake_service_add(const char *name, const char *settings, bool unix_target);
struct fake_service *fake_service_find(const char *name);
// Another text for its file.
void fake_service_write(struct fake_service *s, const char *settings);
extern struct fake_service fake_services[FAKE_SERVICES_MAX];
extern unsigned fake_n_services;

// One TCP connection between odpd and somebody outside: a client or a target.
struct fake_conn {
    enum fake_kind {
        FAKE_FREE,
        FAKE_LISTENER,
        FAKE_CLIENT,
        FAKE_UPSTREAM,
    } kind;
    int fd;                     // odpd's; -1: a client in the listener's queue
    struct odp_io *io;          // as odpd registered it, NULL before
    struct odp_list of_service; // in its service's list
    struct odp_list node;
    bool queued; // has news for the loop
    bool paused; // listener
    struct fake_service *service;
    unsigned number; // of a client, for people

    // What was sent to odpd, and how far odpd has read it.
    char in[512];
    unsigned n_in, n_read;
    bool connected, refused; // upstream
    bool resets;             // upstream: will be reset after its first event
    bool is_http_probe;      // upstream: odpd itself asks
    bool fin, closed, reset; // ended its sending side, closed altogether, by a reset
    bool remote, http, linger_zero;

    // What odpd has sent.
    char out[2048];
    unsigned n_out, n_answered; // upstream: as far as the target has answered
    bool shut;                  // its sending side has ended
    bool served;                // client: relayed
    unsigned pages;             // client: answers in the place of the service
    bool was_ready;             // client: the service, at any time since it was accepted
};

void fake_net_reset(void);
struct fake_conn *fake_conn_new(enum fake_kind kind, struct fake_service *s);
bool fake_listener_has_client(const struct fake_conn *listener);
struct fake_conn *fake_conn_first(enum fake_kind kind, struct fake_service *service);
struct fake_conn *fake_conn_next(const struct fake_conn *c); // of the same kind and service
struct fake_conn *fake_conn_of(const struct odp_io *io);
struct fake_conn *fake_client_find(struct fake_service *s, unsigned number);
unsigned fake_conn_n_open(void); // descriptors that odpd has

struct fake_conn *fake_client_connect(struct fake_service *s, bool remote);
void fake_client_say(struct fake_conn *c, const char *bytes);
void fake_conn_finish(struct fake_conn *c); // ends its sending side
void fake_conn_leave(struct fake_conn *c, bool reset);
void fake_target_set(struct fake_service *s, enum fake_target target);
void fake_target_drop_all(struct fake_service *s); // the service died: its connections are reset

// How many descriptors odpd may have open; 0: no limit.
extern unsigned fake_descriptors_max;

// False: all rounds have one number. How many clients a listener accepts in one of them depends on
// it, and so on other services.
extern bool fake_io_counts_rounds;

// One round of the loop: sockets, turns, timers, what was retired. False: nothing was to be done.
bool fake_io_round(void);
// A new upstream connection meets its target; its far end looks at what odpd did to it.
void fake_target_meet(struct fake_conn *c);
void fake_target_react(struct fake_conn *c);
void fake_io_news(struct fake_conn *c);

// ---- the launcher ------------------------------------------------------------------------------

struct fake_launcher {
    bool alive;
    void (*on_request)(struct fake_service *s, enum odp_proto_op op, uint32_t id); // or NULL
};
extern struct fake_launcher fake_launcher;

void fake_launcher_reset(void);
// id 0: an observation. Nothing while the launcher is not alive.
void fake_launcher_say(struct fake_service *s, uint32_t id, enum odp_proto_state state,
                       const char *reason);
void fake_launcher_die(void);
void fake_launcher_return(void);
