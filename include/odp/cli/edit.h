// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A change of somebody's file that is made ready first, and then done at once or not at all. Mode,
// owner and extended attributes stay; a symbolic link stays one.

#pragma once

#include <stddef.h>

struct odp_edit {
    char *path;      // owned; where links lead to
    char *temporary; // owned; beside it, whole and on disk
};

// Makes the change ready. `before` is what the new text was made from: -ESTALE if the file says
// something else by now. Returns 0 or a negative errno; *ret is to be discarded in any case.
int odp_edit_stage(const char *path, const char *before, size_t n_before, const char *after,
                   size_t n_after, struct odp_edit *ret);

// Does it. Returns 0 or a negative errno.
int odp_edit_commit(struct odp_edit *e);

// Takes away what was not done.
void odp_edit_discard(struct odp_edit *e);
