// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The lines of a service in systemd's journal, by way of journalctl.

#pragma once

#include <stdbool.h>
#include <stddef.h>

#define ODP_JOURNAL_ALL_LINES ((size_t)-1)

struct odp_journal_query {
    const char *name;
    const char *config_dir; // where its file names the units that are its own; need not be readable
    bool user;              // of the user's service manager, not the system's
    bool follow;
    size_t n_lines; // the last ones, or ODP_JOURNAL_ALL_LINES
};

// The words of the journalctl command: entries of odp on the service, what its commands print, and
// what its units and the service manager say about them. NULL terminated, the caller's to free
// with odp_journal_argv_free(). NULL when out of memory.
char **odp_journal_argv(const struct odp_journal_query *q);
void odp_journal_argv_free(char **argv);

// Becomes journalctl. Returns a negative errno when that cannot be.
int odp_journal_show(const struct odp_journal_query *q);
