// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a service's containers are: odpd names them, and their engine is asked by the one who types,
// with his own rights. odpd itself speaks to no engine.

#pragma once

#include <cjson/cJSON.h>

#include "odp/base/buf.h"
#include "odp/core/engine_place.h"

// Where the engine of one `containers` member of Why is. Its strings live as long as the member.
void odp_containers_place(const cJSON *container, struct odp_engine_place *ret);

// Adds to each member of `containers` what its engine says of it: image, status, exit_code,
// oom_killed, started_at, ended_at, health, health_said, last_line; or `error`, one line, why that
// is not known. All are there, null where they have no value.
void odp_containers_ask(cJSON *containers);

// That in words, one line without an end.
void odp_containers_add(struct odp_buf *b, const cJSON *container);
