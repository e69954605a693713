// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The program under the name odp-generator, systemd.generator(7): at boot and at each daemon-reload
// the service manager has it make the socket units anew, from the files as they are then.

#pragma once

#include <stdbool.h>

#define ODP_GENERATOR "odp-generator"

bool odp_is_generator(const char *argv0);

// argv[1] is the directory to write to. Returns the exit code.
int odp_generator_main(int argc, char **argv);
