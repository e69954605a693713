// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Appending and turning over; see the header.

#include "odp/base/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "odp/base/fd.h"

#define PATH_BYTES 2048

char *odp_keep_path(const char *directory, const char *name, int before, char *buf, size_t size)
{
    snprintf(buf, size, "%s/%s.log%s", directory, name, before ? ".1" : "");
    return buf;
}

// True where the path still leads to this very file: another process may have turned it over.
static bool is_at(const char *path, const struct stat *st)
{
    struct stat now;

    return lstat(path, &now) == 0 && now.st_dev == st->st_dev && now.st_ino == st->st_ino;
}

static int open_file(const char *directory, const char *name, size_t n_bytes)
{
    char path[PATH_BYTES], before[PATH_BYTES];
    struct stat st;

    odp_keep_path(directory, name, false, path, sizeof(path));
    odp_keep_path(directory, name, true, before, sizeof(before));
    for (int turn = 0;; turn++) {
        int fd =
            open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
        if (fd < 0)
            return -errno;
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
            odp_close(fd);
            return -EINVAL;
        }
        if (turn > 0 || (size_t)st.st_size + n_bytes <= ODP_KEEP_BYTES)
            return fd;
        if (is_at(path, &st))
            (void)rename(path, before);
        odp_close(fd);
    }
}

int odp_keep_append(const char *directory, const char *name, const char *line, size_t n_bytes)
{
    ODP_CLEANUP_CLOSE int fd = open_file(directory, name, n_bytes);

    if (fd < 0)
        return fd;
    ssize_t n = write(fd, line, n_bytes);
    return n < 0 ? -errno : (size_t)n < n_bytes ? -ENOSPC : 0;
}

void odp_keep_rename(const char *directory, const char *from, const char *to)
{
    char old[PATH_BYTES], new[PATH_BYTES];

    for (int before = 0; before < 2; before++) {
        odp_keep_path(directory, from, before, old, sizeof(old));
        odp_keep_path(directory, to, before, new, sizeof(new));
        (void)unlink(new);
        (void)rename(old, new);
    }
}
