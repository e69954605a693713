// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Who listens where: the listening sockets of all services, opened by odpd or passed by the service
// manager, brought in line with the files at the start and at each reload.
//
// An address that goes from one service to another takes its socket along, with whoever waits in
// the kernel's queue. A service that cannot have all it wants keeps what it has. What the service
// manager passed is never closed nor added to: that is for `odp enable`.

#pragma once

#include "odp/core/address.h"
#include "odp/net/listen.h"

struct odp_managed;
struct odp_manager;

// One open listening socket. On the heap: its listener is known to the loop by address.
struct odp_gate {
    struct odp_listener listener;
    struct odp_io_retired retired;
    struct odp_address address; // as the file has it; of a stray its own
    size_t place;               // in the array that it is in
    bool is_passed;
    bool is_wished;       // while gates are settled: a stray that somebody is going to have
    char *passed_name;    // owned; NULL unless passed
    unsigned socket_mode; // of a unix socket that odpd opened
    char *socket_owner;   // owned or NULL
};

// Passed sockets become strays: who connects is turned away until a service takes them over. What
// is not taken stays the caller's. Returns 0 or -ENOMEM.
int odp_gates_adopt(struct odp_manager *mgr, struct odp_passed *passed, int n_passed);

// Opens, hands over and closes, until each service listens where its file says. What could not be
// done stands in the service's listen_note, or in its `fault` if it has no gate at all. Returns 0,
// or -ENOMEM where some was not done for want of memory.
int odp_gates_settle(struct odp_manager *mgr);

// Passed gates of a service that is not served any more become strays.
void odp_gates_let_go(struct odp_managed *m);

void odp_gates_pause(struct odp_managed *m, bool paused);

// Descriptors may be free again.
void odp_gates_retry(struct odp_manager *mgr);

// Closes all gates of a service, all strays.
void odp_gates_close(struct odp_managed *m);
void odp_gates_close_strays(struct odp_manager *mgr);
