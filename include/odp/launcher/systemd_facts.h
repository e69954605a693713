// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What is known of a unit of the service manager, what several of them together say about a
// service, and why one does not run, in words for a person. Pure: systemd_unit.c asks.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum odp_unit_state {
    ODP_UNIT_INACTIVE,
    ODP_UNIT_ACTIVE,
    ODP_UNIT_RELOADING, // runs, in between
    ODP_UNIT_ACTIVATING,
    ODP_UNIT_DEACTIVATING,
    ODP_UNIT_FAILED,
};

// The names are those of the properties, org.freedesktop.systemd1(5). A text that is longer than
// its room is cut: none that means something here is.
struct odp_unit_facts {
    enum odp_unit_state state; // ActiveState
    char sub_state[24];
    char load_state[16];
    char freezer_state[24];
    uint32_t job_id; // 0: none is queued

    char result[24]; // of units that have it: why it failed
    char type[16];   // of services
    bool remain_after_exit;
    bool stop_when_unneeded;
    int exec_main_code;        // si_code of waitid(2), 0: there was no main process yet
    int exec_main_status;      // exit status or signal
    uint64_t last_start_usec;  // InactiveExitTimestampMonotonic
    bool is_looping;           // it ends and is restarted by Restart= again and again
    bool has_left_inactive;    // since the start that we asked for
    uint64_t start_asked_usec; // CLOCK_MONOTONIC; 0: never
    bool is_made;              // odp makes it when it is to run: there is no file
};

// Of several units the last in this order is what counts.
enum odp_unit_verdict {
    ODP_UNITS_RUNNING,
    ODP_UNITS_FROZEN,
    ODP_UNITS_INACTIVE,   // none runs, or not all of them
    ODP_UNITS_IN_BETWEEN, // may yet become anything
    ODP_UNITS_FAILED,
};

enum odp_unit_state odp_unit_state_from_string(const char *s);
const char *odp_unit_state_to_string(enum odp_unit_state state);

bool odp_unit_is_frozen(const struct odp_unit_facts *f);
// The main process has ended, and Restart= will start it again.
bool odp_unit_waits_for_restart(const struct odp_unit_facts *f);
// Neither activating nor deactivating nor about to.
bool odp_unit_is_settled(const struct odp_unit_facts *f);
// Nothing of it runs, nor is about to.
bool odp_unit_is_down(const struct odp_unit_facts *f);
// There is a file for it, and it is sound.
bool odp_unit_is_loaded(const struct odp_unit_facts *f);

// What a unit says by itself.
enum odp_unit_verdict odp_unit_judge(const struct odp_unit_facts *f);

// The settings that a unit was made by, for what may be wrong with them. NULL where they are.
struct odp_unit_made {
    const char *service;
    const char *program, *directory, *user, *environment_file;
};

struct odp_unit_id {
    const char *name;
    bool is_user;                     // of the user's service manager: systemctl needs --user
    const struct odp_unit_made *made; // borrowed; NULL for a unit that has a file
};

// Each writes one line that names the unit and says what to do.

// Why a unit that was to be started does not run, once its start job has ended with `job_result`.
void odp_unit_why_not_started(const struct odp_unit_id *id, const struct odp_unit_facts *f,
                              const char *job_result, char *ret, size_t size);

// Which of the settings has kept the command from running, once its unit has failed. Returns false
// where none is known to.
bool odp_unit_why_not_run(const struct odp_unit_made *made, const struct odp_unit_facts *f,
                          char *ret, size_t size);

// Why a unit is as it is, which was not asked for: failed, cannot be loaded, or ended.
void odp_unit_why_down(const struct odp_unit_id *id, const struct odp_unit_facts *f, char *ret,
                       size_t size);

// Why a call was refused.
void odp_unit_why_refused(const struct odp_unit_id *id, const char *error, const char *message,
                          char *ret, size_t size);
