// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Starting and stopping a service's containers, one after the other, each awaited. Whatever is
// called may be called again: after a lost engine an action begins anew, and finds done what was
// done.

#include <stdio.h>
#include <string.h>

#include "container_internal.h"
#include "odp/base/log.h"
#include "odp/base/time.h"
#include "odp/launcher/reason.h"

#define PATH_MAX_BYTES   512
#define START_TIMEOUT_MS (10 * 60 * 1000) // odpd has its own

static struct odp_container *container_at(const struct odp_container_service *s)
{
    size_t last = s->n_containers - 1;

    return &s->containers[s->action == ODP_CONTAINER_STOP ? last - s->at : s->at];
}

void odp_container_action_drop(struct odp_container_service *s)
{
    odp_engine_http_free(s->http);
    s->http = NULL;
    s->action = ODP_CONTAINER_NOTHING;
}

static void finish(struct odp_container_service *s, enum odp_proto_state state, const char *reason)
{
    struct odp_waiters *waiters = &s->waiters[s->action];

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
    s->stage = ODP_CONTAINER_CALL;
    s->at = 0;
    s->refusal[0] = '\0';
    s->has_unpaused = s->has_retried = false;
    if (action == ODP_CONTAINER_START)
        s->was_lost = false;
}

void odp_container_action_restart(struct odp_container_service *s)
{
    enum odp_container_action action = s->action;

    odp_container_action_drop(s);
    begin(s, action);
}

// ---- calling -----------------------------------------------------------------------------------

static void next(struct odp_container_service *s)
{
    s->at++;
    s->has_unpaused = s->has_retried = false;
    s->stage = s->at < s->n_containers ? ODP_CONTAINER_CALL : ODP_CONTAINER_SETTLE;
}

// It may have been paused the moment before: then it is unpaused first.
static bool try_again(struct odp_container_service *s)
{
    if (s->has_retried)
        return false;
    s->has_retried = true;
    s->stage = ODP_CONTAINER_CALL;
    odp_container_look(container_at(s));
    return true;
}

static void refused(struct odp_container_service *s, const struct odp_engine_reply *reply)
{
    struct odp_container *c = container_at(s);
    const struct odp_container_id id = odp_container_id(s, c);
    char message[1024], reason[ODP_REASON_MAX + 1];

    if ((reply->status == 409 || reply->status == 500) && try_again(s))
        return;
    odp_engine_message_read(reply->body, reply->n_body, message, sizeof(message));
    odp_container_why_refused(&id, reply->status, message, reason, sizeof(reason));
    if (s->action == ODP_CONTAINER_START) {
        finish(s, ODP_PROTO_FAILED, reason);
        odp_container_look(c);
        return;
    }
    if (reply->status != 404 && !s->refusal[0])
        memcpy(s->refusal, reason, sizeof(reason));
    odp_container_look(c);
    next(s);
}

static void on_called(void *userdata, const struct odp_engine_reply *reply)
{
    struct odp_container_service *s = userdata;
    struct odp_container *c = container_at(s);
    struct odp_engine_http *http = s->http;

    if (reply->why) {
        odp_engine_watch_doubt(s->watch, reply->why);
        return;
    }
    s->http = NULL;
    if (reply->status >= 400) {
        refused(s, reply);
    } else if (s->has_unpaused) {
        s->has_unpaused = false;
        s->stage = ODP_CONTAINER_CALL;
        odp_container_look(c);
    } else {
        odp_container_look(c);
        if (s->action == ODP_CONTAINER_STOP)
            next(s);
        else
            s->stage = ODP_CONTAINER_SETTLE;
    }
    odp_engine_http_free(http);
    odp_container_step(s);
}

// The containers share the time that the service has.
static unsigned stop_seconds(const struct odp_container_service *s)
{
    uint64_t now_usec = odp_now_usec();
    uint64_t left_usec = s->stop_by_usec > now_usec ? s->stop_by_usec - now_usec : 0;

    return (unsigned)((left_usec + ODP_USEC_PER_SEC / 2) / ODP_USEC_PER_SEC);
}

