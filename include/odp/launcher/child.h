// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The way of a forked child from fork(2) to exec(2). All of it that can fail or block happens
// here, in the child, and is told as a text: the launcher itself waits for nothing.

#pragma once

#include <stdnoreturn.h>

#include "odp/core/config.h"

struct odp_child {
    const struct odp_config_service *settings; // user, directory, environment
    char *const *argv;                         // the command, NULL terminated
    int output_fd;                             // for what it prints: the FIFO, opened for it alone
    const char *mark_directory; // where it marks its service up before it goes on, or NULL
    int go_fd;                  // one byte: go on; end of file: the launcher is gone, so end
    int status_fd;              // takes one reason text if the command cannot be run
};

noreturn void odp_child_run(const struct odp_child *c);

// Puts the KEY=VALUE lines of a file into this process's environment. Empty lines and lines that
// start with # are passed over; a value in a pair of single or double quotes loses them, and
// nothing else in it is special. A file that others may write is refused. Returns 0 or -EINVAL and
// one line in `why`.
int odp_environment_file_apply(const char *path, char *why, size_t why_size);
