// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What process.c (how a process is watched and ends) and process_start.c (how one comes about)
// share. Nobody else looks inside.

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
