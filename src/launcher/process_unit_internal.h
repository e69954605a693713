// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Between process_unit.c (a command's unit while it begins and runs) and process_unit_end.c (how it
// ends). Nobody else looks inside.

#pragma once

#include "odp/launcher/systemd_unit.h"
#include "process_internal.h"

struct odp_process_unit {
    struct odp_process *process;
    struct odp_systemd_client client;
    struct odp_systemd_bus *bus;
    struct odp_systemd_unit unit;
    sd_bus_slot *call_slot;
    bool is_accepted;   // systemd has it, as far as is known
    bool is_in_doubt;   // the connection was lost before that was said
    bool is_main_ended; // what it has left is being ended
    bool is_done;       // to be told in the next turn of the loop
    char *program, *directory, *user, *environment_file; // owned or NULL; for the reason
};

// Calls a method of systemd on the unit; nobody waits for the answer.
void process_unit_tell(const struct odp_process_unit *u, const char *method);

// All that is in its control group is sent the signal.
void process_unit_kill_all(const struct odp_process_unit *u, int signal_number);

// The unit's callback.
void process_unit_on_changed(struct odp_systemd_unit *unit, void *userdata);

// It has ended: the process is finished in the next turn of the loop. Not from within a callback of
// sd-bus or of the unit, which goes with the process.
void process_unit_finish(struct odp_process_unit *u);
