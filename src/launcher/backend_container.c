// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The backend for containers of Docker and Podman: takes requests, and lets what happens to the
// containers go on to those who look (container_look.c), act (container_action.c) and tell
// (container_told.c).

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "container_internal.h"
#include "odp/base/list.h"
#include "odp/base/time.h"
#include "odp/launcher/compose_up.h"

// The engine kills at stop_timeout, and needs a moment to say so.
#define STOP_GRACE_USEC (4 * ODP_USEC_PER_SEC)

static struct odp_container_service *of_base(struct odp_backend *b)
{
    return ODP_CONTAINER_OF(b, struct odp_container_service, base);
}

// ---- what happens ------------------------------------------------------------------------------

// Health checks wake somebody only while a start waits for one.
static void hear_health(struct odp_container_service *s)
{
    bool wants = false;

    for (size_t i = 0; i < s->order.n_edges && s->action == ODP_CONTAINER_START; i++)
        wants |= s->order.edges[i].condition == ODP_CONDITION_HEALTHY ||
                 s->order.edges[i].condition == ODP_CONDITION_SOUND;
    if (wants != s->client.wants_health)
        odp_engine_watch_health(s->watch, &s->client, wants);
}

void odp_container_step(struct odp_container_service *s)
{
    if (!s->watch || !odp_engine_watch_hears(s->watch, &s->client))
        return;
    if (!odp_container_is_looking(s)) {
        odp_container_project_settle(s);
        odp_container_answer_looks(s);
    }
    odp_container_action_run(s);
    hear_health(s);
    if (s->action == ODP_CONTAINER_NOTHING && !odp_container_is_looking(s) &&
        !odp_container_project_is_made(s))
        odp_container_observe(s);
}

static void on_timer(uv_timer_t *timer)
{
    struct odp_container_service *s = timer->data;

    if (s->waiters[ODP_CONTAINER_STOP].n == 0)
        return;
    odp_container_action_late(s);
    odp_container_step(s);
}

// ---- the engine --------------------------------------------------------------------------------

static struct odp_container_service *of_client(struct odp_engine_client *c)
{
    return ODP_CONTAINER_OF(c, struct odp_container_service, client);
}

static void on_connected(struct odp_engine_client *c)
{
    odp_container_look_all(of_client(c));
}

static void on_event(struct odp_engine_client *c, const char *line, size_t n_bytes)
{
    struct odp_container_service *s = of_client(c);
    struct odp_engine_event e;

    if (!odp_engine_event_read(line, n_bytes, &e))
        return;
    if (s->project)
        odp_container_project_event(s, &e);
    for (size_t i = 0; i < s->n_containers && !s->project; i++)
        if (odp_engine_event_is_of(&e, s->containers[i]->name))
            odp_container_look(s->containers[i]);
}

static void on_lost(struct odp_engine_client *c)
{
    struct odp_container_service *s = of_client(c);

    s->was_lost = true;
    odp_container_project_lost(s);
    odp_container_forget_looks(s);
    odp_container_action_lost(s);
}

// Nobody waits any longer. What cannot be asked counts as it was: nothing is called stopped only
// because nobody can be asked. Once somebody can, odpd is told what is the case.
static void on_unreachable(struct odp_engine_client *c, const char *why)
{
    struct odp_container_service *s = of_client(c);

    odp_container_action_drop(s);
    uv_timer_stop(&s->timer);
    s->told = ODP_PROTO_NO_STATE;
    odp_waiters_answer(&s->looks, &s->base, ODP_PROTO_STALE, why);
    odp_waiters_answer(&s->waiters[ODP_CONTAINER_START], &s->base, ODP_PROTO_FAILED, why);
    odp_waiters_answer(&s->waiters[ODP_CONTAINER_STOP], &s->base, ODP_PROTO_RUNNING, why);
}

// Returns false where the request is answered: out of memory.
static bool join_for(struct odp_container_service *s, uint32_t id)
{
    bool is_first = !s->watch;

    if (is_first) {
        odp_engine_find(s->base.settings, s->is_user, &s->place);
        s->watch = odp_engine_watch_join(s->base.host, &s->place, &s->client);
    }
    if (s->watch && is_first)
        odp_container_project_adopt(s);
    if (s->watch)
        odp_engine_watch_hurry(s->watch);
    else
        odp_backend_report(&s->base, id, ODP_PROTO_FAILED, "the launcher is out of memory");
    return s->watch;
}

// ---- requests ----------------------------------------------------------------------------------

static void container_look(struct odp_backend *base, uint32_t id)
{
    struct odp_container_service *s = of_base(base);

    if (!join_for(s, id))
        return;
    odp_waiters_add(&s->looks, base, id);
    if (odp_engine_watch_hears(s->watch, &s->client))
        odp_container_look_all(s);
}

// Thaws, too.
static void container_start(struct odp_backend *base, uint32_t id)
{
    struct odp_container_service *s = of_base(base);

    if (!join_for(s, id))
        return;
    odp_waiters_add(&s->waiters[ODP_CONTAINER_START], base, id);
    // What events tell of a project's containers may be on its way.
    if (s->project && odp_engine_watch_hears(s->watch, &s->client))
        odp_container_project_list(s);
    odp_container_step(s);
}

