// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Services get other names, all at once: what stands under their names in RUNTIME/launcher moves.
// Names may be exchanged. A launcher that is killed on the way leaves a note, by which the next one
// finishes.

#pragma once

#include <stddef.h>

#include "odp/core/config.h"

struct odp_rename {
    char from[ODP_NAME_MAX + 1];
    char to[ODP_NAME_MAX + 1];
};

// No `from` twice, no `to` twice; what stands under a `to` that is no `from` is overwritten.
void odp_rename_files(const char *directory, const struct odp_rename *renames, size_t n);

// Finishes what an earlier launcher began. To be called before anything else in there is read.
void odp_rename_finish(const char *directory);
