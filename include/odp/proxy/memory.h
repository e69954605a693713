// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a service uses while it is awake. The launcher tells in which control groups it runs, once
// it is ready; the kernel is asked what they use when somebody wants to know and right before the
// service is stopped, never by a timer. A service that sleeps has nothing of this but a pointer.

#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "odp/core/proto.h"
#include "odp/core/service.h"

struct odp_managed;
struct odp_memory;

struct odp_memory_use {
    uint64_t bytes;                // of all its groups
    uint64_t peak_bytes;           // the most, as far as the kernel kept it; at least `bytes`
    char why[ODP_REASON_MAX + 64]; // it is not known: one line
};

// The service has come to another state: the launcher is asked, or what it told is forgotten.
void odp_memory_on_change(struct odp_managed *m, enum odp_service_state from);

// The launcher has seen it run, perhaps anew, and maybe later than it answered.
void odp_memory_on_running(struct odp_managed *m);

// An answer of the launcher.
void odp_memory_report(struct odp_managed *m, const struct odp_proto_message *report);

// It is about to be asked to stop: what it uses goes into the ledger.
void odp_memory_sample(struct odp_managed *m);

// Asks the kernel. False where it is not known; `why` is "" for a service that is asleep.
bool odp_memory_look(const struct odp_managed *m, struct odp_memory_use *ret);

// Of groups below `root`; those within another one, or gone, count for nothing. False and `why`.
bool odp_memory_read(const char *root, char *const *paths, size_t n_paths,
                     struct odp_memory_use *ret);

// Takes NULL.
void odp_memory_free(struct odp_memory *memory);
