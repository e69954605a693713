// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Seeks the address of the container that a target auto:PORT means, and tells odpd: ADDRESS,
// NO_ADDRESS, UNREACHABLE. Beside any backend whose settings name containers; it starts and stops
// nothing. It asks the engine when something has happened to a container, when the service is said
// to run, and when odpd asks what the service is.

#pragma once

#include "odp/launcher/backend.h"

struct odp_seek;

// There is one for the backend where its settings want that, else none. What is found from now on
// is told, also if it is what was told before. Without memory odpd is told that there is no
// address. _look() looks at once, too; _follow() is for what is about to be started.
void odp_seek_follow(struct odp_backend *b);
void odp_seek_look(struct odp_backend *b);

// The service is said to run: a container that was not heard of is looked at. Takes NULL.
void odp_seek_on_running(struct odp_seek *s);

// Takes NULL.
void odp_seek_free(struct odp_seek *s);
