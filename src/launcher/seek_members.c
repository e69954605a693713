// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Whose address is sought: the containers of a file's lines, or of a Compose project, and which of
// them is meant.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/core/compose.h"
#include "odp/launcher/compose_facts.h"
#include "odp/launcher/reason.h"
#include "seek_internal.h"

void odp_seek_ask(struct odp_seek *s, const char *path, odp_engine_reply_fn *on_reply)
{
    if (odp_engine_watch_call(s->watch, "GET", path, on_reply, s, &s->http) < 0)
        odp_engine_watch_doubt(s->watch, "the launcher is out of memory");
}

bool odp_seek_take_reply(struct odp_seek *s, const struct odp_engine_reply *reply)
{
    odp_engine_http_free(s->http);
    s->http = NULL;
    if (reply->why)
        odp_engine_watch_doubt(s->watch, reply->why);
    return !reply->why;
}

// ---- items -------------------------------------------------------------------------------------

static void drop_items(struct odp_seek *s)
{
    for (size_t i = 0; i < s->n_items; i++) {
        free(s->items[i].id);
        free(s->items[i].name);
    }
    free(s->items);
    s->items = NULL;
    s->n_items = 0;
    s->last = SIZE_MAX;
}

static int add_item(struct odp_seek *s, const char *id, const char *name)
{
    struct odp_seek_item *items = reallocarray(s->items, s->n_items + 1, sizeof(*items));

    if (!items)
        return -ENOMEM;
    s->items = items;
    items += s->n_items++;
    *items = (struct odp_seek_item){.id = strdup(id), .name = strdup(name), .is_stale = true};
    return items->id && items->name ? 0 : -ENOMEM;
}

int odp_seek_members_init(struct odp_seek *s)
{
    const struct odp_config_service *settings = s->backend->settings;
    size_t n = settings->n_containers;
    int r = 0;

    s->names = calloc(n + 1, sizeof(*s->names));
    if (settings->project.text)
        s->project = strdup(settings->project.text);
    if (!s->names || (settings->project.text && !s->project))
        return -ENOMEM;
    for (size_t i = 0; i < n && r == 0; i++) {
        s->names[i] = strdup(settings->containers[i].text);
        r = s->names[i] ? 0 : -ENOMEM;
        if (r == 0 && !s->project)
            r = add_item(s, s->names[i], s->names[i]);
    }
    s->last = s->n_items - 1;
    s->client.names = s->names;
    s->client.project = s->project;
    s->is_list_stale = s->project;
    return r;
}

void odp_seek_members_deinit(struct odp_seek *s)
{
    drop_items(s);
    for (char **name = s->names; name && *name; name++)
        free(*name);
    free(s->names);
    free(s->project);
}

// ---- a project ---------------------------------------------------------------------------------

// The only one that nobody waits for, SIZE_MAX: there are several. Of a service's containers one is
// as good as the other.
static size_t find_last(const struct odp_order *order, const struct odp_seek *s)
{
    size_t last = SIZE_MAX, n_last = 0;

    for (size_t i = 0; i < s->n_items; i++) {
        bool is_awaited = s->items[i].is_replica;
        for (size_t e = 0; e < order->n_edges; e++)
            is_awaited |= order->edges[e].first == i;
        if (is_awaited)
            continue;
        last = i;
        n_last++;
    }
    return n_last == 1 ? last : SIZE_MAX;
}

static int take_members(struct odp_seek *s, const struct odp_compose_project *found)
{
    struct odp_order order;
    char why[ODP_REASON_MAX + 1];
    int r = 0;

    drop_items(s);
    for (size_t i = 0; i < found->n_members && r == 0; i++)
        r = add_item(s, found->members[i].id, found->members[i].name);
    if (r < 0)
        return r;
    for (size_t i = 1; i < s->n_items; i++) // they are in the order of their services
        s->items[i].is_replica =
            strcmp(found->members[i].service, found->members[i - 1].service) == 0;
    r = odp_compose_order(found, true, s->names, &order, why, sizeof(why));
    if (r >= 0)
        s->last = find_last(&order, s);
    odp_order_deinit(&order);
    return r < 0 ? r : 0;
}

static void on_listed(void *userdata, const struct odp_engine_reply *reply)
{
    struct odp_seek *s = userdata;
    struct odp_compose_project found = {0};
    int r = -EBADMSG;

    if (!reply->why && reply->status == 200)
        r = odp_compose_read(reply->body, reply->n_body, &found);
    if (r == 0)
        r = take_members(s, &found);
    odp_compose_deinit(&found);
    if (!odp_seek_take_reply(s, reply))
        return;
    if (r < 0)
        odp_engine_watch_doubt(s->watch, r == -ENOMEM ? "the launcher is out of memory"
                                                      : "it answers what makes no sense");
    else
        odp_seek_step(s);
}

void odp_seek_list(struct odp_seek *s)
{
    char path[ODP_SEEK_PATH_MAX];

    s->is_list_stale = false;
    snprintf(path, sizeof(path), ODP_COMPOSE_LIST, s->project);
    odp_seek_ask(s, path, on_listed);
}

// ---- which one ---------------------------------------------------------------------------------

// The one that exposes the port, if that is one (of a scaled service the first), or else the last;
// unless one is missing that might expose it.
size_t odp_seek_choose(const struct odp_seek *s)
{
    size_t n_exposing = 0, chosen = s->last;
    bool is_whole = true;

    for (size_t i = 0; i < s->n_items; i++) {
        is_whole = is_whole && s->items[i].found.exists;
        if (!s->items[i].found.exposes || s->items[i].is_replica)
            continue;
        n_exposing++;
        chosen = i;
    }
    if (n_exposing == 1)
        return chosen;
    return is_whole || s->n_items == 1 ? s->last : SIZE_MAX;
}
