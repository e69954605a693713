// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Whether a service's containers are healthy, by the health checks that their engine makes. Asked
// for by odpd as any probe; no backend's business, since a unit may run containers as well. Nothing
// is polled: the containers are looked at when the engine tells an event of theirs.
//
// A question stands until it is known: then one report answers it. ANSWERS: all containers that
// have a check are healthy. UNCHECKED: there is none to go by; `reason` says why. SILENT: it was
// given up. Before that PENDING says what it waits for, each time that this is something else.

#pragma once

#include "odp/base/list.h"
#include "odp/launcher/backend.h"

struct odp_healths {
    struct odp_backend_host *host; // borrowed
    struct odp_list asked;         // struct health in health.c
};

void odp_healths_init(struct odp_healths *h, struct odp_backend_host *host);

// About the containers of a service, which is not looked at later. A question after the same
// service that still stands is answered SILENT. `is_strict`: where nobody can be asked, or a
// container is missing, that is told and no reason to go without.
void odp_healths_request(struct odp_healths *h, struct odp_backend *b, bool is_strict, uint32_t id);

// The service is about to be started or stopped: a question that stands is answered SILENT.
void odp_healths_end(struct odp_healths *h, const char *name);

// Questions stay unanswered. Takes one that is all zero.
void odp_healths_deinit(struct odp_healths *h);