// A start that is under way is given up.
static void container_stop(struct odp_backend *base, uint32_t id)
{
    static const char reason[] = "was to be stopped before it had started";
    struct odp_container_service *s = of_base(base);
    uint64_t timeout_usec = base->settings->stop_timeout_usec;

    if (!join_for(s, id))
        return;
    if (s->action == ODP_CONTAINER_START)
        odp_container_action_drop(s);
    if (s->project && s->project->up)
        odp_compose_up_give_up(s->project->up);
    odp_waiters_answer(&s->waiters[ODP_CONTAINER_START], base, ODP_PROTO_FAILED, reason);
    if (s->waiters[ODP_CONTAINER_STOP].n == 0) {
        s->stop_by_usec = odp_usec_add(odp_now_usec(), timeout_usec);
        uv_timer_start(&s->timer, on_timer,
                       odp_usec_add(timeout_usec, STOP_GRACE_USEC) / ODP_USEC_PER_MS, 0);
    }
    odp_waiters_add(&s->waiters[ODP_CONTAINER_STOP], base, id);
    odp_container_step(s);
}

static void container_locate(struct odp_backend *base, uint32_t id)
{
    odp_container_locate(of_base(base), id);
}

// A project's that have run to their end are done with.
static int container_containers(struct odp_backend *base, const char ***ret, size_t *ret_n)
{
    const struct odp_container_service *s = of_base(base);
    const char **names = calloc(s->n_containers + 1, sizeof(*names));

    *ret_n = 0;
    *ret = names;
    for (size_t i = 0; i < s->n_containers && names; i++)
        if (!s->containers[i]->has_completed)
            names[(*ret_n)++] = s->containers[i]->name;
    return names ? 0 : -ENOMEM;
}

// ---- its life ----------------------------------------------------------------------------------

static bool container_is_idle(struct odp_backend *base)
{
    struct odp_container_service *s = of_base(base);
    unsigned n_waiting =
        s->looks.n + s->waiters[ODP_CONTAINER_START].n + s->waiters[ODP_CONTAINER_STOP].n;

    for (size_t i = 0; i < s->n_containers; i++)
        if (!odp_container_is_down(&s->containers[i]->facts))
            return false;
    return n_waiting == 0 && !odp_container_project_is_made(s);
}

static void on_closed(uv_handle_t *timer)
{
    free(timer->data);
}

void odp_container_free(struct odp_container *c)
{
    if (!c)
        return;
    odp_engine_http_free(c->look);
    odp_engine_http_free(c->call);
    free(c->name);
    free(c->id);
    free(c);
}

struct odp_container *odp_container_new(struct odp_container_service *s, const char *id,
                                        const char *name)
{
    struct odp_container *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    c->service = s;
    c->id = strdup(id);
    c->name = strdup(name);
    if (c->id && c->name)
        return c;
    odp_container_free(c);
    return NULL;
}

static void container_free(struct odp_backend *base)
{
    struct odp_container_service *s = of_base(base);

    odp_container_forget_calls(s); // a compose program runs on
    odp_container_mend_drop(s);
    odp_container_forget_looks(s);
    odp_container_locate_drop(s, NULL);
    if (s->watch)
        odp_engine_watch_leave(s->watch, &s->client);
    for (size_t i = 0; i < s->n_containers; i++)
        odp_container_free(s->containers[i]);
    free(s->containers);
    for (char **name = s->names; name && *name; name++)
        free(*name);
    free(s->names);
    odp_container_project_deinit(s);
    odp_order_deinit(&s->order);
    uv_close((uv_handle_t *)&s->timer, on_closed);
}

static const struct odp_backend_vtable container_vtable = {
    .type = ODP_BACKEND_CONTAINER,
    .is_watched = true,
    .look = container_look,
    .start = container_start,
    .stop = container_stop,
    .thaw = container_start,
    .locate = container_locate,
    .containers = container_containers,
    .is_idle = container_is_idle,
    .free = container_free,
};

static int add_names(struct odp_container_service *s)
{
    const struct odp_config_service *settings = s->base.settings;

    s->names = calloc(settings->n_containers + 1, sizeof(*s->names));
    for (size_t i = 0; i < settings->n_containers && s->names; i++) {
        s->names[i] = strdup(settings->containers[i].text);
        if (!s->names[i])
            return -ENOMEM;
    }
    return s->names ? 0 : -ENOMEM;
}

// Each one waits for the one before.
static int add_containers(struct odp_container_service *s)
{
    size_t n = s->base.settings->n_containers;
    int r = 0;

    s->containers = calloc(n + 1, sizeof(*s->containers));
    if (!s->containers)
        return -ENOMEM;
    for (size_t i = 0; i < n && r == 0; i++) {
        struct odp_container *c = odp_container_new(s, s->names[i], s->names[i]);
        if (!c)
            return -ENOMEM;
        s->containers[s->n_containers++] = c;
        if (i > 0)
            r = odp_order_add(&s->order, i - 1, i, ODP_CONDITION_STARTED);
    }
    return r;
}

int odp_backend_container_new(struct odp_backend_host *host,
                              const struct odp_config_service *settings, struct odp_backend **ret)
{
    struct odp_container_service *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return -ENOMEM;
    s->base = (struct odp_backend){.vtable = &container_vtable, .host = host, .settings = settings};
    s->client.on_connected = s->client.on_missed = on_connected;
    s->client.on_event = on_event;
    s->client.on_lost = on_lost;
    s->client.on_unreachable = on_unreachable;
    s->is_user = settings->scope == ODP_SCOPE_USER ||
                 (settings->scope == ODP_SCOPE_DEFAULT && geteuid() != 0);
    uv_timer_init(host->loop, &s->timer);
    s->timer.data = s;
    r = add_names(s);
    if (r == 0)
        r = settings->project.text ? odp_container_project_init(s) : add_containers(s);
    s->client.names = s->names;
    if (r < 0)
        container_free(&s->base);
    else
        *ret = &s->base;
    return r;
}
