// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odp: the command line of odpd.

#include "odp/cli/cli.h"

int main(int argc, char **argv)
{
    return odp_cli_main(argc, argv);
}
