// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which odpd a verb means: its directories and its control socket.

#include "cli_paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "odp/core/config.h"

#define SYSTEM_SOCKET "/run/odp/" ODP_CONTROL_SOCKET

int cli_path_set(char *path, const char *value)
{
    if (*value && strlen(value) < ODP_PATH_MAX) {
        memcpy(path, value, strlen(value) + 1);
        return ODP_EXIT_DONE;
    }
    odp_complain("a directory has 1 to %d bytes: %s", ODP_PATH_MAX - 1, value);
    return ODP_EXIT_USAGE;
}

static struct odp_paths_env environment(void)
{
    return (struct odp_paths_env){
        .system = geteuid() == 0,
        .home = getenv("HOME"),
        .config_home = getenv("XDG_CONFIG_HOME"),
        .runtime_home = getenv("XDG_RUNTIME_DIR"),
        .state_home = getenv("XDG_STATE_HOME"),
        .runtime = getenv("ODP_RUNTIME"),
    };
}

static bool has_files(const struct odp_paths *paths)
{
    char path[sizeof(paths->config) + sizeof("/" ODP_CONFIG_SERVICES_DIR)];

    snprintf(path, sizeof(path), "%s/" ODP_CONFIG_SERVICES_DIR, paths->config);
    return access(path, F_OK) == 0;
}

// A user without an odpd of their own looks at the system's: reading is for everyone. Where neither
// runs, and they have files, their own is missed.
static void socket_find(struct odp_cli *cli, bool named, bool config_named)
{
    bool is_own = cli->paths.runtime[0];

    snprintf(cli->socket, sizeof(cli->socket), "%s/" ODP_CONTROL_SOCKET, cli->paths.runtime);
    if (named || (is_own && access(cli->socket, F_OK) == 0))
        return;
    if (is_own && access(SYSTEM_SOCKET, F_OK) < 0 && has_files(&cli->paths))
        return;
    snprintf(cli->socket, sizeof(cli->socket), SYSTEM_SOCKET);
    if (!config_named)
        snprintf(cli->paths.config, sizeof(cli->paths.config), ODP_SYSTEM_CONFIG);
}

// A verb that asks may look into the files as well, where they are.
static void config_guess(struct odp_paths *paths, const struct odp_paths_env *env)
{
    struct odp_paths known = {.runtime = "/", .state = "/"};
    char why[256];

    if (!paths->config[0] && odp_paths_complete(&known, env, why, sizeof(why)) == 0)
        memcpy(paths->config, known.config, sizeof(paths->config));
    if (!paths->config[0])
        snprintf(paths->config, sizeof(paths->config), "/");
}

// Those of an odpd that the service manager runs, whatever the environment says.
static bool are_standard(const struct odp_paths *paths, struct odp_paths_env env)
{
    struct odp_paths standard = {.state = "/"};
    char why[256];

    env.runtime = NULL;
    return odp_paths_complete(&standard, &env, why, sizeof(why)) == 0 &&
           strcmp(standard.config, paths->config) == 0 &&
           strcmp(standard.runtime, paths->runtime) == 0;
}

int cli_paths_find_own(struct odp_cli *cli)
{
    struct odp_paths_env env = environment();
    char why[256];

    snprintf(cli->paths.state, sizeof(cli->paths.state), "/");
    if (odp_paths_complete(&cli->paths, &env, why, sizeof(why)) < 0) {
        odp_complain("%s", why);
        return ODP_EXIT_USAGE;
    }
    cli->is_standard = are_standard(&cli->paths, env);
    snprintf(cli->socket, sizeof(cli->socket), "%s/" ODP_CONTROL_SOCKET, cli->paths.runtime);
    return ODP_EXIT_DONE;
}

int cli_paths_find(struct odp_cli *cli, bool asks)
{
    struct odp_paths_env env = environment();
    struct odp_paths paths = cli->paths;
    bool named = paths.runtime[0] || (env.runtime && *env.runtime);
    bool config_named = paths.config[0];
    char why[256];
    int r;

    // Each verb needs one of the paths. What the others lack must not stop it.
    snprintf(paths.state, sizeof(paths.state), "/");
    if (asks)
        config_guess(&paths, &env);
    else
        snprintf(paths.runtime, sizeof(paths.runtime), "/");
    r = odp_paths_complete(&paths, &env, why, sizeof(why));
    if (r < 0 && (named || !asks)) {
        odp_complain("%s", why);
        return ODP_EXIT_USAGE;
    }
    if (r < 0)
        memset(&paths, 0, sizeof(paths));
    cli->paths = paths;
    cli->config_named = config_named;
    cli->is_standard = asks && are_standard(&paths, env);
    if (asks)
        socket_find(cli, named, config_named);
    return ODP_EXIT_DONE;
}
