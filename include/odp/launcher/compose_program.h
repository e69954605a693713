// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which compose program there is on this machine.

#pragma once

#include <stdbool.h>
#include <stddef.h>

// The program that is to be run for this engine (docker, podman) and its path, in a buffer of
// `size` bytes: docker compose's plugin, which runs without docker, too; docker-compose;
// podman-compose, which comes first for podman and is no use for docker. Returns false where there
// is none, and in `why` what to install.
bool odp_compose_program_find(const char *engine, char *ret, size_t size, char *why,
                              size_t why_size);
