// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Before a Compose project is started: are its containers there? Its compose program makes those
// that are missing. What is in its file only that program knows; but who has seen a service's
// containers knows when they are gone, and an attempt that has failed may have left anything.

#include <string.h>

#include "container_internal.h"
#include "odp/base/log.h"
#include "odp/launcher/compose_up.h"
#include "odp/launcher/reason.h"

static bool has_file(const struct odp_container_service *s)
{
    return s->base.settings->compose_files;
}

static void tell_none(const struct odp_container_service *s, char *ret, size_t size)
{
    odp_reason_format(ret, size,
                      "%s has no containers of the project %s: make them with %s -p %s up "
                      "--no-start, or write `file = /path/to/compose.yaml` in [backend]",
                      s->place.engine, s->project->name,
                      strcmp(s->place.engine, "podman") == 0 ? "podman-compose" : "docker compose",
                      s->project->name);
}

// What fails for want of the engine is begun anew with it, as all else that was under way; who
// waits is answered where that takes too long. Where somebody runs `up` by hand as well, it finds
// done, once more, what the other one has done.
static void take_failure(struct odp_container_service *s, const char *why)
{
    if (s->action != ODP_CONTAINER_START)
        return;
    bool clashes = odp_container_is_name_taken(why) && !s->project->has_clashed;

    s->project->has_clashed |= clashes;
    if (s->project->was_left || clashes)
        s->project->has_upped = false;
    else if (odp_container_mend(s, why, ""))
        odp_container_note(s, why);
    else
        odp_container_action_fail(s, why);
}

static void on_up(void *userdata, const char *why)
{
    struct odp_container_service *s = userdata;

    odp_compose_up_free(s->project->up);
    s->project->up = NULL;
    s->project->is_half_made = why;
    s->project->is_whole = !why;
    if (!why)
        odp_compose_deinit(&s->project->known);
    else
        take_failure(s, why);
    if (odp_engine_watch_hears(s->watch, &s->client))
        odp_container_project_list(s);
}

void odp_container_project_adopt(struct odp_container_service *s)
{
    struct odp_container_project *p = s->project;

    if (p && has_file(s))
        (void)odp_compose_up_adopt(s->base.host, s->base.settings, p->name, on_up, s, &p->up);
}

bool odp_container_project_is_made(const struct odp_container_service *s)
{
    return s->project && s->project->up;
}

int odp_container_project_remember(struct odp_container_service *s,
                                   struct odp_compose_project *found)
{
    return has_file(s) ? odp_compose_remember(&s->project->known, found) : 0;
}

bool odp_container_project_has_lost(const struct odp_container_service *s)
{
    const struct odp_container_project *p = s->project;

    return p && has_file(s) && p->has_shrunk && odp_compose_gone(&p->known);
}

// Some are missing: as far as anybody can know who does not read its file.
static bool wants_more(const struct odp_container_service *s)
{
    const struct odp_container_project *p = s->project;
    const char *gone = odp_compose_gone(&p->known);

    if (gone && s->n_containers > 0)
        odp_log(ODP_LOG_INFO, s->base.settings->name,
                "container %s is gone, and no other of its service is there", gone);
    return s->n_containers == 0 || p->is_incomplete || p->is_half_made || gone;
}

// Of a project without containers, or without some of them, those are made that its file asks for.
static enum odp_container_readiness make_containers(struct odp_container_service *s, char *why,
                                                    size_t why_size)
{
    struct odp_container_project *p = s->project;
    int r;

    p->has_upped = true;
    p->was_left = false;
    r = odp_compose_up_begin(s->base.host, s->base.settings, &s->place, p->name,
                             s->base.settings->compose_files, on_up, s, &p->up, why, why_size);
    return r < 0 ? ODP_CONTAINER_NEVER : ODP_CONTAINER_NOT_YET;
}

enum odp_container_readiness odp_container_project_prepare(struct odp_container_service *s,
                                                           char *why, size_t why_size)
{
    struct odp_container_project *p = s->project;

    if (!p)
        return ODP_CONTAINER_READY;
    if (p->up)
        return ODP_CONTAINER_NOT_YET;
    if (has_file(s) && !p->has_upped && wants_more(s))
        return make_containers(s, why, why_size);
    if (s->n_containers == 0)
        tell_none(s, why, why_size);
    else if (p->disorder[0])
        odp_reason_format(why, why_size, "%s", p->disorder);
    else
        return ODP_CONTAINER_READY;
    return ODP_CONTAINER_NEVER;
}
