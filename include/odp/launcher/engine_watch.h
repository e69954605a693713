// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A container engine as the launcher keeps to it: one stream of events for each socket, about the
// containers of its clients alone, and calls. There while a client is; made again when it is lost,
// and nothing is asked in between.

#pragma once

#include "odp/base/list.h"
#include "odp/launcher/backend.h"
#include "odp/launcher/engine.h"
#include "odp/launcher/engine_http.h"

struct odp_engine_watch;
struct odp_engine_stream;

// One service. The callbacks come from the loop, never from within a call here; they must neither
// join nor leave.
struct odp_engine_client {
    struct odp_list node;
    char **names;        // borrowed, NULL terminated; of the containers it is about
    const char *project; // borrowed; or all that have this Compose project's label. NULL: names

    // The watch's own.
    bool is_heard; // the stream is about them, too
    bool wants_health;
    struct odp_engine_watch *watch;
    struct odp_engine_stream *health;

    // Events are heard from now on. What happened before is to be looked at.
    void (*on_connected)(struct odp_engine_client *c);

    // Some events may not have been heard: look again.
    void (*on_missed)(struct odp_engine_client *c);

    // One line of JSON.
    void (*on_event)(struct odp_engine_client *c, const char *line, size_t n_bytes);

    // No event is heard any more. Calls that are under way are to be let go of.
    void (*on_lost)(struct odp_engine_client *c);

    // It cannot be had at present; `why` is one line. Said again after each attempt that fails.
    void (*on_unreachable)(struct odp_engine_client *c, const char *why);
};

// on_connected follows. Returns NULL when out of memory.
struct odp_engine_watch *odp_engine_watch_join(struct odp_backend_host *host,
                                               const struct odp_engine_place *place,
                                               struct odp_engine_client *c);

// The last one ends it. The client's calls must be gone.
void odp_engine_watch_leave(struct odp_engine_watch *w, struct odp_engine_client *c);

// Whether its events are heard now, and calls can be made.
bool odp_engine_watch_hears(const struct odp_engine_watch *w, const struct odp_engine_client *c);

// Whether on_event is to tell of health checks as well, which most need not know: some engines tell
// of each check that is made. on_missed follows once they are heard. Not from within a callback.
void odp_engine_watch_health(struct odp_engine_watch *w, struct odp_engine_client *c, bool wants);

// Somebody waits: where it is not connected, an attempt is made now rather than after the pause.
void odp_engine_watch_hurry(struct odp_engine_watch *w);

// `path` begins behind the API's version. As odp_engine_http_begin(). The answer may take as long
// as it likes: an engine keeps who asks about a container waiting while it starts or stops that
// one. An engine that answers nobody is found out meanwhile, and lost. A reply without an answer is
// to be told by odp_engine_watch_doubt().
int odp_engine_watch_call(struct odp_engine_watch *w, const char *method, const char *path,
                          odp_engine_reply_fn *on_reply, void *userdata,
                          struct odp_engine_http **ret);

// It does not answer: on_lost follows.
void odp_engine_watch_doubt(struct odp_engine_watch *w, const char *why);
