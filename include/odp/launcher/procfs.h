// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What /proc tells about processes of others. A pid alone names nobody for long; pid, start time
// and boot id together do for ever.

#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define ODP_BOOT_ID_MAX 36 // bytes of a UUID

struct odp_procfs_stat {
    pid_t pgid;
    uint64_t start_time; // clock ticks since boot
    bool is_zombie;      // all its threads have ended; somebody has yet to collect it
};

// Returns 0, -ESRCH where there is no such process, or another negative errno.
int odp_procfs_stat(pid_t pid, struct odp_procfs_stat *ret);

// Returns 0 or a negative errno.
int odp_procfs_boot_id(char ret[ODP_BOOT_ID_MAX + 1]);

// True while a process of the group pgid lives; zombies do not count. `leader_start_time` is that
// of the leader, which is known to have ended: a leader with another one has taken over the number,
// so that nothing of our group is left. Where /proc cannot be read, what kill(2) says counts.
bool odp_procfs_group_lives(pid_t pgid, uint64_t leader_start_time);
