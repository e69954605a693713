// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The files of all services as the verbs read them that work without odpd. Whatever goes wrong has
// been said when a function returns.

#pragma once

#include "odp/cli/cli.h"
#include "odp/core/config.h"

struct odp_services {
    char directory[ODP_PATH_MAX + sizeof("/" ODP_CONFIG_SERVICES_DIR)]; // absolute
    struct odp_files files;
    struct odp_config config; // once they are loaded
};

// Reads the files' texts. Returns an exit code; *ret is to be deinitialised in any case.
int odp_services_read(const struct odp_cli *cli, struct odp_services *ret);

// Judges the texts. Returns an exit code, ODP_EXIT_DONE also where there are faults.
int odp_services_load(struct odp_services *s);

void odp_services_deinit(struct odp_services *s);

// What else is said to a user without a configuration directory, where the system has one: whoever
// forgot sudo meant that. "" for nothing.
const char *odp_services_hint(void);

// Appends `FILE:LINE: MESSAGE`, one line.
void odp_fault_add(struct odp_buf *b, const struct odp_config_fault *fault);
