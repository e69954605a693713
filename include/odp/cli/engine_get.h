// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One question to a container engine over its unix socket, waited for.

#pragma once

#include <cjson/cJSON.h>

#include "odp/base/buf.h"
#include "odp/core/http_body.h"
#include "odp/core/http_head.h"

// GET of one path. Returns 0 and the caller's *ret, or a negative errno: -EBADMSG for what makes no
// sense, -ETIMEDOUT after 10 s.
int odp_engine_get(const char *socket, const char *path, unsigned *ret_status, cJSON **ret);

// Likewise, the body as it is, appended.
int odp_engine_get_text(const char *socket, const char *path, unsigned *ret_status,
                        struct odp_buf *ret);

// ---- piece by piece ----------------------------------------------------------------------------

struct odp_engine_answer {
    struct odp_http_head head;
    struct odp_http_body body;
    struct odp_buf text; // owned; of the body, what has come
};

// Sends GET of one path. Returns 0 or a negative errno.
int odp_engine_ask(int fd, const char *path);

// Takes what comes first, waiting for it. Returns 0 or a negative errno: -EBADMSG for what makes no
// sense. At the end of a body its state says so.
int odp_engine_answer_read(struct odp_engine_answer *a, int fd);
