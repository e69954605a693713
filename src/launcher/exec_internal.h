// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Between backend_exec.c (requests), exec_command.c (the commands that these lead to) and
// exec_units.c (the units of systemd that these may run in).

#pragma once

#include "odp/launcher/backend.h"
#include "odp/launcher/process.h"
#include "odp/launcher/waiters.h"

struct exec_units;

struct exec_backend {
    struct odp_backend base;
    char name[ODP_NAME_MAX + 1];
    struct odp_process *process;             // the command that runs, or NULL
    enum odp_role role;                      // what it does
    struct odp_output *output;               // while a command, or what it has started, may print
    struct odp_waiters current;              // for the command that runs
    struct odp_waiters looks, starts, stops; // for a next one; empty while none runs
    bool is_up;           // what the last command made of it, or found; as in its record
    bool is_unasked;      // nobody has asked this launcher for what the command finds: odpd is told
    bool is_unsure;       // a record could not be looked at: nothing is run before it can be
    bool has_not_stopped; // the last stop failed
    struct exec_units *units; // owned; NULL where commands are children
};

const char *exec_word(enum odp_role role);
uint64_t exec_limit_usec(const struct odp_config_service *s, enum odp_role role);
bool exec_is_under_way(const struct exec_backend *b, enum odp_role role);

// What a process of this backend is made with.
struct odp_process_home exec_home(struct exec_backend *b);

// Answers who waits for the command that runs. Where nobody does and nobody has asked this launcher
// for it (is_unasked), odpd is told all the same.
void exec_answer_current(struct exec_backend *b, enum odp_proto_state state, const char *reason);

// Runs the command of that role; none is running. Those in `waiters` wait for this one.
void exec_run(struct exec_backend *b, enum odp_role role, struct odp_waiters *waiters);

// Runs what is waited for, unless a command runs. When nothing is left its output is closed.
void exec_run_next(struct exec_backend *b);

// Begins a start: where an earlier one is up and can be asked, that is asked first.
void exec_run_start(struct exec_backend *b);

// What an earlier launcher has left: the unit of a command (number 0: none), and whether something
// is up.
void exec_found(struct exec_backend *b, enum odp_role role, unsigned number, bool is_started);

// ---- exec_units.c ------------------------------------------------------------------------------

// Joins the bus and begins to find out what there is; exec_found() follows. Returns 0 or -ENOMEM,
// and b->units is to be freed in both cases. Whoever waits meanwhile is answered from here where
// the bus cannot be reached.
int exec_units_init(struct exec_backend *b);
void exec_units_free(struct exec_units *u);

// Commands can be run: they are children, or it is known what units there are.
bool exec_units_are_known(const struct exec_backend *b);

// The rest is nothing where commands are children. Somebody waits for the bus.
void exec_units_hurry(const struct exec_backend *b);
void exec_units_home(const struct exec_backend *b, struct odp_process_home *home);

// A command is about to be run; its unit was taken, and the next name is free to try; its unit
// holds what it has started; that is no more.
void exec_units_begin(struct exec_backend *b, enum odp_role role);
bool exec_units_try_next(struct exec_backend *b);
void exec_units_started(struct exec_backend *b);
void exec_units_release(struct exec_backend *b);

void exec_units_rename(struct exec_backend *b);
