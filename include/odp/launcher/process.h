// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One running command: its main process, the process group that this leads, what it prints, its
// record. Own children and adopted processes of an earlier launcher are the same thing here, and so
// are commands in units of systemd that are made for them (process_unit.c): of these the unit's
// processes are the group, and the unit itself is the record.
//
// A process that is the service itself, or a probe, is gone when the main process and everything
// in its group have ended. A main process that ends by itself takes the rest of its group along, in
// the way of odp_process_terminate(). One that does something for a service (any other role) is
// gone when its main process has ended by itself: what it leaves behind is the service. Ended by
// odp_process_terminate() or its limit, it takes its group along too.

#pragma once

#include <stdbool.h>
#include <uv.h>

#include "odp/core/config.h"
#include "odp/core/proto.h"
#include "odp/launcher/backend.h"
#include "odp/launcher/output.h"
#include "odp/launcher/record.h"

struct odp_process;

enum odp_process_state {
    ODP_PROCESS_STARTING, // forked; whether the command can be run is not known yet
    ODP_PROCESS_RUNNING,
    ODP_PROCESS_ENDING, // asked to end, or its main process has ended
};

struct odp_process_end {
    bool status_is_known;           // false for a process that was not this launcher's child
    int code, status;               // si_code and si_status of waitid(2)
    bool was_killed;                // it outlived the stop timeout
    bool was_late;                  // it reached its limit, and was ended for that
    bool is_taken;                  // nothing was run: a unit of that name is there already
    char error[ODP_REASON_MAX + 1]; // why the command could not be run; "" where it ran
    char last_words[ODP_OUTPUT_LAST_WORDS_MAX + 1];
};

struct odp_process_observer {
    // The command runs. Not called where it could not be run, or was to end first.
    void (*on_running)(void *userdata);

    // Not even SIGKILL has ended it so far. on_gone comes if it ends after all.
    void (*on_stuck)(void *userdata);

    // Everything of it is gone; the process must not be used any more, nor freed. `end` is
    // borrowed.
    void (*on_gone)(void *userdata, const struct odp_process_end *end);
};

// Where a process belongs. All is borrowed for the process's life, but for the name, which is
// copied.
struct odp_process_home {
    uv_loop_t *loop;
    const char *directory; // for record and FIFO
    const char *name;      // of the service
    const struct odp_process_observer *observer;
    void *userdata;
    // Where roles other than the service's print to: the caller's, since what they leave behind
    // prints on. NULL for a service, which has its own; and for what is adopted without one.
    struct odp_output *output;

    // For what runs in a unit: who has the connection, and what the unit is called. NULL: a child.
    struct odp_backend_host *units;
    const char *label; // copied
    unsigned number;
};

// Starts argv as `settings` have it, which are not looked at later. `stop_timeout_usec` is for
// odp_process_terminate(). Calls no observer before the loop runs. Returns 0, or a negative errno
// and the reason in `why`: -ENOTCONN where a unit is wanted, and systemd is not connected.
int odp_process_start(const struct odp_process_home *home, enum odp_role role, char *const *argv,
                      const struct odp_config_service *settings, uint64_t stop_timeout_usec,
                      struct odp_process **ret, char *why, size_t why_size);

// Takes over what the record of the service tells of: the service itself, or with `others` what
// has any other role. Returns 0, -ENOENT where nothing such runs (a record that is out of date is
// removed), or another negative errno.
int odp_process_adopt(const struct odp_process_home *home, bool others, struct odp_process **ret);

// Takes over the unit of that role and the home's number, which is there. Returns 0 or -ENOMEM.
int odp_process_adopt_unit(const struct odp_process_home *home, enum odp_role role,
                           struct odp_process **ret);

enum odp_process_state odp_process_state(const struct odp_process *p);
enum odp_role odp_process_role(const struct odp_process *p);

// Waits until the command runs or cannot: until then its process works by the service's name.
void odp_process_await_command(const struct odp_process *p);

// What bears the service's old name in the directory has been renamed.
void odp_process_rename(struct odp_process *p, const char *name);

// Ends the process in the way of odp_process_terminate() unless it ends by itself within this time.
void odp_process_limit(struct odp_process *p, uint64_t span_usec);

// SIGTERM to the whole group, and SIGKILL after the stop timeout that it was started with. Further
// calls do nothing.
void odp_process_terminate(struct odp_process *p);

// SIGKILL to the whole group, for who cannot wait for its end and lets go of it now.
void odp_process_kill(struct odp_process *p);

// Lets go of a process and leaves it running, its record in place. Takes NULL. No observer is
// called any more; memory is freed by a later turn of the loop.
void odp_process_free(struct odp_process *p);

// Says how a process ended in plain words, and whether that was well: RUNNING is never returned,
// INACTIVE is a status of 0, somebody's TERM, INT or HUP, or an unknown status.
enum odp_proto_state odp_process_end_describe(const struct odp_process_end *end, char *ret_reason,
                                              size_t size);
