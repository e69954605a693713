// SPDX-License-Identifier: LGPL-2.1-or-later
//
// By what the containers of a Compose project are known: labels that docker compose, docker-compose
// and podman-compose give them, and nobody changes later.

#pragma once

#define ODP_COMPOSE_LABEL(word) "com.docker.compose." word

#define ODP_COMPOSE_PROJECT ODP_COMPOSE_LABEL("project") // its name
#define ODP_COMPOSE_SERVICE ODP_COMPOSE_LABEL("service")
#define ODP_COMPOSE_ONEOFF  ODP_COMPOSE_LABEL("oneoff") // "True": `docker compose run` made it

// Which containers has the project %s? Behind the prefix of the API; to be formatted.
#define ODP_COMPOSE_LIST                                                                           \
    "/containers/json?all=1&filters={%%22label%%22:[%%22" ODP_COMPOSE_PROJECT "=%s%%22]}"
