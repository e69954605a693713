// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odpd: listens, holds, relays, decides. See docs/ARCHITECTURE.md.

#include "odp/proxy/odpd.h"

int main(int argc, char **argv)
{
    struct odp_odpd_options options;
    int exit_code = odp_odpd_options_parse(argc, argv, &options);

    return exit_code >= 0 ? exit_code : odp_odpd_run(&options);
}
