// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Has a client that ended its sending side gone, or does it still wait for the reply? On the wire
// both are one FIN. A client on this machine can be looked up in the kernel's socket table.

#pragma once

#include <stdbool.h>
#include <stddef.h>

// For a held connection whose client sent its FIN (EPOLLRDHUP). True when the client cannot take a
// reply any more: its socket is closed, or it left without having sent a byte and cannot be looked
// up. False when it only ended its sending side, or when that cannot be told from leaving.
bool odp_peer_has_left(int fd);

// Who it is, for people: the client's address without its port, or "a unix socket". False when it
// is not connected any more.
bool odp_peer_format(int fd, char *buf, size_t size);
