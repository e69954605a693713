// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Reads control groups; see the header.

#include "odp/base/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "odp/base/fd.h"

#define TEXT_MAX     4096 // of /proc/PID/cgroup and cgroup.controllers
#define SEARCHED_MAX 30000
#define DEPTH_MAX    12

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

    ret[0] = '\0';
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

// ---- looking for one ---------------------------------------------------------------------------

struct search {
    bool (*takes)(const char *name, const void *userdata);
    const void *userdata;
    unsigned n_left;                // groups that may still be looked at
    char path[ODP_CGROUP_PATH_MAX]; // of the present one, root included
};

// The next group in the directory, or NULL.
static const char *next_group(struct search *s, DIR *directory)
{
    const struct dirent *entry;

    while (s->n_left > 0 && (entry = readdir(directory))) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        s->n_left--;
        return entry->d_name;
    }
    return NULL;
}

// Adds a component to the path, which has n bytes. Returns its length, 0 where it has no room.
static size_t push(struct search *s, size_t n, const char *name)
{
    size_t n_more = strlen(name) + 1;

    if (n + n_more >= sizeof(s->path))
        return 0;
    s->path[n] = '/';
    memcpy(s->path + n + 1, name, n_more);
    return n + n_more;
}

// All groups that are `depth` levels below the path of n bytes. The path is the one that was found
// where it returns true.
static bool search_level(struct search *s, size_t n, unsigned depth, bool *ret_more)
{
    DIR *directory = opendir(s->path);
    const char *name;
    bool is_found = false;

    while (directory && !is_found && (name = next_group(s, directory))) {
        size_t n_path = push(s, n, name);

        if (n_path == 0)
            continue;
        *ret_more |= depth == 0;
        is_found =
            depth == 0 ? s->takes(name, s->userdata) : search_level(s, n_path, depth - 1, ret_more);
        if (!is_found)
            s->path[n] = '\0';
    }
    if (directory)
        closedir(directory);
    return is_found;
}

int odp_cgroup_find(const char *root, bool (*takes)(const char *name, const void *userdata),
                    const void *userdata, char *ret, size_t size)
{
    struct search s = {.takes = takes, .userdata = userdata, .n_left = SEARCHED_MAX};
    size_t n_root = strlen(root);
    bool has_more = true;

    if (n_root >= sizeof(s.path))
        return -ENAMETOOLONG;
    memcpy(s.path, root, n_root + 1);
    for (unsigned depth = 0; has_more && depth < DEPTH_MAX; depth++) {
        has_more = false;
        if (!search_level(&s, n_root, depth, &has_more))
            continue;
        if ((size_t)snprintf(ret, size, "%s", s.path + n_root) >= size)
            return -ENAMETOOLONG;
        return 0;
    }
    return -ENOENT;
}

// ---- numbers -----------------------------------------------------------------------------------

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
