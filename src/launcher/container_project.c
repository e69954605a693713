// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A service whose containers are those of a Compose project: found by their label, and found again
// when one is made, renamed or removed, since Compose makes them anew under the same names.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "container_internal.h"
#include "odp/core/compose.h"
#include "odp/launcher/compose_facts.h"
#include "odp/launcher/compose_up.h"
#include "odp/launcher/reason.h"

#define PATH_MAX_BYTES 256

int odp_container_project_init(struct odp_container_service *s)
{
    const struct odp_config_service *settings = s->base.settings;
    struct odp_container_project *p = calloc(1, sizeof(*p));

    if (!p)
        return -ENOMEM;
    s->project = p;
    p->name = strdup(settings->project.text);
    s->client.project = p->name;
    return p->name ? 0 : -ENOMEM;
}

void odp_container_project_deinit(struct odp_container_service *s)
{
    if (!s->project)
        return;
    odp_engine_http_free(s->project->listing);
    odp_compose_up_free(s->project->up);
    odp_compose_deinit(&s->project->known);
    free(s->project->name);
    free(s->project);
    s->project = NULL;
}

// ---- which containers there are ----------------------------------------------------------------

static struct odp_container *find(const struct odp_container_service *s, const char *id)
{
    for (size_t i = 0; i < s->n_containers; i++)
        if (s->containers[i] && strcmp(s->containers[i]->id, id) == 0)
            return s->containers[i];
    return NULL;
}

// What is known of one that stays, stays.
static struct odp_container *take_member(struct odp_container_service *s,
                                         const struct odp_compose_member *m)
{
    struct odp_container *c = find(s, m->id);
    char *name;

    if (!c)
        return odp_container_new(s, m->id, m->name);
    name = strdup(m->name);
    if (!name)
        return NULL;
    free(c->name);
    c->name = name;
    return c;
}

static void free_others(struct odp_container_service *s, struct odp_container **kept, size_t n_kept)
{
    for (size_t i = 0; i < s->n_containers; i++) {
        bool is_kept = false;
        for (size_t k = 0; k < n_kept; k++)
            is_kept |= kept[k] == s->containers[i];
        if (!is_kept)
            odp_container_free(s->containers[i]);
    }
}

// Other containers than before: what is under way begins again with these.
static int take_members(struct odp_container_service *s, const struct odp_compose_project *found)
{
    struct odp_container **containers =
        calloc(found->n_members + 1, sizeof(struct odp_container *));
    bool has_changed = found->n_members != s->n_containers;
    size_t n = 0, n_known = 0;

    for (; containers && n < found->n_members; n++) {
        has_changed |= !find(s, found->members[n].id);
        n_known += find(s, found->members[n].id) != NULL;
        containers[n] = take_member(s, &found->members[n]);
        if (!containers[n])
            break;
    }
    if (!containers || n < found->n_members) {
        for (size_t i = 0; i < n; i++)
            if (!find(s, containers[i]->id))
                odp_container_free(containers[i]);
        free(containers);
        return -ENOMEM;
    }
    s->project->has_shrunk |= n_known < s->n_containers;
    free_others(s, containers, n);
    free(s->containers);
    s->containers = containers;
    s->n_containers = n;
    if (has_changed)
        odp_container_action_restart(s);
    return 0;
}

static int take_order(struct odp_container_service *s, const struct odp_compose_project *found)
{
    struct odp_container_project *p = s->project;
    struct odp_order order;
    int r =
        odp_compose_order(found, p->is_whole, s->names, &order, p->disorder, sizeof(p->disorder));

    odp_order_deinit(&s->order);
    s->order = order;
    p->is_incomplete = r == ODP_COMPOSE_E_INCOMPLETE;
    return r < 0 ? r : 0;
}

static void on_listed(void *userdata, const struct odp_engine_reply *reply)
{
    struct odp_container_service *s = userdata;
    struct odp_compose_project found = {0};
    int r = -EBADMSG;

    if (reply->why) {
        odp_engine_watch_doubt(s->watch, reply->why);
        return;
    }
    if (reply->status == 200)
        r = odp_compose_read(reply->body, reply->n_body, &found);
    odp_engine_http_free(s->project->listing);
    s->project->listing = NULL;
    if (r == 0)
        r = take_members(s, &found);
    if (r == 0)
        r = take_order(s, &found);
    if (r == 0)
        r = odp_container_project_remember(s, &found);
    odp_compose_deinit(&found);
    if (r < 0) {
        odp_engine_watch_doubt(s->watch, r == -EBADMSG ? "it answers what makes no sense"
                                                       : "the launcher is out of memory");
    } else if (s->project->lists_again) {
        odp_container_project_list(s);
    } else {
        for (size_t i = 0; i < s->n_containers; i++)
            odp_container_look(s->containers[i]);
        if (s->n_containers == 0)
            odp_container_step(s);
    }
}

