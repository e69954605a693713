// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Starting, stopping, freezing and thawing a service's units, one after the other, each job
// awaited. Whatever is called may be called again: after a lost connection an action begins anew,
// and finds done what was done.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/log.h"
#include "odp/launcher/reason.h"
#include "systemd_internal.h"

static struct odp_systemd_unit *unit_at(const struct odp_systemd_service *s)
{
    if (s->action != ODP_SYSTEMD_STOP)
        return &s->units[s->at];
    return s->n_stop_units > 0 ? &s->stop_units[s->at] : &s->units[s->n_units - 1 - s->at];
}

static size_t n_units(const struct odp_systemd_service *s)
{
    return s->action == ODP_SYSTEMD_STOP && s->n_stop_units > 0 ? s->n_stop_units : s->n_units;
}

void odp_systemd_action_drop(struct odp_systemd_service *s)
{
    if (s->call_slot)
        odp_systemd_bus_drop(s->bus, &s->call_slot);
    free(s->job);
    s->job = NULL;
    s->action = ODP_SYSTEMD_NOTHING;
}

void odp_systemd_action_finish(struct odp_systemd_service *s, enum odp_proto_state state,
                               const char *reason)
{
    struct odp_waiters *waiters = &s->waiters[s->action];

    odp_systemd_action_drop(s);
    if (waiters->n > 0)
        s->told = state;
    odp_waiters_answer(waiters, &s->base, state, reason);
}

static void begin(struct odp_systemd_service *s, enum odp_systemd_action action)
{
    s->action = action;
    s->stage = ODP_SYSTEMD_CALL;
    s->at = 0;
    s->refusal[0] = '\0';
}

void odp_systemd_action_restart(struct odp_systemd_service *s)
{
    enum odp_systemd_action action = s->action;

    odp_systemd_action_drop(s);
    begin(s, action);
}

// ---- calling -----------------------------------------------------------------------------------

static void call(struct odp_systemd_service *s)
{
    struct odp_systemd_unit *u = unit_at(s);
    // A job for a frozen unit is done, and the unit stays frozen.
    bool thaws = s->action == ODP_SYSTEMD_THAW ||
                 (s->action == ODP_SYSTEMD_START && odp_unit_is_frozen(&u->facts));
    int r;

    if (s->made && s->action == ODP_SYSTEMD_START && !thaws) {
        odp_systemd_made_call(s);
        return;
    }
    s->stage = ODP_SYSTEMD_ANSWER;
    if (thaws || s->action == ODP_SYSTEMD_FREEZE) {
        r = odp_systemd_bus_call(s->bus, &s->call_slot, ODP_SYSTEMD_PATH, ODP_SYSTEMD_MANAGER,
                                 thaws ? "ThawUnit" : "FreezeUnit", odp_systemd_action_on_called, s,
                                 "s", u->name);
    } else {
        if (s->action == ODP_SYSTEMD_START)
            odp_systemd_unit_begin_start(u);
        r = odp_systemd_bus_call(s->bus, &s->call_slot, ODP_SYSTEMD_PATH, ODP_SYSTEMD_MANAGER,
                                 s->action == ODP_SYSTEMD_START ? "StartUnit" : "StopUnit",
                                 odp_systemd_action_on_called, s, "ss", u->name, "replace");
    }
    if (r < 0)
        odp_systemd_action_finish(s, ODP_PROTO_FAILED, "the launcher is out of memory");
}

// The unit is done with.
static void next(struct odp_systemd_service *s)
{
    s->at++;
    s->stage = s->at < n_units(s) ? ODP_SYSTEMD_CALL : ODP_SYSTEMD_SETTLE;
}

