// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One question to a container engine over its unix socket, waited for.

#pragma once

#include <cjson/cJSON.h>

#include "odp/base/buf.h"

// GET of one path. Returns 0 and the caller's *ret, or a negative errno: -EBADMSG for what makes no
// sense, -ETIMEDOUT after 10 s.
int odp_engine_get(const char *socket, const char *path, unsigned *ret_status, cJSON **ret);

// Likewise, the body as it is, appended.
int odp_engine_get_text(const char *socket, const char *path, unsigned *ret_status,
                        struct odp_buf *ret);
