// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A blocking varlink client for odpd's control socket: one request at a time, each message one
// JSON object and a NUL. What comes back is not trusted: bounded, parsed, and of the right shape.

#pragma once

#include <cjson/cJSON.h>

#include "odp/base/buf.h"
#include "odp/core/varlink.h"

// Seconds in which odpd must take a request, and answer what needs no waiting.
#define ODP_CLIENT_PATIENCE_SEC 10
#define ODP_CLIENT_FOR_EVER     0

struct odp_client {
    int fd; // owned; -1 when not connected
};

struct odp_reply {
    cJSON *json;       // owned; the others point into it
    cJSON *parameters; // an object
    const char *error; // the error's name, NULL for success
};

// Returns 0 or a negative errno: -ENAMETOOLONG where the path is more than a socket address holds,
// -ETIMEDOUT where odpd accepts nobody.
int odp_client_connect(const char *path, struct odp_client *ret);

// `parameters` is borrowed; NULL for none. Returns 0 or a negative errno: -E2BIG for a request
// beyond ODP_VARLINK_REQUEST_MAX.
int odp_client_send(struct odp_client *c, const char *method, cJSON *parameters);

// Waits at most this many seconds for the next bytes. Returns 0 (an error reply too) or a negative
// errno: -ECONNRESET closed before the reply was whole, -ETIMEDOUT, -EMSGSIZE reply beyond
// ODP_VARLINK_MESSAGE_MAX, -EBADMSG not a varlink reply. *ret is to be deinitialised after 0 only.
int odp_client_receive(struct odp_client *c, unsigned timeout_sec, struct odp_reply *ret);

// odp_client_send() and odp_client_receive() with ODP_CLIENT_PATIENCE_SEC.
int odp_client_call(struct odp_client *c, const char *method, cJSON *parameters,
                    struct odp_reply *ret);

// Reads one message, without its NUL, as odp_client_receive() does with a whole one.
int odp_reply_parse(const char *message, size_t n_bytes, struct odp_reply *ret);

void odp_reply_deinit(struct odp_reply *r);
void odp_client_deinit(struct odp_client *c);

// The string at `key`, or NULL.
const char *odp_reply_string(const struct odp_reply *r, const char *key);
