// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Is a mount, is a path there? Who asks waits as long as the disk or the server behind it lets him:
// so only a process that may hang asks, never the launcher itself.

#pragma once

#include <stddef.h>

// Whether a file system is mounted at `path`. An automount point is triggered by it: that is the
// only way to find out. Returns 0, or a negative errno and one line in `why`.
int odp_present_mount(const char *path, char *why, size_t why_size);

// Whether `path` exists, whatever it is. Returns 0, or a negative errno and one line in `why`.
int odp_present_path(const char *path, char *why, size_t why_size);
