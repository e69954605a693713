// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Between gates.c (one gate) and gates_settle.c (all of them together).

#pragma once

#include "odp/proxy/gates.h"
#include "odp/proxy/manager.h"

// Takes over `fd`, a listening socket. The gate is nobody's. Returns 0 or a negative errno.
int gate_new(struct odp_manager *mgr, int fd, struct odp_gate **ret);

// A gate that is nobody's any more.
void gate_close(struct odp_gate *gate);

// Nobody's becomes the service's, which is asked for `address`. Returns 0 or -ENOMEM.
int gate_give(struct odp_gate *gate, struct odp_managed *m, const struct odp_address *address);

// Takes it from its service, or, without one, from the strays.
void gate_take(struct odp_gate *gate, struct odp_manager *mgr, struct odp_managed *from);