static void refused(struct odp_systemd_service *s, const sd_bus_error *error)
{
    const struct odp_systemd_unit *u = unit_at(s);
    const struct odp_unit_id id = odp_systemd_service_id(s, u);
    bool is_not_there = strcmp(error->name, "org.freedesktop.systemd1.NoSuchUnit") == 0 ||
                        strcmp(error->name, "org.freedesktop.systemd1.UnitInactive") == 0;
    char reason[ODP_REASON_MAX + 1];

    if (s->made && s->action == ODP_SYSTEMD_START &&
        strcmp(error->name, "org.freedesktop.systemd1.UnitExists") == 0 &&
        odp_systemd_made_retry(s))
        return;
    odp_unit_why_refused(&id, error->name, error->message, reason, sizeof(reason));
    switch (s->action) {
    case ODP_SYSTEMD_STOP: // the others are to be stopped all the same
        if ((!is_not_there || s->n_stop_units > 0) && !s->refusal[0])
            memcpy(s->refusal, reason, sizeof(reason));
        next(s);
        break;
    case ODP_SYSTEMD_FREEZE:
        odp_systemd_action_finish(s, ODP_PROTO_RUNNING, reason);
        begin(s, ODP_SYSTEMD_THAW); // those that are frozen already
        break;
    case ODP_SYSTEMD_THAW:
        if (is_not_there)
            next(s);
        else
            odp_systemd_action_finish(s, ODP_PROTO_FAILED, reason);
        break;
    case ODP_SYSTEMD_START: odp_systemd_action_finish(s, ODP_PROTO_FAILED, reason); break;
    case ODP_SYSTEMD_NOTHING:
    case ODP_SYSTEMD_N_ACTIONS: break;
    }
}

static void accepted(struct odp_systemd_service *s, sd_bus_message *m)
{
    struct odp_systemd_unit *u = unit_at(s);
    const char *job;

    if (s->made)
        s->made->n_refused = 0;
    // systemd 252 has no signal for the freezer.
    if (s->action == ODP_SYSTEMD_FREEZE || s->action == ODP_SYSTEMD_THAW) {
        snprintf(u->facts.freezer_state, sizeof(u->facts.freezer_state), "%s",
                 s->action == ODP_SYSTEMD_FREEZE ? "frozen" : "running");
        next(s);
    } else if (odp_unit_is_frozen(&u->facts) && s->action == ODP_SYSTEMD_START) {
        u->facts.freezer_state[0] = '\0';
        s->stage = ODP_SYSTEMD_CALL; // and now the job
    } else if (odp_systemd_bus_functions(s->bus)->message_read(m, "o", &job) > 0) {
        s->job = strdup(job);
        s->stage = ODP_SYSTEMD_JOB;
    }
}

int odp_systemd_action_on_called(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
    struct odp_systemd_service *s = userdata;
    bool is_lost;
    const sd_bus_error *error = odp_systemd_bus_error(s->bus, m, &is_lost);

    (void)ret_error;
    odp_systemd_bus_drop(s->bus, &s->call_slot);
    if (is_lost)
        return 0;
    if (error)
        refused(s, error);
    else
        accepted(s, m);
    odp_systemd_service_step(s);
    return 0;
}

void odp_systemd_action_on_job(struct odp_systemd_service *s, const struct odp_systemd_job *job)
{
    if (s->stage != ODP_SYSTEMD_JOB || !s->job || strcmp(s->job, job->path) != 0)
        return;
    free(s->job);
    s->job = NULL;
    snprintf(s->job_result, sizeof(s->job_result), "%s", job->result);
    if (s->action == ODP_SYSTEMD_STOP)
        next(s);
    else
        s->stage = ODP_SYSTEMD_SETTLE;
}

// ---- what came of it ---------------------------------------------------------------------------

// Whether the unit may yet come up although its job has ended so: Restart= may have better luck
// next time, and another's job may have taken the place of ours. odpd's start_timeout bounds it.
static bool may_come_up(const struct odp_systemd_service *s, const struct odp_unit_facts *f)
{
    bool is_promising = strcmp(s->job_result, "done") == 0 ||
                        strcmp(s->job_result, "failed") == 0 ||
                        strcmp(s->job_result, "canceled") == 0;

    return is_promising && !odp_unit_is_settled(f) && !f->is_looping;
}

static void settle_start(struct odp_systemd_service *s)
{
    struct odp_systemd_unit *u = unit_at(s);
    const struct odp_unit_id id = odp_systemd_service_id(s, u);
    char reason[ODP_REASON_MAX + 1];

    if (u->facts.state == ODP_UNIT_ACTIVE || u->facts.state == ODP_UNIT_RELOADING) {
        next(s);
        if (s->at == s->n_units)
            odp_systemd_action_finish(s, ODP_PROTO_RUNNING, "");
        return;
    }
    if (may_come_up(s, &u->facts))
        return;
    if (!u->is_looked_at) {
        odp_systemd_unit_study(u);
        return;
    }
    odp_unit_why_not_started(&id, &u->facts, s->job_result, reason, sizeof(reason));
    odp_systemd_action_finish(s, ODP_PROTO_FAILED, reason);
}

