// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What health.c and health_watch.c share: one question that stands.

#pragma once

#include "odp/launcher/container_facts.h"
#include "odp/launcher/engine.h"
#include "odp/launcher/engine_http.h"
#include "odp/launcher/engine_stream.h"
#include "odp/launcher/health.h"

struct odp_health_item {
    struct odp_health *health;    // borrowed
    char *name;                   // owned
    struct odp_engine_http *http; // owned; NULL: nobody looks
    struct odp_container_facts facts;
    bool is_known;
    bool has_run;
    bool looks_again; // something happened meanwhile
};

// One question.
struct odp_health {
    struct odp_list node;
    struct odp_healths *healths;
    char service[ODP_NAME_MAX + 1];
    uint32_t id;
    bool is_strict;
    struct odp_engine_place place;
    struct odp_health_item *items; // owned array
    size_t n_items;
    struct odp_engine_stream *stream; // owned; NULL before there is something to wait for
    uv_timer_t timer;                 // for what is missing; at once where there is no memory
    bool has_waited;                  // long enough for what is not there
    bool is_spent;                    // out of memory
    char said[ODP_REASON_MAX + 1];    // in the last PENDING
};

// ---- health.c ----------------------------------------------------------------------------------

// All that was looked at is known: the question is answered, and gone, or goes on to wait.
void odp_health_judge(struct odp_health *h);

// The question is answered, and gone.
void odp_health_answer(struct odp_health *h, enum odp_proto_state state, const char *reason);

// The engine cannot be asked. The question is gone.
void odp_health_fail(struct odp_health *h, const char *why);

// The launcher is out of memory: the question ends in a later turn of the loop.
void odp_health_run_out(struct odp_health *h);

// ---- health_watch.c ----------------------------------------------------------------------------

// Looks at all containers; odp_health_judge() follows.
void odp_health_look_all(struct odp_health *h);

// From now on events are heard, and looked after.
void odp_health_hear(struct odp_health *h);
