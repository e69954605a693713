// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where a service's container engine, Docker or Podman, listens: one rule for all who ask it. Pure:
// what is there the caller tells.

#pragma once

#include <stdbool.h>

#include "odp/core/config.h"

struct odp_engine_place {
    const char *engine; // as people call it; static
    char socket[ODP_ADDRESS_PATH_MAX + 1];
};

// The engine that the settings name; else Docker where its socket is, else Podman. Of the system's
// or, `is_user`, of the user's, whose sockets are below `runtime` (NULL: /run). The socket need not
// be there.
void odp_engine_place_find(const struct odp_config_service *settings, bool is_user,
                           const char *runtime, bool (*is_socket)(const char *path),
                           struct odp_engine_place *ret);

// That of the system, where Docker's own units put it.
bool odp_engine_place_is_usual_docker(const struct odp_engine_place *p);
