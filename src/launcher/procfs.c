// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Reads /proc (proc(5)): one process, one group, the boot. Only while something starts or is being
// stopped, never on a timer of its own.

#include "odp/launcher/procfs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "odp/base/fd.h"

// Reads a short file at once into a NUL terminated buffer.
static int read_short(const char *path, char *buf, size_t size)
{
    ODP_CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return -errno;
    n = read(fd, buf, size - 1);
    if (n < 0)
        return -errno;
    buf[n] = '\0';
    return 0;
}

static int parse_stat(const char *text, struct odp_procfs_stat *ret)
{
    // The command's name may hold anything, blanks and brackets too: the last one ends it.
    const char *behind_name = strrchr(text, ')');
    uint64_t start_time;
    long n_threads;
    pid_t pgid;
    char state;

    // Fields 3 (state), 5 (pgrp), 20 (num_threads), 22 (starttime).
    if (!behind_name || sscanf(behind_name + 1,
                               " %c %*d %d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
                               "%*d %ld %*d %" SCNu64,
                               &state, &pgid, &n_threads, &start_time) != 4)
        return -EBADMSG;
    // A first thread that ended shows as Z while the others run on.
    *ret = (struct odp_procfs_stat){.pgid = pgid,
                                    .start_time = start_time,
                                    .is_zombie = (state == 'Z' || state == 'X') && n_threads <= 1};
    return 0;
}

int odp_procfs_stat(pid_t pid, struct odp_procfs_stat *ret)
{
    char path[64], text[1024];
    int r;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    r = read_short(path, text, sizeof(text));
    if (r < 0)
        return r == -ENOENT ? -ESRCH : r;
    return parse_stat(text, ret);
}

int odp_procfs_boot_id(char ret[ODP_BOOT_ID_MAX + 1])
{
    char text[64];
    int r = read_short("/proc/sys/kernel/random/boot_id", text, sizeof(text));

    if (r < 0)
        return r;
    text[strcspn(text, "\n")] = '\0';
    if (strlen(text) != ODP_BOOT_ID_MAX)
        return -EBADMSG;
    memcpy(ret, text, ODP_BOOT_ID_MAX + 1);
    return 0;
}

enum member { MEMBER_NONE, MEMBER_LIVES, MEMBER_FOREIGN };

static enum member look_at(pid_t pid, pid_t pgid, uint64_t leader_start_time)
{
    struct odp_procfs_stat st;

    if (odp_procfs_stat(pid, &st) < 0)
        return MEMBER_NONE;
    if (pid == pgid && st.start_time != leader_start_time)
        return MEMBER_FOREIGN;
    return st.pgid == pgid && !st.is_zombie ? MEMBER_LIVES : MEMBER_NONE;
}

static bool scan_for_group(DIR *proc, pid_t pgid, uint64_t leader_start_time)
{
    const struct dirent *entry;
    bool lives = false;

    while ((entry = readdir(proc))) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        switch (look_at((pid_t)atoi(entry->d_name), pgid, leader_start_time)) {
        case MEMBER_NONE: break;
        case MEMBER_LIVES: lives = true; break;
        case MEMBER_FOREIGN: return false;
        }
    }
    return lives;
}

bool odp_procfs_group_lives(pid_t pgid, uint64_t leader_start_time)
{
    bool lives;
    DIR *proc;

    if (kill(-pgid, 0) < 0 && errno == ESRCH)
        return false;
    // kill(2) counts zombies too, and whoever is to collect them may not (a container's PID 1).
    proc = opendir("/proc");
    if (!proc)
        return true;
    lives = scan_for_group(proc, pgid, leader_start_time);
    closedir(proc);
    return lives;
}
