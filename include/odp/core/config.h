// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One service's file as a typed value, and the faults found in it. Pure: the caller read the text.
// odpd, odp-launcher and `odp check` all come through here, so they can never disagree.
//
// Every fault of every file is reported at once. A file with a fault gives no service: the other
// files are not touched by it.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "odp/base/fd.h"
#include "odp/base/time.h"
#include "odp/core/address.h"

#define ODP_NAME_MAX            63            // [a-z0-9][a-z0-9_.-]{0,62}
#define ODP_CONFIG_VALUE_MAX    4096          // bytes of one value
#define ODP_CONFIG_FILE_MAX     (1024 * 1024) // bytes of one file
#define ODP_CONFIG_SERVICES_DIR "services"    // below --config DIR
#define ODP_CONFIG_SUFFIX       ".ini"

// What [client] keepalive leaves open: a silent client is probed at this pace, and is gone when so
// many probes were not answered.
#define ODP_KEEPALIVE_INTERVAL_SEC 15
#define ODP_KEEPALIVE_PROBES       4

enum odp_backend_type {
    ODP_BACKEND_NONE,      // nothing to start: a plain proxy
    ODP_BACKEND_PROCESS,   // a command that stays in the foreground
    ODP_BACKEND_EXEC,      // commands that start and stop what runs elsewhere
    ODP_BACKEND_SYSTEMD,   // units of the service manager
    ODP_BACKEND_CONTAINER, // containers of Docker or Podman
    ODP_BACKEND_COMPOSE,   // those of a Compose project
};

enum odp_scope {
    ODP_SCOPE_DEFAULT, // that of odpd
    ODP_SCOPE_SYSTEM,
    ODP_SCOPE_USER,
};

enum odp_engine {
    ODP_ENGINE_DEFAULT, // Docker where its socket is, else Podman
    ODP_ENGINE_DOCKER,
    ODP_ENGINE_PODMAN,
};

enum odp_probe_type {
    ODP_PROBE_TCP,
    ODP_PROBE_AUTO, // health where a container has a check, else tcp; has no name in files
    ODP_PROBE_HEALTH,
    ODP_PROBE_HTTP,
    ODP_PROBE_EXEC,
    ODP_PROBE_UNIT, // of a service of type systemd alone
    ODP_PROBE_NONE,
};

enum odp_wait_mode {
    ODP_WAIT_HOLD, // clients are held until the service answers
    ODP_WAIT_PAGE, // HTTP clients are shown a page meanwhile
};

struct odp_config_listen {
    struct odp_address address;
    char *text; // owned; as written
    unsigned line;
};

// HTTP status codes from first to last.
struct odp_config_range {
    uint16_t first, last;
};

struct odp_config_name {
    char *text; // owned
    unsigned line;
};

struct odp_config_service {
    char name[ODP_NAME_MAX + 1];
    char *file; // owned; path, for messages

    // [service]
    char *description;                // owned; the name where the file gives none
    struct odp_config_listen *listen; // owned array, at least one
    size_t n_listen;
    char *socket_owner; // owned or NULL; USER or USER:GROUP
    struct odp_address target;
    char *target_text; // owned
    unsigned target_line;
    unsigned socket_mode; // of unix listeners, default 0660
    bool enabled;

    // [backend]
    enum odp_backend_type backend;
    enum odp_scope scope;                      // of the units
    char **command;                            // owned, NULL terminated argv; NULL unless process
    char **start, **stop, **status;            // likewise; NULL unless exec, status there too
    char *directory, *user, *environment_file; // owned or NULL
    char **environment;                        // owned, NULL terminated KEY=VALUE; may be NULL
    struct odp_config_name *units;             // owned array in start order, none unless systemd
    size_t n_units;
    struct odp_config_name *stop_units; // owned array; none: the units, last one first
    size_t n_stop_units;
    // Owned array: of type container in start order, of compose those whose order the file gives,
    // of systemd what the units run, else none.
    struct odp_config_name *containers;
    size_t n_containers;
    enum odp_engine engine;         // of the containers
    char *engine_socket;            // owned or NULL; its path
    struct odp_config_name project; // its text is NULL unless compose
    char **compose_files;           // owned, NULL terminated; NULL for none
    uint64_t start_timeout_usec;
    uint64_t stop_timeout_usec;

