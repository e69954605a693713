// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Other programs that odp asks: systemctl, docker. Their words, and a run of them to the end.

#pragma once

#include <stdbool.h>
#include <stddef.h>

// Words of a command line; NULL terminated. A failed allocation is remembered.
struct odp_words {
    char **items; // owned
    size_t n;
    bool failed;
};

void odp_words_add(struct odp_words *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void odp_words_deinit(struct odp_words *w);

// Runs a command to its end, without a shell and in English. Returns its exit status (128 + n for
// signal n) or a negative errno, -ETIMEDOUT when it took too long and was killed. Either text may
// be NULL for nothing; both are the caller's.
int odp_run(char *const argv[], unsigned timeout_sec, char **ret_out, char **ret_err);
