// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The stream of health checks of one client, for as long as it wants it.

#include "engine_watch_internal.h"

static void on_health_open(void *userdata)
{
    struct odp_engine_client *c = userdata;

    c->on_missed(c);
}

static void on_health_line(void *userdata, const char *line, size_t n_bytes)
{
    struct odp_engine_client *c = userdata;

    c->on_event(c, line, n_bytes);
}

static void on_health_ended(void *userdata, bool is_refused, const char *why)
{
    struct odp_engine_client *c = userdata;

    (void)is_refused;
    odp_engine_watch_doubt(c->watch, why);
}

// The client's own, so that none is opened anew when another comes or goes.
void watch_open_health(struct odp_engine_watch *w, struct odp_engine_client *c)
{
    static const struct odp_engine_stream_observer observer = {
        .on_open = on_health_open, .on_line = on_health_line, .on_ended = on_health_ended};
    struct odp_buf names = {0};

    if (!c->wants_health || !c->is_heard || c->health)
        return;
    watch_add_names(&names, c);
    c->watch = w;
    if (watch_open_events(w, ODP_ENGINE_EVENTS_HEALTH, &names, &observer, c, &c->health) < 0)
        odp_engine_watch_doubt(w, "the launcher is out of memory");
    odp_buf_deinit(&names);
}

void watch_close_health(struct odp_engine_client *c)
{
    odp_engine_stream_free(c->health);
    c->health = NULL;
}

void odp_engine_watch_health(struct odp_engine_watch *w, struct odp_engine_client *c, bool wants)
{
    c->wants_health = wants;
    if (!wants)
        watch_close_health(c);
    else if (w->state == WATCH_CONNECTED)
        watch_open_health(w, c);
}
