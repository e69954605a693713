// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a service prints, line by line into the log under the service's name. It comes through a
// FIFO, RUNTIME/launcher/NAME.out, that both ends hold open for reading and writing: the service
// never sees its reader go, and a respawned launcher finds the other end by its path.

#pragma once

#include <stdbool.h>
#include <uv.h>

#define ODP_OUTPUT_LAST_WORDS_MAX 160

struct odp_output;

// The FIFO's path into a buffer of ODP_PATH_MAX bytes.
void odp_output_path(const char *directory, const char *name, char *ret_path);

// Makes the FIFO anew, or with `adopt` opens the one that is there. `name` must outlive the
// output. Returns 0 or a negative errno.
int odp_output_new(uv_loop_t *loop, const char *directory, const char *name, bool adopt,
                   struct odp_output **ret);

// From now on nothing of it is logged; the last words are kept.
void odp_output_hush(struct odp_output *o);

// Reads and logs what is there now, at most what a FIFO holds; an unfinished line too.
void odp_output_drain(struct odp_output *o);

// The last line that was not empty, or one of the three before it that begins with "error", of
// which the cause is kept where it is long. Cut to ODP_OUTPUT_LAST_WORDS_MAX bytes, not cleaned; ""
// for none.
const char *odp_output_last_words(const struct odp_output *o);

// Lets the last words begin anew: what was printed before is another's.
void odp_output_forget(struct odp_output *o);

// Stops reading; the FIFO stays. Takes NULL. Memory is freed by a later turn of the loop.
void odp_output_free(struct odp_output *o);

// Removes the FIFO.
void odp_output_remove(const char *directory, const char *name);
