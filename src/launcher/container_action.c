// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Starting and stopping a service's containers: each one as soon as those have come so far that it
// waits for, all at once that wait for nobody. Whatever is called may be called again: after a lost
// engine an action begins anew, and finds done what was done.

#include <stdio.h>
#include <string.h>

#include "container_internal.h"
#include "odp/base/log.h"
#include "odp/base/time.h"
#include "odp/launcher/compose_up.h"
#include "odp/launcher/reason.h"

void odp_container_action_drop(struct odp_container_service *s)
{
    odp_container_forget_calls(s);
    odp_container_mend_drop(s);
    if (s->project && s->project->up && s->action == ODP_CONTAINER_START)
        odp_compose_up_give_up(s->project->up);
    s->action = ODP_CONTAINER_NOTHING;
}

static void finish(struct odp_container_service *s, enum odp_proto_state state, const char *reason)
{
    struct odp_waiters *waiters = &s->waiters[s->action];

    if (s->action == ODP_CONTAINER_START && state == ODP_PROTO_RUNNING)
        s->was_cut = false;
    odp_container_action_drop(s);
    if (waiters == &s->waiters[ODP_CONTAINER_STOP])
        uv_timer_stop(&s->timer);
    if (waiters->n > 0)
        s->told = state;
    odp_waiters_answer(waiters, &s->base, state, reason);
}

static void begin(struct odp_container_service *s, enum odp_container_action action)
{
    s->action = action;
    s->trouble[0] = '\0';
    if (action == ODP_CONTAINER_START)
        s->was_lost = false;
    for (size_t i = 0; i < s->n_containers; i++) {
        s->containers[i]->stage = ODP_CONTAINER_WAITS;
        s->containers[i]->has_unpaused = s->containers[i]->has_retried = false;
    }
}

void odp_container_action_restart(struct odp_container_service *s)
{
    odp_container_forget_calls(s);
    begin(s, s->action);
}

// What was being made by a compose program counts, too: it starts them as well. And a stop: of what
// has just ended containerd may keep the task.
void odp_container_action_lost(struct odp_container_service *s)
{
    s->was_cut |= odp_container_is_calling(s) || odp_container_project_is_made(s);
    odp_container_mend_drop(s);
    odp_container_action_restart(s);
}

void odp_container_note(struct odp_container_service *s, const char *trouble)
{
    if (!s->trouble[0])
        snprintf(s->trouble, sizeof(s->trouble), "%s", trouble);
}

// ---- the order of containers -------------------------------------------------------------------

static bool has_come_far_enough(const struct odp_container *c, enum odp_condition condition)
{
    const struct odp_container_facts *f = &c->facts;

    if (c->stage != ODP_CONTAINER_DONE || c->is_looking)
        return false;
    switch (condition) {
    case ODP_CONDITION_STARTED: break;
    case ODP_CONDITION_SOUND:
        return f->health == ODP_CONTAINER_UNCHECKED || f->health == ODP_CONTAINER_HEALTHY;
    case ODP_CONDITION_HEALTHY: return f->health == ODP_CONTAINER_HEALTHY;
    case ODP_CONDITION_COMPLETED: return f->status == ODP_CONTAINER_EXITED && f->exit_code == 0;
    }
    return true;
}

// Started after what it waits for; stopped after what waits for it.
static bool is_its_turn(const struct odp_container *c)
{
    const struct odp_container_service *s = c->service;

    if (s->action == ODP_CONTAINER_START && s->trouble[0])
        return false;
    for (size_t i = 0; i < s->order.n_edges; i++) {
        const struct odp_order_edge *e = &s->order.edges[i];
        if (s->action == ODP_CONTAINER_START && s->containers[e->then] == c &&
            !has_come_far_enough(s->containers[e->first], e->condition))
            return false;
        if (s->action == ODP_CONTAINER_STOP && s->containers[e->first] == c &&
            s->containers[e->then]->stage != ODP_CONTAINER_DONE)
            return false;
    }
    return true;
}

static void fail(struct odp_container *c)
{
    const struct odp_container_id id = odp_container_id(c->service, c);
    char reason[ODP_REASON_MAX + 1];

    odp_container_why_down(&id, &c->facts, reason, sizeof(reason));
    odp_container_note(c->service, reason);
}

// odpd's start_timeout bounds a restart by the engine, and a stop by somebody else.
static void settle_start(struct odp_container *c)
{
    const struct odp_container_facts *f = &c->facts;

    if (f->status == ODP_CONTAINER_RUNNING || odp_container_may_have_ended(c))
        c->stage = ODP_CONTAINER_DONE;
    else if (f->status != ODP_CONTAINER_STOPPING &&
             (f->status != ODP_CONTAINER_RESTARTING || odp_container_is_looping(f)))
        fail(c);
}

static void pass_over(struct odp_container *c)
{
    odp_log(ODP_LOG_INFO, c->service->base.settings->name,
            "container %s has run to its end, and is not run again", c->name);
    c->stage = ODP_CONTAINER_DONE;
}

// It may not last until the others have come as far, or never become what they wait for. A restart
// by its engine is no end, but an endless one is.
static void watch_over(struct odp_container *c)
{
    const struct odp_container_service *s = c->service;
    const struct odp_container_facts *f = &c->facts;
    const struct odp_container_id id = odp_container_id(s, c);
    char reason[ODP_REASON_MAX + 1] = "";

    if (odp_container_is_down(f) && !odp_container_may_have_ended(c))
        fail(c);
    for (size_t i = 0; i < s->order.n_edges; i++) {
        const struct odp_order_edge *e = &s->order.edges[i];
        if (s->containers[e->first] == c && s->containers[e->then]->stage == ODP_CONTAINER_WAITS)
            odp_container_why_never(&id, f, e->condition, s->containers[e->then]->name, reason,
                                    sizeof(reason));
    }
    if (reason[0])
        odp_container_note(c->service, reason);
    if (odp_container_is_looping(f))
        fail(c);
}

