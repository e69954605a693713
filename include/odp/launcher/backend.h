// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What can be started and stopped, behind one vtable: one file per kind of backend, one object per
// service. A backend never sees the link to odpd; it answers through its host.

#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "odp/core/config.h"
#include "odp/core/proto.h"

struct odp_backend;
struct odp_systemd_bus;
struct odp_engine_watch;
struct odp_seek;

// What the backends of one launcher share. Outlives them all.
struct odp_backend_host {
    uv_loop_t *loop;
    const char *directory;                         // for files of the backends: RUNTIME/launcher
    struct odp_systemd_bus *system_bus, *user_bus; // systemd_bus.c's; NULL while nobody uses them
    struct odp_engine_watch *engines;              // engine_watch.c's; NULL likewise
    struct odp_mended {
        uint64_t began_usec, last_usec;
        unsigned n;
    } mended;        // engine_mend.c's: restarts of this minute
    bool uses_units; // commands run in units that are made for them, not as children

    // Takes every report. Called from within a request or from the loop; must not call a backend.
    void (*on_report)(struct odp_backend_host *host, const struct odp_proto_message *report);
};

// A request is answered by exactly one odp_backend_report() with its id, at once or later; requests
// may come while others are unanswered. freeze and thaw are NULL where they are not possible.
struct odp_backend_vtable {
    enum odp_backend_type type;
    bool is_watched; // others start and stop it as well: while it is enabled, somebody has to look
    void (*look)(struct odp_backend *b, uint32_t id);
    void (*start)(struct odp_backend *b, uint32_t id);
    void (*stop)(struct odp_backend *b, uint32_t id);
    void (*freeze)(struct odp_backend *b, uint32_t id);
    void (*thaw)(struct odp_backend *b, uint32_t id);

    // Answered by LOCATED or NOWHERE, odp/launcher/locate.h. NULL where what runs has no control
    // group of its own.
    void (*locate)(struct odp_backend *b, uint32_t id);

    // The containers whose health checks tell whether it is ready, by their names: *ret is the
    // caller's, what it points to is good until the backend's next call. Returns 0 or -ENOMEM.
    // NULL: those in its settings.
    int (*containers)(struct odp_backend *b, const char ***ret, size_t *ret_n);

    // True where nothing runs and no request is unanswered: the object may be replaced, by one for
    // other settings too. Looks again where it could not find out before.
    bool (*is_idle)(struct odp_backend *b);

    // It is about to be renamed: returns once no child does anything by the old name any more,
    // which is a moment at most. NULL where none does.
    void (*before_rename)(struct odp_backend *b);

    // The service is called otherwise from now on: the files in host->directory that bear its name
    // have been renamed, and so has it in the settings. NULL where nothing else of it does.
    void (*rename)(struct odp_backend *b, const char *name);

    // Lets go of everything and leaves what runs alone. Unanswered requests stay unanswered.
    // Memory that handles need is freed by a later turn of the loop.
    void (*free)(struct odp_backend *b);
};

// The head of each backend's own struct.
struct odp_backend {
    const struct odp_backend_vtable *vtable;
    struct odp_backend_host *host; // borrowed
    // Borrowed. The dispatcher exchanges it at any time for one with the same [backend].
    const struct odp_config_service *settings;
    struct odp_seek *seek; // seek.c's, NULL where no address is sought
};

// Makes the backend that `settings` ask for; one that still runs from before, under whatever
// settings, is taken over. Returns 0 or -ENOMEM.
int odp_backend_new(struct odp_backend_host *host, const struct odp_config_service *settings,
                    struct odp_backend **ret);

// Takes NULL.
void odp_backend_free(struct odp_backend *b);

// Tells the host. The reason is made one sound line and cut to ODP_REASON_MAX.
void odp_backend_report(struct odp_backend *b, uint32_t id, enum odp_proto_state state,
                        const char *format, ...) __attribute__((format(printf, 4, 5)));

// The kinds. Each returns 0 or -ENOMEM.
int odp_backend_none_new(struct odp_backend_host *host, const struct odp_config_service *settings,
                         struct odp_backend **ret);
int odp_backend_process_new(struct odp_backend_host *host,
                            const struct odp_config_service *settings, struct odp_backend **ret);
int odp_backend_exec_new(struct odp_backend_host *host, const struct odp_config_service *settings,
                         struct odp_backend **ret);
int odp_backend_systemd_new(struct odp_backend_host *host,
                            const struct odp_config_service *settings, struct odp_backend **ret);
int odp_backend_container_new(struct odp_backend_host *host,
                              const struct odp_config_service *settings, struct odp_backend **ret);

// A command as a unit that is made for it.
int odp_backend_made_new(struct odp_backend_host *host, const struct odp_config_service *settings,
                         struct odp_backend **ret);
