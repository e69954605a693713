// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Bounded files of lines, DIRECTORY/NAME.log and the one before it, NAME.log.1: several processes
// may append to the same one. Nothing is kept open, and nothing waits for the disk.

#pragma once

#include <stddef.h>

#define ODP_KEEP_BYTES (64 * 1024) // of one file; two are kept

// Appends `line` with one write. Returns 0 or a negative errno.
int odp_keep_append(const char *directory, const char *name, const char *line, size_t n_bytes);

// Both files get another name; what was there under that one is lost. Silent where there are none.
void odp_keep_rename(const char *directory, const char *from, const char *to);

// The path of the file, or of the one before it, into buf. Returns buf.
char *odp_keep_path(const char *directory, const char *name, int before, char *buf, size_t size);
