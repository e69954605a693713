// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the http probe asks a service, and what its status means, as values and text. The sockets
// are the caller's.

#pragma once

#include <stdbool.h>

#include "odp/base/buf.h"
#include "odp/core/config.h"

// Bytes that odp_http_probe_format() needs at most: a long path is cut.
#define ODP_HTTP_PROBE_TEXT_MAX 80

// Appends the request. Its Host is the target as the file writes it, which virtual hosts take for
// their address; `localhost` for a unix socket, `localhost:PORT` for auto:PORT.
void odp_http_probe_write(const struct odp_config_service *s, struct odp_buf *ret);

// True where [ready] expect has the status.
bool odp_http_probe_passes(const struct odp_config_service *s, unsigned status);

// "GET /health", for people. Returns buf, of ODP_HTTP_PROBE_TEXT_MAX bytes.
const char *odp_http_probe_format(const struct odp_config_service *s, char *buf);
