// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The launcher's end of the link to odpd: whole records in, whole records out. While odpd does not
// take what was sent, nothing more is read from it: what waits is bounded by what it asked.

#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "odp/base/list.h"
#include "odp/core/proto.h"

struct odp_link {
    int fd; // owned
    uv_poll_t poll;
    bool is_closed;
    struct odp_list unsent; // struct record in link.c
    unsigned n_unsent;

    void *userdata;
    void (*on_message)(struct odp_link *link, const struct odp_proto_message *m);
    void (*on_end)(struct odp_link *link); // the other side is gone; called at most once
};

// Checks that fd is a Unix SOCK_SEQPACKET socket and takes it over, close-on-exec from now on.
// Callbacks and userdata are the caller's to set, before the loop runs. Returns 0, or a negative
// errno with fd not taken: -ENOTSOCK, -EPROTOTYPE, ...
int odp_link_init(struct odp_link *link, uv_loop_t *loop, int fd);

// Sends or queues; m is copied. A full queue drops the message with a line in the log.
void odp_link_send(struct odp_link *link, const struct odp_proto_message *m);

// Nothing is queued, and nothing has come that was not read.
bool odp_link_is_idle(const struct odp_link *link);

// From now on odpd's sends fail. False: something came before that; nothing is lost if odpd sees
// the link end without a word.
bool odp_link_refuse(const struct odp_link *link);

// Closes; unsent records are dropped. *link must stay until the loop has run its handles out.
void odp_link_close(struct odp_link *link);
