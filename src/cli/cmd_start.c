// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odp start: wakes services, and by default waits until each answers.

#include "odp/cli/cli.h"

int odp_cmd_start(const struct odp_cli *cli, int argc, char **argv)
{
    return odp_cli_jobs(cli, argc, argv, ODP_VARLINK_START);
}
