// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Probes: what a service's [ready] section has the launcher find out when odpd asks whether the
// service answers. No backend's business: a service of any type may have one. Each request is
// answered by one report, ANSWERS or SILENT.
//
// At most one probe of a service is under way. It ends by itself, after 10 s, or when the service
// is started or stopped; with its launcher, too, or where that was killed, with the next one's
// start. It leaves nothing behind: its whole process group ends with it. In a unit of systemd it is
// the same, but for what a killed launcher leaves: that ends by itself.

#pragma once

#include "odp/base/list.h"
#include "odp/core/paths.h"
#include "odp/launcher/backend.h"
#include "odp/launcher/health.h"
#include "odp/launcher/systemd_bus.h"

struct odp_probes {
    struct odp_backend_host *host;                   // borrowed
    char directory[ODP_PATH_MAX + sizeof("/probe")]; // for records and FIFOs; made when needed
    struct odp_list running;                         // struct probe in probe.c
    struct odp_healths healths;
    struct odp_systemd_client client; // of the bus; joined by the first probe
    struct odp_systemd_bus *bus;      // borrowed; NULL where probes are children
};

// Ends what an earlier launcher has left running.
void odp_probes_init(struct odp_probes *p, struct odp_backend_host *host);

// Makes the probe that the latest settings tell, of what runs by `backend`; neither is looked at
// later. If a command of this service is under way, its answer is the new request's, and the
// request that it was for is answered SILENT.
void odp_probes_request(struct odp_probes *p, const struct odp_config_service *settings,
                        struct odp_backend *backend, uint32_t id);

// The service is about to be started or stopped: what its probe would say is out of date.
void odp_probes_end(struct odp_probes *p, const char *name);

// Ends all of them. Requests stay unanswered. Takes one that is all zero.
void odp_probes_deinit(struct odp_probes *p);
