// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How a process ended, in words for people. Pure.

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "odp/launcher/process.h"
#include "odp/launcher/reason.h"

static void describe_signal(const struct odp_process_end *end, char *ret, size_t size)
{
    const char *name = sigabbrev_np(end->status);

    snprintf(ret, size, "killed by signal %d (%s)%s", end->status, name ? name : "?",
             end->code == CLD_DUMPED ? ", core dumped" : "");
}

static enum odp_proto_state state_of(const struct odp_process_end *end)
{
    if (end->code == CLD_EXITED)
        return end->status == 0 ? ODP_PROTO_INACTIVE : ODP_PROTO_FAILED;
    if (end->status == SIGTERM || end->status == SIGINT || end->status == SIGHUP)
        return ODP_PROTO_INACTIVE;
    return ODP_PROTO_FAILED;
}

enum odp_proto_state odp_process_end_describe(const struct odp_process_end *end, char *ret_reason,
                                              size_t size)
{
    enum odp_proto_state state;
    char what[64];

    if (end->error[0] != '\0') {
        odp_reason_format(ret_reason, size, "%s", end->error);
        return ODP_PROTO_FAILED;
    }
    if (!end->status_is_known) {
        odp_reason_format(ret_reason, size,
                          "ended; with which status is not known, for the launcher was restarted");
        return ODP_PROTO_INACTIVE;
    }
    if (end->code == CLD_EXITED)
        snprintf(what, sizeof(what), "exited with status %d", end->status);
    else
        describe_signal(end, what, sizeof(what));
    state = state_of(end);
    if (state == ODP_PROTO_FAILED && end->last_words[0] != '\0')
        odp_reason_format(ret_reason, size, "%s, last words: %s", what, end->last_words);
    else
        odp_reason_format(ret_reason, size, "%s", what);
    return state;
}
