// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odp-launcher: starts and stops services by name for odpd.

#include "odp/launcher/launcher.h"

int main(int argc, char **argv)
{
    struct odp_launcher_options options;
    int exit_code;

    if (!odp_launcher_options_parse(argc, argv, &options, &exit_code))
        return exit_code;
    return odp_launcher_run(&options);
}
