// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A service that is a command, as a unit which odp makes. Such a unit has no file: while it does
// not run there is none, and where its run has failed it is kept until the reason was read. An
// earlier launcher may have made it, so it is looked at before it is made.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "odp/base/log.h"
#include "odp/launcher/reason.h"
#include "odp/launcher/transient.h"
#include "systemd_internal.h"

// Beyond stop_timeout, when systemd sends SIGKILL; less than odpd waits beyond it.
#define KILL_USEC     (3 * ODP_USEC_PER_SEC)
#define N_REFUSED_MAX 5

int odp_systemd_made_init(struct odp_systemd_service *s, char ret_unit[ODP_COMMAND_UNIT_MAX + 1])
{
    s->made = calloc(1, sizeof(*s->made));
    if (!s->made)
        return -ENOMEM;
    odp_label_read(s->base.host->directory, s->base.settings->name, s->made->label);
    odp_command_unit(s->made->label, ODP_ROLE_SERVICE, 1, ret_unit);
    s->stop_limit_usec = odp_usec_add(s->stop_timeout_usec, KILL_USEC);
    return 0;
}

const struct odp_unit_made *odp_systemd_made_words(const struct odp_systemd_service *s)
{
    const struct odp_config_service *settings = s->base.settings;

    s->made->words =
        (struct odp_unit_made){.service = settings->name,
                               .program = settings->command ? settings->command[0] : "",
                               .directory = settings->directory,
                               .user = settings->user,
                               .environment_file = settings->environment_file};
    return &s->made->words;
}

// No unit with the label of before a rename is left.
static void label_anew(struct odp_systemd_service *s)
{
    const char *directory = s->base.host->directory, *name = s->base.settings->name;
    char unit[ODP_COMMAND_UNIT_MAX + 1];

    if (strcmp(s->made->label, name) == 0)
        return;
    odp_label_forget(directory, name);
    odp_label_read(directory, name, s->made->label);
    odp_command_unit(s->made->label, ODP_ROLE_SERVICE, 1, unit);
    if (odp_systemd_unit_replace(&s->units[0], unit) < 0)
        odp_label_keep(directory, name, s->made->label);
}

static void make(struct odp_systemd_service *s)
{
    struct odp_systemd_unit *u = &s->units[0];
    const struct odp_config_service *settings = s->base.settings;
    const struct odp_transient t = {.unit = u->name,
                                    .settings = settings,
                                    .argv = settings->command,
                                    .role = ODP_ROLE_SERVICE,
                                    .is_user = s->is_user,
                                    .stop_timeout_usec = s->stop_timeout_usec,
                                    .limit_usec = ODP_NEVER,
                                    .output_fd = -1};
    char why[ODP_REASON_MAX + 1] = "";
    int r = odp_transient_check(&t, why, sizeof(why));

    if (r == 0) {
        if (u->facts.state == ODP_UNIT_FAILED)
            odp_systemd_bus_tell(s->bus, "ResetFailedUnit", u->name);
        odp_systemd_unit_begin_start(u);
        s->stage = ODP_SYSTEMD_ANSWER;
        r = odp_transient_start(s->bus, &s->call_slot, &t, odp_systemd_action_on_called, s, why,
                                sizeof(why));
    }
    if (r < 0)
        odp_systemd_action_finish(s, ODP_PROTO_FAILED, why);
}

void odp_systemd_made_call(struct odp_systemd_service *s)
{
    struct odp_systemd_unit *u = &s->units[0];

    if (odp_unit_is_down(&u->facts)) {
        label_anew(s);
        make(s);
    } else if (odp_unit_is_settled(&u->facts)) {
        snprintf(s->job_result, sizeof(s->job_result), "done");
        s->stage = ODP_SYSTEMD_SETTLE;
    } // else it is on its way, up or down, and will say so
}

// What was known of it was out of date, or the one before is not forgotten yet.
bool odp_systemd_made_retry(struct odp_systemd_service *s)
{
    if (++s->made->n_refused >= N_REFUSED_MAX) {
        s->made->n_refused = 0;
        return false;
    }
    s->stage = ODP_SYSTEMD_CALL;
    odp_systemd_unit_look(&s->units[0]);
    return true;
}

bool odp_systemd_made_release(struct odp_systemd_service *s, const char **ret_reason)
{
    struct odp_systemd_unit *u = &s->units[0];

    if (!u->is_looked_at) {
        odp_systemd_unit_study(u);
        return false;
    }
    if (u->facts.state != ODP_UNIT_FAILED)
        return true;
    if (strcmp(u->facts.result, "timeout") == 0)
        *ret_reason = "had to be killed: it did not end within stop_timeout";
    odp_systemd_bus_tell(s->bus, "ResetFailedUnit", u->name);
    u->facts.state = ODP_UNIT_INACTIVE; // it was stopped, as it was to be
    return true;
}

void odp_systemd_made_rename(struct odp_systemd_service *s)
{
    odp_label_keep(s->base.host->directory, s->base.settings->name, s->made->label);
}
