// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `odp doctor`: facts are gathered once (doctor_*.c), checks turn them into findings
// (doctor_check_*.c). A check is pure: it asks nobody, and what is not known is no finding.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "odp/base/buf.h"
#include "odp/cli/cli.h"
#include "odp/cli/client.h"
#include "odp/cli/doctor_engine.h"
#include "odp/core/config.h"

// ---- findings -------------------------------------------------------------------------------

struct odp_finding {
    const char *kind; // a word for programs, in docs/DOCTOR.md
    char *name;       // owned; the service, or `odp` for what is everybody's
    char *what;       // owned; what is wrong
    char *command;    // owned; what mends it
};

struct odp_findings {
    struct odp_finding *items; // owned
    size_t n;
    bool failed; // out of memory: the list is not whole
};

#define ODP_DOCTOR_ALL "odp" // the name of findings that are no single service's

// Appends a finding without a command; odp_finding_command() gives the last one its own.
void odp_finding_add(struct odp_findings *f, const char *kind, const char *name, const char *what,
                     ...) __attribute__((format(printf, 4, 5)));
void odp_finding_command(struct odp_findings *f, const char *command, ...)
    __attribute__((format(printf, 2, 3)));
bool odp_findings_about(const struct odp_findings *f, const char *name);
bool odp_findings_has(const struct odp_findings *f, const char *kind);
bool odp_findings_has_of(const struct odp_findings *f, const char *kind, const char *name);
// Drops those of which `also` has none of that kind and name.
void odp_findings_keep(struct odp_findings *f, const struct odp_findings *also);
void odp_findings_deinit(struct odp_findings *f);

// ---- facts: the service manager -------------------------------------------------------------

// What `systemctl show` printed: a block of KEY=VALUE for each unit. A block is its strings one
// after the other, the last one empty.
struct odp_show {
    char *text;    // owned; the blocks point into it
    char **blocks; // owned
    size_t n;
};

// Returns 0 or -ENOMEM; *ret is to be deinitialised in both cases.
int odp_show_parse(const char *text, struct odp_show *ret);
void odp_show_deinit(struct odp_show *s);

// The block of the unit of that name or alias, NULL where it was not asked for.
const char *odp_show_find(const struct odp_show *s, const char *unit);

// The value, "" where there is none. `block` may be NULL.
const char *odp_show_value(const char *block, const char *key);
bool odp_show_is(const char *block, const char *key, const char *value);
// The next value of a key that stands several times, after `at` (NULL: the first one).
const char *odp_show_next(const char *block, const char *key, const char *at);

// True where `list`, words with blanks between, has the word.
bool odp_words_have(const char *list, const char *word);
// Copies the first word of *list and moves *list behind it. False where there is none.
bool odp_words_next(const char **list, char *word, size_t size);

#define ODP_UNIT_NAME_MAX 256

struct odp_service_manager {
    bool present; // there is one to be asked
    int error;    // negative errno or an exit status of systemctl, 0: it answered
    char *why;    // owned; what systemctl said, NULL for nothing
    struct odp_show units;
    char *at_boot; // owned; the names of all that is started at boot, with blanks; NULL: not known
    uint64_t stop_timeout_usec; // DefaultTimeoutStopUSec
    bool bus;                   // somebody listens on the bus's socket
};

// ---- facts: who listens ---------------------------------------------------------------------

struct odp_holder {
    unsigned long inode; // of the socket
    int pid;
    char program[32];
    char unit[ODP_UNIT_NAME_MAX]; // the unit it runs in, "" for none
    bool is_users;                // of a user's service manager, that of
    uid_t uid;
    bool is_made; // the unit has no file of its own that could be disabled: transient, generated
};

// What a process's /proc/PID/cgroup says of its unit; `text` is changed.
void odp_holder_set_unit(struct odp_holder *h, char *text);

struct odp_port {
    struct odp_address address;
    unsigned long inode;
};

struct odp_ports {
    struct odp_port *items; // owned; listening sockets
    size_t n;
    struct odp_holder *holders; // owned
    size_t n_holders;
    bool blind; // some holders may not be seen: not root
};

// Who listens on this machine now. Returns 0 or -ENOMEM; *ret is to be deinitialised in both cases.
int odp_ports_read(struct odp_ports *ret);

// Appends the listening sockets of a /proc/net/tcp, tcp6 or unix. Returns 0 or -ENOMEM.
int odp_ports_add_inet(struct odp_ports *p, const char *text, bool is_inet6);
int odp_ports_add_unix(struct odp_ports *p, const char *text);
void odp_ports_deinit(struct odp_ports *p);

// The next listener after `at` (NULL: the first) that stands in the way of one on `address`, or
// takes what is meant for it.
const struct odp_port *odp_ports_next(const struct odp_ports *p, const struct odp_address *address,
                                      const struct odp_port *at);
// Likewise the next process that has the socket.
const struct odp_holder *odp_ports_holder(const struct odp_ports *p, unsigned long inode,
                                          const struct odp_holder *at);

// ---- facts: files and directories -----------------------------------------------------------

