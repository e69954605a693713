// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The last descriptors of this process's limit. Clients get none of them, so that what serves all
// goes on when clients take whatever there is: connections to services of clients that are held,
// and behind these odp's questions, a launcher that is started again, the ledger.

#pragma once

#include <stdbool.h>

// What is kept from whom: at most so many, of a low limit a fourth and an eighth.
enum odp_spare {
    ODP_SPARE_FROM_CLIENTS = 32,
    ODP_SPARE_FROM_RELAYS = 16, // connections to services, and pipes
};

// True where `fd`, which the kernel has just given as the lowest free one, is to be spared.
bool odp_spare_has(enum odp_spare kept, int fd);

// To be asked before a client is accepted: true where its descriptor would be one to be spared.
// `fd` is any open one. Costs a system call only after odp_spare_note() has seen a spare one.
bool odp_spare_is_next(int fd);

// The descriptor of a client that was accepted.
void odp_spare_note(int fd);
