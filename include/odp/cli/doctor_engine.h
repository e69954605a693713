// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `odp doctor`: what container engines say of themselves and of the services' containers, in the
// JSON of the Docker Engine API 1.41 (Podman's compatible one is the same), and how to read it.

#pragma once

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "odp/core/engine_place.h"

struct odp_container {
    char *name;      // owned; as the file has it
    char *project;   // owned; of the project that it was found by, else NULL
    cJSON *inspect;  // owned; GET /containers/NAME/json. NULL: there is none, or nothing is known
    bool is_missing; // the engine has none of that name
    bool image_gone;
};

struct odp_engine_facts {
    struct odp_engine_place place;
    char program[ODP_ADDRESS_PATH_MAX + 64]; // see odp_engine_program(); "" for its bare name
    char owner[64];     // the user, of a socket that is one's, but not of the one who asks; else ""
    bool owner_lingers; // and has a service manager from boot on
    bool is_rootless;   // it runs as a user
    unsigned api_minor; // of its API, 1.41 and so on; 0: not known, or Podman's
    bool is_user;       // asked for services of scope user
    bool is_beside;     // asked only for containers that units run
    int error;          // negative errno of asking it, 0: it answers
    struct odp_container *containers; // owned; those of the services
    size_t n_containers;
    cJSON *running;  // owned; GET /containers/json. NULL: not known
    cJSON *networks; // owned; GET /networks, likewise
};

// As the engine's own program is called to see the same containers: "docker", or with options.
const char *odp_engine_program(const struct odp_engine_facts *e);
// Whether a container that runs publishes this TCP port; true where that is not known.
bool odp_engine_publishes(const struct odp_engine_facts *e, unsigned port);
// False where it is known that there is no such network.
bool odp_engine_has_network(const struct odp_engine_facts *e, const char *name);

// Whether a network has no way in from this machine; false where that is not known.
bool odp_engine_network_is_beside(const struct odp_engine_facts *e, const char *name);

bool odp_container_runs(const struct odp_container *c);
time_t odp_container_started(const struct odp_container *c);    // last; 0: never, or not known
unsigned odp_container_restarts(const struct odp_container *c); // by its policy, since then
bool odp_container_is_on_host(const struct odp_container *c);   // it has the machine's network
// It has another container's, or a pod's: that one publishes its ports, awake or asleep.
bool odp_container_is_guest(const struct odp_container *c);
// The string at `keys` ("HostConfig.NetworkMode"), "" where there is none.
const char *odp_container_text(const struct odp_container *c, const char *keys);
// Whether the object at `keys` has this member.
bool odp_container_has(const struct odp_container *c, const char *keys, const char *name);
// The name of the n-th network that it is in, or is to be in; NULL: no more.
const char *odp_container_network(const struct odp_container *c, size_t n);
// The nanoseconds at `keys` in microseconds, 0 where there are none.
uint64_t odp_container_span(const struct odp_container *c, const char *keys);
bool odp_container_is_checked(const struct odp_container *c);           // it has a health check
bool odp_container_is(const struct odp_container *c, const char *keys); // true there
const char *odp_container_label(const struct odp_container *c, const char *label); // or NULL

// A TCP port that a container publishes once it runs.
struct odp_published {
    struct odp_address address; // on this machine; port 0: the engine chooses one at each start
    unsigned inside;            // the container's own port
};

// The n-th of them, from 0. False where there are no more.
bool odp_container_published(const struct odp_container *c, size_t n, struct odp_published *ret);
