// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Asking the kernel's socket tables, sock_diag(7), which any user may do. Messages are copied out
// piece by piece: netlink aligns to 4 bytes, which its macros hide in casts.

#pragma once

#include <stddef.h>

// The smallest buffer for a dump: the kernel cuts its messages to 8 KiB.
#define ODP_DIAG_BUFFER_MIN 8192

// One answer of the dump, without netlink's own header.
typedef void (*odp_diag_cb)(void *userdata, const char *answer, size_t n_bytes);

// Sends a whole SOCK_DIAG_BY_FAMILY request with NLM_F_DUMP and calls on_answer for each socket.
// Returns 0 or a negative errno: -ENOENT where the kernel has no such table.
int odp_diag_dump(const void *request, size_t n_bytes, char *buffer, size_t size,
                  odp_diag_cb on_answer, void *userdata);

// The attribute `type` among those at p, NULL if it is not there.
const char *odp_diag_attribute(const char *p, size_t n_bytes, unsigned short type, size_t *ret_n);
