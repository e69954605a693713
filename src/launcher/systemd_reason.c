// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Why a unit does not run, in words for a person, and what to do. Pure.

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "odp/launcher/reason.h"
#include "odp/launcher/systemd_facts.h"

#define WHAT_MAX 96

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static const char *user_option(const struct odp_unit_id *id)
{
    return id->is_user ? "--user " : "";
}

// `NAME: WHAT, see journalctl -u NAME`, the most that is known of most failures.
static void tell_journal(const struct odp_unit_id *id, const char *what, char *ret, size_t size)
{
    odp_reason_format(ret, size, "%s: %s, see journalctl %s-u %s", id->name, what, user_option(id),
                      id->name);
}

// `NAME: WHAT, HOW systemctl VERB NAME`.
static void tell_systemctl(const struct odp_unit_id *id, const char *what, const char *how,
                           const char *verb, char *ret, size_t size)
{
    odp_reason_format(ret, size, "%s: %s, %s systemctl %s%s %s", id->name, what, how,
                      user_option(id), verb, id->name);
}

// The statuses by which systemd itself says that it could not run the command, systemd.exec(5).
static const char *setup_failure(int status)
{
    switch (status) {
    case 200: return " (its WorkingDirectory= is not there)";
    case 203: return " (its program is not there or cannot be run)";
    case 208: return " (its standard input cannot be set up)";
    case 209: return " (its standard output cannot be set up)";
    case 216: return " (its Group= does not exist)";
    case 217: return " (its User= does not exist)";
    case 226: return " (its namespaces cannot be set up)";
    default: return "";
    }
}

static const char *describe_result(const struct odp_unit_facts *f, char *buf, size_t size)
{
    const char *signal = sigabbrev_np(f->exec_main_status);

    if (is(f->result, "exit-code") && f->exec_main_code == CLD_EXITED && f->exec_main_status != 0)
        snprintf(buf, size, "exit-code %d%s", f->exec_main_status,
                 setup_failure(f->exec_main_status));
    else if (is(f->result, "exit-code"))
        snprintf(buf, size, "exit-code of a command beside its main process");
    else if ((is(f->result, "signal") || is(f->result, "core-dump")) && signal &&
             f->exec_main_code != CLD_EXITED)
        snprintf(buf, size, "%s SIG%s", f->result, signal);
    else if (is(f->result, "timeout"))
        snprintf(buf, size, "timeout (its TimeoutStartSec= or TimeoutStopSec=)");
    else if (is(f->result, "oom-kill"))
        snprintf(buf, size, "oom-kill (there was no memory left)");
    else if (is(f->result, "resources"))
        snprintf(buf, size, "resources (something that it needs is missing)");
    else if (is(f->result, "") || is(f->result, "success"))
        snprintf(buf, size, "failed");
    else
        snprintf(buf, size, "%s", f->result);
    return buf;
}

// systemd leaves the result as the last run left it: a start that did not even begin tells.
static bool is_at_start_limit(const struct odp_unit_facts *f, const char *job_result)
{
    return is(f->result, "start-limit-hit") ||
           (job_result && is(job_result, "failed") && f->state == ODP_UNIT_FAILED &&
            !f->has_left_inactive && f->last_start_usec < f->start_asked_usec);
}

static void tell_start_limit(const struct odp_unit_id *id, const struct odp_unit_facts *f,
                             char *ret, size_t size)
{
    char last[WHAT_MAX] = "", what[WHAT_MAX + sizeof("start-limit-hit (last: )")];

    if (is(f->result, "start-limit-hit"))
        snprintf(what, sizeof(what), "start-limit-hit");
    else
        snprintf(what, sizeof(what), "start-limit-hit (last: %s)",
                 describe_result(f, last, sizeof(last)));
    tell_systemctl(id, what, "try:", "reset-failed", ret, size);
}