void odp_container_project_list(struct odp_container_service *s)
{
    struct odp_container_project *p = s->project;
    char path[PATH_MAX_BYTES];

    p->lists_again = p->listing;
    if (p->listing)
        return;
    snprintf(path, sizeof(path), ODP_COMPOSE_LIST, p->name);
    if (odp_engine_watch_call(s->watch, "GET", path, on_listed, s, &p->listing) < 0)
        odp_engine_watch_doubt(s->watch, "the launcher is out of memory");
}

bool odp_container_project_is_listing(const struct odp_container_service *s)
{
    return s->project && s->project->listing;
}

void odp_container_project_forget(struct odp_container_service *s)
{
    if (!s->project)
        return;
    odp_engine_http_free(s->project->listing);
    s->project->listing = NULL;
    s->project->lists_again = false;
}

void odp_container_project_lost(struct odp_container_service *s)
{
    if (s->project)
        s->project->was_left = s->project->up;
    for (size_t i = 0; i < s->n_containers && s->project; i++)
        s->containers[i]->was_signalled |= !odp_container_is_down(&s->containers[i]->facts);
}

// ---- what happens to them ----------------------------------------------------------------------

static bool is_among(const char *word, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(*words, word) == 0)
            return true;
    return false;
}

// Podman tells of a stop only by who cleans up: conmon after each end, and whoever has stopped it.
// True: it was the first of these.
static bool take_cleanup(struct odp_container *c, const struct odp_engine_event *e)
{
    if (strcmp(e->action, "die") == 0 || strcmp(e->action, "died") == 0)
        c->n_cleanups = 0;
    if (strcmp(e->action, "cleanup") != 0)
        return false;
    c->was_signalled |= ++c->n_cleanups > 1;
    return c->n_cleanups == 1;
}

void odp_container_project_event(struct odp_container_service *s, const struct odp_engine_event *e)
{
    static const char *const members_change[] = {"create", "destroy", "remove", "rename", NULL};
    struct odp_container *c = find(s, e->id);
    bool is_signal = strcmp(e->action, "kill") == 0;

    if (c && (is_signal || strcmp(e->action, "start") == 0))
        c->was_signalled = is_signal;
    if (strcmp(e->action, "start") == 0)
        s->project->has_shrunk = false;
    if (c && take_cleanup(c, e))
        return;
    if (!c || is_among(e->action, members_change))
        odp_container_project_list(s);
    else if (!is_signal)
        odp_container_look(c);
}

// ---- those that run to their end ---------------------------------------------------------------

static bool has_ended_well(const struct odp_container_facts *f)
{
    return f->status == ODP_CONTAINER_EXITED && f->exit_code == 0;
}

bool odp_container_is_awaited(const struct odp_container *c)
{
    const struct odp_container_service *s = c->service;

    for (size_t i = 0; i < s->n_containers; i++)
        if (s->containers[i] == c)
            return odp_order_is_awaited(&s->order, i, ODP_CONDITION_COMPLETED);
    return false;
}

bool odp_container_may_have_ended(const struct odp_container *c)
{
    return c->service->project && has_ended_well(&c->facts) &&
           (c->facts.is_job || odp_container_is_awaited(c));
}

// Somebody started another one after its end, and not it.
static bool was_passed_over(const struct odp_container *c)
{
    const struct odp_container_service *s = c->service;

    for (size_t i = 0; i < s->n_containers && c->facts.ended_usec > 0; i++)
        if (s->containers[i]->facts.started_usec > c->facts.ended_usec)
            return true;
    return false;
}

bool odp_container_has_completed(const struct odp_container *c)
{
    if (!odp_container_may_have_ended(c))
        return false;
    return odp_container_is_awaited(c) ||
           (!c->was_signalled && (c->has_completed || was_passed_over(c)));
}

void odp_container_project_settle(struct odp_container_service *s)
{
    bool is_any_up = false;

    if (!s->project)
        return;
    for (size_t i = 0; i < s->n_containers; i++)
        is_any_up |= !odp_container_is_down(&s->containers[i]->facts);
    for (size_t i = 0; i < s->n_containers; i++) {
        struct odp_container *c = s->containers[i];
        if (!odp_container_may_have_ended(c) || c->was_signalled)
            c->has_completed = false;
        else if (is_any_up)
            c->has_completed = true;
    }
}
