// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How the connection to an engine comes and goes: it is asked for its version, then for events.
// Another client's containers want another stream, and what came in between is looked at.

#include "odp/launcher/engine_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "odp/base/buf.h"
#include "odp/base/log.h"
#include "odp/base/time.h"
#include "odp/launcher/container_facts.h"
#include "odp/launcher/reason.h"

#define PAUSE_MIN_MS 50
#define PAUSE_MAX_MS 5000
// How long those who wait are left in hope that the engine comes back.
#define PATIENCE_USEC (5 * ODP_USEC_PER_SEC)
// A connection that stood this long was sound: the pauses begin small again.
#define HEALTHY_USEC (10 * ODP_USEC_PER_SEC)

#define LINE_MAX_BYTES (256 * 1024) // of an event

enum watch_state {
    PAUSING,
    ASKING,    // for its version
    OPENING,   // the stream
    CONNECTED, // and perhaps opening another stream
};

struct odp_engine_watch {
    struct odp_engine_watch *next; // of the host's
    struct odp_backend_host *host; // borrowed
    struct odp_engine_place place;
    struct odp_list clients;
    enum watch_state state;
    struct odp_engine_http *http; // owned; the version's, the stream
    char prefix[ODP_ENGINE_PREFIX_MAX];
    struct odp_buf line; // of an event, as far as it has come
    bool is_in_doubt;    // the next turn of the loop loses it
    bool is_narrow;      // the stream is not about all clients' containers
    char why[ODP_REASON_MAX + 1];
    uv_timer_t timer; // when a pause ends; at once for what must not be done in a callback
    unsigned pause_ms;
    uint64_t connected_usec, troubled_usec; // since when
};

static void on_timer(uv_timer_t *timer);

#define FOREACH_CLIENT(w, c)                                                                       \
    odp_list_foreach (node_, &(w)->clients)                                                        \
        for (struct odp_engine_client *c =                                                         \
                 ODP_CONTAINER_OF(node_, struct odp_engine_client, node);                          \
             c; c = NULL)

// ---- losing it ---------------------------------------------------------------------------------

static void disconnect(struct odp_engine_watch *w)
{
    odp_engine_http_free(w->http);
    w->http = NULL;
    odp_buf_deinit(&w->line);
    w->line = (struct odp_buf){0};
    w->is_in_doubt = false;
}

static void pause_now(struct odp_engine_watch *w)
{
    w->state = PAUSING;
    uv_timer_start(&w->timer, on_timer, w->pause_ms, 0);
    w->pause_ms = w->pause_ms * 2 < PAUSE_MAX_MS ? w->pause_ms * 2 : PAUSE_MAX_MS;
}

static void lose_connected(struct odp_engine_watch *w)
{
    odp_log(ODP_LOG_NOTICE, NULL, "%s at %s is lost: %s: trying again", w->place.engine,
            w->place.socket, w->why);
    w->troubled_usec = odp_now_usec();
    if (w->troubled_usec - w->connected_usec >= HEALTHY_USEC)
        w->pause_ms = PAUSE_MIN_MS;
    FOREACH_CLIENT(w, c)
    {
        if (c->is_heard)
            c->on_lost(c);
        c->is_heard = false;
    }
}

static void fail_attempt(struct odp_engine_watch *w)
{
    bool is_denied = strstr(w->why, "permission denied");
    char why[ODP_REASON_MAX + 1];

    odp_log(ODP_LOG_DEBUG, NULL, "%s at %s: %s", w->place.engine, w->place.socket, w->why);
    if (odp_now_usec() - w->troubled_usec < PATIENCE_USEC && !is_denied)
        return;
    odp_reason_format(why, sizeof(why), "cannot reach %s at %s: %s%s", w->place.engine,
                      w->place.socket, w->why,
                      is_denied ? ": run odp as root, or in the group that may use it" : "");
    FOREACH_CLIENT(w, c)
    c->on_unreachable(c, why);
}

static void lose(struct odp_engine_watch *w)
{
    bool was_connected = w->state == CONNECTED;

    disconnect(w);
    if (was_connected)
        lose_connected(w);
    else
        fail_attempt(w);
    pause_now(w);
}

void odp_engine_watch_doubt(struct odp_engine_watch *w, const char *why)
{
    if (w->is_in_doubt || w->state == PAUSING)
        return;
    w->is_in_doubt = true;
    odp_reason_format(w->why, sizeof(w->why), "%s", why);
    uv_timer_start(&w->timer, on_timer, 0, 0);
}

// ---- the stream --------------------------------------------------------------------------------

static void on_open(struct odp_engine_watch *w)
{
    if (w->state != CONNECTED) {
        odp_log(ODP_LOG_INFO, NULL, "%s at %s is reached", w->place.engine, w->place.socket);
        w->connected_usec = odp_now_usec();
    }
    w->state = CONNECTED;
    uv_timer_stop(&w->timer);
    if (w->is_narrow) // somebody has come meanwhile
        uv_timer_start(&w->timer, on_timer, 0, 0);
    FOREACH_CLIENT(w, c)
    {
        bool was_heard = c->is_heard;
        c->is_heard = !w->is_narrow || was_heard;
        if (c->is_heard && was_heard)
            c->on_missed(c);
        else if (c->is_heard)
            c->on_connected(c);
    }
}

