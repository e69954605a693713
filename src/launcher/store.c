// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The texts as files. Knows nothing of what they say.

#include "odp/launcher/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/base/log.h"
#include "odp/core/config.h"
#include "odp/core/paths.h"

static void text_path(const char *directory, const char *name, enum odp_text which, char *ret)
{
    snprintf(ret, ODP_PATH_MAX, "%s/%s%s", directory, name,
             which == ODP_TEXT_LOADED ? ".ini" : ".old");
}

int odp_store_read(const char *directory, const char *name, enum odp_text which, char **ret_text,
                   size_t *ret_n_bytes)
{
    char path[ODP_PATH_MAX];

    text_path(directory, name, which, path);
    return odp_file_read_own(path, ODP_CONFIG_FILE_MAX, ret_text, ret_n_bytes);
}

void odp_store_write(const char *directory, const char *name, enum odp_text which, const char *text,
                     size_t n_bytes)
{
    ODP_CLEANUP_FREE char *there = NULL;
    char path[ODP_PATH_MAX];
    size_t n_there;

    if (odp_store_read(directory, name, which, &there, &n_there) == 0 && n_there == n_bytes &&
        memcmp(there, text, n_bytes) == 0)
        return;
    text_path(directory, name, which, path);
    // Gone after a power cut it is not missed: nothing runs then.
    int r = odp_file_replace(path, text, n_bytes);
    if (r < 0)
        odp_log(ODP_LOG_WARNING, name, "cannot keep its file's text in %s: %s", path, strerror(-r));
}

void odp_store_set_aside(const char *directory, const char *name)
{
    ODP_CLEANUP_FREE char *text = NULL;
    char old[ODP_PATH_MAX];
    size_t n_bytes;

    text_path(directory, name, ODP_TEXT_OLD, old);
    if (access(old, F_OK) < 0 &&
        odp_store_read(directory, name, ODP_TEXT_LOADED, &text, &n_bytes) == 0)
        odp_store_write(directory, name, ODP_TEXT_OLD, text, n_bytes);
}

void odp_store_remove(const char *directory, const char *name, enum odp_text which)
{
    char path[ODP_PATH_MAX];

    text_path(directory, name, which, path);
    (void)unlink(path);
}
