// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The record of a running process, RUNTIME/launcher/NAME.pid: what a respawned launcher needs to
// find it again, and to be sure that it is the same one.

#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "odp/core/command.h"
#include "odp/launcher/procfs.h"

struct odp_record {
    pid_t pid;
    uint64_t start_time; // of the process, as odp_procfs_stat() gives it
    char boot_id[ODP_BOOT_ID_MAX + 1];
    uint64_t digest;            // of the settings it was started with
    uint64_t stop_timeout_usec; // as these settings had it
    enum odp_role role;
};

// Writes all of it, having looked up start time and boot id, which are set
// in *record too. Returns 0 or a negative errno; the file is whole or as it was.
int odp_record_write(const char *directory, const char *name, struct odp_record *record);

// Returns 0, -ENOENT, -EBADMSG for a damaged record, or another negative errno.
int odp_record_read(const char *directory, const char *name, struct odp_record *ret);

// Silent where there is none.
void odp_record_remove(const char *directory, const char *name);

// True where the recorded process is still there; it may have ended without being collected.
bool odp_record_is_current(const struct odp_record *record);

// Whether something was started that is no process of ours: RUNTIME/launcher/NAME.up, good for this
// boot. Return 0 (is_marked_up 0 for no, 1 for yes) or a negative errno.
int odp_record_mark_up(const char *directory, const char *name);
void odp_record_mark_down(const char *directory, const char *name);
int odp_record_is_marked_up(const char *directory, const char *name);
