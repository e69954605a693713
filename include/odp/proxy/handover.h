// SPDX-License-Identifier: LGPL-2.1-or-later
//
// From one odpd to the next when the service manager restarts it: services' states, held and
// relayed connections, bytes that are under way. The odpd that ends leaves them in the service
// manager's descriptor store, in one carrier (net/carrier) with a text (core/handover) that says
// what is what; the next one finds the carrier among its passed descriptors and goes on.
//
// Without such a service manager, or when anything of it fails, odpd ends as it does without: with
// its connections. Nothing here waits for longer than a few seconds.

#pragma once

#include "odp/proxy/manager.h"

struct odp_handover;

// ---- at the end --------------------------------------------------------------------------------

// Leaves all in the descriptor store if there is one, and says in the log what became of it. The
// manager is as it was: what it closes from now on lives on in the carrier. No event may come in
// between.
void odp_handover_leave(struct odp_manager *mgr);

// ---- at the start ------------------------------------------------------------------------------

// Takes the carriers out of the passed descriptors and reads what was left. NULL: nothing was, or
// nothing that can be used; that is in the log.
struct odp_handover *odp_handover_read(struct odp_manager *mgr, struct odp_passed *passed,
                                       int n_passed);

// These are to be called in this order, each with NULL, too, and each once but for the second. All
// services have their gates by then.

// Finds the service of each one that was left, by name and addresses as a reload does.
void odp_handover_match(struct odp_handover *h);

// Goes on with the manager's service i where the odpd before ended. False: nothing was left of it,
// it begins.
bool odp_handover_resume(struct odp_handover *h, size_t i);

// Takes the clients over. Those whose service is gone are told so if they wait, and relayed on if
// they are.
void odp_handover_take_clients(struct odp_handover *h);

// Once it is known who requires whom: tells the services who is there.
void odp_handover_go_on(struct odp_handover *h);

void odp_handover_free(struct odp_handover *h);