static void take_lines(struct odp_engine_watch *w)
{
    char *at = w->line.s, *end = w->line.s + w->line.n_bytes, *newline;

    while ((newline = memchr(at, '\n', (size_t)(end - at)))) {
        FOREACH_CLIENT(w, c)
        if (c->is_heard)
            c->on_event(c, at, (size_t)(newline - at));
        at = newline + 1;
    }
    w->line.n_bytes = (size_t)(end - at);
    memmove(w->line.s, at, w->line.n_bytes);
}

static void on_data(void *userdata, const char *data, size_t n_bytes)
{
    struct odp_engine_watch *w = userdata;

    if (n_bytes == 0) {
        on_open(w);
        return;
    }
    odp_buf_add(&w->line, data, n_bytes);
    if (w->line.failed || w->line.n_bytes > LINE_MAX_BYTES)
        odp_engine_watch_doubt(w, "its events cannot be read");
    else
        take_lines(w);
}

static void on_ended(void *userdata, const struct odp_engine_reply *reply)
{
    struct odp_engine_watch *w = userdata;
    char why[64];

    if (!reply->why && reply->status != 200)
        odp_reason_format(why, sizeof(why), "it tells no events (status %u)", reply->status);
    else
        odp_reason_format(why, sizeof(why), "%s",
                          reply->why ? reply->why : "it has ended its events");
    odp_engine_watch_doubt(w, why);
}

static void begin(struct odp_engine_watch *w, const char *path, odp_engine_reply_fn *on_reply,
                  odp_engine_data_fn *on_data_fn)
{
    const struct odp_engine_request request = {.socket = w->place.socket,
                                               .method = "GET",
                                               .path = path,
                                               .timeout_ms = ODP_ENGINE_TIMEOUT_MS,
                                               .on_reply = on_reply,
                                               .on_data = on_data_fn,
                                               .userdata = w};

    if (!path || odp_engine_http_begin(w->host->loop, &request, &w->http) < 0)
        odp_engine_watch_doubt(w, "the launcher is out of memory");
}

static void open_stream(struct odp_engine_watch *w)
{
    struct odp_buf names = {0};
    char *path;

    disconnect(w);
    FOREACH_CLIENT(w, c)
    for (char **name = c->names; *name; name++)
        odp_buf_printf(&names, "%s%%22%s%%22", names.n_bytes > 0 ? "," : "", *name);
    path = names.failed ? NULL : odp_engine_events_path(w->prefix, time(NULL), names.s);
    odp_buf_deinit(&names);
    w->is_narrow = false;
    if (w->state != CONNECTED)
        w->state = OPENING;
    begin(w, path, on_ended, on_data);
    free(path);
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
        open_stream(w);
}

static void on_timer(uv_timer_t *timer)
{
    struct odp_engine_watch *w = timer->data;

    if (w->is_in_doubt) {
        lose(w);
    } else if (w->state == PAUSING) {
        w->state = ASKING;
        begin(w, "/version", on_version, NULL);
    } else if (w->state == CONNECTED && w->is_narrow) {
        open_stream(w);
    }
}

void odp_engine_watch_hurry(struct odp_engine_watch *w)
{
    if (w->state == PAUSING)
        uv_timer_start(&w->timer, on_timer, 0, 0);
}

bool odp_engine_watch_hears(const struct odp_engine_watch *w, const struct odp_engine_client *c)
{
    return w->state == CONNECTED && !w->is_in_doubt && c->is_heard;
}

int odp_engine_watch_call(struct odp_engine_watch *w, const char *method, const char *path,
                          uint64_t timeout_ms, odp_engine_reply_fn *on_reply, void *userdata,
                          struct odp_engine_http **ret)
{
    struct odp_buf whole = {0};
    struct odp_engine_request request = {.socket = w->place.socket,
                                         .method = method,
                                         .timeout_ms = timeout_ms,
                                         .on_reply = on_reply,
                                         .userdata = userdata};
    int r = -ENOMEM;

    odp_buf_printf(&whole, "%s%s", w->prefix, path);
    request.path = whole.s;
    if (!whole.failed)
        r = odp_engine_http_begin(w->host->loop, &request, ret);
    odp_buf_deinit(&whole);
    return r;
}

// ---- its life ----------------------------------------------------------------------------------

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static struct odp_engine_watch *watch_new(struct odp_backend_host *host,
                                          const struct odp_engine_place *place)
{
    struct odp_engine_watch *w = calloc(1, sizeof(*w));

    if (!w)
        return NULL;
    w->host = host;
    w->place = *place;
    w->pause_ms = PAUSE_MIN_MS;
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

    while (w && strcmp(w->place.socket, place->socket) != 0)
        w = w->next;
    if (!w)
        w = watch_new(host, place);
    if (!w)
        return NULL;
    odp_list_append(&w->clients, &c->node);
    c->is_heard = false;
    w->is_narrow = true;
    if (w->state == CONNECTED || w->state == PAUSING)
        uv_timer_start(&w->timer, on_timer, 0, 0);
    return w;
}

void odp_engine_watch_leave(struct odp_engine_watch *w, struct odp_engine_client *c)
{
    odp_list_remove(&c->node);
    if (odp_list_empty(&w->clients))
        watch_free(w);
}
