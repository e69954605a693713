// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odpd as a program: its options, and its life from start to the signal that ends it.

#pragma once

#include "odp/base/log.h"
#include "odp/core/paths.h"

struct odp_odpd_options {
    struct odp_paths paths; // complete
    bool system;
    enum odp_log_level log_level;
};

// Returns -1 to go on, or the exit code (--help, --version, wrong usage; all said already).
int odp_odpd_options_parse(int argc, char **argv, struct odp_odpd_options *ret);

// Serves until SIGTERM or SIGINT. Returns the exit code.
int odp_odpd_run(const struct odp_odpd_options *options);
