// SPDX-License-Identifier: LGPL-2.1-or-later
//
// No pacing between two ends on one machine. Where the system's congestion control is bbr, the
// kernel spreads what a socket sends over time, by a timer for nearly every segment. On a network
// that is its virtue; from memory to memory there is nothing to be congested, and the timers cost
// several times what the bytes do. Such sockets get reno, which any kernel has and any user may
// take, and which does not pace. Other defaults stay as they are: none of them paces by itself.

#pragma once

// A new TCP socket that is about to connect to an address of this machine. The system's default is
// looked up once, with the first of them.
void odp_pacing_avoid(int fd);

// A listening TCP socket: its clients inherit it, which costs no system call for each. Nothing
// unless it listens on a loopback address.
void odp_pacing_avoid_listener(int fd);

// A connected socket that has much to send. bbr leaves the timers on for good once a connection
// stands, but by reno's rate hardly one of them is ever armed. Nothing unless the other end is on
// this machine.
void odp_pacing_stop(int fd);
