// SPDX-License-Identifier: LGPL-2.1-or-later
//
// [requires] mount and path, at the moment of a start: what is not there fails the start before
// anything of the service runs. A short-lived child looks, because whoever looks at a server that
// hangs, hangs with it. What goes away once the service runs is not noticed here.

#pragma once

#include <stdbool.h>

#include "odp/launcher/backend.h"

// Of one service: its starts that wait for the look.
struct odp_requirements;

// Starts the service of `b`, once all mounts and paths that its settings require are there, or
// answers FAILED with the first that is not. *q is NULL at first and this function's to allocate;
// `b` must stay while it is busy.
void odp_requirements_start(struct odp_requirements **q, struct odp_backend *b, uint32_t id);

// Gives up the starts that wait: each is answered FAILED. NULL is fine.
void odp_requirements_cancel(struct odp_requirements *q);

// True while a start waits. NULL is not busy.
bool odp_requirements_is_busy(const struct odp_requirements *q);

// The service, which is not busy, has another backend from now on.
void odp_requirements_move(struct odp_requirements *q, struct odp_backend *b);

// Takes NULL. Starts that wait stay unanswered. Memory that handles need is freed by a later turn
// of the loop.
void odp_requirements_free(struct odp_requirements *q);
