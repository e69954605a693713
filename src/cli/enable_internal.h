// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the files of `odp enable` and `odp disable` share. The files of the services have been
// changed by then; what is returned is an exit code, and all is said.

#pragma once

#include "odp/cli/doctor.h"
#include "odp/cli/services.h"
#include "odp/cli/socket_units.h"

struct odp_enable {
    const struct odp_cli *cli;
    const char *verb;
    bool enables, is_user;
    char **names;
    size_t n_names;
    struct odp_services services;  // as they are to be
    struct odp_socket_units units; // as they were
};

// True where the service manager listens for this odpd; e->units are filled then.
bool enable_is_by_units(struct odp_enable *e);

// The socket units follow the files.
int enable_by_units(struct odp_enable *e);

// odpd.service reads its files again: settings that are no socket's. Waits for one that is
// starting.
int enable_reload_odpd(const struct odp_enable *e);

// A line for each name, by what the service manager has `now`.
int enable_units_tell(const struct odp_enable *e, const struct odp_socket_units *now);

// The service manager has not the address, whatever it says: nobody listens there, or somebody
// else.
bool enable_is_lost(const struct odp_ports *ports, const struct odp_address *a);

// odpd follows the files, and listens itself.
int enable_by_reload(struct odp_enable *e);

// Prints `NAME: enabled`, or `disabled`.
int enable_tell(const struct odp_enable *e, const char *name);

// The service of that name, NULL where its file gives none.
const struct odp_config_service *enable_service(const struct odp_enable *e, const char *name);
