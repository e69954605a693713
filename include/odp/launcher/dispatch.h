// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Brings each request to the backend of its service. Lets nothing be done by settings that odpd has
// not loaded itself: each request carries their digest. Where it is not that of the settings at
// hand, the file is read again, and if it has changed once more, the text that was kept of it.

#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "odp/core/proto.h"
#include "odp/launcher/backend.h"
#include "odp/launcher/probe.h"

struct odp_dispatch_move;
struct odp_dispatch_service;
struct odp_rename;

struct odp_dispatch {
    struct odp_backend_host *host; // borrowed
    const char *config;            // borrowed; the configuration directory
    struct odp_dispatch_service *services;
    size_t n_services;
    size_t last_found;          // where the next search begins: odpd asks for all in their order
    bool has_forgotten;         // perhaps: a service is to be dropped once it is idle
    struct odp_rename *renames; // a batch that is not whole yet
    size_t n_renames;
    struct odp_dispatch_move *moves; // renames that the files told of at the start
    size_t n_moves;
    struct odp_probes probes;
};

// Reads the files and what was kept of them, and takes over what runs. A directory that cannot be
// read counts as empty, with a line in the log: a file may be there when it is asked for. Returns 0
// or -ENOMEM; *d is to be deinitialised in both cases.
int odp_dispatch_init(struct odp_dispatch *d, struct odp_backend_host *host, const char *config);

// Answers a request, now or later, through the host.
void odp_dispatch_request(struct odp_dispatch *d, const struct odp_proto_message *request);

// False where nothing is under way, and nothing happens that odpd would have to be told of.
bool odp_dispatch_is_needed(const struct odp_dispatch *d);

// Leaves running what runs.
void odp_dispatch_deinit(struct odp_dispatch *d);
