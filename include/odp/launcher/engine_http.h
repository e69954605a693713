// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One HTTP/1.1 exchange with a container engine over its unix socket, on the loop: connect, ask,
// read the whole answer, or go on reading one that does not end. Nothing here blocks; an answer is
// bounded in bytes and in time.

#pragma once

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define ODP_ENGINE_BODY_MAX   (1024 * 1024) // bytes of an answer
#define ODP_ENGINE_TIMEOUT_MS 10000

struct odp_engine_http;

struct odp_engine_reply {
    const char *why; // there is no answer: one line; NULL: there is one
    unsigned status;
    const char *body; // NUL terminated; it may hold NULs before
    size_t n_body;
};

// Called once, from the loop. What it is given is good until it returns; it may free the exchange.
typedef void odp_engine_reply_fn(void *userdata, const struct odp_engine_reply *reply);

// Of an answer that goes on: its next bytes; first, with none, once it has begun with status 200.
// Must not free the exchange.
typedef void odp_engine_data_fn(void *userdata, const char *data, size_t n_bytes);

// There is no answer as yet; called after each timeout_ms. Must not free the exchange.
typedef void odp_engine_late_fn(void *userdata);

struct odp_engine_request {
    const char *socket;  // path
    const char *method;  // GET, or POST without a body
    const char *path;    // sound as it stands in a request
    uint64_t timeout_ms; // for the whole answer, or for its head where it goes on
    odp_engine_reply_fn *on_reply;
    odp_engine_data_fn *on_data; // NULL: the answer is kept, and ends
    odp_engine_late_fn *on_late; // NULL: without an answer in time it is given up
    void *late_userdata;
    void *userdata;
};

// Returns 0 and *ret the caller's, or -ENOMEM. The request is copied.
int odp_engine_http_begin(uv_loop_t *loop, const struct odp_engine_request *request,
                          struct odp_engine_http **ret);

// Takes NULL. Where it has not been answered it never will be. Memory that handles need is freed by
// a later turn of the loop.
void odp_engine_http_free(struct odp_engine_http *h);
