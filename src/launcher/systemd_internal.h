// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What backend_systemd.c, systemd_client.c, systemd_action.c, systemd_told.c and systemd_made.c
// share: one service that is units of systemd.

#pragma once

#include "odp/launcher/backend.h"
#include "odp/launcher/label.h"
#include "odp/launcher/systemd_unit.h"
#include "odp/launcher/waiters.h"

enum odp_systemd_action {
    ODP_SYSTEMD_NOTHING,
    ODP_SYSTEMD_START,
    ODP_SYSTEMD_STOP,
    ODP_SYSTEMD_FREEZE,
    ODP_SYSTEMD_THAW,
    ODP_SYSTEMD_N_ACTIONS,
};

// How far an action is with its present unit.
enum odp_systemd_stage {
    ODP_SYSTEMD_CALL,   // to be called
    ODP_SYSTEMD_ANSWER, // called, not answered
    ODP_SYSTEMD_JOB,    // the job is under way
    ODP_SYSTEMD_SETTLE, // the job has ended, or all have
};

// Of a service whose unit odp makes.
struct odp_systemd_made {
    char label[ODP_LABEL_MAX + 1];
    struct odp_unit_made words;
    unsigned n_refused; // starts in a row for which there was such a unit already
};

struct odp_systemd_locate;

struct odp_systemd_service {
    struct odp_backend base;
    struct odp_systemd_client client;
    struct odp_systemd_bus *bus; // borrowed; NULL before the first request
    bool is_user;
    struct odp_systemd_unit *units; // owned array, in start order
    size_t n_units;
    struct odp_systemd_unit *stop_units; // owned array; none: the units, last one first
    size_t n_stop_units;
    uint64_t stop_timeout_usec;
    uint64_t stop_limit_usec;      // until it is given up
    struct odp_systemd_made *made; // owned; NULL where the units have files
    bool is_known;                 // the units have been looked at

    enum odp_systemd_action action;
    enum odp_systemd_stage stage;
    size_t at; // which unit; of a stop, in its order
    sd_bus_slot *call_slot;
    char *job; // owned; its path
    char job_result[16];
    char refusal[ODP_REASON_MAX + 1]; // of a stop: the first call that failed

    struct odp_systemd_locate *locate; // owned; NULL: nobody asks
    struct odp_waiters looks;
    struct odp_waiters waiters[ODP_SYSTEMD_N_ACTIONS];
    enum odp_proto_state told; // what odpd knows; NO_STATE: nothing that it can go by
    uv_timer_t timer;          // the limit of a stop; else until a unit counts as stable
};

// ---- systemd_told.c ----------------------------------------------------------------------------

// Good until the next call.
struct odp_unit_id odp_systemd_service_id(const struct odp_systemd_service *s,
                                          const struct odp_systemd_unit *u);

void odp_systemd_service_answer_looks(struct odp_systemd_service *s);

// Tells what has changed by itself or by another's hand, once it is settled.
void odp_systemd_service_observe(struct odp_systemd_service *s);

// ---- systemd_locate.c --------------------------------------------------------------------------

// In which control groups does it run? Answered at once or later.
void odp_systemd_locate(struct odp_systemd_service *s, uint32_t id);

// It is not to be found out any more. `why` is told to who has asked; NULL: nothing.
void odp_systemd_locate_drop(struct odp_systemd_service *s, const char *why);

// The connection is lost.
void odp_systemd_locate_lost(struct odp_systemd_service *s);

// ---- backend_systemd.c -------------------------------------------------------------------------

// Something has changed, whatever it is: answers and does what can be now, and tells odpd.
void odp_systemd_service_step(struct odp_systemd_service *s);

// ---- systemd_client.c --------------------------------------------------------------------------

void odp_systemd_service_init_client(struct odp_systemd_service *s);

// From now on it uses the connection, if it does not yet. Returns false when out of memory.
bool odp_systemd_service_join(struct odp_systemd_service *s);

// The same for a request, which is not to wait longer than it must. Returns false where that is
// answered: out of memory.
bool odp_systemd_service_join_for(struct odp_systemd_service *s, uint32_t id);

// ---- systemd_action.c --------------------------------------------------------------------------

// Does what can be done now of the present action, and begins the next that is waited for. Nothing
// while a look is under way.
void odp_systemd_action_run(struct odp_systemd_service *s);

// The first unit that is not down; NULL for none.
const struct odp_systemd_unit *odp_systemd_service_find_up(const struct odp_systemd_service *s);

// A job has ended, perhaps another's.
void odp_systemd_action_on_job(struct odp_systemd_service *s, const struct odp_systemd_job *job);

// The stop took longer than its timeout.
void odp_systemd_action_late(struct odp_systemd_service *s);

// The present action is given up; its waiters are left.
void odp_systemd_action_drop(struct odp_systemd_service *s);

// The connection is new: what was under way begins again.
void odp_systemd_action_restart(struct odp_systemd_service *s);

// Ends the present action and answers all who wait for it.
void odp_systemd_action_finish(struct odp_systemd_service *s, enum odp_proto_state state,
                               const char *reason);

// The callback of each call that an action makes.
int odp_systemd_action_on_called(sd_bus_message *m, void *userdata, sd_bus_error *ret_error);

// ---- systemd_made.c ----------------------------------------------------------------------------

// Returns 0 or -ENOMEM.
int odp_systemd_made_init(struct odp_systemd_service *s, char ret_unit[ODP_COMMAND_UNIT_MAX + 1]);

// The start of its unit: asks for it, goes on where it runs already, or waits for its end.
void odp_systemd_made_call(struct odp_systemd_service *s);

// There is such a unit already. Returns false where it is no use to try again.
bool odp_systemd_made_retry(struct odp_systemd_service *s);

// Its unit is down after a stop: it is released, and *ret_reason is set where there is something to
// say. Returns false where it has to be looked at first.
bool odp_systemd_made_release(struct odp_systemd_service *s, const char **ret_reason);

void odp_systemd_made_rename(struct odp_systemd_service *s);

const struct odp_unit_made *odp_systemd_made_words(const struct odp_systemd_service *s);