static void call(struct odp_container_service *s)
{
    const struct odp_container *c = container_at(s);
    char path[PATH_MAX_BYTES];

    // Podman stops nothing that is paused, and a paused process does not end by itself.
    if (c->facts.status == ODP_CONTAINER_PAUSED) {
        s->has_unpaused = true;
        snprintf(path, sizeof(path), "/containers/%s/unpause", c->name);
    } else if (s->action == ODP_CONTAINER_START) {
        snprintf(path, sizeof(path), "/containers/%s/start", c->name);
    } else {
        snprintf(path, sizeof(path), "/containers/%s/stop?t=%u", c->name, stop_seconds(s));
    }
    s->stage = ODP_CONTAINER_ANSWER;
    if (odp_engine_watch_call(s->watch, "POST", path, START_TIMEOUT_MS, on_called, s, &s->http) < 0)
        finish(s, ODP_PROTO_FAILED, "the launcher is out of memory");
}

// ---- what came of it ---------------------------------------------------------------------------

static void settle_start(struct odp_container_service *s)
{
    const struct odp_container *c = container_at(s);
    const struct odp_container_id id = odp_container_id(s, c);
    char reason[ODP_REASON_MAX + 1];

    if (c->facts.status == ODP_CONTAINER_RUNNING) {
        next(s);
        if (s->at == s->n_containers)
            finish(s, ODP_PROTO_RUNNING, "");
        return;
    }
    // odpd's start_timeout bounds it.
    if (c->facts.status == ODP_CONTAINER_RESTARTING && !odp_container_is_looping(&c->facts))
        return;
    odp_container_why_down(&id, &c->facts, reason, sizeof(reason));
    finish(s, ODP_PROTO_FAILED, reason);
}

static const struct odp_container *find_up(const struct odp_container_service *s)
{
    for (size_t i = 0; i < s->n_containers; i++)
        if (!odp_container_is_down(&s->containers[i].facts))
            return &s->containers[i];
    return NULL;
}

static void settle_stop(struct odp_container_service *s)
{
    const struct odp_container *up = find_up(s);
    char reason[ODP_REASON_MAX + 1] = "";

    if (up && !s->refusal[0])
        odp_reason_format(reason, sizeof(reason), "container %s: somebody has started it again",
                          up->name);
    finish(s, up ? ODP_PROTO_RUNNING : ODP_PROTO_INACTIVE,
           up && s->refusal[0] ? s->refusal : reason);
}

void odp_container_action_late(struct odp_container_service *s)
{
    const struct odp_container *up = find_up(s);
    char span[ODP_SPAN_MAX], reason[ODP_REASON_MAX + 1];

    odp_reason_format(reason, sizeof(reason),
                      "container %s: %s has not stopped it within %s ([backend] stop_timeout)",
                      up ? up->name : s->names[0], s->place.engine,
                      odp_span_format(s->base.settings->stop_timeout_usec, span, sizeof(span)));
    odp_log(ODP_LOG_WARNING, s->base.settings->name, "%s", reason);
    if (s->action != ODP_CONTAINER_STOP)
        begin(s, ODP_CONTAINER_STOP); // nobody could be asked yet
    finish(s, ODP_PROTO_RUNNING, reason);
}

// ---- the order of things -----------------------------------------------------------------------

static void choose(struct odp_container_service *s)
{
    if (s->waiters[ODP_CONTAINER_STOP].n > 0)
        begin(s, ODP_CONTAINER_STOP);
    else if (s->waiters[ODP_CONTAINER_START].n > 0)
        begin(s, ODP_CONTAINER_START);
}

void odp_container_action_run(struct odp_container_service *s)
{
    while (!odp_container_is_looking(s)) {
        if (s->action == ODP_CONTAINER_NOTHING)
            choose(s);
        enum odp_container_action action = s->action;
        enum odp_container_stage stage = s->stage;
        size_t at = s->at;

        if (action == ODP_CONTAINER_NOTHING || stage == ODP_CONTAINER_ANSWER)
            return;
        if (stage == ODP_CONTAINER_CALL)
            call(s);
        else if (action == ODP_CONTAINER_START)
            settle_start(s);
        else
            settle_stop(s);
        if (s->action == action && s->stage == stage && s->at == at)
            return; // something is to happen first
    }
}
