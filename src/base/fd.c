// SPDX-License-Identifier: LGPL-2.1-or-later
//
// File descriptors and small files: whole reads, atomic writes, one directory's files. Knows
// nothing of what the files say.

#include "odp/base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_READ_BYTES 4096

int odp_close(int fd)
{
    int saved = errno;

    if (fd >= 0)
        close(fd);
    errno = saved;
    return -1;
}

void odp_closep(int *fd)
{
    *fd = odp_close(*fd);
}

void odp_freep(void *p)
{
    void *memory;

    // Through memcpy: `p` points at a pointer of any type, which void ** may not alias.
    memcpy(&memory, p, sizeof(memory));
    free(memory);
}

// One byte more than max_bytes is asked for, so that a file that grows while it is read is seen.
static int read_all(int fd, size_t max_bytes, char **ret_text, size_t *ret_n_bytes)
{
    size_t size = max_bytes < FIRST_READ_BYTES ? max_bytes + 2 : FIRST_READ_BYTES;
    size_t n = 0;
    ODP_CLEANUP_FREE char *text = malloc(size);

    if (!text)
        return -ENOMEM;
    for (;;) {
        ssize_t r = read(fd, text + n, size - 1 - n);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        if (r == 0)
            break;
        n += (size_t)r;
        if (n > max_bytes)
            return -EFBIG;
        if (n == size - 1) {
            size = size > max_bytes / 2 ? max_bytes + 2 : size * 2;
            char *more = realloc(text, size);
            if (!more)
                return -ENOMEM;
            text = more;
        }
    }
    text[n] = '\0';
    // What stays is exact: many small files would otherwise leave as many holes in the heap.
    char *exact = realloc(text, n + 1);
    if (exact)
        text = exact;
    *ret_text = text;
    *ret_n_bytes = n;
    text = NULL;
    return 0;
}

static int read_file(const char *path, int flags, size_t max_bytes, char **ret_text,
                     size_t *ret_n_bytes)
{
    // Without O_NONBLOCK a FIFO of that name would stop the whole program.
    ODP_CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | flags);
    struct stat st;

    if (fd < 0)
        return errno == ENXIO ? -EINVAL : -errno; // a socket
    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    if ((flags & O_NOFOLLOW) && (st.st_uid != geteuid() || (st.st_mode & 0077) != 0))
        return -EPERM;
    if (max_bytes > SIZE_MAX / 4)
        max_bytes = SIZE_MAX / 4;
    if (st.st_size > 0 && (uintmax_t)st.st_size > max_bytes)
        return -EFBIG;
    return read_all(fd, max_bytes, ret_text, ret_n_bytes);
}

int odp_file_read(const char *path, size_t max_bytes, char **ret_text, size_t *ret_n_bytes)
{
    return read_file(path, 0, max_bytes, ret_text, ret_n_bytes);
}

int odp_file_read_own(const char *path, size_t max_bytes, char **ret_text, size_t *ret_n_bytes)
{
    return read_file(path, O_NOFOLLOW, max_bytes, ret_text, ret_n_bytes);
}

static char *stem_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');

    return dot && dot > name ? strndup(name, (size_t)(dot - name)) : strdup(name);
}

int odp_files_add(struct odp_files *files, const char *path, size_t max_bytes)
{
    struct odp_file f = {.path = strdup(path), .stem = stem_of(path)};
    struct odp_file *items = reallocarray(files->items, files->n + 1, sizeof(*items));

    if (items)
        files->items = items;
    if (!items || !f.path || !f.stem) {
        free(f.path);
        free(f.stem);
        return -ENOMEM;
    }
    f.error = odp_file_read(path, max_bytes, &f.text, &f.n_bytes);
    if (f.error == -ENOMEM) { // no fault of the file's
        free(f.path);
        free(f.stem);
        return -ENOMEM;
    }
    files->items[files->n++] = f;
    return 0;
}

static int compare_files(const void *a, const void *b)
{
    const struct odp_file *fa = a, *fb = b;

    return strcmp(fa->path, fb->path);
}

static bool is_wanted(const char *name, const char *suffix)
{
    size_t n = strlen(name), n_suffix = strlen(suffix);

    return name[0] != '.' && n > n_suffix && strcmp(name + n - n_suffix, suffix) == 0;
}

