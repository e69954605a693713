// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A Compose project as its containers' labels tell of it: com.docker.compose.* as docker compose,
// docker-compose and podman-compose write them. docker compose (v2) says in
// com.docker.compose.depends_on who waits for whom, the others do not. Pure.

#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "odp/launcher/container_order.h"

struct odp_compose_member {
    char *id, *name; // owned; of the container
    char *service;   // owned; as the project's file has it
    char *waits_for; // owned; db:service_healthy:false,side:service_started:true; "" for nothing
    char *network_owner; // owned; the id of the container whose network it is in; "" for its own
    bool is_gone;        // there was one; of those that are remembered
};

struct odp_compose_project {
    struct odp_compose_member *members; // owned; in the order of their services and names
    size_t n_members;
};

// GET /containers/json about one project. What `docker compose run` has made is left out. Returns
// 0, -EBADMSG where it makes no sense, or -ENOMEM; *ret is to be deinitialised in all cases.
int odp_compose_read(const char *body, size_t n_bytes, struct odp_compose_project *ret);
void odp_compose_deinit(struct odp_compose_project *p);

// What is there now, which moves to `known`, and of services that have none of these those that
// were known. Returns 0 or -ENOMEM, nothing is changed then.
int odp_compose_remember(struct odp_compose_project *known, struct odp_compose_project *found);

// The name of one that is gone; NULL: all services that are known have containers.
const char *odp_compose_gone(const struct odp_compose_project *known);

#define ODP_COMPOSE_E_INCOMPLETE 1 // some wait for what has no container
#define ODP_COMPOSE_E_ROUND      2 // some wait for each other: no edge is left

// Who waits for whom: by the labels; who is in another's network for that one; and each of `lines`
// (NULL terminated; names, or at least 12 digits of ids) for the one before. With `is_whole` there
// is all that is to be: what labels name besides is not required (depends_on has that, labels have
// not). Returns 0, or a code of the above and one line in `why`, or -ENOMEM; *ret is to be
// deinitialised in all cases.
int odp_compose_order(const struct odp_compose_project *p, bool is_whole, char *const *lines,
                      struct odp_order *ret, char *why, size_t why_size);
