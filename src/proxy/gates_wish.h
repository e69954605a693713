// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a settling of gates begins with: which addresses are wanted, and who can have which. Nothing
// is taken from anybody here; gates_settle.c does that with the outcome.

#pragma once

#include "gates_internal.h"
#include "odp/base/index.h"

// One address that a service wants and does not have.
struct wish {
    struct odp_managed *m;
    const struct odp_config_listen *listen;
    struct odp_gate *gate;    // to be taken over
    struct odp_managed *from; // whose it is; NULL: a stray
    int fd;                   // opened for it
    bool is_late;             // to be opened when a gate that is in its way is closed
};

// A gate as it is before anything is taken from anybody.
struct there {
    struct odp_managed *m; // NULL: a stray
    struct odp_gate *gate;
};

struct settling {
    struct odp_manager *mgr;
    struct wish *wishes; // owned
    size_t n_wishes;
    struct there *there; // owned; all gates, where there is a wish
    size_t n_there;
    struct odp_index index; // of them, by their addresses
    bool out_of_memory;
};

// Enabled, and a file gives it.
bool gate_is_served(const struct odp_managed *m);

// The service manager would have to change its sockets first.
bool gates_are_in_other_hands(const struct odp_managed *m);

// A gate that its service gives up.
bool gate_is_spare(const struct odp_managed *m, const struct odp_gate *gate);

// The service i of all, the departed ones included; NULL behind the last.
struct odp_managed *gates_nth_service(const struct odp_manager *mgr, size_t i);

// A wish for each address that the service does not have yet. Returns 0 or -ENOMEM.
int wishes_add(struct settling *s, struct odp_managed *m);

// Finds for each wish a gate to take over or a socket, or marks it as late. A service that cannot
// have one of its wishes gives up all of them and is_stuck: it keeps what it has, and its `fault`
// says why. Returns 0 or -ENOMEM.
int wishes_find_out(struct settling *s);

// Opens the wish's socket. Returns 0, or a negative errno with the service's `fault` set.
int wish_open(struct wish *w);
