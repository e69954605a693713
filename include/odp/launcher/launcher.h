// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odp-launcher as a whole: its command line, and its life from the link's first record to its end.

#pragma once

#include <stdbool.h>

#include "odp/base/log.h"

struct odp_launcher_options {
    const char *config;
    const char *runtime;
    int link_fd; // -1: odpd comes by the socket that the service manager passes
    enum odp_log_level log_level;
};

// Returns true to go on, false where the program is to end with *ret_exit_code: 0 after --help and
// --version, 2 after wrong usage, told on stderr.
bool odp_launcher_options_parse(int argc, char **argv, struct odp_launcher_options *ret,
                                int *ret_exit_code);

// Returns the exit code: 0 once odpd has closed the link, or for want of anything to do; 1 where it
// cannot work.
int odp_launcher_run(const struct odp_launcher_options *options);