static void tell_not_loaded(const struct odp_unit_id *id, const char *load_state, char *ret,
                            size_t size)
{
    if (is(load_state, "not-found"))
        odp_reason_format(ret, size,
                          "%s: there is no such unit (not-found): mind the name and [backend] "
                          "scope, and after a new file: systemctl %sdaemon-reload",
                          id->name, user_option(id));
    else if (is(load_state, "masked"))
        tell_systemctl(id, "masked", "try:", "unmask", ret, size);
    else
        odp_reason_format(ret, size,
                          "%s: its file has a fault (%s), try: systemd-analyze %sverify %s",
                          id->name, load_state, user_option(id), id->name);
}

static void tell_loop(const struct odp_unit_id *id, const struct odp_unit_facts *f, char *ret,
                      size_t size)
{
    char last[WHAT_MAX], what[WHAT_MAX + sizeof("ends again and again () and is restarted by it")];

    snprintf(what, sizeof(what), "ends and is restarted again and again (%s)",
             describe_result(f, last, sizeof(last)));
    tell_journal(id, what, ret, size);
}

static void tell_failure(const struct odp_unit_id *id, const struct odp_unit_facts *f, char *ret,
                         size_t size)
{
    char what[WHAT_MAX];

    tell_journal(id, describe_result(f, what, sizeof(what)), ret, size);
}

static void tell_unneeded(const struct odp_unit_id *id, char *ret, size_t size)
{
    odp_reason_format(ret, size,
                      "%s: StopWhenUnneeded=yes stops it when no other unit needs it: remove that, "
                      "or name the unit that needs it",
                      id->name);
}

// The job is done, and nothing runs.
static void tell_ended(const struct odp_unit_id *id, const struct odp_unit_facts *f, char *ret,
                       size_t size)
{
    if (!f->has_left_inactive)
        tell_systemctl(id, "a Condition...= of it is not met", "see", "status", ret, size);
    else if (is(f->type, "oneshot") && !f->remain_after_exit)
        odp_reason_format(ret, size,
                          "%s: has run to its end (Type=oneshot), so that nothing of it is left to "
                          "be awake: write RemainAfterExit=yes into it, or name another unit",
                          id->name);
    else if (f->stop_when_unneeded)
        tell_unneeded(id, ret, size);
    else
        tell_journal(id, "has ended at once", ret, size);
}

static void tell_job(const struct odp_unit_id *id, const char *job_result, char *ret, size_t size)
{
    char what[WHAT_MAX];

    if (is(job_result, "dependency")) {
        tell_systemctl(id, "dependency: a unit that it requires has failed", "see",
                       "list-dependencies", ret, size);
    } else if (is(job_result, "canceled")) {
        odp_reason_format(ret, size,
                          "%s: canceled: its start was called off, by systemctl stop or "
                          "the like",
                          id->name);
    } else if (is(job_result, "timeout")) {
        tell_journal(id, "timeout (its JobTimeoutSec=)", ret, size);
    } else if (is(job_result, "assert")) {
        tell_systemctl(id, "assert: an Assert...= of it is not met", "see", "status", ret, size);
    } else {
        snprintf(what, sizeof(what), "its start job ended with %s", job_result);
        tell_systemctl(id, what, "see", "status", ret, size);
    }
}

// ---- units that odp has made -------------------------------------------------------------------

bool odp_unit_why_not_run(const struct odp_unit_made *made, const struct odp_unit_facts *f,
                          char *ret, size_t size)
{
    int status = f->exec_main_code == CLD_EXITED ? f->exec_main_status : 0;

    if (is(f->result, "resources") && made->environment_file)
        odp_reason_format(ret, size, "environment_file %s: cannot be read: is it there?",
                          made->environment_file);
    else if (status == 200 && made->directory)
        odp_reason_format(ret, size, "cannot enter directory %s: is it there?", made->directory);
    else if (status == 203)
        odp_reason_format(ret, size, "cannot run %s: it is not there, or is no program",
                          made->program);
    else if (status == 217 && made->user)
        odp_reason_format(ret, size, "user %s: there is no such user", made->user);
    else if (status == 216 && made->user)
        odp_reason_format(ret, size, "user %s: cannot become it", made->user);
    else
        return false;
    return true;
}

