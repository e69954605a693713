// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Between backend_exec.c (requests) and exec_command.c (the commands that these lead to).

#pragma once

#include "odp/launcher/backend.h"
#include "odp/launcher/process.h"
#include "odp/launcher/waiters.h"

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
