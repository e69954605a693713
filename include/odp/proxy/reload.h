// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `odp reload` and SIGHUP: the services become what the files say now. What has not changed is not
// touched, and no connection is.

#pragma once

#include "odp/proxy/link.h"

enum odp_reload_kind {
    ODP_RELOAD_ADDED,
    ODP_RELOAD_CHANGED,
    ODP_RELOAD_RENAMED,
    ODP_RELOAD_REMOVED,
    ODP_RELOAD_LISTENS, // it could not before, by no fault of its file
};

struct odp_reload_row {
    enum odp_reload_kind kind;
    char name[ODP_NAME_MAX + 1];
    char was[ODP_NAME_MAX + 1]; // RENAMED: its name before
};

// What was done, by kind and name. What is wrong with the files is in manager->files, what could
// not be done about listening in the services' listen_note and fault.
struct odp_reload {
    struct odp_reload_row *rows; // owned
    size_t n_rows;
};

// Returns 0, or a negative errno and one line in `why`: nothing has changed then. *ret is to be
// deinitialised in both cases. Not to be called from within a service's event.
int odp_manager_reload(struct odp_manager *mgr, struct odp_reload *ret, char *why, size_t why_size);

void odp_reload_deinit(struct odp_reload *r);

const char *odp_reload_kind_to_string(enum odp_reload_kind kind);

// What was logged of renamed services is found under their new names. They may have exchanged them.
void odp_reload_move_logs(const struct odp_manager *mgr, const struct odp_link_rename *renames,
                          size_t n);
