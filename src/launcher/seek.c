// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Looks for the address of a container; see the header. One question at a time: which container is
// meant shows only when all have been looked at.

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "odp/launcher/reason.h"
#include "seek_internal.h"

#define HOSTS_MAX 4 // containers that lend each other their networks

static struct odp_seek *of_client(struct odp_engine_client *c)
{
    return ODP_CONTAINER_OF(c, struct odp_seek, client);
}

// ---- telling -----------------------------------------------------------------------------------

static void tell(struct odp_seek *s, enum odp_proto_state state, const char *text)
{
    bool is_news = s->told.state != state || strcmp(s->told.reason, text) != 0;

    // That nothing is there when nothing was is no news.
    if (state == ODP_PROTO_NO_ADDRESS && s->told.state != ODP_PROTO_ADDRESS && !s->must_tell)
        return;
    if (!is_news && !s->must_tell)
        return;
    s->must_tell = false;
    s->told.state = state;
    if (is_news) // or it may be the same text
        odp_reason_format(s->told.reason, sizeof(s->told.reason), "%s", text);
    odp_backend_report(s->backend, 0, state, "%s", s->told.reason);
}

static void tell_found(struct odp_seek *s, const struct odp_container_address *found)
{
    switch (found->is) {
    case ODP_PLACE_AT: tell(s, ODP_PROTO_ADDRESS, found->text); break;
    case ODP_PLACE_NEVER: tell(s, ODP_PROTO_UNREACHABLE, found->text); break;
    case ODP_PLACE_NOT_YET:
    case ODP_PLACE_GUEST:
    case ODP_PLACE_ASK: tell(s, ODP_PROTO_NO_ADDRESS, found->text); break;
    }
}

// ---- asking ------------------------------------------------------------------------------------

static void on_container(void *userdata, const struct odp_engine_reply *reply)
{
    struct odp_seek *s = userdata;
    struct odp_seek_item *item = &s->items[s->asked];
    const char *name = s->host[0] ? s->host : item->name;
    const struct odp_container_question q = {.name = name,
                                             .engine = s->place.engine,
                                             .port = s->backend->settings->target.port,
                                             .is_rootless = s->is_rootless};
    struct odp_container_address found = {.is = ODP_PLACE_NOT_YET};

    if (reply->why || reply->status != 200 ||
        !odp_container_address_read(&q, reply->body, reply->n_body, &s->networks, &found))
        odp_reason_format(found.text, sizeof(found.text),
                          reply->status == 404 ? "%s has no container %s"
                                               : "%s tells nothing of container %s",
                          s->place.engine, name);
    if (s->host[0]) { // whose port it is has been found out
        found.exists = item->found.exists;
        found.exposes = item->found.exposes;
    }
    item->found = found;
    item->is_guest |= found.is == ODP_PLACE_GUEST;
    if (odp_seek_take_reply(s, reply))
        odp_seek_step(s);
}

static void on_network(void *userdata, const struct odp_engine_reply *reply)
{
    struct odp_seek *s = userdata;
    struct odp_seek_item *item = &s->items[s->asked];

    if (!reply->why && odp_container_networks_read(&s->networks, item->found.text, reply->body,
                                                   reply->n_body) == 0) {
        item->is_stale = true;
    } else {
        item->found.is = ODP_PLACE_NOT_YET;
        odp_reason_format(item->found.text, sizeof(item->found.text),
                          "%s tells nothing of the network of container %s", s->place.engine,
                          item->name);
    }
    if (odp_seek_take_reply(s, reply))
        odp_seek_step(s);
}

static struct odp_seek_item *find_stale(struct odp_seek *s)
{
    for (size_t i = 0; i < s->n_items; i++)
        if (s->items[i].is_stale)
            return &s->items[i];
    return NULL;
}

static void ask(struct odp_seek *s, const char *what, const char *name, const char *end,
                odp_engine_reply_fn *on_reply)
{
    char path[ODP_SEEK_PATH_MAX];

    snprintf(path, sizeof(path), "/%s/%s%s", what, name, end);
    odp_seek_ask(s, path, on_reply);
}

static void ask_item(struct odp_seek *s, struct odp_seek_item *item)
{
    // What happens from now on makes it stale again.
    item->is_stale = item->is_guest = false;
    s->asked = (size_t)(item - s->items);
    s->host[0] = '\0';
    s->n_hosts = 0;
    ask(s, "containers", item->id, "/json", on_container);
}

// None of them can be told to be the one.
static void tell_undecided(struct odp_seek *s)
{
    char why[ODP_REASON_MAX + 1];

    for (size_t i = 0; i < s->n_items; i++)
        if (!s->items[i].found.exists) {
            tell_found(s, &s->items[i].found);
            return;
        }
    if (s->n_items == 0) {
        odp_reason_format(why, sizeof(why), "%s has no containers of the project %s",
                          s->place.engine, s->project);
        tell(s, ODP_PROTO_NO_ADDRESS, why);
        return;
    }
    odp_reason_format(
        why, sizeof(why),
        "project %s: which of its containers has port %u? Write `expose: [\"%u\"]` in "
        "its compose file for that one, and for no other",
        s->project, (unsigned)s->backend->settings->target.port,
        (unsigned)s->backend->settings->target.port);
    tell(s, ODP_PROTO_UNREACHABLE, why);
}

