// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The way to odp-launcher: forks it over a socketpair, or connects to the socket by which the
// service manager starts it; sends requests, hands reports to the manager, has a new one when it
// dies. One that left because it had nothing to observe is had again with the next request.

#pragma once

#include "odp/proxy/manager.h"

// Returns 0 or -ENOMEM; the launcher runs by the time it returns, or is tried again later.
int odp_link_new(struct odp_manager *mgr, struct odp_link **ret);

// Closes the socketpair, which ends the launcher; services are left running.
void odp_link_free(struct odp_link *link);

struct odp_link_rename {
    char from[ODP_NAME_MAX + 1];
    char to[ODP_NAME_MAX + 1];
};

// Tells what a reload has changed: all renames together, then which settings are loaded, which
// services are gone. A launcher that is not there finds out by the requests it gets later.
void odp_link_rename(struct odp_link *link, const struct odp_link_rename *renames, size_t n);
void odp_link_load(struct odp_link *link, const struct odp_managed *m);
void odp_link_forget(struct odp_link *link, const char *name);

// In which control groups does it run? `id` is marked as that.
void odp_link_locate(struct odp_link *link, const struct odp_managed *m, uint32_t id);

// Something waits for the launcher. One that was lost is then had again within a second of the
// latest try: the pause between tries, which doubles, is for when nothing does. NULL is fine.
void odp_link_urge(struct odp_link *link);

// Sends one request, when the launcher takes it. What cannot be sent (no launcher at the moment) is
// lost: the manager asks anew when it is back, and the machine's deadline covers the rest.
void odp_link_request(struct odp_link *link, const struct odp_managed *m, enum odp_proto_op op,
                      uint32_t id);
