// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What process.c (how a process is watched and ends), process_start.c (how one comes about) and
// process_unit.c with process_unit_end.c (both, of a unit) share. Nobody else looks inside.

#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "odp/launcher/process.h"

struct odp_process {
    const struct odp_process_observer *observer;
    void *userdata;
    const char *directory;
    char name[ODP_NAME_MAX + 1];
    enum odp_process_state state;
    enum odp_role role;

    struct odp_process_unit *unit; // owned; NULL for a child, which has what follows
    pid_t pid;
    uint64_t start_time;
    uint64_t stop_timeout_usec;
    int pidfd;
    int status_fd;             // -1 once it is known whether the command runs
    struct odp_output *output; // NULL where an adopted one's FIFO is lost; the service's is owned
    bool leader_ended;
    struct odp_process_end end;

    uint64_t deadline_usec; // of the next step of ending
    uint64_t tick_usec;
    bool is_stuck;

    uv_poll_t exit_poll, status_poll;
    uv_timer_t timer;
    unsigned n_handles; // that are not closed yet
};

// Watches pidfd and, unless it is -1, status_fd. What was begun when it fails is undone by
// odp_process_free(). Returns 0 or a negative errno.
int odp_process_watch(struct odp_process *p, uv_loop_t *loop);

// Returns NULL when out of memory.
struct odp_process *odp_process_new(const struct odp_process_home *home, enum odp_role role);

// All of it has ended: tells so, and frees it.
void odp_process_finish(struct odp_process *p);

// ---- process_unit.c ----------------------------------------------------------------------------

// As odp_process_start().
int odp_process_unit_start(struct odp_process *p, const struct odp_process_home *home,
                           char *const *argv, const struct odp_config_service *settings, char *why,
                           size_t why_size);
void odp_process_unit_free(struct odp_process_unit *u);

// ---- process_unit_end.c ------------------------------------------------------------------------

void odp_process_unit_terminate(struct odp_process *p);
void odp_process_unit_kill(struct odp_process *p);
