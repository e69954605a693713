// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A command of the files as a unit that the service manager is asked to make (StartTransientUnit,
// org.freedesktop.systemd1(5)). It runs outside of odp's own sandbox and outlives odp. What it
// prints goes to the journal with ODP_SERVICE=NAME, which `odp logs` asks for.
//
// The service itself is a unit that is active while it runs, and ends with all of its processes. A
// command that does something for a service is one that stays when it has ended, so that its status
// can be asked for: whoever has asked stops it. What it has left behind is not ended by that,
// unless it is a probe.

#pragma once

#include "odp/core/config.h"
#include "odp/launcher/record.h"
#include "odp/launcher/systemd_bus.h"

struct odp_transient {
    const char *unit;                          // its name
    const struct odp_config_service *settings; // name, description, user, directory, environment
    char *const *argv;
    enum odp_role role;
    bool is_user;               // of the user's manager
    uint64_t stop_timeout_usec; // from SIGTERM to SIGKILL
    uint64_t limit_usec;        // how long it may take; ODP_NEVER: the caller sees to that
    int output_fd;              // takes what it prints; -1: the journal
};

// What can be seen to be wrong without starting it: one line in `why`, and a negative errno.
int odp_transient_check(const struct odp_transient *t, char *why, size_t why_size);

// Asks for it. The answer to the callback bears the path of the start job. Returns 0, or a negative
// errno and one line in `why`; where the connection is lost, on_lost follows instead.
int odp_transient_start(struct odp_systemd_bus *bus, sd_bus_slot **ret_slot,
                        const struct odp_transient *t, sd_bus_message_handler_t callback,
                        void *userdata, char *why, size_t why_size);
