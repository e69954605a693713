// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Brings each request to the backend of its service. Keeps the settings of all services as the
// files were when the launcher read them, and lets nothing be done under settings that odpd has
// not loaded itself.

#pragma once

#include <stddef.h>

#include "odp/core/proto.h"
#include "odp/launcher/backend.h"
#include "odp/launcher/probe.h"

struct odp_dispatch_service;

struct odp_dispatch {
    struct odp_backend_host *host; // borrowed
    const char *config;            // borrowed; the configuration directory
    struct odp_dispatch_service *services;
    size_t n_services;
    struct odp_probes probes;
};

// Reads the files and takes over what runs. A directory that cannot be read counts as empty, with
// a line in the log: a file may be there when it is asked for. Returns 0 or -ENOMEM; *d is to be
// deinitialised in both cases.
int odp_dispatch_init(struct odp_dispatch *d, struct odp_backend_host *host, const char *config);

// Answers a request, now or later, through the host.
void odp_dispatch_request(struct odp_dispatch *d, const struct odp_proto_message *request);

// Leaves running what runs.
void odp_dispatch_deinit(struct odp_dispatch *d);
