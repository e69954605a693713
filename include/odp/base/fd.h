// SPDX-License-Identifier: LGPL-2.1-or-later
//
// File descriptors and small files. A function that takes an fd over says so; all others borrow.

#pragma once

#include <stdbool.h>
#include <stddef.h>

// Closes fd unless it is negative, keeps errno, returns -1: `fd = odp_close(fd)`.
int odp_close(int fd);

// For variables that own an fd: closed when they go out of scope.
void odp_closep(int *fd);
#define ODP_CLEANUP_CLOSE __attribute__((cleanup(odp_closep)))

// Gives the fd away: returns it and leaves -1 behind, so that a cleanup does nothing.
static inline int odp_fd_take(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

// For variables that own memory from malloc.
void odp_freep(void *p);
#define ODP_CLEANUP_FREE __attribute__((cleanup(odp_freep)))

// One regular file as it stands on disk, as odp_files_read() found it.
struct odp_file {
    char *path; // owned
    char *stem; // owned; the file's name without directory and suffix
    char *text; // owned, NUL terminated (it may hold NULs before); NULL when `error` is set
    size_t n_bytes;
    int error; // negative errno of the read, else 0; -EFBIG: longer than the limit
};

struct odp_files {
    struct odp_file *items; // sorted by path
    size_t n;
};

// Reads one file of at most max_bytes bytes into *ret (text owned by the caller; NUL appended).
// Returns 0 or a negative errno: -EFBIG when the file is longer, -EISDIR for a directory, -EINVAL
// for what else is no regular file (a FIFO would never end).
int odp_file_read(const char *path, size_t max_bytes, char **ret_text, size_t *ret_n_bytes);

// The same for a file that only this process's user can have written and nobody else can read:
// -EPERM for any other one, -ELOOP for a symbolic link.
int odp_file_read_own(const char *path, size_t max_bytes, char **ret_text, size_t *ret_n_bytes);

// Reads every entry of `dir` whose name ends in `suffix`, in the order of their names. An entry
// that cannot be read is listed with its error. Hidden entries (leading dot) are passed over.
// Returns 0, or a negative errno when the directory itself cannot be read, or memory is out.
int odp_files_read(const char *dir, const char *suffix, size_t max_bytes, struct odp_files *ret);

// Appends the file `path` to *files, as odp_files_read() would. Returns 0 or -ENOMEM.
int odp_files_add(struct odp_files *files, const char *path, size_t max_bytes);

void odp_files_deinit(struct odp_files *files);

// All of it, from where the file stands. Returns 0 or a negative errno.
int odp_write_all(int fd, const char *data, size_t n_bytes);

// Writes a whole file by way of PATH.new and rename, mode 0600, and waits until the disk has it.
// Two must not write the same file at once. Returns 0 or -errno.
int odp_file_write_atomic(const char *path, const void *data, size_t n_bytes);

// The same without waiting for the disk: whoever reads finds the old or the new file, but a power
// cut soon after may leave a damaged one. Returns 0 or -errno.
int odp_file_replace(const char *path, const void *data, size_t n_bytes);

// The same with this mode, whatever the umask.
int odp_file_replace_mode(const char *path, const void *data, size_t n_bytes, unsigned mode);

// mkdir -p with this mode for what is missing. Returns 0 or a negative errno.
int odp_mkdir_p(const char *path, unsigned mode);
