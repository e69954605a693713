// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The kernel's control groups, version 2 (Documentation/admin-guide/cgroup-v2.rst): where they are
// mounted, which one a process is in, and numbers that they tell. A group's path is absolute within
// the hierarchy: /system.slice/wiki.service. Nothing is ever written.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ODP_CGROUP_PATH_MAX 1024 // bytes of a group's path, its NUL included

// Where cgroup2 is mounted: /sys/fs/cgroup, or /sys/fs/cgroup/unified beside version 1. Looked up
// by the first call. NULL: nowhere. Static.
const char *odp_cgroup_root(void);

// True for the path of a group below the root: absolute, no component empty, `.` or `..`, and
// shorter than ODP_CGROUP_PATH_MAX.
bool odp_cgroup_path_is_sound(const char *path);

// True where `path` is `other` or below it. Both are sound.
bool odp_cgroup_is_within(const char *path, const char *other);

// The group that the text of /proc/PID/cgroup tells. Returns 0, or -ENOENT where it tells none of
// version 2 below our own root.
int odp_cgroup_parse(const char *text, char *ret, size_t size);

// The group of a process. Returns 0 or a negative errno.
int odp_cgroup_of(pid_t pid, char *ret, size_t size);

// True where there is such a group.
bool odp_cgroup_exists(const char *root, const char *path);

// The first group whose own name the function takes; those nearer to the root come first. Looks at
// some ten thousand groups at most. Returns 0, -ENOENT, or another negative errno.
int odp_cgroup_find(const char *root, bool (*takes)(const char *name, const void *userdata),
                    const void *userdata, char *ret, size_t size);

// The number in one of a group's files. Returns 0, -EBADMSG where it is none, or another negative
// errno; -ENOENT also where the controller is off.
int odp_cgroup_read(const char *root, const char *path, const char *file, uint64_t *ret);

// True where the hierarchy has this controller at all.
bool odp_cgroup_has_controller(const char *root, const char *controller);
