// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Half-dead peers (power cut, Wi-Fi gone) are found by probes after a minute of silence, and by
// TCP_USER_TIMEOUT where bytes are under way.

#pragma once

// Sets both on a TCP socket; a listener hands them on to what it accepts, tcp(7). Failure is not
// an error: the connection works without.
void odp_keepalive_set(int fd);
