// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The command line of odp-launcher. odpd or a unit writes it, people read it in `ps`.

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/core/config.h"
#include "odp/core/paths.h"
#include "odp/launcher/launcher.h"

// Room for /launcher/NAME.pid.new and /services/NAME.ini behind it.
#define DIRECTORY_MAX (ODP_PATH_MAX - ODP_NAME_MAX - 32)

enum { EXIT_USAGE = 2 };

static const char help[] =
    "Usage: odp-launcher --config DIR --runtime DIR [--link FD] [--log-level LEVEL]\n"
    "\n"
    "Starts and stops services for odpd. Run by odpd, or by the service manager when odpd\n"
    "connects to the socket of odp-launcher.socket. Not meant to be run by hand.\n"
    "\n"
    "  --config DIR       where the files are, as odpd has it\n"
    "  --runtime DIR      where to keep records of what runs\n"
    "  --link FD          the open socket to odpd (Unix, SOCK_SEQPACKET); without it odpd is met\n"
    "                     at the listening socket that the service manager passes\n"
    "  --log-level LEVEL  err, warning, notice, info (default) or debug\n"
    "  -h, --help         this text\n"
    "  --version          the version\n";

static bool parse_fd(const char *text, int *ret)
{
    char *end;
    long fd;

    errno = 0;
    fd = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || fd < 0 || fd > INT_MAX)
        return false;
    *ret = (int)fd;
    return true;
}

static bool is_directory_text(const char *text)
{
    return text[0] != '\0' && strlen(text) <= DIRECTORY_MAX;
}

// Returns what is wrong with one option, NULL for nothing.
static const char *take(struct odp_launcher_options *o, int option, const char *value)
{
    switch (option) {
    case 'c': o->config = value; return is_directory_text(value) ? NULL : "--config: no path";
    case 'r': o->runtime = value; return is_directory_text(value) ? NULL : "--runtime: no path";
    case 'l': return parse_fd(value, &o->link_fd) ? NULL : "--link: not a file descriptor";
    case 'L':
        return odp_log_level_from_string(value, &o->log_level) ? NULL
                                                               : "--log-level: no such level";
    default: return "see odp-launcher --help";
    }
}

static bool refuse(const char *why, int *ret_exit_code)
{
    fprintf(stderr, "odp-launcher: %s\n", why);
    *ret_exit_code = EXIT_USAGE;
    return false;
}

bool odp_launcher_options_parse(int argc, char **argv, struct odp_launcher_options *ret,
                                int *ret_exit_code)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"runtime", required_argument, NULL, 'r'},
        {"link", required_argument, NULL, 'l'},
        {"log-level", required_argument, NULL, 'L'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    const char *why;
    int option;

    *ret = (struct odp_launcher_options){.link_fd = -1, .log_level = ODP_LOG_INFO};
    *ret_exit_code = 0;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h' || option == 'v') {
            printf("%s", option == 'h' ? help : "odp-launcher " ODP_VERSION "\n");
            return false;
        }
        why = take(ret, option, optarg);
        if (why)
            return refuse(why, ret_exit_code);
    }
    if (optind < argc)
        return refuse("takes no arguments", ret_exit_code);
    if (!ret->config || !ret->runtime)
        return refuse("--config and --runtime are needed; odpd gives them", ret_exit_code);
    if (ret->link_fd < 0 && !getenv("LISTEN_FDS"))
        return refuse("neither --link nor a socket of the service manager: start "
                      "odp-launcher.socket, which starts this program",
                      ret_exit_code);
    return true;
}
