// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The journal's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram for each entry,
// with fields of the writer's choice. Used by log.c; others log.

#pragma once

#include <stdbool.h>
#include <stddef.h>

struct odp_journal_field {
    const char *name;  // of capitals, digits and underscores, 64 bytes at most
    const char *value; // control characters become `?`, NULL leaves the field out
};

// Sends one entry. What does not fit into 3 KiB is cut off, the last fields first. Never blocks.
// False: the journal did not take it.
bool odp_journal_send(const struct odp_journal_field *fields, size_t n);