struct odp_place {
    char *path; // owned
    int error;  // negative errno, 0: it is there; -ETIMEDOUT: it does not answer
    mode_t mode;
    uid_t uid;
    gid_t gid;
    bool is_mount;
};

struct odp_places {
    struct odp_place *items; // owned
    size_t n;
};

// A unit's command that is a script: as NixOS has them.
struct odp_script {
    char *unit; // owned
    char *text; // owned
};

// ---- facts: commands that prune -------------------------------------------------------------

// Commands that a timer or cron runs, among them one that prunes.
struct odp_prune {
    char *place;  // owned; the unit, or the file
    char *text;   // owned
    bool is_unit; // else a file
    bool is_user; // of a user's service manager
};

// The next `docker system prune`, `container prune` or `network prune` (podman likewise) in *text,
// which moves on behind it; what it spares is by labels.
struct odp_prune_command {
    const char *engine, *what; // static
    char filters[512];         // the values of --filter, with blanks between
};
bool odp_prune_next(const char **text, struct odp_prune_command *ret);

// ---- facts: odpd ----------------------------------------------------------------------------

struct odp_daemon {
    int error;               // negative errno of asking it, 0: it answered
    struct odp_reply status; // of Status; empty unless it answered
    int pid;                 // 0: not known
    uid_t uid;
    char config[ODP_PATH_MAX], state[ODP_PATH_MAX]; // "" where its command line has none
    uint64_t n_files_max;                           // its soft limit; 0: not known
    bool has_launcher_option;                       // the launcher is a service of its own
    bool has_launcher;                              // a child of it is one
};

// ---- all of them ----------------------------------------------------------------------------

struct odp_doctor {
    bool is_standard;   // this is about what the service manager runs as odpd.service
    bool is_user;       // of a user's odpd, not of the system's
    bool is_root;       // may see everything
    uid_t uid;          // whose doctor this is
    char user_name[64]; // likewise; "" where that is not known
    char config_dir[ODP_PATH_MAX];
    char state_dir[ODP_PATH_MAX];
    char runtime_dir[ODP_PATH_MAX];
    int config_error;                       // negative errno of reading the directory of services
    struct odp_config config;               // sound files, and the faults of others
    struct odp_service_manager managers[2]; // [0] the system's, [1] the user's
    struct odp_script *scripts;             // owned
    size_t n_scripts;
    struct odp_ports ports;
    struct odp_places places;
    struct odp_engine_facts *engines; // owned
    size_t n_engines;
    struct odp_prune *prunes; // owned
    size_t n_prunes;
    struct odp_daemon odpd;
    uint64_t now_usec; // CLOCK_MONOTONIC, when it was looked at
    time_t now;        // CLOCK_REALTIME

    char **addresses;   // owned, NULL terminated; of the machine's interfaces. NULL: not known
    bool has_own_group; // of the user who asks, by name
    gid_t own_group;
    bool has_group; // there is a group odp
    bool in_group;  // and this user is in it, or root
    gid_t group;
    bool has_user; // there is a user odp
    uid_t user;
    bool lingers;         // the user's service manager runs without a login
    bool state_read_only; // the file system of state_dir
    bool state_full;
    bool memory_controller;       // cgroup2 has it
    bool container;               // this machine is one: its kernel is the host's business
    char cmdline_file[64];        // of a Raspberry Pi's boot loader; "" where there is none
    char generator[ODP_PATH_MAX]; // where it is installed; "" where it is not
    bool generator_masked;
};

// Looks at everything there is. Returns 0 or -ENOMEM; *ret is to be deinitialised in both cases.
int odp_doctor_gather(const struct odp_cli *cli, struct odp_doctor *ret);
void odp_doctor_deinit(struct odp_doctor *d);

// What the manager knows of one of odp's own units; NULL where it runs no odpd, or not this one.
const char *odp_doctor_unit(const struct odp_doctor *d, const char *name);
// odpd is a service of the manager, running or not.
bool odp_doctor_is_installed(const struct odp_doctor *d);
// The manager of the service's units.
const struct odp_service_manager *odp_doctor_manager(const struct odp_doctor *d,
                                                     const struct odp_config_service *s);
bool odp_doctor_is_user_scope(const struct odp_doctor *d, const struct odp_config_service *s);
// "--user " where systemctl needs it, else "".
const char *odp_doctor_option(bool is_user);
// The n-th of the service's containers, from 0, as far as the engine has told; NULL: no more.
const struct odp_container *odp_doctor_container(const struct odp_doctor *d,
                                                 const struct odp_config_service *s, size_t n);
// The engine of the service's containers; NULL where it was not asked.
const struct odp_engine_facts *odp_doctor_engine(const struct odp_doctor *d,
                                                 const struct odp_config_service *s);
const struct odp_place *odp_doctor_place(const struct odp_doctor *d, const char *path);
// What odpd says of the service, NULL where it does not know it.
const cJSON *odp_doctor_status(const struct odp_doctor *d, const char *name);
const char *odp_doctor_state(const struct odp_doctor *d, const char *name); // "" likewise

// Every check on these facts, in the order in which they are told.
void odp_doctor_check(const struct odp_doctor *d, struct odp_findings *ret);