static void advance(struct odp_container *c)
{
    bool is_start = c->service->action == ODP_CONTAINER_START;

    if (c->is_looking)
        return;
    switch (c->stage) {
    case ODP_CONTAINER_WAITS:
        if (is_start && odp_container_has_completed(c))
            pass_over(c);
        else if (is_its_turn(c) && !(is_start && c->facts.status == ODP_CONTAINER_STOPPING))
            odp_container_call(c); // what is stopping is not started before its end
        break;
    case ODP_CONTAINER_CALLED: break;
    case ODP_CONTAINER_SETTLES:
        if (is_start)
            settle_start(c);
        else
            c->stage = ODP_CONTAINER_DONE;
        break;
    case ODP_CONTAINER_DONE:
        if (is_start)
            watch_over(c);
        break;
    }
}

// ---- the end of it -----------------------------------------------------------------------------

static const struct odp_container *find_up(const struct odp_container_service *s)
{
    for (size_t i = 0; i < s->n_containers; i++)
        if (!odp_container_is_down(&s->containers[i]->facts))
            return s->containers[i];
    return NULL;
}

static void settle_stop(struct odp_container_service *s)
{
    const struct odp_container *up = find_up(s);
    char reason[ODP_REASON_MAX + 1];

    if (!up) {
        finish(s, ODP_PROTO_INACTIVE, "");
        return;
    }
    odp_reason_format(reason, sizeof(reason), "container %s: somebody has started it again",
                      up->name);
    odp_container_note(s, reason);
    finish(s, ODP_PROTO_RUNNING, s->trouble);
}

void odp_container_action_late(struct odp_container_service *s)
{
    const struct odp_container *up = find_up(s);
    char span[ODP_SPAN_MAX], reason[ODP_REASON_MAX + 1];

    odp_reason_format(reason, sizeof(reason),
                      "container %s: %s has not stopped it within %s ([backend] stop_timeout)",
                      up ? up->name : "of the service", s->place.engine,
                      odp_span_format(s->base.settings->stop_timeout_usec, span, sizeof(span)));
    odp_log(ODP_LOG_WARNING, s->base.settings->name, "%s", reason);
    if (s->action != ODP_CONTAINER_STOP)
        begin(s, ODP_CONTAINER_STOP); // nobody could be asked yet
    finish(s, ODP_PROTO_RUNNING, reason);
}

static bool is_any(const struct odp_container_service *s, enum odp_container_stage stage)
{
    for (size_t i = 0; i < s->n_containers; i++)
        if (s->containers[i]->stage == stage)
            return true;
    return false;
}

// What was called is waited for, also where the start has failed already.
static void finish_if_over(struct odp_container_service *s)
{
    bool is_start = s->action == ODP_CONTAINER_START;
    bool is_done = !is_any(s, ODP_CONTAINER_WAITS) && !is_any(s, ODP_CONTAINER_SETTLES);

    if (is_any(s, ODP_CONTAINER_CALLED))
        return;
    if (is_start && s->trouble[0])
        finish(s, ODP_PROTO_FAILED, s->trouble);
    else if (is_done && is_start && !odp_container_is_looking(s))
        finish(s, ODP_PROTO_RUNNING, "");
    else if (is_done && !odp_container_is_looking(s))
        settle_stop(s);
}

// ---- the order of actions ----------------------------------------------------------------------

static void choose(struct odp_container_service *s)
{
    if (s->project)
        s->project->has_upped = s->project->has_clashed = false;
    if (s->waiters[ODP_CONTAINER_STOP].n > 0)
        begin(s, ODP_CONTAINER_STOP);
    else if (s->waiters[ODP_CONTAINER_START].n > 0)
        begin(s, ODP_CONTAINER_START);
}

// A project's containers may have to be made before they are started.
static bool is_prepared(struct odp_container_service *s)
{
    char why[ODP_REASON_MAX + 1];

    if (s->action != ODP_CONTAINER_START)
        return !odp_container_project_is_made(s);
    if (s->mend || s->trouble[0])
        return !s->mend;
    switch (odp_container_project_prepare(s, why, sizeof(why))) {
    case ODP_CONTAINER_READY: return true;
    case ODP_CONTAINER_NOT_YET: break;
    case ODP_CONTAINER_NEVER: finish(s, ODP_PROTO_FAILED, why); break;
    }
    return false;
}

void odp_container_action_fail(struct odp_container_service *s, const char *why)
{
    finish(s, ODP_PROTO_FAILED, why);
}

// Each container's step may be what another one waits for.
static void advance_all(struct odp_container_service *s)
{
    enum odp_container_action action = s->action;
    bool has_changed = is_prepared(s);

    if (!has_changed)
        return;
    while (has_changed) {
        has_changed = false;
        for (size_t i = 0; i < s->n_containers && s->action == action; i++) {
            struct odp_container *c = s->containers[i];
            enum odp_container_stage before = c->stage;
            advance(c);
            has_changed |= c->stage != before;
        }
    }
    if (s->action == action)
        finish_if_over(s);
}

void odp_container_action_run(struct odp_container_service *s)
{
    enum odp_container_action action;

    do {
        if (odp_container_project_is_listing(s))
            return;
        if (s->action == ODP_CONTAINER_NOTHING && !odp_container_is_looking(s))
            choose(s);
        action = s->action;
        if (action != ODP_CONTAINER_NOTHING)
            advance_all(s);
    } while (s->action != action);
}
