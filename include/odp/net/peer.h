// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the other end of a connection does with its socket, where that is on this machine and can be
// looked up in the kernel's table. Has a client that ended its sending side gone, or does it still
// wait for the reply? On the wire both are one FIN. Has a server read what it was sent?

#pragma once

#include <stdbool.h>
#include <stddef.h>

// For a held connection whose client sent its FIN (EPOLLRDHUP). True when the client cannot take a
// reply any more: its socket is closed, or it left without having sent a byte and cannot be looked
// up. False when it only ended its sending side, or when that cannot be told from leaving.
bool odp_peer_has_left(int fd);

// Whether who is at the other end has taken anything out of its socket of the n_sent bytes that
// were all it was sent. True also where that cannot be known: a unix socket, another machine.
bool odp_peer_has_read(int fd, size_t n_sent);

// Who it is, for people: the client's address without its port, or "a unix socket". False when it
// is not connected any more.
bool odp_peer_format(int fd, char *buf, size_t size);