static int add_entry(struct odp_files *files, const char *dir, const char *name, size_t max_bytes)
{
    size_t n_dir = strlen(dir);
    const char *separator = n_dir > 0 && dir[n_dir - 1] == '/' ? "" : "/";
    ODP_CLEANUP_FREE char *path = NULL;

    if (asprintf(&path, "%s%s%s", dir, separator, name) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    return odp_files_add(files, path, max_bytes);
}

int odp_files_read(const char *dir, const char *suffix, size_t max_bytes, struct odp_files *ret)
{
    struct odp_files files = {0};
    DIR *d = opendir(dir);
    int r = 0;

    *ret = files;
    if (!d)
        return -errno;
    while (r == 0) {
        errno = 0;
        const struct dirent *entry = readdir(d);
        if (!entry) {
            r = -errno;
            break;
        }
        if (is_wanted(entry->d_name, suffix))
            r = add_entry(&files, dir, entry->d_name, max_bytes);
    }
    closedir(d);
    if (r < 0) {
        odp_files_deinit(&files);
        return r;
    }
    if (files.n > 0)
        qsort(files.items, files.n, sizeof(*files.items), compare_files);
    *ret = files;
    return 0;
}

void odp_files_deinit(struct odp_files *files)
{
    if (!files)
        return;
    for (size_t i = 0; i < files->n; i++) {
        free(files->items[i].path);
        free(files->items[i].stem);
        free(files->items[i].text);
    }
    free(files->items);
    *files = (struct odp_files){0};
}

int odp_write_all(int fd, const char *data, size_t n_bytes)
{
    while (n_bytes > 0) {
        ssize_t r = write(fd, data, n_bytes);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        data += r;
        n_bytes -= (size_t)r;
    }
    return 0;
}

// Always under the same name: what a process leaves behind that is killed at the wrong moment is
// taken away by the next write, not added to.
static int create_anew(const char *path)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    int fd = open(path, flags, 0600);

    if (fd < 0 && errno == EEXIST && unlink(path) == 0)
        fd = open(path, flags, 0600);
    return fd < 0 ? -errno : fd;
}

static int replace(const char *path, const void *data, size_t n_bytes, unsigned mode, bool sync)
{
    ODP_CLEANUP_FREE char *temporary = NULL;
    ODP_CLEANUP_CLOSE int fd = -1;
    int r;

    if (asprintf(&temporary, "%s.new", path) < 0) {
        temporary = NULL;
        return -ENOMEM;
    }
    fd = create_anew(temporary);
    if (fd < 0)
        return fd;
    r = odp_write_all(fd, data, n_bytes);
    if (r == 0 && mode != 0600 && fchmod(fd, (mode_t)mode) < 0)
        r = -errno;
    if (r == 0 && sync && fsync(fd) < 0)
        r = -errno;
    if (r == 0 && rename(temporary, path) < 0)
        r = -errno;
    if (r < 0)
        unlink(temporary);
    return r;
}

int odp_file_write_atomic(const char *path, const void *data, size_t n_bytes)
{
    return replace(path, data, n_bytes, 0600, true);
}

int odp_file_replace(const char *path, const void *data, size_t n_bytes)
{
    return replace(path, data, n_bytes, 0600, false);
}

int odp_file_replace_mode(const char *path, const void *data, size_t n_bytes, unsigned mode)
{
    return replace(path, data, n_bytes, mode, false);
}

int odp_mkdir_p(const char *path, unsigned mode)
{
    ODP_CLEANUP_FREE char *part = path[0] ? strdup(path) : NULL;
    struct stat st;

    if (!part)
        return path[0] ? -ENOMEM : -ENOENT;
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        // EROFS and EACCES are told by the last mkdir if the part is really missing.
        if (mkdir(part, (mode_t)mode) < 0 && errno != EEXIST && stat(part, &st) < 0)
            return -errno;
        *slash = '/';
    }
    if (mkdir(part, (mode_t)mode) == 0)
        return 0;
    int error = errno;
    if (stat(part, &st) < 0)
        return -error;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}