static void tell_made(const struct odp_unit_id *id, const struct odp_unit_facts *f, char *ret,
                      size_t size)
{
    char what[WHAT_MAX];

    if (is(f->result, "exit-code") && f->exec_main_code == CLD_EXITED)
        snprintf(what, sizeof(what), "exited with status %d", f->exec_main_status);
    else
        describe_result(f, what, sizeof(what));
    odp_reason_format(ret, size, "%s, see odp logs %s", what, id->made->service);
}

// Statuses of before the command ran are systemd's; of what runs, its own.
static bool tell_made_not_started(const struct odp_unit_id *id, const struct odp_unit_facts *f,
                                  const char *job_result, char *ret, size_t size)
{
    bool has_run = is(job_result, "done");

    if (f->state == ODP_UNIT_FAILED && (has_run || !odp_unit_why_not_run(id->made, f, ret, size)))
        tell_made(id, f, ret, size);
    else if (f->state != ODP_UNIT_FAILED && has_run)
        odp_reason_format(ret, size,
                          "has ended at once, see odp logs %s: a command has to stay in "
                          "the foreground",
                          id->made->service);
    return f->state == ODP_UNIT_FAILED || has_run;
}

// ---- outside -----------------------------------------------------------------------------------

void odp_unit_why_down(const struct odp_unit_id *id, const struct odp_unit_facts *f, char *ret,
                       size_t size)
{
    if (f->is_looping)
        tell_loop(id, f, ret, size);
    else if (f->state == ODP_UNIT_FAILED && id->made)
        tell_made(id, f, ret, size);
    else if (f->state == ODP_UNIT_FAILED && is_at_start_limit(f, NULL))
        tell_start_limit(id, f, ret, size);
    else if (f->state == ODP_UNIT_FAILED)
        tell_failure(id, f, ret, size);
    else if (!odp_unit_is_loaded(f) && !f->is_made)
        tell_not_loaded(id, f->load_state, ret, size);
    else if (f->stop_when_unneeded)
        tell_unneeded(id, ret, size);
    else
        odp_reason_format(ret, size, "%s: has ended, or somebody has stopped it", id->name);
}

void odp_unit_why_not_started(const struct odp_unit_id *id, const struct odp_unit_facts *f,
                              const char *job_result, char *ret, size_t size)
{
    if (id->made && tell_made_not_started(id, f, job_result, ret, size))
        return;
    if (f->is_looping)
        tell_loop(id, f, ret, size);
    else if (!is(job_result, "done") && !is(job_result, "failed"))
        tell_job(id, job_result, ret, size);
    else if (is_at_start_limit(f, job_result))
        tell_start_limit(id, f, ret, size);
    else if (f->state == ODP_UNIT_FAILED)
        tell_failure(id, f, ret, size);
    else if (is(job_result, "done"))
        tell_ended(id, f, ret, size);
    else
        tell_job(id, job_result, ret, size);
}

void odp_unit_why_refused(const struct odp_unit_id *id, const char *error, const char *message,
                          char *ret, size_t size)
{
    if (is(error, "org.freedesktop.systemd1.NoSuchUnit"))
        tell_not_loaded(id, "not-found", ret, size);
    else if (is(error, "org.freedesktop.systemd1.UnitMasked"))
        tell_not_loaded(id, "masked", ret, size);
    else if (is(error, "org.freedesktop.systemd1.BadUnitSetting"))
        tell_not_loaded(id, "bad-setting", ret, size);
    else if (is(error, "org.freedesktop.DBus.Error.AccessDenied") ||
             is(error, "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"))
        odp_reason_format(ret, size,
                          "%s: odp may not do that (%s): run odp as root, allow it by a polkit "
                          "rule, or write scope = user for a unit of your own",
                          id->name, message);
    else
        odp_reason_format(ret, size, "%s: %s", id->name, message);
}
