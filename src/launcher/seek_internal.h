// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What seek.c and seek_members.c share.

#pragma once

#include "odp/launcher/container_address.h"
#include "odp/launcher/container_facts.h"
#include "odp/launcher/engine_watch.h"
#include "odp/launcher/seek.h"

#define ODP_SEEK_PATH_MAX 512

struct odp_seek_item {
    char *id;   // owned; as the engine is asked for it
    char *name; // owned; as people call it
    struct odp_container_address found;
    bool is_stale;
    bool is_guest;   // what happens to others may concern it
    bool is_replica; // of the service of the one before
};

struct odp_seek {
    struct odp_backend *backend; // borrowed; its settings may be exchanged
    struct odp_engine_client client;
    struct odp_engine_watch *watch; // borrowed
    struct odp_engine_place place;
    bool is_rootless;
    char **names;       // owned, NULL terminated; as the file has them
    char *project;      // owned; the containers are those of a Compose project. NULL: of the file
    bool is_list_stale; // it may have others by now
    struct odp_seek_item *items; // owned
    size_t n_items;
    size_t last;  // the one that starts last; SIZE_MAX: several, or none
    size_t asked; // about which one
    struct odp_container_networks networks;
    char host[ODP_REASON_MAX + 1]; // the container in whose network that one is; "": its own
    unsigned n_hosts;
    struct odp_engine_http *http; // owned; what is under way
    struct odp_proto_message told;
    bool must_tell; // also what has been told
};

// ---- seek.c ------------------------------------------------------------------------------------

// Asks what is to be asked next, or tells.
void odp_seek_step(struct odp_seek *s);

// ---- seek_members.c ----------------------------------------------------------------------------

// Which containers there are: those of the file, or of a project that is to be listed. Returns 0 or
// -ENOMEM.
int odp_seek_members_init(struct odp_seek *s);
void odp_seek_members_deinit(struct odp_seek *s);

// Asks for the project's containers; odp_seek_step() follows.
void odp_seek_list(struct odp_seek *s);

// Which one is meant, SIZE_MAX: it is not to be told.
size_t odp_seek_choose(const struct odp_seek *s);

// One question, and that its reply has come. False: it is none, and the engine will be lost.
void odp_seek_ask(struct odp_seek *s, const char *path, odp_engine_reply_fn *on_reply);
bool odp_seek_take_reply(struct odp_seek *s, const struct odp_engine_reply *reply);
