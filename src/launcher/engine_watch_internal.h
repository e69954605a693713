// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What engine_watch.c, engine_watch_call.c and engine_watch_health.c share: one engine that is
// followed.

#pragma once

#include <sys/types.h>

#include "odp/base/buf.h"
#include "odp/launcher/container_facts.h"
#include "odp/launcher/engine_stream.h"
#include "odp/launcher/engine_watch.h"

#define WATCH_PAUSE_MIN_MS 50

#define FOREACH_CLIENT(w, c)                                                                       \
    odp_list_foreach (node_, &(w)->clients)                                                        \
        for (struct odp_engine_client *c =                                                         \
                 ODP_CONTAINER_OF(node_, struct odp_engine_client, node);                          \
             c; c = NULL)

enum watch_state {
    WATCH_PAUSING,
    WATCH_OPENING,   // the stream, by the usual version of the API
    WATCH_ASKING,    // for its version, since it has refused that
    WATCH_REOPENING, // by its own
    WATCH_CONNECTED, // and perhaps opening another stream
};

// What stands at the engine's path; all 0: nothing.
struct watch_socket {
    dev_t device;
    ino_t inode;
};

struct odp_engine_watch {
    struct odp_engine_watch *next; // of the host's
    struct odp_backend_host *host; // borrowed
    struct odp_engine_place place;
    char *project; // owned; that of all clients, or NULL for none
    struct odp_list clients;
    enum watch_state state;
    struct odp_engine_http *http;     // owned; what it is asked for the watch itself
    struct odp_engine_stream *stream; // owned
    struct watch_socket heard;        // behind which the stream is
    char prefix[ODP_ENGINE_PREFIX_MAX];
    bool is_in_doubt;  // the next turn of the loop loses it
    bool is_narrow;    // the stream is not about all clients' containers
    bool is_successor; // the stream being opened, of one that was heard
    char why[ODP_REASON_MAX + 1];
    uv_timer_t timer; // when a pause ends; at once for what must not be done in a callback
    unsigned pause_ms;
    uint64_t connected_usec, troubled_usec; // since when
    unsigned n_losses;                      // in a row, each soon after it was had
    uint64_t wavers_usec;                   // since the first of these
};

// Events about the watch's project, or else the containers of these names, as watch_add_names()
// makes them. Returns 0 or -ENOMEM.
int watch_open_events(struct odp_engine_watch *w, enum odp_engine_events events,
                      const struct odp_buf *names,
                      const struct odp_engine_stream_observer *observer, void *userdata,
                      struct odp_engine_stream **ret);

void watch_add_names(struct odp_buf *b, const struct odp_engine_client *c);

// ---- engine_watch_call.c -----------------------------------------------------------------------

struct watch_socket watch_look_at_socket(const struct odp_engine_watch *w);

// ---- engine_watch_health.c ---------------------------------------------------------------------

// Where the client wants them, and is heard.
void watch_open_health(struct odp_engine_watch *w, struct odp_engine_client *c);
void watch_close_health(struct odp_engine_client *c);

// ---- engine_watch_loss.c -----------------------------------------------------------------------

// The engine was connected, and is lost for the reason in `why`.
void watch_tell_lost(struct odp_engine_watch *w);

// It was not, and the attempt has failed.
void watch_tell_missed(struct odp_engine_watch *w);
