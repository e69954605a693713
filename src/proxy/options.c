// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odpd's command line.

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "odp/proxy/odpd.h"

enum { EXIT_USAGE = 2 };

static const char help[] =
    "Usage: odpd [--config DIR] [--runtime DIR] [--state DIR] [--launcher SOCKET]\n"
    "            [--system] [--log-level LEVEL]\n"
    "\n"
    "Listens for each service of DIR/services/*.ini, starts it on the first connection,\n"
    "relays, and stops it when it has been quiet for its window.\n"
    "\n"
    "  --config DIR       default /etc/odp, for a user ~/.config/odp\n"
    "  --runtime DIR      default /run/odp, for a user $XDG_RUNTIME_DIR/odp\n"
    "  --state DIR        default /var/lib/odp, for a user ~/.local/state/odp\n"
    "  --launcher SOCKET  where odp-launcher is met; without it odpd starts one itself\n"
    "  --system           for the whole system, as root does it, although run by another user\n"
    "  --log-level LEVEL  err, warning, notice, info (default) or debug\n"
    "  -h, --help         this text\n"
    "  --version          the version\n";

static int refuse(const char *what, const char *value)
{
    fprintf(stderr, "odpd: %s%s%s (odpd --help)\n", what, value ? ": " : "", value ? value : "");
    return EXIT_USAGE;
}

static int take_path(char *ret, const char *value)
{
    int n = snprintf(ret, ODP_PATH_MAX, "%s", value);

    return n == 0 || n >= ODP_PATH_MAX ? refuse("empty or over-long path", value) : -1;
}

static int take_launcher(char *ret, const char *value)
{
    if (value[0] != '/' || strlen(value) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
        return refuse("--launcher takes the absolute path of a socket, of 107 bytes at most",
                      value);
    return take_path(ret, value);
}

static int take(struct odp_odpd_options *o, int option, const char *value)
{
    switch (option) {
    case 'c': return take_path(o->paths.config, value);
    case 'r': return take_path(o->paths.runtime, value);
    case 's': return take_path(o->paths.state, value);
    case 'l': return take_launcher(o->paths.launcher, value);
    case 'L':
        return odp_log_level_from_string(value, &o->log_level) ? -1
                                                               : refuse("no such log level", value);
    case 'S': o->system = true; return -1;
    case 'h': fputs(help, stdout); return EXIT_SUCCESS;
    case 'v': puts("odpd " ODP_VERSION); return EXIT_SUCCESS;
    default: return EXIT_USAGE; // getopt said what is wrong
    }
}

static int complete(struct odp_odpd_options *o)
{
    const struct odp_paths_env env = {
        .system = o->system,
        .home = getenv("HOME"),
        .config_home = getenv("XDG_CONFIG_HOME"),
        .runtime_home = getenv("XDG_RUNTIME_DIR"),
        .state_home = getenv("XDG_STATE_HOME"),
        .runtime = getenv("ODP_RUNTIME"),
    };
    char why[256];

    return odp_paths_complete(&o->paths, &env, why, sizeof(why)) < 0 ? refuse(why, NULL) : -1;
}

int odp_odpd_options_parse(int argc, char **argv, struct odp_odpd_options *ret)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"runtime", required_argument, NULL, 'r'},
        {"state", required_argument, NULL, 's'},
        {"launcher", required_argument, NULL, 'l'},
        {"system", no_argument, NULL, 'S'},
        {"log-level", required_argument, NULL, 'L'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    int option;

    *ret = (struct odp_odpd_options){.system = geteuid() == 0, .log_level = ODP_LOG_INFO};
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        int exit_code = take(ret, option, optarg);
        if (exit_code >= 0)
            return exit_code;
    }
    if (optind < argc)
        return refuse("takes no arguments", argv[optind]);
    return complete(ret);
}
