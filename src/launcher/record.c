// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Records of running processes as small text files, one key=value a line.

#include "odp/launcher/record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/core/paths.h"

#define RECORD_MAX_BYTES 512

static void record_path(const char *directory, const char *name, char path[ODP_PATH_MAX])
{
    snprintf(path, ODP_PATH_MAX, "%s/%s.pid", directory, name);
}

int odp_record_write(const char *directory, const char *name, struct odp_record *record)
{
    char path[ODP_PATH_MAX], text[RECORD_MAX_BYTES];
    struct odp_procfs_stat st;
    int r;

    r = odp_procfs_stat(record->pid, &st);
    if (r == 0)
        r = odp_procfs_boot_id(record->boot_id);
    if (r < 0)
        return r;
    record->start_time = st.start_time;
    record_path(directory, name, path);
    r = snprintf(text, sizeof(text),
                 "pid=%d\nstart_time=%" PRIu64 "\nboot_id=%s\ndigest=%016" PRIx64
                 "\nstop_timeout_usec=%" PRIu64 "\nrole=%c\n",
                 (int)record->pid, record->start_time, record->boot_id, record->digest,
                 record->stop_timeout_usec, (char)record->role);
    return odp_file_write_atomic(path, text, (size_t)r);
}

int odp_record_read(const char *directory, const char *name, struct odp_record *ret)
{
    ODP_CLEANUP_FREE char *text = NULL;
    struct odp_record record = {0};
    char path[ODP_PATH_MAX];
    size_t n_bytes;
    char role = ODP_ROLE_SERVICE; // what records without one are about
    int r, pid;

    record_path(directory, name, path);
    r = odp_file_read(path, RECORD_MAX_BYTES, &text, &n_bytes);
    if (r < 0)
        return r;
    if (sscanf(text,
               "pid=%d start_time=%" SCNu64 " boot_id=%36s digest=%" SCNx64
               " stop_timeout_usec=%" SCNu64 " role=%c",
               &pid, &record.start_time, record.boot_id, &record.digest, &record.stop_timeout_usec,
               &role) < 5)
        return -EBADMSG;
    // kill(2) gives 0, 1 and negative numbers other meanings.
    if (pid <= 1)
        return -EBADMSG;
    record.pid = pid;
    record.role = (enum odp_role)role;
    *ret = record;
    return 0;
}

void odp_record_remove(const char *directory, const char *name)
{
    char path[ODP_PATH_MAX];

    record_path(directory, name, path);
    unlink(path);
}

bool odp_record_is_current(const struct odp_record *record)
{
    char boot_id[ODP_BOOT_ID_MAX + 1];
    struct odp_procfs_stat st;

    return odp_procfs_boot_id(boot_id) == 0 && strcmp(boot_id, record->boot_id) == 0 &&
           odp_procfs_stat(record->pid, &st) == 0 && st.start_time == record->start_time;
}

static void mark_path(const char *directory, const char *name, char path[ODP_PATH_MAX])
{
    snprintf(path, ODP_PATH_MAX, "%s/%s.up", directory, name);
}

int odp_record_mark_up(const char *directory, const char *name)
{
    char path[ODP_PATH_MAX], boot_id[ODP_BOOT_ID_MAX + 1];
    int r = odp_procfs_boot_id(boot_id);

    if (r < 0)
        return r;
    mark_path(directory, name, path);
    return odp_file_write_atomic(path, boot_id, ODP_BOOT_ID_MAX);
}

void odp_record_mark_down(const char *directory, const char *name)
{
    char path[ODP_PATH_MAX];

    mark_path(directory, name, path);
    unlink(path);
}

int odp_record_is_marked_up(const char *directory, const char *name)
{
    char path[ODP_PATH_MAX], boot_id[ODP_BOOT_ID_MAX + 1];
    ODP_CLEANUP_FREE char *text = NULL;
    size_t n_bytes;

    mark_path(directory, name, path);
    int r = odp_file_read(path, RECORD_MAX_BYTES, &text, &n_bytes);
    if (r == 0)
        r = odp_procfs_boot_id(boot_id);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    return strcmp(text, boot_id) == 0;
}
