// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The probes that ask a service whether it is ready instead of trying its clients' connections:
// http, which odpd makes itself, exec and health, which it asks the launcher for. One at a time,
// while the service starts and nothing else is under way; the clients are held meanwhile, since
// their connections would reach an application that is half up.
//
// Without a `probe` line health checks tell where a container has one: that is asked first, and
// where there is none the clients try the target as ever.
//
// Costs nothing but a pointer while none is at work. Its connections are no visits: they count
// neither as activity nor in the ledger.

#pragma once

#include "odp/proxy/manager.h"

// True for a service that is probed in this way, or may be.
bool odp_probe_is_set(const struct odp_managed *m);

// A container that is only being started is asked nothing, by nobody: docker-proxy accepts at once
// and looks for the container's link address before it has one. For a second or more that look
// keeps all others waiting, too, however soon the container is there. Where odp connects to the
// container itself it is time once its address is known.
bool odp_probe_is_too_early(const struct odp_managed *m);

// The machine has just changed its state because of `kind`. A probe that the [ready] timeout has
// overtaken is let finish: a late answer is an answer.
void odp_probe_on_change(struct odp_managed *m, enum odp_service_event_kind kind);

// True where one could begin now if the pace allowed.
bool odp_probe_is_wanted(const struct odp_managed *m);

void odp_probe_begin(struct odp_managed *m);

// The launcher has called it healthy before it said that it runs: so it is ready once it does.
bool odp_probe_has_passed(const struct odp_managed *m);

// When the one under way has taken too long.
uint64_t odp_probe_deadline(const struct odp_managed *m);
void odp_probe_expire(struct odp_managed *m, uint64_t now_usec);

// The launcher's answer to what it was asked.
void odp_probe_report(struct odp_managed *m, const struct odp_proto_message *report);

// What the last one said that did not pass, or that the one under way says nothing; NULL where none
// was made.
const char *odp_probe_last_answer(struct odp_managed *m);

// Forgets whatever is under way. What a command says later is dropped; the launcher ends the
// command at its next start or stop of the service, or after its 10 s.
void odp_probe_end(struct odp_managed *m);
