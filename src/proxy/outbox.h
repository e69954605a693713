// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Records that the launcher has not taken yet: a reload of many services tells more at once than a
// socket holds. Used by link.c alone.

#pragma once

#include <stddef.h>
#include <stdint.h>

#include "odp/base/list.h"

struct outbox {
    struct odp_list records;
    unsigned n;
};

void outbox_init(struct outbox *o);
void outbox_deinit(struct outbox *o); // drops what waits; may be used on

// Sends one record on `fd` behind those that wait, or lets it wait too. Returns 0 or a negative
// errno.
int outbox_send(struct outbox *o, int fd, const uint8_t *bytes, size_t n_bytes);

// The socket takes more: sends what waits.
void outbox_flush(struct outbox *o, int fd);