    // [ready]
    enum odp_probe_type probe;
    uint64_t ready_timeout_usec;
    uint64_t ready_interval_usec;
    char *ready_path;                      // owned; NULL unless the probe is http
    struct odp_config_range *ready_expect; // owned array, at least one if the probe is http
    size_t n_ready_expect;
    char **ready_command; // owned argv; NULL unless the probe is exec

    // [wait]
    enum odp_wait_mode wait_mode;
    unsigned max_waiting; // at least 1
    uint64_t wait_timeout_usec;

    // [idle]
    uint64_t idle_timeout_usec; // ODP_NEVER: never stopped for quiet
    uint64_t drain_timeout_usec;
    bool count_direct; // connections to the target that did not come through odp count

    // [requires]
    struct odp_config_name *required_services; // owned array
    size_t n_required_services;
    char **required_mounts, **required_paths; // owned, NULL terminated; NULL for none

    // [client]
    uint64_t keepalive_usec;  // of silence, before a client is probed; whole seconds
    unsigned max_connections; // relayed at once, at least 1

    // Of every setting that the launcher acts on ([backend], [ready], [requires], a target of
    // auto:PORT), in file order, FNV-1a 64. Equal text gives an equal digest; comments and blank
    // lines do not count.
    uint64_t digest;
    uint64_t backend_digest; // likewise, of [backend] alone
    uint64_t text_digest;    // of every setting of the file
};

struct odp_config_fault {
    char *file; // owned
    unsigned line;
    char *message; // owned
};

struct odp_config_faults {
    struct odp_config_fault *items;
    size_t n;
    bool failed; // out of memory: the list is not whole
};

// A listen address that a faulty file asks for.
struct odp_config_claim {
    char *name, *file; // owned; the file's
    struct odp_address address;
};

struct odp_config {
    struct odp_config_service **services; // owned, sorted by name, sound ones only
    size_t n_services;
    // The names of files that gave no service, for `odp status` (state `invalid`); owned strings.
    char **invalid;
    size_t n_invalid;
    struct odp_config_claim *claims; // owned; of files that are faulty by themselves
    size_t n_claims;
    char **names; // of all files, sound or not; owned strings, NULL terminated, sorted
    size_t n_names;
    struct odp_config_faults faults; // sorted by file and line
};

// Parses one file's text. `name` is the file's stem. On success *ret owns a new service; with any
// fault *ret is NULL and the faults are appended. Returns 0, ODP_CONFIG_E_FAULTY or -ENOMEM.
#define ODP_CONFIG_E_FAULTY 1
int odp_config_service_parse(const char *name, const char *file, const char *text, size_t n_bytes,
                             struct odp_config_service **ret, struct odp_config_faults *faults);

void odp_config_service_free(struct odp_config_service *s);

// Parses all files, each by itself; ret->services are in the order of their names. Returns 0
// (faults or not) or -ENOMEM; *ret is to be deinitialised in both cases.
int odp_config_read(const struct odp_files *files, struct odp_config *ret);

// odp_config_read(), and looks for what only shows across files: a listen address, a unit or a
// target that two enabled files share, a wildcard over a specific address, targets that lead back
// to their own service, a required service that does not exist or requires this one. Each file that
// takes part gets a fault; only the later one (by name) is invalid, so that a new file never takes
// an old one down.
// Returns 0 (faults or not) or -ENOMEM; *ret is to be deinitialised in both cases.
int odp_config_load(const struct odp_files *files, struct odp_config *ret);

void odp_config_deinit(struct odp_config *c);

// Appends one fault; an allocation that fails sets faults->failed.
void odp_config_fault_add(struct odp_config_faults *faults, const char *file, unsigned line,
                          const char *format, ...) __attribute__((format(printf, 4, 5)));

void odp_config_faults_deinit(struct odp_config_faults *faults);

// True where `target` is an address that the service itself listens on.
bool odp_config_leads_back(const struct odp_config_service *s, const struct odp_address *target);

// True for a sound service name.
bool odp_name_is_valid(const char *name);

// The candidate nearest to `word` by edit distance (at most a third of its length, 1 at least),
// NULL when none is near. `candidates` is NULL terminated.
const char *odp_nearest(const char *word, const char *const *candidates);

const char *odp_backend_type_to_string(enum odp_backend_type t);
