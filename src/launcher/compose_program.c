// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Looks for the compose program where docker looks for its plugins, and in PATH.

#include "odp/launcher/compose_program.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "odp/launcher/reason.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// What docker's own search goes through, docker/cli cli-plugins/manager.
#define PLUGIN_PATH                                                                                \
    "/usr/local/lib/docker/cli-plugins:/usr/local/libexec/docker/cli-plugins:"                     \
    "/usr/lib/docker/cli-plugins:/usr/libexec/docker/cli-plugins"

// `directories` is as PATH is.
static bool find_in(const char *directories, const char *program, char *ret, size_t size)
{
    for (const char *at = directories; *at;) {
        size_t n = strcspn(at, ":");
        int r = snprintf(ret, size, "%.*s/%s", (int)n, at, program);
        if (n > 0 && r > 0 && (size_t)r < size && access(ret, X_OK) == 0)
            return true;
        at += n + (at[n] == ':');
    }
    return false;
}

static bool find_own_plugin(char *ret, size_t size)
{
    const struct passwd *own = getpwuid(geteuid());
    const char *home = getenv("HOME");
    char directory[256];

    if (!home && own)
        home = own->pw_dir;
    snprintf(directory, sizeof(directory), "%s/.docker/cli-plugins", home ? home : "");
    return home && find_in(directory, "docker-compose", ret, size);
}

bool odp_compose_program_find(const char *engine, char *ret, size_t size, char *why,
                              size_t why_size)
{
    bool is_podman = strcmp(engine, "podman") == 0;
    const char *path = getenv("PATH");

    if (!path)
        path = DEFAULT_PATH;
    if ((is_podman && find_in(path, "podman-compose", ret, size)) || find_own_plugin(ret, size) ||
        find_in(PLUGIN_PATH, "docker-compose", ret, size) ||
        find_in(path, "docker-compose", ret, size))
        return true;
    odp_reason_format(
        why, why_size, "there is no compose program to make its containers: install %s",
        is_podman ? "podman-compose" : "docker-compose-plugin (docker compose) or docker-compose");
    return false;
}
