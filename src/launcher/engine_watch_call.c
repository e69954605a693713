// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Calls to an engine that is followed. They may take long; an engine that hangs is found out
// meanwhile, and so is one that is called where another one is heard.

#include <errno.h>
#include <sys/stat.h>

#include "engine_watch_internal.h"

// A call that takes so long has the engine asked whether it is there at all,
#define LATE_MS 3000
// and so long it has for its answer.
#define PING_MS 5000

static void on_ping(void *userdata, const struct odp_engine_reply *reply)
{
    struct odp_engine_watch *w = userdata;

    odp_engine_http_free(w->http);
    w->http = NULL;
    if (reply->why)
        odp_engine_watch_doubt(w, reply->why);
}

static void on_late(void *userdata)
{
    struct odp_engine_watch *w = userdata;
    const struct odp_engine_request request = {.socket = w->place.socket,
                                               .method = "GET",
                                               .path = "/_ping",
                                               .timeout_ms = PING_MS,
                                               .on_reply = on_ping,
                                               .userdata = w};

    if (w->state == WATCH_CONNECTED && !w->is_in_doubt && !w->http)
        (void)odp_engine_http_begin(w->host->loop, &request, &w->http); // or the next time
}

struct watch_socket watch_look_at_socket(const struct odp_engine_watch *w)
{
    struct stat st = {0};

    (void)stat(w->place.socket, &st); // zeros where there is none
    return (struct watch_socket){.device = st.st_dev, .inode = st.st_ino};
}

// The one that was there may run on, and its events with it: of this one's nothing would be heard.
static void doubt_if_replaced(struct odp_engine_watch *w)
{
    struct watch_socket now = watch_look_at_socket(w);

    if (now.inode != 0 && (now.inode != w->heard.inode || now.device != w->heard.device))
        odp_engine_watch_doubt(w, "another socket has taken its place");
}

int odp_engine_watch_call(struct odp_engine_watch *w, const char *method, const char *path,
                          odp_engine_reply_fn *on_reply, void *userdata,
                          struct odp_engine_http **ret)
{
    struct odp_buf whole = {0};
    struct odp_engine_request request = {.socket = w->place.socket,
                                         .method = method,
                                         .timeout_ms = LATE_MS,
                                         .on_reply = on_reply,
                                         .on_late = on_late,
                                         .userdata = userdata,
                                         .late_userdata = w};
    int r = -ENOMEM;

    doubt_if_replaced(w);
    odp_buf_printf(&whole, "%s%s", w->prefix, path);
    request.path = whole.s;
    if (!whole.failed)
        r = odp_engine_http_begin(w->host->loop, &request, ret);
    odp_buf_deinit(&whole);
    return r;
}
