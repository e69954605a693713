// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the engine is told to do with one container, and what it refuses.

#include <stdio.h>
#include <string.h>

#include "container_internal.h"
#include "odp/base/log.h"
#include "odp/base/time.h"
#include "odp/launcher/engine_mend.h"
#include "odp/launcher/reason.h"

#define PATH_MAX_BYTES 512
#define N_ID_DIGITS    64

void odp_container_forget_calls(struct odp_container_service *s)
{
    for (size_t i = 0; i < s->n_containers; i++) {
        odp_engine_http_free(s->containers[i]->call);
        s->containers[i]->call = NULL;
    }
}

bool odp_container_is_calling(const struct odp_container_service *s)
{
    for (size_t i = 0; i < s->n_containers; i++)
        if (s->containers[i]->call)
            return true;
    return false;
}

// ---- refusals ----------------------------------------------------------------------------------

void odp_container_mend_drop(struct odp_container_service *s)
{
    odp_engine_mend_free(s->mend);
    s->mend = NULL;
}

// The start begins again. What could not be mended stays refused: that has been noted.
static void on_mended(void *userdata, const char *why)
{
    struct odp_container_service *s = userdata;

    if (why)
        odp_log(ODP_LOG_NOTICE, s->base.settings->name, "docker cannot be mended: %s", why);
    else
        odp_container_action_restart(s);
    s->was_cut &= why != NULL;
    if (!why && s->project)
        s->project->has_upped = false;
    for (size_t i = 0; i < s->n_containers && why; i++)
        if (s->containers[i]->stage == ODP_CONTAINER_CALLED && !s->containers[i]->call)
            s->containers[i]->stage = ODP_CONTAINER_DONE;
    odp_container_mend_drop(s);
    odp_container_step(s);
}

static bool is_own(const void *userdata, const char *id, const char *project)
{
    const struct odp_container_service *s = userdata;

    if (s->project)
        return strcmp(s->project->name, project) == 0;
    for (size_t i = 0; i < s->n_containers; i++)
        if (strcmp(s->containers[i]->facts.id, id) == 0)
            return true;
    return false;
}

// Those of the service itself are being started, and are so again.
static bool may_restart(void *userdata, const char *body, size_t n_bytes)
{
    return odp_engine_runs_only(body, n_bytes, is_own, userdata);
}

// Processes are killed that have it in their command lines: a shorter one might be another's, too.
static bool is_whole(const char *id)
{
    return strspn(id, "0123456789abcdef") == N_ID_DIGITS;
}

// Only where the engine or its containerd was lost in a start, or in the stop before it: else
// something else is the cause.
bool odp_container_mend(struct odp_container_service *s, const char *message, const char *id)
{
    static const struct odp_engine_mend_observer observer = {.may_restart = may_restart,
                                                             .on_mended = on_mended};
    bool is_port = odp_container_is_port_allocated(message);

    if (!s->was_cut || s->mend || s->action != ODP_CONTAINER_START ||
        !odp_engine_place_is_usual_docker(&s->place) ||
        (!is_port && !(odp_container_is_left_behind(message) && is_whole(id))))
        return false;
    return odp_engine_mend_begin(s->base.host, s->watch, is_port ? NULL : id, &observer, s,
                                 &s->mend) == 0;
}

// It may have been paused the moment before: then it is unpaused first.
static bool try_again(struct odp_container *c)
{
    if (c->has_retried)
        return false;
    c->has_retried = true;
    c->stage = ODP_CONTAINER_WAITS;
    odp_container_look(c);
    return true;
}

static void refused(struct odp_container *c, const struct odp_engine_reply *reply)
{
    struct odp_container_service *s = c->service;
    const struct odp_container_id id = odp_container_id(s, c);
    char message[1024], reason[ODP_REASON_MAX + 1];

    odp_engine_message_read(reply->body, reply->n_body, message, sizeof(message));
    odp_container_why_refused(&id, reply->status, message, reason, sizeof(reason));
    s->was_cut |= odp_container_is_containerd_away(message);
    if (odp_container_mend(s, message, c->facts.id)) {
        odp_container_note(s, reason);
        return;
    }
    if ((reply->status == 409 || reply->status == 500) && try_again(c))
        return;
    if (s->action == ODP_CONTAINER_START || reply->status != 404)
        odp_container_note(s, reason);
    c->stage = ODP_CONTAINER_DONE;
    odp_container_look(c);
}

// ---- calls -------------------------------------------------------------------------------------

static void on_called(void *userdata, const struct odp_engine_reply *reply)
{
    struct odp_container *c = userdata;
    struct odp_engine_http *http = c->call;

    if (reply->why) {
        odp_engine_watch_doubt(c->service->watch, reply->why);
        return;
    }
    c->call = NULL;
    if (reply->status >= 400) {
        refused(c, reply);
    } else {
        c->stage = c->has_unpaused ? ODP_CONTAINER_WAITS : ODP_CONTAINER_SETTLES;
        c->has_unpaused = false;
        odp_container_look(c);
    }
    odp_engine_http_free(http);
    odp_container_step(c->service);
}

// The containers share the time that the service has.
static unsigned stop_seconds(const struct odp_container_service *s)
{
    uint64_t now_usec = odp_now_usec();
    uint64_t left_usec = s->stop_by_usec > now_usec ? s->stop_by_usec - now_usec : 0;

    return (unsigned)((left_usec + ODP_USEC_PER_SEC / 2) / ODP_USEC_PER_SEC);
}

void odp_container_call(struct odp_container *c)
{
    struct odp_container_service *s = c->service;
    char path[PATH_MAX_BYTES];

    // Podman stops nothing that is paused, and a paused process does not end by itself.
    if (c->facts.status == ODP_CONTAINER_PAUSED) {
        c->has_unpaused = true;
        snprintf(path, sizeof(path), "/containers/%s/unpause", c->id);
    } else if (s->action == ODP_CONTAINER_START) {
        c->was_signalled = false;
        snprintf(path, sizeof(path), "/containers/%s/start", c->id);
    } else {
        c->was_signalled |= !odp_container_is_down(&c->facts);
        snprintf(path, sizeof(path), "/containers/%s/stop?t=%u", c->id, stop_seconds(s));
    }
    c->stage = ODP_CONTAINER_CALLED;
    if (odp_engine_watch_call(s->watch, "POST", path, on_called, c, &c->call) < 0)
        odp_container_action_fail(s, "the launcher is out of memory");
}
