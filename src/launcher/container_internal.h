// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What backend_container.c, container_action.c, container_call.c, container_look.c and
// container_told.c share: one service that is containers of an engine.

#pragma once

#include "odp/launcher/compose_facts.h"
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
struct odp_compose_up;
struct odp_engine_mend;

// What makes a service's containers a Compose project's: they are looked for.
struct odp_container_project {
    char *name;                        // owned
    struct odp_engine_http *listing;   // owned
    bool lists_again;                  // something happened meanwhile
    bool is_incomplete;                // some wait for what has no container
    char disorder[ODP_REASON_MAX + 1]; // why it has no order; "" for nothing
    struct odp_compose_up *up;         // owned; its compose program runs
    bool has_upped;                    // and has done so for the present action
    bool has_clashed;                  // somebody has made one meanwhile, who runs it by hand, too
    bool is_half_made;                 // it has failed, and may have made some
    bool is_whole;                     // it has not: there is all that its file asks for
    bool was_left;                     // by the engine, while it ran
    bool has_shrunk;                   // one was removed, and none started since
    struct odp_compose_project known;  // owned; with a file: those of all services seen since
};

struct odp_container {
    struct odp_container_service *service; // borrowed
    char *name;                            // owned; as people call it
    char *id;                              // owned; as the engine is asked for it
    struct odp_container_facts facts;
    struct odp_engine_http *look; // owned
    bool is_looking;
    bool looks_again; // something happened meanwhile
    unsigned n_bad;   // answers in a row by which the engine has failed

    // Of a project's.
    bool has_completed;  // it has run to its end while others ran on
    bool was_signalled;  // since its last start, by whomever: its end is none of its own
    unsigned n_cleanups; // since its last end

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
    char **names;                      // owned, NULL terminated; as the file has them
    struct odp_container **containers; // owned
    size_t n_containers;
    struct odp_order order;                // of the containers by their places
    bool was_lost;                         // what ended since has ended with its engine
    struct odp_container_project *project; // owned; NULL: its containers are those of the file

    enum odp_container_action action;
    char trouble[ODP_REASON_MAX + 1]; // what went wrong first; "" for nothing
    uint64_t stop_by_usec;            // SIGKILL is due
    bool was_cut; // the engine, or containerd, was lost in a start or stop, and no start has
                  // succeeded since
    struct odp_engine_mend *mend; // owned; the present start waits for it
    uv_timer_t timer;             // the limit of a stop

    struct odp_engine_query *query; // owned; NULL: nobody asks for control groups
    struct odp_locate locate;
    struct odp_waiters looks;
    struct odp_waiters waiters[ODP_CONTAINER_N_ACTIONS];
    enum odp_proto_state told; // what odpd knows; NO_STATE: nothing that it can go by
};

// ---- backend_container.c -----------------------------------------------------------------------

// Something has changed, whatever it is: answers and does what can be now, and tells odpd.
void odp_container_step(struct odp_container_service *s);

// Returns NULL when out of memory. The strings are copied.
struct odp_container *odp_container_new(struct odp_container_service *s, const char *id,
                                        const char *name);

// Takes NULL.
void odp_container_free(struct odp_container *c);

// ---- container_project.c -----------------------------------------------------------------------

// `project` of the settings. Returns 0 or -ENOMEM.
int odp_container_project_init(struct odp_container_service *s);
void odp_container_project_deinit(struct odp_container_service *s);

// Asks for the containers that there are, then looks at each one.
void odp_container_project_list(struct odp_container_service *s);
bool odp_container_project_is_listing(const struct odp_container_service *s);
void odp_container_project_forget(struct odp_container_service *s);
void odp_container_project_event(struct odp_container_service *s, const struct odp_engine_event *e);

// The engine is lost: what runs may be sent a signal, and nobody would tell; what makes containers
// fails.
void odp_container_project_lost(struct odp_container_service *s);

// All have been looked at: which of them have run to their end?
void odp_container_project_settle(struct odp_container_service *s);

// Others wait until it has run to its end.
bool odp_container_is_awaited(const struct odp_container *c);

// It has run to a good end, and need not run again. Only of a project's.
bool odp_container_has_completed(const struct odp_container *c);

// It has ended, and may have: nobody counts on it to run on.
bool odp_container_may_have_ended(const struct odp_container *c);

// ---- container_make.c --------------------------------------------------------------------------

// An earlier launcher may have left the compose program running.
void odp_container_project_adopt(struct odp_container_service *s);

// Its compose program runs: what containers there are, and which of them run, is in between.
bool odp_container_project_is_made(const struct odp_container_service *s);

// What was found is remembered, and moves. Returns 0 or -ENOMEM.
int odp_container_project_remember(struct odp_container_service *s,
                                   struct odp_compose_project *found);

// A container was removed, none of its service is there, and its file can make it anew.
bool odp_container_project_has_lost(const struct odp_container_service *s);

// A start may go on. Else it waits for the compose program; or there is nothing to start, and why.
enum odp_container_readiness {
    ODP_CONTAINER_READY,
    ODP_CONTAINER_NOT_YET,
    ODP_CONTAINER_NEVER,
};
enum odp_container_readiness odp_container_project_prepare(struct odp_container_service *s,
                                                           char *why, size_t why_size);

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

// The present action cannot be done.
void odp_container_action_fail(struct odp_container_service *s, const char *why);

// The engine was lost, or there are other containers: what was under way begins again.
void odp_container_action_lost(struct odp_container_service *s);
void odp_container_action_restart(struct odp_container_service *s);

// What the present action is told to have gone wrong with: what did first.
void odp_container_note(struct odp_container_service *s, const char *trouble);

// ---- container_call.c --------------------------------------------------------------------------

// Has the engine do with it what the present action is about.
void odp_container_call(struct odp_container *c);
bool odp_container_is_calling(const struct odp_container_service *s);

// The engine, or a compose program, has refused to start something with this message; `id` is that
// of the container, "" for not known. Returns whether that is being mended: the start goes on, or
// ends with what has been noted.
bool odp_container_mend(struct odp_container_service *s, const char *message, const char *id);
void odp_container_mend_drop(struct odp_container_service *s);

// Only the calls are let go of, and what they lead to goes on.
void odp_container_forget_calls(struct odp_container_service *s);