// All have been looked at: which one is it?
static void settle(struct odp_seek *s)
{
    struct odp_container_address *found;

    s->asked = odp_seek_choose(s);
    if (s->asked == SIZE_MAX) {
        tell_undecided(s);
        return;
    }
    found = &s->items[s->asked].found;
    if (found->is == ODP_PLACE_ASK) {
        ask(s, "networks", found->text, "", on_network);
    } else if (found->is == ODP_PLACE_GUEST && s->n_hosts++ < HOSTS_MAX) {
        memcpy(s->host, found->text, sizeof(s->host));
        ask(s, "containers", s->host, "/json", on_container);
    } else {
        tell_found(s, found);
    }
}

void odp_seek_step(struct odp_seek *s)
{
    struct odp_seek_item *stale = find_stale(s);

    if (s->http || !odp_engine_watch_hears(s->watch, &s->client))
        return;
    if (s->is_list_stale)
        odp_seek_list(s);
    else if (stale)
        ask_item(s, stale);
    else
        settle(s);
}

static void look_at_all(struct odp_seek *s)
{
    s->is_list_stale = s->project;
    for (size_t i = 0; i < s->n_items; i++)
        s->items[i].is_stale = true;
    odp_seek_step(s);
}

// ---- what happens ------------------------------------------------------------------------------

static void on_connected(struct odp_engine_client *c)
{
    look_at_all(of_client(c));
}

static void on_event(struct odp_engine_client *c, const char *line, size_t n_bytes)
{
    struct odp_seek *s = of_client(c);
    struct odp_engine_event e;
    bool is_any = false;

    if (!odp_engine_event_read(line, n_bytes, &e))
        return;
    for (size_t i = 0; i < s->n_items; i++)
        if (odp_engine_event_is_of(&e, s->items[i].id))
            is_any = s->items[i].is_stale = true;
    if (s->project && !is_any) // a new one
        is_any = s->is_list_stale = true;
    for (size_t i = 0; i < s->n_items && is_any; i++)
        s->items[i].is_stale |= s->items[i].is_guest;
    if (is_any)
        odp_seek_step(s);
}

// Containers may outlive their engine.
static void on_lost(struct odp_engine_client *c)
{
    struct odp_seek *s = of_client(c);

    odp_engine_http_free(s->http);
    s->http = NULL;
}

static void on_unreachable(struct odp_engine_client *c, const char *why)
{
    struct odp_seek *s = of_client(c);

    if (s->told.state != ODP_PROTO_ADDRESS)
        tell(s, ODP_PROTO_NO_ADDRESS, why);
}

void odp_seek_on_running(struct odp_seek *s)
{
    if (!s)
        return;
    s->must_tell = true;
    if (s->told.state == ODP_PROTO_ADDRESS && !s->http && !s->is_list_stale && !find_stale(s))
        tell(s, s->told.state, s->told.reason);
    else
        look_at_all(s);
}

// ---- its life ----------------------------------------------------------------------------------

// A rootless engine's socket is its user's.
static bool is_rootless(const struct odp_engine_place *place)
{
    struct stat st;

    return stat(place->socket, &st) == 0 && st.st_uid != 0;
}

static int join(struct odp_seek *s)
{
    const struct odp_config_service *settings = s->backend->settings;
    bool is_user = settings->scope == ODP_SCOPE_USER ||
                   (settings->scope == ODP_SCOPE_DEFAULT && geteuid() != 0);
    int r = odp_seek_members_init(s);

    if (r < 0)
        return r;
    odp_engine_find(settings, is_user, &s->place);
    s->is_rootless = is_rootless(&s->place);
    s->watch = odp_engine_watch_join(s->backend->host, &s->place, &s->client);
    return s->watch ? 0 : -ENOMEM;
}

static struct odp_seek *seek_new(struct odp_backend *b)
{
    struct odp_seek *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->backend = b;
    s->client.on_connected = s->client.on_missed = on_connected;
    s->client.on_event = on_event;
    s->client.on_lost = on_lost;
    s->client.on_unreachable = on_unreachable;
    if (join(s) == 0)
        return s;
    odp_seek_free(s);
    return NULL;
}

void odp_seek_follow(struct odp_backend *b)
{
    const struct odp_config_service *settings = b->settings;

    if (settings->target.kind != ODP_ADDRESS_AUTO ||
        (settings->n_containers == 0 && !settings->project.text)) {
        odp_seek_free(b->seek);
        b->seek = NULL;
        return;
    }
    if (!b->seek)
        b->seek = seek_new(b);
    if (b->seek)
        b->seek->must_tell = true;
    else
        odp_backend_report(b, 0, ODP_PROTO_NO_ADDRESS, "the launcher is out of memory");
}

void odp_seek_look(struct odp_backend *b)
{
    odp_seek_follow(b);
    if (b->seek)
        look_at_all(b->seek);
}

void odp_seek_free(struct odp_seek *s)
{
    if (!s)
        return;
    odp_engine_http_free(s->http);
    if (s->watch)
        odp_engine_watch_leave(s->watch, &s->client);
    odp_container_networks_deinit(&s->networks);
    odp_seek_members_deinit(s);
    free(s);
}
