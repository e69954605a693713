// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The control groups of units, by asking the service manager. A target has none: it stands for the
// units that are stopped with it, or, where there are none, for those that it pulls in.

#pragma once

#include "odp/launcher/systemd_bus.h"

struct odp_systemd_groups;

struct odp_systemd_groups_observer {
    void (*on_group)(void *userdata, const char *path);
    // All have been asked for. The last call; the query may be freed in it.
    void (*on_done)(void *userdata);
};

// Returns NULL when out of memory. To be freed before the connection is lost.
struct odp_systemd_groups *odp_systemd_groups_new(struct odp_systemd_bus *bus,
                                                  const struct odp_systemd_groups_observer *o,
                                                  void *userdata, const char *const *units,
                                                  size_t n_units);

// Asks for all units, one after the other. on_done may be called from within.
void odp_systemd_groups_begin(struct odp_systemd_groups *g);

// Takes NULL.
void odp_systemd_groups_free(struct odp_systemd_groups *g);
