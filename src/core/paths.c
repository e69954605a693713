// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The directories that nobody named on the command line. Text alone: nothing is looked up.

#include "odp/core/paths.h"

#include <errno.h>
#include <stdio.h>

// The XDG specification has relative values ignored.
static bool is_usable(const char *s)
{
    return s && s[0] == '/';
}

static int join(char *out, const char *base, const char *rest, char *why, size_t why_size)
{
    int n = snprintf(out, ODP_PATH_MAX, "%s%s", base, rest);

    if (n >= 0 && n < ODP_PATH_MAX)
        return 0;
    out[0] = '\0';
    snprintf(why, why_size, "the path `%.32s...%s` is longer than %d bytes", base, rest,
             ODP_PATH_MAX - 1);
    return -EINVAL;
}

// xdg/odp, or home/fallback/odp where the XDG variable is not set.
static int user_directory(char *out, const char *xdg, const char *home, const char *fallback,
                          const char *what, char *why, size_t why_size)
{
    if (is_usable(xdg))
        return join(out, xdg, "/odp", why, why_size);
    if (is_usable(home))
        return join(out, home, fallback, why, why_size);
    snprintf(why, why_size,
             "no %s directory: neither HOME nor its XDG variable is set; name one "
             "with --%s",
             what, what);
    return -EINVAL;
}

static int runtime_directory(char *out, const struct odp_paths_env *env, char *why, size_t why_size)
{
    if (env->runtime && env->runtime[0])
        return join(out, env->runtime, "", why, why_size);
    if (env->system)
        return join(out, "/run/odp", "", why, why_size);
    if (is_usable(env->runtime_home))
        return join(out, env->runtime_home, "/odp", why, why_size);
    snprintf(why, why_size,
             "no runtime directory: XDG_RUNTIME_DIR is not set; name one with "
             "--runtime or ODP_RUNTIME");
    return -EINVAL;
}

int odp_paths_complete(struct odp_paths *paths, const struct odp_paths_env *env, char *why,
                       size_t why_size)
{
    int r = 0;

    if (!paths->config[0])
        r = env->system ? join(paths->config, ODP_SYSTEM_CONFIG, "", why, why_size)
                        : user_directory(paths->config, env->config_home, env->home, "/.config/odp",
                                         "config", why, why_size);
    if (r == 0 && !paths->runtime[0])
        r = runtime_directory(paths->runtime, env, why, why_size);
    if (r == 0 && !paths->state[0])
        r = env->system ? join(paths->state, "/var/lib/odp", "", why, why_size)
                        : user_directory(paths->state, env->state_home, env->home,
                                         "/.local/state/odp", "state", why, why_size);
    return r;
}
