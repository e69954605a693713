// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Between compose_up.c (what is needed to bring a project up, and when) and compose_up_run.c (one
// run of the compose program). Nobody else looks inside.

#pragma once

#include "odp/core/paths.h"
#include "odp/launcher/compose_up.h"
#include "odp/launcher/process.h"
#include "odp/launcher/systemd_bus.h"

struct odp_compose_up {
    struct odp_backend_host *host; // borrowed
    char name[ODP_NAME_MAX + 1];   // of the service
    char project[ODP_NAME_MAX + 1];
    char directory[ODP_PATH_MAX];
    struct odp_process *process;
    struct odp_output *output;
    struct odp_systemd_client client;
    struct odp_systemd_bus *bus; // borrowed; NULL where commands are children
    sd_bus_slot *released_slot;
    bool is_adopted;
    char why[ODP_REASON_MAX + 1]; // it has failed
    uv_timer_t timer;             // to tell that from the loop
    odp_compose_up_fn *on_end;    // NULL once it was called, or is not to be
    void *userdata;

    char program[ODP_PATH_MAX];
    char **files;      // owned, NULL terminated; NULL where it is taken over
    char *description; // owned
    char host_variable[sizeof("DOCKER_HOST=unix://") +
                       sizeof(((struct odp_engine_place *)0)->socket)];
    uint64_t limit_usec;
};

// Runs the program, or takes over the one of an earlier launcher. Returns 0 or a negative errno;
// u->why says why it cannot be run.
int compose_up_go(struct odp_compose_up *u);

// Tells u->why, or that all is well. Not from within a callback of the bus, which is left at the
// end: from the loop.
void compose_up_end_soon(struct odp_compose_up *u);