const struct odp_systemd_unit *odp_systemd_service_find_up(const struct odp_systemd_service *s)
{
    for (size_t i = 0; i < s->n_units; i++)
        if (!odp_unit_is_down(&s->units[i].facts))
            return &s->units[i];
    return NULL;
}

// All stop jobs have ended; what they have stopped may still be on its way.
static void settle_stop(struct odp_systemd_service *s)
{
    const struct odp_systemd_unit *up = odp_systemd_service_find_up(s);
    const char *reason = "";

    if (up && s->refusal[0] && odp_unit_is_settled(&up->facts)) {
        odp_systemd_action_finish(s, ODP_PROTO_RUNNING, s->refusal);
    } else if (!up && (!s->made || odp_systemd_made_release(s, &reason))) {
        odp_systemd_action_finish(s, ODP_PROTO_INACTIVE, reason);
    }
}

void odp_systemd_action_late(struct odp_systemd_service *s)
{
    const struct odp_systemd_unit *up = odp_systemd_service_find_up(s);
    char span[ODP_SPAN_MAX], reason[ODP_REASON_MAX + 1];

    if (!up)
        up = &s->units[0];
    odp_reason_format(reason, sizeof(reason),
                      "%s: is still %s after %s ([backend] stop_timeout)%s%s%s, see systemctl "
                      "%sstatus %s",
                      up->name, odp_unit_state_to_string(up->facts.state),
                      odp_span_format(s->stop_timeout_usec, span, sizeof(span)),
                      s->n_stop_units > 0 ? ": is it PartOf=" : "",
                      s->n_stop_units > 0 ? s->stop_units[0].name : "",
                      s->n_stop_units > 0 ? "?" : "", s->is_user ? "--user " : "", up->name);
    odp_log(ODP_LOG_WARNING, s->base.settings->name, "%s", reason);
    odp_systemd_action_finish(s, ODP_PROTO_RUNNING, reason);
}

static void settle(struct odp_systemd_service *s)
{
    switch (s->action) {
    case ODP_SYSTEMD_START: settle_start(s); break;
    case ODP_SYSTEMD_STOP: settle_stop(s); break;
    case ODP_SYSTEMD_FREEZE: odp_systemd_action_finish(s, ODP_PROTO_FROZEN, ""); break;
    case ODP_SYSTEMD_THAW: odp_systemd_action_finish(s, ODP_PROTO_RUNNING, ""); break;
    case ODP_SYSTEMD_NOTHING:
    case ODP_SYSTEMD_N_ACTIONS: break;
    }
}

// ---- the order of things -----------------------------------------------------------------------

static bool is_looking(const struct odp_systemd_service *s)
{
    for (size_t i = 0; i < s->n_units; i++)
        if (s->units[i].is_looking)
            return true;
    return false;
}

static void choose(struct odp_systemd_service *s)
{
    static const enum odp_systemd_action order[] = {ODP_SYSTEMD_STOP, ODP_SYSTEMD_START,
                                                    ODP_SYSTEMD_THAW, ODP_SYSTEMD_FREEZE};

    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (s->waiters[order[i]].n == 0)
            continue;
        begin(s, order[i]);
        return;
    }
}

void odp_systemd_action_run(struct odp_systemd_service *s)
{
    while (!is_looking(s)) {
        enum odp_systemd_action action;
        enum odp_systemd_stage stage;
        size_t at;

        if (s->action == ODP_SYSTEMD_NOTHING)
            choose(s);
        action = s->action;
        stage = s->stage;
        at = s->at;
        if (action == ODP_SYSTEMD_NOTHING)
            return;
        if (stage == ODP_SYSTEMD_CALL)
            call(s);
        else if (stage == ODP_SYSTEMD_SETTLE)
            settle(s);
        if (s->action == action && s->stage == stage && s->at == at)
            return; // something is to happen first
    }
}
