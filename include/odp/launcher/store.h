// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Texts of services' files that must outlive an edit, in RUNTIME/launcher: what odpd has loaded
// last, and what that runs by which was started before. Mode 0600, whole or not there. They say
// which commands are run: one that is not the launcher's own file is as good as none.

#pragma once

#include <stddef.h>

enum odp_text {
    ODP_TEXT_LOADED, // NAME.ini: what odpd has loaded
    ODP_TEXT_OLD,    // NAME.old: what runs goes by this one, where it is another
};

// Returns 0, *ret_text the caller's, or a negative errno: -ENOENT where there is none, -EPERM for
// one that somebody else may have written.
int odp_store_read(const char *directory, const char *name, enum odp_text which, char **ret_text,
                   size_t *ret_n_bytes);

// Writes unless that very text is there already. A failure is logged: the launcher works on, and
// lacks the text only if it has to be started again.
void odp_store_write(const char *directory, const char *name, enum odp_text which, const char *text,
                     size_t n_bytes);

// What was loaded is kept as the old one too, unless there is an old one already.
void odp_store_set_aside(const char *directory, const char *name);

// Silent where there is none.
void odp_store_remove(const char *directory, const char *name, enum odp_text which);
