// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How the connection to an engine comes and goes: it is asked for events, and only where it refuses
// that for its version: Podman runs dpkg to tell it, which takes a second of a small machine's.
// Another client's containers want another stream.

#include "odp/launcher/engine_watch.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine_watch_internal.h"
#include "odp/base/log.h"
#include "odp/base/time.h"
#include "odp/core/compose.h"
#include "odp/launcher/reason.h"

#define PAUSE_MAX_MS 5000
// How long a stream waits for further clients before it is opened anew for one.
#define WIDEN_MS 10

static void on_timer(uv_timer_t *timer);

// ---- losing it ---------------------------------------------------------------------------------

static void disconnect(struct odp_engine_watch *w)
{
    odp_engine_http_free(w->http);
    odp_engine_stream_free(w->stream);
    w->http = NULL;
    w->stream = NULL;
    w->is_in_doubt = false;
}

static void pause_now(struct odp_engine_watch *w)
{
    w->state = WATCH_PAUSING;
    uv_timer_start(&w->timer, on_timer, w->pause_ms, 0);
    w->pause_ms = w->pause_ms * 2 < PAUSE_MAX_MS ? w->pause_ms * 2 : PAUSE_MAX_MS;
}

static void lose(struct odp_engine_watch *w)
{
    bool was_connected = w->state == WATCH_CONNECTED;

    disconnect(w);
    if (was_connected)
        watch_tell_lost(w);
    else
        watch_tell_missed(w);
    pause_now(w);
}

void odp_engine_watch_doubt(struct odp_engine_watch *w, const char *why)
{
    if (w->is_in_doubt || w->state == WATCH_PAUSING)
        return;
    w->is_in_doubt = true;
    odp_reason_format(w->why, sizeof(w->why), "%s", why);
    uv_timer_start(&w->timer, on_timer, 0, 0);
}

// ---- the stream --------------------------------------------------------------------------------

// Others come with it, at odpd's start: one stream for all of them.
static void widen_soon(struct odp_engine_watch *w)
{
    uv_timer_start(&w->timer, on_timer, WIDEN_MS, 0);
}

static void on_open(void *userdata)
{
    struct odp_engine_watch *w = userdata;

    if (w->is_in_doubt)
        return;
    if (w->state != WATCH_CONNECTED) {
        odp_log(ODP_LOG_INFO, NULL, "%s at %s is reached", w->place.engine, w->place.socket);
        w->connected_usec = odp_now_usec();
    }
    bool is_successor = w->is_successor;
    w->is_successor = false;
    w->state = WATCH_CONNECTED;
    uv_timer_stop(&w->timer);
    if (w->is_narrow) // somebody has come meanwhile
        widen_soon(w);
    FOREACH_CLIENT(w, c)
    {
        bool was_heard = c->is_heard;
        c->is_heard = !w->is_narrow || was_heard;
        if (c->is_heard && !was_heard)
            c->on_connected(c);
        else if (c->is_heard && !is_successor) // `since` covers the moment between two streams
            c->on_missed(c);
        watch_open_health(w, c);
    }
}

static void on_line(void *userdata, const char *line, size_t n_bytes)
{
    struct odp_engine_watch *w = userdata;

    FOREACH_CLIENT(w, c)
    if (c->is_heard)
        c->on_event(c, line, n_bytes);
}

static void ask_version(struct odp_engine_watch *w);

static void on_ended(void *userdata, bool is_refused, const char *why)
{
    struct odp_engine_watch *w = userdata;

    if (is_refused && w->state == WATCH_OPENING)
        ask_version(w);
    else
        odp_engine_watch_doubt(w, why);
}

void watch_add_names(struct odp_buf *b, const struct odp_engine_client *c)
{
    for (char **name = c->names; name && *name; name++)
        odp_buf_printf(b, "%s%%22%s%%22", b->n_bytes > 0 ? "," : "", *name);
}

// The filter for a project's label is joined to one for names by `and`: it has a stream of its own.
static char *make_filter(const struct odp_engine_watch *w, const char *names)
{
    char *filter;
    int r = w->project ? asprintf(&filter, "%%22label%%22:[%%22" ODP_COMPOSE_PROJECT "=%s%%22]",
                                  w->project)
                       : asprintf(&filter, "%%22container%%22:[%s]", names);

    return r < 0 ? NULL : filter;
}

int watch_open_events(struct odp_engine_watch *w, enum odp_engine_events events,
                      const struct odp_buf *names,
                      const struct odp_engine_stream_observer *observer, void *userdata,
                      struct odp_engine_stream **ret)
{
    char *filter = names->failed ? NULL : make_filter(w, names->s);
    char *path = filter ? odp_engine_events_path(w->prefix, events, time(NULL), filter) : NULL;
    int r = odp_engine_stream_open(w->host->loop, w->place.socket, path, observer, userdata, ret);

    free(filter);
    free(path);
    return r;
}

