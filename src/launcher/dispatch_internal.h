// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the dispatch*.c files share. Nobody else includes it.

#pragma once

#include <stdbool.h>

#include "odp/launcher/dispatch.h"
#include "odp/launcher/rename.h"
#include "odp/launcher/requires.h"

// One service: what runs, by which settings, and which ones wait.
struct odp_dispatch_service {
    struct odp_config_service *settings; // owned; what runs was started by these
    struct odp_config_service *next;     // owned; for when nothing runs; NULL: the same
    struct odp_backend *backend;         // owned
    struct odp_requirements *requires;   // owned; NULL where no start has needed it
    char *text;                          // owned; of the latest settings, until it is in the store
    size_t n_text;
    bool is_known;     // odpd has named the latest settings
    bool is_forgotten; // no file gives it any more
};

// A rename that the files tell of. odpd may not have followed them yet.
struct odp_dispatch_move {
    struct odp_rename rename;
    uint64_t digest; // of the file under the new name
    bool is_done;
};

// ---- dispatch_service.c ------------------------------------------------------------------------

// Takes settings and text over, also where it fails. Returns 0 or -ENOMEM.
int odp_dispatch_service_init(struct odp_dispatch_service *s, struct odp_backend_host *host,
                              struct odp_config_service *settings, char *text, size_t n_text);

// Leaves running what runs, and the store as it is.
void odp_dispatch_service_deinit(struct odp_dispatch_service *s);

// Nothing runs, and nobody waits for an answer.
bool odp_dispatch_service_is_idle(const struct odp_dispatch_service *s);

const struct odp_config_service *odp_dispatch_latest(const struct odp_dispatch_service *s);

// Other settings, which odpd has loaded: taken over. They wait while something runs by an older
// [backend].
void odp_dispatch_service_load(struct odp_dispatch_service *s, struct odp_config_service *settings,
                               char *text, size_t n_text);

// odpd has named the latest settings: their text is kept.
void odp_dispatch_service_confirm(struct odp_dispatch_service *s);

// Settings that wait apply if nothing runs. Returns 0 or -ENOMEM.
int odp_dispatch_service_settle(struct odp_dispatch_service *s);

void odp_dispatch_service_rename(struct odp_dispatch_service *s, const char *name);

// ---- dispatch.c --------------------------------------------------------------------------------

struct odp_dispatch_service *odp_dispatch_find(struct odp_dispatch *d, const char *name);
// Likewise, among the first n.
struct odp_dispatch_service *odp_dispatch_find_among(struct odp_dispatch *d, size_t n,
                                                     const char *name);

// As odp_dispatch_service_init(); *ret is good until the next one is added or dropped.
int odp_dispatch_add(struct odp_dispatch *d, struct odp_config_service *settings, char *text,
                     size_t n_text, struct odp_dispatch_service **ret);

// Nothing of it runs: it goes, and what the store has of it.
void odp_dispatch_drop(struct odp_dispatch *d, struct odp_dispatch_service *s);

// ---- dispatch_begin.c --------------------------------------------------------------------------

// Reads a text of the store. NULL: there is none, or it says nothing sound.
struct odp_config_service *odp_dispatch_stored(const struct odp_dispatch *d, const char *name,
                                               bool old);

// Takes over what the store and the files tell of. Returns 0 or -ENOMEM.
int odp_dispatch_begin(struct odp_dispatch *d);

// ---- dispatch_rename.c -------------------------------------------------------------------------

// All at once. A name that is taken is made free.
void odp_dispatch_rename_all(struct odp_dispatch *d, const struct odp_rename *renames, size_t n);

// Takes one record of a batch; the last carries it out and answers all of them.
void odp_dispatch_take_rename(struct odp_dispatch *d, const struct odp_proto_message *request);

// odpd asks for a name by settings that only a file has to which a rename leads: it has followed
// the files while no launcher was there. So does this one now.
void odp_dispatch_follow(struct odp_dispatch *d, const struct odp_proto_message *request);
