// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Starting a command in two steps, so that its record can be written between them: a launcher
// that is killed at any moment leaves either a recorded service or none.

#pragma once

#include <sys/types.h>

#include "odp/core/config.h"

struct odp_spawn {
    pid_t pid;     // leader of its own process group
    int pidfd;     // close-on-exec
    int go_fd;     // held here: the child waits
    int status_fd; // reads a reason text, or nothing at all once the command runs
};

// Forks a child that waits, to run argv as `settings` have it. `output_path` is the FIFO for what
// it prints. With a `mark_directory` it marks the service up there first (odp_record_mark_up()).
// Returns 0 or a negative errno; the caller owns the descriptors and passes *ret to one of the two
// below.
int odp_spawn_fork(const struct odp_config_service *settings, char *const *argv,
                   const char *output_path, const char *mark_directory, struct odp_spawn *ret);

// Lets the child run the command. Closes go_fd.
void odp_spawn_go(struct odp_spawn *s);

// Ends and collects the child, which has run nothing yet; closes all descriptors.
void odp_spawn_abort(struct odp_spawn *s);
