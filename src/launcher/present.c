// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Looks at mounts and paths; see the header.

#include "odp/launcher/present.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "odp/base/fd.h"
#include "odp/launcher/reason.h"

#define SHOWN_MAX 150 // bytes of a path in a reason, so that the rest finds room

static int cannot_look(const char *path, const char *key, int error, char *why, size_t why_size)
{
    odp_reason_format(why, why_size, "%.*s cannot be looked at: %s ([requires] %s)", SHOWN_MAX,
                      path, strerror(error), key);
    return -error;
}

static int not_mounted(const char *path, char *why, size_t why_size)
{
    odp_reason_format(why, why_size,
                      "%.*s is not mounted ([requires] mount): mount it, then visit again",
                      SHOWN_MAX, path);
    return -ENOENT;
}

static bool is_automount_point(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) == 0 && fs.f_type == AUTOFS_SUPER_MAGIC;
}

static int check_root(int fd, const char *path, char *why, size_t why_size)
{
    struct statx st;

    if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &st) < 0)
        return cannot_look(path, "mount", errno, why, why_size);
    if (!(st.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT)) // before Linux 5.8
        return cannot_look(path, "mount", ENOSYS, why, why_size);
    return st.stx_attributes & STATX_ATTR_MOUNT_ROOT ? 0 : not_mounted(path, why, why_size);
}

int odp_present_mount(const char *path, char *why, size_t why_size)
{
    // Opening a directory for reading triggers its automount, open(2) with O_PATH and stat(2) do
    // not.
    ODP_CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = fd < 0 ? errno : 0;

    if (error == 0)
        return check_root(fd, path, why, why_size);
    fd = open(path, O_PATH | O_CLOEXEC);
    if (fd >= 0 && is_automount_point(fd)) {
        odp_reason_format(why, why_size,
                          "%.*s is not mounted ([requires] mount): its automount failed: %s",
                          SHOWN_MAX, path, strerror(error));
        return -error;
    }
    if (error == ENOENT)
        return not_mounted(path, why, why_size);
    // A directory that others may not read, or a file that something is bound to, may be one too.
    if (fd >= 0 && (error == EACCES || error == ENOTDIR))
        return check_root(fd, path, why, why_size);
    return cannot_look(path, "mount", error, why, why_size);
}

int odp_present_path(const char *path, char *why, size_t why_size)
{
    struct stat st;

    if (stat(path, &st) == 0)
        return 0;
    if (errno != ENOENT && errno != ENOTDIR)
        return cannot_look(path, "path", errno, why, why_size);
    odp_reason_format(why, why_size, "%.*s does not exist ([requires] path)", SHOWN_MAX, path);
    return -ENOENT;
}
