// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Brings a Compose project up by the compose program that is installed, which alone can read the
// project's files: `COMPOSE -p PROJECT -f FILE up -d`. It waits for what the file says is to be
// waited for. It outlives the launcher; the next one waits for its end.

#pragma once

#include <stddef.h>

#include "odp/launcher/backend.h"
#include "odp/launcher/engine.h"

struct odp_compose_up;

// It has ended, well (`why` is NULL) or not. Called once, from the loop; it is to be freed then.
typedef void odp_compose_up_fn(void *userdata, const char *why);

// `settings` have name, description and times; `files` (NULL terminated, at least one) are not
// looked at. Beside a single one that is called as by default, the override that the program would
// find by itself counts, too. Returns 0 and *ret the caller's, or a negative errno and one line in
// `why`.
int odp_compose_up_begin(struct odp_backend_host *host, const struct odp_config_service *settings,
                         const struct odp_engine_place *place, const char *project,
                         char *const *files, odp_compose_up_fn *on_end, void *userdata,
                         struct odp_compose_up **ret, char *why, size_t why_size);

// Takes over what an earlier launcher has begun for the service. Returns 0, or -ENOENT where that
// is nothing, or another negative errno.
int odp_compose_up_adopt(struct odp_backend_host *host, const struct odp_config_service *settings,
                         const char *project, odp_compose_up_fn *on_end, void *userdata,
                         struct odp_compose_up **ret);

// It is not wanted any more: SIGTERM. on_end follows.
void odp_compose_up_give_up(struct odp_compose_up *u);

// Lets go of it and leaves it running. Takes NULL. on_end is not called any more.
void odp_compose_up_free(struct odp_compose_up *u);
