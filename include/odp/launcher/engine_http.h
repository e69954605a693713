// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One HTTP/1.1 exchange with a container engine over its unix socket, on the loop: connect, ask,
// read the whole answer. Nothing here blocks; the answer is bounded in bytes and in time.

#pragma once

#include <stddef.h>
#include <uv.h>

#define ODP_ENGINE_BODY_MAX (1024 * 1024) // bytes of an answer
#define ODP_ENGINE_PATH_MAX 512           // of a request's target

struct odp_engine_http;

struct odp_engine_reply {
    const char *why; // there is no answer: one line; NULL: there is one
    unsigned status;
    const char *body; // NUL terminated; it may hold NULs before
    size_t n_body;
};

// Called once, from the loop. What it is given is good until it returns; it may free the exchange.
typedef void odp_engine_reply_fn(void *userdata, const struct odp_engine_reply *reply);

// Asks for `path`, which is sound as it stands in a request. Returns 0 and *ret the caller's, or a
// negative errno.
int odp_engine_http_get(uv_loop_t *loop, const char *socket, const char *path,
                        odp_engine_reply_fn *on_reply, void *userdata,
                        struct odp_engine_http **ret);

// Takes NULL. Where it has not been answered it never will be. Memory that handles need is freed by
// a later turn of the loop.
void odp_engine_http_free(struct odp_engine_http *h);