static void open_stream(struct odp_engine_watch *w, enum watch_state next)
{
    static const struct odp_engine_stream_observer observer = {
        .on_open = on_open, .on_line = on_line, .on_ended = on_ended};
    struct odp_buf names = {0};

    disconnect(w);
    w->heard = watch_look_at_socket(w);
    FOREACH_CLIENT(w, c)
    watch_add_names(&names, c);
    w->is_narrow = false;
    w->is_successor = w->state == WATCH_CONNECTED;
    w->state = next;
    if (watch_open_events(w, w->project ? ODP_ENGINE_EVENTS_PROJECT : ODP_ENGINE_EVENTS_LIFE,
                          &names, &observer, w, &w->stream) < 0)
        odp_engine_watch_doubt(w, "the launcher is out of memory");
    odp_buf_deinit(&names);
}

// ---- getting it --------------------------------------------------------------------------------

static void on_version(void *userdata, const struct odp_engine_reply *reply)
{
    struct odp_engine_watch *w = userdata;

    if (reply->why)
        odp_engine_watch_doubt(w, reply->why);
    else if (reply->status != 200 ||
             !odp_engine_version_read(reply->body, reply->n_body, w->prefix))
        odp_engine_watch_doubt(w, "it does not speak version 1.41 of the Docker API: Docker 20.10 "
                                  "or Podman 4.3 is wanted, or a later one");
    else
        open_stream(w, WATCH_REOPENING);
}

static void ask_version(struct odp_engine_watch *w)
{
    const struct odp_engine_request request = {.socket = w->place.socket,
                                               .method = "GET",
                                               .path = "/version",
                                               .timeout_ms = ODP_ENGINE_TIMEOUT_MS,
                                               .on_reply = on_version,
                                               .userdata = w};

    disconnect(w);
    w->state = WATCH_ASKING;
    if (odp_engine_http_begin(w->host->loop, &request, &w->http) < 0)
        odp_engine_watch_doubt(w, "the launcher is out of memory");
}

static void on_timer(uv_timer_t *timer)
{
    struct odp_engine_watch *w = timer->data;

    if (w->is_in_doubt) {
        lose(w);
    } else if (w->state == WATCH_PAUSING) {
        odp_engine_version_usual(w->prefix);
        open_stream(w, WATCH_OPENING);
    } else if (w->state == WATCH_CONNECTED && w->is_narrow) {
        open_stream(w, WATCH_CONNECTED);
    }
}

void odp_engine_watch_hurry(struct odp_engine_watch *w)
{
    if (w->state == WATCH_PAUSING)
        uv_timer_start(&w->timer, on_timer, 0, 0);
}

bool odp_engine_watch_hears(const struct odp_engine_watch *w, const struct odp_engine_client *c)
{
    return w->state == WATCH_CONNECTED && !w->is_in_doubt && c->is_heard;
}

// ---- its life ----------------------------------------------------------------------------------

static void on_closed(uv_handle_t *handle)
{
    struct odp_engine_watch *w = handle->data;

    free(w->project);
    free(w);
}

static bool is_for(const struct odp_engine_watch *w, const struct odp_engine_place *place,
                   const char *project)
{
    bool is_same = project && w->project ? strcmp(project, w->project) == 0 : project == w->project;

    return is_same && strcmp(w->place.socket, place->socket) == 0;
}

static struct odp_engine_watch *watch_new(struct odp_backend_host *host,
                                          const struct odp_engine_place *place, const char *project)
{
    struct odp_engine_watch *w = calloc(1, sizeof(*w));

    if (w && project)
        w->project = strdup(project);
    if (!w || (project && !w->project)) {
        free(w);
        return NULL;
    }
    w->host = host;
    w->place = *place;
    w->pause_ms = WATCH_PAUSE_MIN_MS;
    w->troubled_usec = odp_now_usec();
    odp_list_init(&w->clients);
    uv_timer_init(host->loop, &w->timer);
    w->timer.data = w;
    w->next = host->engines;
    host->engines = w;
    return w;
}

static void watch_free(struct odp_engine_watch *w)
{
    struct odp_engine_watch **at = &w->host->engines;

    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    disconnect(w);
    uv_close((uv_handle_t *)&w->timer, on_closed);
}

struct odp_engine_watch *odp_engine_watch_join(struct odp_backend_host *host,
                                               const struct odp_engine_place *place,
                                               struct odp_engine_client *c)
{
    struct odp_engine_watch *w = host->engines;

    while (w && !is_for(w, place, c->project))
        w = w->next;
    if (!w)
        w = watch_new(host, place, c->project);
    if (!w)
        return NULL;
    odp_list_append(&w->clients, &c->node);
    c->is_heard = false;
    w->is_narrow = true;
    if (w->state == WATCH_PAUSING)
        uv_timer_start(&w->timer, on_timer, 0, 0);
    else if (w->state == WATCH_CONNECTED && !w->is_successor &&
             !uv_is_active((uv_handle_t *)&w->timer))
        widen_soon(w);
    return w;
}

void odp_engine_watch_leave(struct odp_engine_watch *w, struct odp_engine_client *c)
{
    odp_list_remove(&c->node);
    watch_close_health(c);
    if (odp_list_empty(&w->clients))
        watch_free(w);
}
