// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The logs of a service's containers, which their engine's own program shows.

#pragma once

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

// Runs `docker logs` or `podman logs` for each container of this reply to Why. With `follows` they
// go on beside this process, and end with it; else they have ended when it returns. `n_lines` as in
// odp/cli/journal.h. Returns an exit code; what went wrong has been said.
int odp_container_logs_show(cJSON *why, bool follows, size_t n_lines);
