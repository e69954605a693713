// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Names of units, and the small files that keep them apart after a rename.

#include "odp/launcher/label.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/base/log.h"
#include "odp/core/paths.h"

#define SUFFIX ".label"

static void path_of(const char *directory, const char *name, char path[ODP_PATH_MAX])
{
    snprintf(path, ODP_PATH_MAX, "%s/%s" SUFFIX, directory, name);
}

static bool is_another_s(const char *directory, const char *name, const char *label)
{
    struct odp_files kept;
    bool is_taken = false;

    if (odp_files_read(directory, SUFFIX, ODP_LABEL_MAX, &kept) < 0)
        return false;
    for (size_t i = 0; i < kept.n; i++)
        is_taken |= strcmp(kept.items[i].stem, name) != 0 && kept.items[i].text &&
                    strcmp(kept.items[i].text, label) == 0;
    odp_files_deinit(&kept);
    return is_taken;
}

void odp_label_read(const char *directory, const char *name, char ret[ODP_LABEL_MAX + 1])
{
    ODP_CLEANUP_FREE char *text = NULL;
    char path[ODP_PATH_MAX];
    size_t n_bytes;

    path_of(directory, name, path);
    if (odp_file_read(path, ODP_LABEL_MAX, &text, &n_bytes) == 0) {
        snprintf(ret, ODP_LABEL_MAX + 1, "%s", text);
        return;
    }
    snprintf(ret, ODP_LABEL_MAX + 1, "%s", name);
    if (!is_another_s(directory, name, ret))
        return;
    for (unsigned i = 2; i < 10; i++) {
        snprintf(ret, ODP_LABEL_MAX + 1, "%s:%u", name, i);
        if (!is_another_s(directory, name, ret))
            break;
    }
    odp_label_keep(directory, name, ret);
}

void odp_label_keep(const char *directory, const char *name, const char *label)
{
    char path[ODP_PATH_MAX];

    path_of(directory, name, path);
    int r = odp_file_replace(path, label, strlen(label));
    if (r < 0)
        odp_log(ODP_LOG_ERR, name,
                "cannot write %s: %s: once odp-launcher is restarted, what runs "
                "is not found any more",
                path, strerror(-r));
}

void odp_label_forget(const char *directory, const char *name)
{
    char path[ODP_PATH_MAX];

    path_of(directory, name, path);
    (void)unlink(path);
}
