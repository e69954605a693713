// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a service's containers are: odpd names them, and their engine is asked by the one who types,
// with his own rights. odpd itself speaks to no engine.

#pragma once

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "odp/base/buf.h"
#include "odp/core/engine_place.h"

// Where the engine of a Container or Project of Why is. Its strings live as long as that.
void odp_containers_place(const cJSON *container, struct odp_engine_place *ret);

// As whom somebody else may ask it: Podman has no group.
const char *odp_containers_who(const struct odp_engine_place *place);

// Whether this reply to Why is of a service that has any, or whose engine knows them.
bool odp_containers_are_known(const cJSON *why);

// Of a service that is a Compose project: makes `containers` of this reply to Why those that the
// project has, and adds `error` to its `project`, one line, why they are not known, else null.
void odp_containers_find(cJSON *why);

// That, and adds to each of `containers` what its engine says of it: image, status, exit_code,
// oom_killed, started_at, ended_at, health, health_said, last_line; or `error` likewise. All are
// there, null where they have no value.
void odp_containers_ask(cJSON *why);

// One of `containers` in words, one line without an end.
void odp_containers_add(struct odp_buf *b, const cJSON *container);

// Likewise what is to be said of the project itself; false: nothing, its containers say it all.
bool odp_containers_add_project(struct odp_buf *b, const cJSON *why);
