// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Files of socket units; see the header. What is not ours is not touched.

#include "odp/cli/unit_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/core/paths.h"

#define PATH_SIZE (ODP_PATH_MAX + 64 + ODP_UNITS_NAME_MAX)

// At boot systemd starts what is in the first one; with odpd, what is in the second.
static const char *const wants[] = {"sockets.target.wants", ODP_UNITS_ODPD ".wants"};
#define N_WANTS (sizeof(wants) / sizeof(wants[0]))

static int fail(int error, const char *path, char *why, size_t why_size)
{
    snprintf(why, why_size, "%s cannot be written: %s", path, strerror(-error));
    return error;
}

static int link_unit(const char *directory, const char *want, const char *unit, char *why,
                     size_t why_size)
{
    char path[PATH_SIZE], target[ODP_UNITS_NAME_MAX + sizeof("../")];

    snprintf(path, sizeof(path), "%s/%s", directory, want);
    int r = odp_mkdir_p(path, 0755);
    if (r < 0)
        return fail(r, path, why, why_size);
    snprintf(path, sizeof(path), "%s/%s/%s", directory, want, unit);
    snprintf(target, sizeof(target), "../%s", unit);
    // A link of that name starts the unit, wherever it leads.
    if (symlink(target, path) < 0 && errno != EEXIST)
        return fail(-errno, path, why, why_size);
    return 0;
}

// What is at `path`: WRITTEN stands for nothing, or an older one of ours.
static int look(const char *path, const struct odp_buf *text, char *why, size_t why_size)
{
    ODP_CLEANUP_FREE char *before = NULL;
    size_t n_bytes;
    int r = odp_file_read(path, ODP_UNIT_TEXT_MAX, &before, &n_bytes);

    if (r == -ENOENT)
        return ODP_UNIT_WRITTEN;
    if (r == -ENOMEM)
        return r;
    if (r == 0 && n_bytes == text->n_bytes && memcmp(before, text->s, n_bytes) == 0)
        return ODP_UNIT_SAME;
    if (r == 0 && strncmp(before, ODP_UNITS_MARK, sizeof(ODP_UNITS_MARK) - 1) == 0)
        return ODP_UNIT_WRITTEN;
    snprintf(why, why_size, "%s is not odp's: it stays as it is", path);
    return ODP_UNIT_FOREIGN;
}

static int write_text(const char *directory, const char *unit, const struct odp_buf *text,
                      bool may_replace, char *why, size_t why_size)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), "%s/%s", directory, unit);
    int done = look(path, text, why, why_size);
    if (done == ODP_UNIT_FOREIGN && may_replace)
        done = ODP_UNIT_WRITTEN;
    if (done != ODP_UNIT_WRITTEN)
        return done;
    int r = odp_file_replace_mode(path, text->s, text->n_bytes, 0644);
    return r < 0 ? fail(r, path, why, why_size) : ODP_UNIT_WRITTEN;
}

int odp_unit_file_write(const char *directory, const struct odp_config_service *s, bool is_user,
                        bool may_replace, char *why, size_t why_size)
{
    char unit[ODP_UNITS_NAME_MAX + 1];
    struct odp_buf text = {0};
    int done = odp_units_socket(s, is_user, &text, why, why_size);

    odp_units_name(s->name, unit, sizeof(unit));
    if (done == 0)
        done = write_text(directory, unit, &text, may_replace, why, why_size);
    else if (done == ODP_UNITS_E_UNFIT)
        done = ODP_UNIT_UNFIT;
    odp_buf_deinit(&text);
    for (size_t i = 0; i < N_WANTS && (done == ODP_UNIT_WRITTEN || done == ODP_UNIT_SAME); i++) {
        int r = link_unit(directory, wants[i], unit, why, why_size);
        done = r < 0 ? r : done;
    }
    if (done == -ENOMEM)
        snprintf(why, why_size, "out of memory: free some and try again");
    return done;
}

int odp_unit_file_remove(const char *directory, const char *unit)
{
    char path[PATH_SIZE];
    int r = 0;

    for (size_t i = 0; i < N_WANTS; i++) {
        snprintf(path, sizeof(path), "%s/%s/%s", directory, wants[i], unit);
        if (unlink(path) < 0 && errno != ENOENT && r == 0)
            r = -errno;
    }
    snprintf(path, sizeof(path), "%s/%s", directory, unit);
    if (unlink(path) < 0 && errno != ENOENT && r == 0)
        r = -errno;
    return r;
}
