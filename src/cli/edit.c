// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Staged changes of files; see the header.

#include "odp/cli/edit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "odp/base/fd.h"

#define XATTR_MAX_BYTES 65536 // of all names, and of one value: the kernel's own limit

// Access lists and security labels. What the file system does not take cannot be kept.
static void copy_attributes(int from, int to)
{
    ODP_CLEANUP_FREE char *names = malloc(XATTR_MAX_BYTES);
    ODP_CLEANUP_FREE char *value = malloc(XATTR_MAX_BYTES);
    ssize_t n_names = names && value ? flistxattr(from, names, XATTR_MAX_BYTES) : 0;

    for (ssize_t i = 0; i < n_names; i += (ssize_t)strlen(names + i) + 1) {
        ssize_t n = fgetxattr(from, names + i, value, XATTR_MAX_BYTES);
        if (n >= 0)
            (void)fsetxattr(to, names + i, value, (size_t)n, 0);
    }
}

// The owner first: giving a file away clears bits of its mode.
static int copy_access(int from, int to)
{
    struct stat st, own;

    if (fstat(from, &st) < 0 || fstat(to, &own) < 0)
        return -errno;
    if ((st.st_uid != own.st_uid || st.st_gid != own.st_gid) &&
        fchown(to, st.st_uid, st.st_gid) < 0)
        return -errno;
    copy_attributes(from, to);
    return fchmod(to, st.st_mode & 07777) < 0 ? -errno : 0;
}

static int check_unchanged(const char *path, const char *before, size_t n_before)
{
    ODP_CLEANUP_FREE char *text = NULL;
    size_t n_bytes;
    int r = odp_file_read(path, n_before + 1, &text, &n_bytes);

    if (r == -EFBIG || (r == 0 && (n_bytes != n_before || memcmp(text, before, n_before) != 0)))
        return -ESTALE;
    return r;
}

int odp_edit_stage(const char *path, const char *before, size_t n_before, const char *after,
                   size_t n_after, struct odp_edit *ret)
{
    ODP_CLEANUP_CLOSE int from = -1;
    ODP_CLEANUP_CLOSE int to = -1;

    *ret = (struct odp_edit){.path = realpath(path, NULL)};
    if (!ret->path)
        return -errno;
    int r = check_unchanged(ret->path, before, n_before);
    if (r < 0)
        return r;
    if (asprintf(&ret->temporary, "%s.new", ret->path) < 0) {
        ret->temporary = NULL;
        return -ENOMEM;
    }
    from = open(ret->path, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return -errno;
    // One that an odp which was killed has left is taken away, and nobody's link is followed.
    (void)unlink(ret->temporary);
    to = open(ret->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to < 0) {
        r = -errno;
        free(ret->temporary);
        ret->temporary = NULL;
        return r;
    }
    r = odp_write_all(to, after, n_after);
    if (r == 0)
        r = copy_access(from, to);
    if (r == 0 && fsync(to) < 0)
        r = -errno;
    return r;
}

int odp_edit_commit(struct odp_edit *e)
{
    if (rename(e->temporary, e->path) < 0)
        return -errno;
    free(e->temporary);
    e->temporary = NULL;
    return 0;
}

void odp_edit_discard(struct odp_edit *e)
{
    if (e->temporary)
        (void)unlink(e->temporary);
    free(e->temporary);
    free(e->path);
    *e = (struct odp_edit){0};
}
