// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The logs of a service's containers, which their engine's own program shows.

#pragma once

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Runs `docker logs` or `podman logs` to its end for each container of this reply to Why. `n_lines`
// as in odp/cli/journal.h. Returns an exit code; what went wrong has been said.
int odp_container_logs_show(cJSON *why, size_t n_lines);

// Beside this process, and no longer than it: what they print, and print once they are started
// again or made anew. Returns an exit code, as above.
int odp_container_logs_follow(cJSON *why, size_t n_lines);

// ---- one container -----------------------------------------------------------------------------

struct odp_container_lines {
    bool follows;
    size_t n_lines;      // the last ones
    uint64_t since_usec; // of the real-time clock; 0: all
};

// False: its engine may not be asked, as has been said. Of a Project likewise.
bool odp_container_logs_may_ask(const cJSON *container);

// Runs the engine's program, which ends with this process. Negative: it cannot, as has been said.
pid_t odp_container_logs_begin(const cJSON *container, const struct odp_container_lines *lines);
