// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The usual places of container engines; see the header.

#include "odp/core/engine_place.h"

#include <stdio.h>
#include <string.h>

#define DOCKER "docker.sock"
#define PODMAN "podman/podman.sock"

static void set(struct odp_engine_place *p, const char *engine, const char *runtime,
                const char *socket)
{
    p->engine = engine;
    snprintf(p->socket, sizeof(p->socket), "%s/%s", runtime, socket);
}

void odp_engine_place_find(const struct odp_config_service *settings, bool is_user,
                           const char *runtime, bool (*is_socket)(const char *path),
                           struct odp_engine_place *ret)
{
    const char *own = is_user && runtime ? runtime : "/run";
    enum odp_engine engine = settings->engine;

    *ret = (struct odp_engine_place){.engine = engine == ODP_ENGINE_PODMAN ? "podman" : "docker"};
    if (settings->engine_socket) {
        snprintf(ret->socket, sizeof(ret->socket), "%s", settings->engine_socket);
        return;
    }
    // A user may have containers of the system's Docker, which group docker may use.
    if (engine != ODP_ENGINE_PODMAN) {
        set(ret, "docker", own, DOCKER);
        if (is_socket(ret->socket))
            return;
        set(ret, "docker", "/run", DOCKER);
        if (engine == ODP_ENGINE_DOCKER || is_socket(ret->socket))
            return;
    }
    set(ret, "podman", own, PODMAN);
    if (engine == ODP_ENGINE_DEFAULT && !is_socket(ret->socket))
        set(ret, "docker", "/run", DOCKER); // to name it in what is said
}

bool odp_engine_place_is_usual_docker(const struct odp_engine_place *p)
{
    return strcmp(p->engine, "docker") == 0 &&
           (strcmp(p->socket, "/run/" DOCKER) == 0 || strcmp(p->socket, "/var/run/" DOCKER) == 0);
}
