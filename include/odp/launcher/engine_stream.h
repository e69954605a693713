// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One stream of events of a container engine, GET /events: lines of JSON that go on until the
// engine ends them.

#pragma once

#include <stdbool.h>

#include "odp/launcher/engine_http.h"

struct odp_engine_stream;

// Called from the loop; only on_ended may free the stream.
struct odp_engine_stream_observer {
    // Events are heard from now on. Again, where one could not be read: something has happened.
    void (*on_open)(void *userdata);
    void (*on_line)(void *userdata, const char *line, size_t n_bytes);
    // The last call; one line. `is_refused`: it has answered with a status other than 200.
    void (*on_ended)(void *userdata, bool is_refused, const char *why);
};

// `path` is that of odp_engine_events_path(), NULL when there was no memory for it. Returns 0 and
// *ret the caller's, or -ENOMEM.
int odp_engine_stream_open(uv_loop_t *loop, const char *socket, const char *path,
                           const struct odp_engine_stream_observer *observer, void *userdata,
                           struct odp_engine_stream **ret);

// Takes NULL.
void odp_engine_stream_free(struct odp_engine_stream *s);
