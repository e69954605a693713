// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The engine's side of a question after health checks: containers are looked at, first and whenever
// an event of theirs is heard. Events are heard only once there is something to wait for, and what
// came before is looked at then.

#include <stdio.h>
#include <stdlib.h>

#include "health_internal.h"
#include "odp/base/buf.h"

#define PATH_MAX_BYTES 512

static void look(struct odp_health_item *it);

// ---- events ------------------------------------------------------------------------------------

void odp_health_look_all(struct odp_health *h)
{
    for (size_t i = 0; i < h->n_items; i++)
        look(&h->items[i]);
}

static void on_open(void *userdata)
{
    odp_health_look_all(userdata);
}

static void on_line(void *userdata, const char *line, size_t n_bytes)
{
    struct odp_health *h = userdata;
    struct odp_engine_event e;

    if (!odp_engine_event_read(line, n_bytes, &e))
        return;
    for (size_t i = 0; i < h->n_items; i++)
        if (odp_engine_event_is_of(&e, h->items[i].name))
            look(&h->items[i]);
}

static void on_ended(void *userdata, bool is_refused, const char *why)
{
    (void)is_refused;
    odp_health_fail(userdata, why);
}

void odp_health_hear(struct odp_health *h)
{
    static const struct odp_engine_stream_observer observer = {
        .on_open = on_open, .on_line = on_line, .on_ended = on_ended};
    struct odp_buf filter = {0};
    char *path = NULL;

    if (h->stream)
        return;
    odp_buf_printf(&filter, "%%22container%%22:[");
    for (size_t i = 0; i < h->n_items; i++)
        odp_buf_printf(&filter, "%s%%22%s%%22", i > 0 ? "," : "", h->items[i].name);
    odp_buf_printf(&filter, "]");
    if (!filter.failed)
        path = odp_engine_events_path("", ODP_ENGINE_EVENTS_READY, time(NULL), filter.s);
    if (odp_engine_stream_open(h->healths->host->loop, h->place.socket, path, &observer, h,
                               &h->stream) < 0)
        odp_health_run_out(h);
    odp_buf_deinit(&filter);
    free(path);
}

// ---- looking -----------------------------------------------------------------------------------

// Returns whether it has ended: nobody need be waited for any more.
static bool has_ended(struct odp_health_item *it)
{
    bool is_down = odp_container_is_down(&it->facts);

    if (is_down && it->has_run)
        return true;
    it->has_run = !is_down;
    return false;
}

static void on_told(void *userdata, const struct odp_engine_reply *reply)
{
    struct odp_health_item *it = userdata;
    struct odp_health *h = it->health;
    struct odp_container_facts facts = {.status = ODP_CONTAINER_MISSING};
    const char *why = reply->why;

    if (!why && reply->status != 404 &&
        (reply->status != 200 || !odp_container_facts_read(reply->body, reply->n_body, &facts)))
        why = "it answers what makes no sense";
    if (!why)
        it->facts = facts;
    odp_engine_http_free(it->http);
    it->http = NULL;
    it->is_known = true;
    if (why)
        odp_health_fail(h, why);
    else if (it->looks_again)
        look(it);
    else if (has_ended(it))
        odp_health_answer(h, ODP_PROTO_SILENT, "one of its containers has ended");
    else
        odp_health_judge(h);
}

static void look(struct odp_health_item *it)
{
    struct odp_health *h = it->health;
    char path[PATH_MAX_BYTES];
    const struct odp_engine_request request = {.socket = h->place.socket,
                                               .method = "GET",
                                               .path = path,
                                               .timeout_ms = ODP_ENGINE_TIMEOUT_MS,
                                               .on_reply = on_told,
                                               .userdata = it};

    it->looks_again = it->http;
    if (it->http)
        return;
    snprintf(path, sizeof(path), "/containers/%s/json", it->name);
    if (odp_engine_http_begin(h->healths->host->loop, &request, &it->http) < 0)
        odp_health_run_out(h);
}
