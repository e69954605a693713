// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where container engines, Docker and Podman, are, and in which control groups their containers
// run. They are asked when odpd wants to know, and never by a timer.

#pragma once

#include <stdbool.h>
#include <uv.h>

#include "odp/core/engine_place.h"

// odp_engine_place_find() on this machine, for whose launcher this is.
void odp_engine_find(const struct odp_config_service *settings, bool is_user,
                     struct odp_engine_place *ret);

struct odp_engine_query;

struct odp_engine_observer {
    void (*on_group)(void *userdata, const char *path);
    // This container has no control group now: it does not run, or there is none of that name.
    void (*on_missing)(void *userdata, const char *why);
    // All have been asked for; or, with one line in `why`, they cannot be. The last call; the query
    // may be freed in it.
    void (*on_done)(void *userdata, const char *why);
};

// For control groups of containers of the engine in `settings`, which may go meanwhile. Returns
// NULL when out of memory.
struct odp_engine_query *
odp_engine_query_new(uv_loop_t *loop, const struct odp_config_service *settings, bool is_user,
                     const struct odp_engine_observer *observer, void *userdata);

// One more container, by name or id. Returns 0 or -ENOMEM.
int odp_engine_query_add(struct odp_engine_query *q, const char *name);

// Asks for all containers, one after the other. on_done may be called from within.
void odp_engine_query_begin(struct odp_engine_query *q);

// Takes NULL.
void odp_engine_query_free(struct odp_engine_query *q);

// True where a control group of this name is that of the container with this whole id:
// docker-ID.scope, libpod-ID.scope, ID. What an engine runs beside it (libpod-conmon-ID.scope,
// ID.service) is not.
bool odp_engine_is_group_of(const char *name, size_t n_name, const char *id);
