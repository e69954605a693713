// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What odpd is told of a service whose containers are as they are.

#include <string.h>

#include "container_internal.h"
#include "odp/launcher/reason.h"

struct odp_container_id odp_container_id(const struct odp_container_service *s,
                                         const struct odp_container *c)
{
    return (struct odp_container_id){.name = c->name, .engine = s->place.engine, .asked = c->id};
}

// ---- states ------------------------------------------------------------------------------------

static enum odp_proto_state state_of(const struct odp_container_facts *f)
{
    if (f->status == ODP_CONTAINER_RUNNING || f->status == ODP_CONTAINER_STOPPING)
        return ODP_PROTO_RUNNING;
    if (f->status == ODP_CONTAINER_PAUSED)
        return ODP_PROTO_FROZEN;
    if (f->status == ODP_CONTAINER_RESTARTING)
        return odp_container_is_looping(f) ? ODP_PROTO_FAILED : ODP_PROTO_STARTING;
    return odp_container_has_crashed(f) ? ODP_PROTO_FAILED : ODP_PROTO_INACTIVE;
}

static bool counts(const struct odp_container *c)
{
    return !odp_container_has_completed(c);
}

// Of all containers the first one counts that is farthest from running: that is *ret_i. A project
// may have none that does: it is down.
static enum odp_proto_state judge(const struct odp_container_service *s, size_t *ret_i)
{
    static const enum odp_proto_state order[] = {ODP_PROTO_FAILED, ODP_PROTO_INACTIVE,
                                                 ODP_PROTO_STARTING, ODP_PROTO_FROZEN};

    for (size_t n = 0; n < sizeof(order) / sizeof(order[0]); n++)
        for (size_t i = 0; i < s->n_containers; i++)
            if (counts(s->containers[i]) && state_of(&s->containers[i]->facts) == order[n]) {
                *ret_i = i;
                return order[n];
            }
    for (*ret_i = 0; *ret_i < s->n_containers; ++*ret_i)
        if (counts(s->containers[*ret_i]))
            return ODP_PROTO_RUNNING;
    return ODP_PROTO_INACTIVE;
}

// Those that others wait for run to their end by themselves.
static bool is_any_up(const struct odp_container_service *s)
{
    for (size_t i = 0; i < s->n_containers; i++)
        if (!odp_container_is_down(&s->containers[i]->facts) &&
            !odp_container_is_awaited(s->containers[i]))
            return true;
    return false;
}

static bool is_down(enum odp_proto_state state)
{
    return state == ODP_PROTO_INACTIVE || state == ODP_PROTO_FAILED || state == ODP_PROTO_PARTLY;
}

static void tell_why(const struct odp_container_service *s, size_t i, bool was_lost, char *ret,
                     size_t size)
{
    if (i == s->n_containers) {
        odp_reason_format(ret, size, "no container of its project runs");
        return;
    }
    const struct odp_container_id id = odp_container_id(s, s->containers[i]);

    odp_container_why_down(&id, &s->containers[i]->facts, ret, size);
    if (was_lost && s->containers[i]->facts.status == ODP_CONTAINER_EXITED)
        odp_reason_format(ret, size,
                          "container %s: has ended together with %s, which was restarted", id.name,
                          id.engine);
}

// A container that has crashed long ago is as good as one that was stopped: nobody was waiting for
// it. And what went down with its engine is not to blame.
static enum odp_proto_state excuse(const struct odp_container_service *s,
                                   enum odp_proto_state state, bool is_old)
{
    return state == ODP_PROTO_FAILED && (is_old || s->was_lost) ? ODP_PROTO_INACTIVE : state;
}

void odp_container_answer_looks(struct odp_container_service *s)
{
    char reason[ODP_REASON_MAX + 1] = "";
    size_t i;

    if (s->looks.n == 0)
        return;
    enum odp_proto_state state = excuse(s, judge(s, &i), s->told != ODP_PROTO_FAILED);
    if (state == ODP_PROTO_INACTIVE && is_any_up(s))
        state = ODP_PROTO_PARTLY;
    if (s->action == ODP_CONTAINER_STOP && state != ODP_PROTO_INACTIVE)
        state = ODP_PROTO_RUNNING; // as yet
    else if (s->action == ODP_CONTAINER_START || odp_container_project_is_made(s))
        state = ODP_PROTO_STARTING;
    if (state == ODP_PROTO_FAILED || state == ODP_PROTO_STARTING || state == ODP_PROTO_PARTLY)
        tell_why(s, i, false, reason, sizeof(reason));
    s->told = state;
    odp_waiters_answer(&s->looks, &s->base, state, reason);
}

void odp_container_observe(struct odp_container_service *s)
{
    char reason[ODP_REASON_MAX + 1] = "";
    size_t i;
    enum odp_proto_state state = excuse(s, judge(s, &i), false);

    if (state == ODP_PROTO_STARTING) // it will be told what came of it
        return;
    // The rest of a project is no service: the next start makes what was removed.
    bool has_lost =
        state == ODP_PROTO_RUNNING && is_down(s->told) && odp_container_project_has_lost(s);
    if (has_lost || (is_down(state) && is_any_up(s)))
        state = ODP_PROTO_PARTLY;
    bool was_lost = s->was_lost;
    s->was_lost = false;
    // A failure is told once: that it is not running any more either is no news.
    if (state == s->told || (state == ODP_PROTO_INACTIVE && s->told == ODP_PROTO_FAILED))
        return;
    if (has_lost)
        odp_reason_format(reason, sizeof(reason), "a container of its project was removed");
    else if (is_down(state))
        tell_why(s, i, was_lost, reason, sizeof(reason));
    s->told = state;
    odp_backend_report(&s->base, 0, state, "%s", reason);
}

// ---- control groups ----------------------------------------------------------------------------

static void on_group(void *userdata, const char *path)
{
    struct odp_container_service *s = userdata;

    odp_locate_add(&s->locate, path);
}

static void on_missing(void *userdata, const char *why)
{
    struct odp_container_service *s = userdata;

    odp_locate_miss(&s->locate, "%s", why);
}

static void on_done(void *userdata, const char *why)
{
    struct odp_container_service *s = userdata;

    if (why)
        odp_locate_fail(&s->locate, "%s", why);
    odp_locate_answer(&s->locate);
    odp_container_locate_drop(s, NULL);
}

void odp_container_locate_drop(struct odp_container_service *s, const char *why)
{
    if (!s->locate.backend)
        return;
    if (why)
        odp_backend_report(&s->base, s->locate.id, ODP_PROTO_NOWHERE, "%s", why);
    odp_engine_query_free(s->query);
    s->query = NULL;
    odp_locate_deinit(&s->locate);
}

void odp_container_locate(struct odp_container_service *s, uint32_t id)
{
    static const struct odp_engine_observer observer = {
        .on_group = on_group, .on_missing = on_missing, .on_done = on_done};

    odp_container_locate_drop(s, "it was asked for anew");
    odp_locate_begin(&s->locate, &s->base, id);
    s->query = odp_engine_query_new(s->base.host->loop, s->base.settings, s->is_user, &observer, s);
    for (size_t i = 0; i < s->n_containers && s->query; i++)
        if (counts(s->containers[i]) &&
            odp_engine_query_add(s->query, s->containers[i]->name) < 0) {
            odp_engine_query_free(s->query);
            s->query = NULL;
        }
    if (s->query)
        odp_engine_query_begin(s->query);
    else
        on_done(s, "the launcher is out of memory");
}
