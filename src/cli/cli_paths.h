// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Between cli.c (the frame of all verbs) and cli_paths.c (which odpd they mean). All of it returns
// ODP_EXIT_DONE, or another exit code and has complained.

#pragma once

#include "odp/cli/cli.h"

// One of cli->paths, as the command line says.
int cli_path_set(char *path, const char *value);

// Completes cli->paths and finds the socket. asks: of a verb that needs odpd; another one needs the
// files alone.
int cli_paths_find(struct odp_cli *cli, bool asks);

// A verb that changes something needs what is one's own, and all of it.
int cli_paths_find_own(struct odp_cli *cli);
