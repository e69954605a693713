// SPDX-License-Identifier: LGPL-2.1-or-later
//
// odp: the command line of odpd. Under the name odp-generator, the generator of its socket units.

#include "odp/cli/cli.h"
#include "odp/cli/generator.h"

int main(int argc, char **argv)
{
    return odp_is_generator(argv[0]) ? odp_generator_main(argc, argv) : odp_cli_main(argc, argv);
}
