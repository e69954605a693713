// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where a container can be connected to from the host, by what its engine says of it: the JSON of
// the Docker Engine API 1.41 and of Podman's compatible one. Pure.
//
// An engine lists a container's networks by name, each with the container's addresses there, which
// are empty while it does not run. Of what drives a network it tells only when asked for that.
// Docker's NetworkID is empty before the first start, Podman's is the name.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "odp/core/proto.h"

// Networks whose driver was asked for.
struct odp_container_network {
    char *name; // owned
    char *id;   // owned; "" until a container in it has run
    char *driver;
};

struct odp_container_networks {
    struct odp_container_network *items; // owned
    size_t n;
};

enum odp_container_place {
    ODP_PLACE_AT,      // `text` is where, as of ADDRESS in core/proto
    ODP_PLACE_NOT_YET, // it has none now; `text` says why
    ODP_PLACE_NEVER,   // it cannot be reached; `text` says why, and what to do
    ODP_PLACE_GUEST,   // in the network of another one, whose name or id `text` is
    ODP_PLACE_ASK,     // the driver of the network `text` has to be known first
};

struct odp_container_address {
    enum odp_container_place is;
    bool exists;
    bool exposes; // the port, by its image or its options
    char text[ODP_REASON_MAX + 1];
};

struct odp_container_question {
    const char *name;   // of the container, as the file has it
    const char *engine; // docker, podman: as people call it
    uint16_t port;
    bool is_rootless; // the engine runs as a user
};

// GET /containers/NAME/json. Ids that are seen for the first time are kept in `networks`. Returns
// false where it makes no sense.
bool odp_container_address_read(const struct odp_container_question *q, const char *body,
                                size_t n_bytes, struct odp_container_networks *networks,
                                struct odp_container_address *ret);

// GET /networks/NAME, or none where there is no such network: from now on its driver is known.
// Returns 0, -EBADMSG where it makes no sense, or -ENOMEM.
int odp_container_networks_read(struct odp_container_networks *networks, const char *name,
                                const char *body, size_t n_bytes);

void odp_container_networks_deinit(struct odp_container_networks *networks);
