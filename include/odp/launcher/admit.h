// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A launcher that the service manager started meets its odpd: the listening socket is passed by
// sd_listen_fds(3). One connection is taken; who else connects waits in the queue of the socket,
// which stays the service manager's, until this launcher has ended and the next one is started.

#pragma once

// Waits for an odpd that may give orders: root, this process's own user, or a member of the group
// that the socket belongs to. Others are closed, with a line in the log. *ret_fd is the caller's;
// -1: nobody came for a while, and there is nothing to do. Returns 0 or a negative errno, -ENOTSOCK
// where no SOCK_SEQPACKET listener of the Unix family was passed.
int odp_admit_odpd(int *ret_fd);
