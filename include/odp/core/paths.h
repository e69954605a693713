// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where odp keeps its things: /etc/odp, /run/odp, /var/lib/odp for the system, the XDG directories
// for a user. The caller passes what it found in the environment; nothing here looks.

#pragma once

#include <stdbool.h>
#include <stddef.h>

#define ODP_PATH_MAX 1024

#define ODP_SYSTEM_CONFIG "/etc/odp"

#define ODP_LOGS_DIR "logs" // below the runtime directory: what services print, base/keep.h

struct odp_paths_env {
    bool system;              // run by root, or for the system
    const char *home;         // HOME
    const char *config_home;  // XDG_CONFIG_HOME
    const char *runtime_home; // XDG_RUNTIME_DIR
    const char *state_home;   // XDG_STATE_HOME
    const char *runtime;      // ODP_RUNTIME
};

struct odp_paths {
    char config[ODP_PATH_MAX];
    char runtime[ODP_PATH_MAX];
    char state[ODP_PATH_MAX];
    char launcher[ODP_PATH_MAX]; // the socket where the launcher is met; "": it is forked
};

// Fills what the command line left empty in *paths. Returns 0, or -EINVAL and one line in `why`
// (a user without HOME or XDG_RUNTIME_DIR, a path that is too long).
int odp_paths_complete(struct odp_paths *paths, const struct odp_paths_env *env, char *why,
                       size_t why_size);
