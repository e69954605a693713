// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What probe.c, probe_http.c and probe_asked.c share: one probe at work.

#pragma once

#include "odp/base/time.h"
#include "odp/core/http_head.h"
#include "odp/proxy/probe.h"

struct odp_probe {
    struct odp_managed *service;
    struct odp_io io;    // http; fd -1 while none is under way
    uint32_t request_id; // what the launcher was asked; 0 while nothing is
    uint64_t began_usec; // the latest one
    bool is_under_way;
    uint64_t deadline_usec; // of the one under way, ODP_NEVER: it takes its time
    bool connected;
    bool has_passed; // before the service was said to run
    bool is_useless; // it says the same however often it is asked
    struct odp_http_head head;
    struct odp_io_retired retired;
    char said[ODP_REASON_MAX + 1];
};

// ---- probe.c -----------------------------------------------------------------------------------

// Its verdict. It is gone then, or no longer under way.
void probe_pass(struct odp_probe *p);
void probe_fail(struct odp_probe *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

// ---- probe_http.c ------------------------------------------------------------------------------

void probe_begin_http(struct odp_probe *p);
void probe_on_io(struct odp_io *io, uint32_t events);
void probe_expire_http(struct odp_probe *p);

// ---- probe_asked.c -----------------------------------------------------------------------------

void probe_begin_asked(struct odp_probe *p);
void probe_expire_asked(struct odp_probe *p);
