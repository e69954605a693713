// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What Docker does not mend by itself after it was killed while it started a container (seen with
// 20.10):
//
// A port that this publishes stays in its books, for nobody: "port is already allocated". Only one
// more restart frees it, and that stops what runs in it. So docker.service is restarted where
// nothing else does.
//
// The container may run in containerd, and Docker know nothing of it ("id already in use"), or even
// containerd itself know nothing of it ("file exists"). It is ended, and what keeps it.

#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "odp/launcher/backend.h"
#include "odp/launcher/engine_watch.h"

struct odp_engine_mend;

struct odp_engine_mend_observer {
    // What GET /containers/json answers: may all of it be stopped?
    bool (*may_restart)(void *userdata, const char *body, size_t n_bytes);
    // Called once, from the loop: why nothing has been mended, one line; NULL: the container may be
    // started again; after a restart the engine is lost, or about to be. The mend may be freed in
    // it.
    void (*on_mended)(void *userdata, const char *why);
};

// `w` is Docker's of the system, and its events are heard. When it is lost the mend is to be freed.
// `id`: of the container that is to be ended, whole; NULL: a port is to be freed. The observer is
// borrowed. Returns 0 and *ret the caller's, or -ENOMEM.
int odp_engine_mend_begin(struct odp_backend_host *host, struct odp_engine_watch *w, const char *id,
                          const struct odp_engine_mend_observer *observer, void *userdata,
                          struct odp_engine_mend **ret);

// Takes NULL. What has been asked of the service manager is done all the same. Memory that handles
// need is freed by a later turn of the loop.
void odp_engine_mend_free(struct odp_engine_mend *m);
