// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odp stop: puts services to sleep, and by default waits until all of each is gone.

#include "odp/cli/cli.h"

int odp_cmd_stop(const struct odp_cli *cli, int argc, char **argv)
{
    return odp_cli_jobs(cli, argc, argv, ODP_VARLINK_STOP);
}
