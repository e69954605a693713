// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Reads control groups; see the header.

#include "odp/base/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "odp/base/fd.h"

#define TEXT_MAX 4096 // of /proc/PID/cgroup and cgroup.controllers

const char *odp_cgroup_root(void)
{
    static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    static const char *found;

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && !found; i++) {
        struct statfs fs;

        if (statfs(places[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
            found = places[i];
    }
    return found;
}

static bool is_dots(const char *s, size_t n)
{
    return (n == 1 || n == 2) && strspn(s, ".") >= n;
}

bool odp_cgroup_path_is_sound(const char *path)
{
    if (path[0] != '/' || strlen(path) >= ODP_CGROUP_PATH_MAX)
        return false;
    while (*path == '/') {
        size_t n = strcspn(path + 1, "/");

        if (n == 0 || is_dots(path + 1, n))
            return false;
        path += 1 + n;
    }
    return true;
}

bool odp_cgroup_is_within(const char *path, const char *other)
{
    size_t n = strlen(other);

    return strncmp(path, other, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

int odp_cgroup_parse(const char *text, char *ret, size_t size)
{
    const char *line = text;

    // The hierarchy of version 2 has the number 0 and no controllers, cgroups(7).
    while (line && strncmp(line, "0::", 3) != 0) {
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    if (!line)
        return -ENOENT;
    size_t n = strcspn(line + 3, "\n");
    if (n >= size)
        return -ENOENT;
    memcpy(ret, line + 3, n);
    ret[n] = '\0';
    return odp_cgroup_path_is_sound(ret) ? 0 : -ENOENT;
}

// Reads what a file of the kernel tells into `ret`, which is terminated. -EFBIG: it is longer.
static int read_text(const char *path, char *ret, size_t size)
{
    ODP_CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t n_bytes = 0;

    if (fd < 0)
        return -errno;
    for (;;) {
        ssize_t n = read(fd, ret + n_bytes, size - n_bytes);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        n_bytes += (size_t)n;
        if (n_bytes == size)
            return -EFBIG;
    }
    ret[n_bytes] = '\0';
    return 0;
}

int odp_cgroup_of(pid_t pid, char *ret, size_t size)
{
    char path[64], text[TEXT_MAX];

    snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
    int r = read_text(path, text, sizeof(text));
    return r < 0 ? r : odp_cgroup_parse(text, ret, size);
}

bool odp_cgroup_exists(const char *root, const char *path)
{
    char whole[ODP_CGROUP_PATH_MAX + 64];
    struct stat st;

    snprintf(whole, sizeof(whole), "%s%s", root, path);
    return stat(whole, &st) == 0 && S_ISDIR(st.st_mode);
}

int odp_cgroup_read(const char *root, const char *path, const char *file, uint64_t *ret)
{
    char whole[ODP_CGROUP_PATH_MAX + 128], text[32];
    uint64_t n = 0;

    if ((size_t)snprintf(whole, sizeof(whole), "%s%s/%s", root, path, file) >= sizeof(whole))
        return -ENAMETOOLONG;
    int r = read_text(whole, text, sizeof(text));
    if (r < 0)
        return r;
    size_t n_digits = strspn(text, "0123456789");
    if (n_digits == 0 || text[n_digits] != '\n' || text[n_digits + 1] != '\0')
        return -EBADMSG;
    for (size_t i = 0; i < n_digits; i++)
        if (__builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(text[i] - '0'), &n))
            return -EBADMSG;
    *ret = n;
    return 0;
}

bool odp_cgroup_has_controller(const char *root, const char *controller)
{
    char path[128], text[TEXT_MAX];
    size_t n = strlen(controller);

    snprintf(path, sizeof(path), "%s/cgroup.controllers", root);
    if (read_text(path, text, sizeof(text)) < 0)
        return false;
    for (const char *word = text; *word; word += strspn(word, " \n")) {
        size_t n_word = strcspn(word, " \n");

        if (n_word == n && memcmp(word, controller, n) == 0)
            return true;
        word += n_word;
    }
    return false;
}
