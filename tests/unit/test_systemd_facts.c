// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What units say by themselves, and why they do not run in words for people.

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "odp/launcher/reason.h"
#include "odp/launcher/systemd_facts.h"

static const struct odp_unit_id wiki = {.name = "wiki.service"};
static const struct odp_unit_id mine = {.name = "mine.service", .is_user = true};

static struct odp_unit_facts facts(enum odp_unit_state state)
{
    return (struct odp_unit_facts){.state = state,
                                   .load_state = "loaded",
                                   .freezer_state = "running",
                                   .has_left_inactive = true};
}

static struct odp_unit_facts failed(const char *result, int code, int status)
{
    struct odp_unit_facts f = facts(ODP_UNIT_FAILED);

    strcpy(f.result, result);
    f.exec_main_code = code;
    f.exec_main_status = status;
    return f;
}

static void test_state_names(void **state)
{
    (void)state;
    for (enum odp_unit_state s = ODP_UNIT_INACTIVE; s <= ODP_UNIT_FAILED; s++)
        assert_int_equal(odp_unit_state_from_string(odp_unit_state_to_string(s)), s);
    assert_int_equal(odp_unit_state_from_string("maintenance"), ODP_UNIT_RELOADING);
}

static void test_judge(void **state)
{
    struct odp_unit_facts f;

    (void)state;
    f = facts(ODP_UNIT_ACTIVE);
    assert_int_equal(odp_unit_judge(&f), ODP_UNITS_RUNNING);
    strcpy(f.load_state, "not-found"); // its file is gone, it runs
    assert_int_equal(odp_unit_judge(&f), ODP_UNITS_RUNNING);
    strcpy(f.freezer_state, "frozen");
    assert_int_equal(odp_unit_judge(&f), ODP_UNITS_FROZEN);
    strcpy(f.freezer_state, "frozen-by-parent");
    assert_int_equal(odp_unit_judge(&f), ODP_UNITS_FROZEN);
    f = facts(ODP_UNIT_RELOADING);
    assert_int_equal(odp_unit_judge(&f), ODP_UNITS_RUNNING);
    f = facts(ODP_UNIT_ACTIVATING);
    assert_int_equal(odp_unit_judge(&f), ODP_UNITS_IN_BETWEEN);
    f = facts(ODP_UNIT_DEACTIVATING);
    assert_int_equal(odp_unit_judge(&f), ODP_UNITS_IN_BETWEEN);
    f = facts(ODP_UNIT_INACTIVE);
    assert_int_equal(odp_unit_judge(&f), ODP_UNITS_INACTIVE);
    strcpy(f.load_state, "masked");
    assert_int_equal(odp_unit_judge(&f), ODP_UNITS_FAILED);
    f = facts(ODP_UNIT_FAILED);
    assert_int_equal(odp_unit_judge(&f), ODP_UNITS_FAILED);
    assert_true(odp_unit_is_down(&f));
}

// What has a job queued is about to be something else.
static void test_judge_with_job(void **state)
{
    static const enum odp_unit_state states[] = {ODP_UNIT_ACTIVE, ODP_UNIT_INACTIVE,
                                                 ODP_UNIT_FAILED, ODP_UNIT_RELOADING};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct odp_unit_facts f = facts(states[i]);
        f.job_id = 7;
        assert_int_equal(odp_unit_judge(&f), ODP_UNITS_IN_BETWEEN);
        assert_false(odp_unit_is_down(&f));
    }
}

static void test_judge_loop(void **state)
{
    struct odp_unit_facts f = facts(ODP_UNIT_ACTIVATING);

    (void)state;
    strcpy(f.sub_state, "auto-restart");
    assert_true(odp_unit_waits_for_restart(&f));
    assert_int_equal(odp_unit_judge(&f), ODP_UNITS_IN_BETWEEN);
    f.is_looping = true;
    assert_int_equal(odp_unit_judge(&f), ODP_UNITS_FAILED);
    f.state = ODP_UNIT_ACTIVE; // for how long?
    assert_int_equal(odp_unit_judge(&f), ODP_UNITS_FAILED);
}

#define assert_down(facts, text)                                                                   \
    do {                                                                                           \
        char why[ODP_REASON_MAX + 1];                                                              \
        odp_unit_why_down(&wiki, &(facts), why, sizeof(why));                                      \
        assert_string_equal(why, text);                                                            \
    } while (0)

#define assert_not_started(id, facts, job, text)                                                   \
    do {                                                                                           \
        char why[ODP_REASON_MAX + 1];                                                              \
        odp_unit_why_not_started(&(id), &(facts), job, why, sizeof(why));                          \
        assert_string_equal(why, text);                                                            \
    } while (0)

static void test_results(void **state)
{
    struct odp_unit_facts f;

    (void)state;
    f = failed("exit-code", CLD_EXITED, 3);
    assert_down(f, "wiki.service: exit-code 3, see journalctl -u wiki.service");
    f = failed("exit-code", CLD_EXITED, 203);
    assert_down(f, "wiki.service: exit-code 203 (its program is not there or cannot be run), see "
                   "journalctl -u wiki.service");
    f = failed("exit-code", 0, 0); // ExecStartPre= failed
    assert_down(f, "wiki.service: exit-code of a command beside its main process, see journalctl "
                   "-u wiki.service");
    f = failed("signal", CLD_KILLED, SIGKILL);
    assert_down(f, "wiki.service: signal SIGKILL, see journalctl -u wiki.service");
    f = failed("core-dump", CLD_DUMPED, SIGSEGV);
    assert_down(f, "wiki.service: core-dump SIGSEGV, see journalctl -u wiki.service");
    f = failed("timeout", 0, 0);
    assert_down(f, "wiki.service: timeout (its TimeoutStartSec= or TimeoutStopSec=), see "
                   "journalctl -u wiki.service");
    f = failed("oom-kill", CLD_KILLED, SIGKILL);
    assert_down(f, "wiki.service: oom-kill (there was no memory left), see journalctl -u "
                   "wiki.service");
    f = failed("watchdog", CLD_DUMPED, SIGABRT);
    assert_down(f, "wiki.service: watchdog, see journalctl -u wiki.service");
    f = failed("", 0, 0); // a unit type without a result
    assert_down(f, "wiki.service: failed, see journalctl -u wiki.service");
    f = failed("start-limit-hit", 0, 0);
    assert_down(f, "wiki.service: start-limit-hit, try: systemctl reset-failed wiki.service");
}

// systemd leaves the result of the last run in place: the start that did not begin tells.
static void test_start_limit(void **state)
{
    struct odp_unit_facts f = failed("exit-code", CLD_EXITED, 3);

    (void)state;
    f.last_start_usec = 1000;
    f.start_asked_usec = 2000;
    f.has_left_inactive = false;
    assert_not_started(wiki, f, "failed",
                       "wiki.service: start-limit-hit (last: exit-code 3), try: systemctl "
                       "reset-failed wiki.service");
    assert_not_started(mine, f, "failed",
                       "mine.service: start-limit-hit (last: exit-code 3), try: systemctl --user "
                       "reset-failed mine.service");
    assert_down(f, "wiki.service: exit-code 3, see journalctl -u wiki.service");

    f.last_start_usec = 3000;
    assert_not_started(wiki, f, "failed",
                       "wiki.service: exit-code 3, see journalctl -u wiki.service");
    // It was starting already when we asked.
    f.last_start_usec = 1000;
    f.has_left_inactive = true;
    assert_not_started(wiki, f, "failed",
                       "wiki.service: exit-code 3, see journalctl -u wiki.service");
}

static void test_done_and_gone(void **state)
{
    struct odp_unit_facts f = facts(ODP_UNIT_INACTIVE);

    (void)state;
    assert_not_started(wiki, f, "done",
                       "wiki.service: has ended at once, see journalctl -u wiki.service");
    strcpy(f.type, "oneshot");
    assert_not_started(wiki, f, "done",
                       "wiki.service: has run to its end (Type=oneshot), so that nothing of it is "
                       "left to be awake: write RemainAfterExit=yes into it, or name another unit");
    f.remain_after_exit = true;
    assert_not_started(wiki, f, "done",
                       "wiki.service: has ended at once, see journalctl -u wiki.service");
    f.stop_when_unneeded = true;
    assert_not_started(wiki, f, "done",
                       "wiki.service: StopWhenUnneeded=yes stops it when no other unit needs it: "
                       "remove that, or name the unit that needs it");
    f.has_left_inactive = false;
    assert_not_started(wiki, f, "done",
                       "wiki.service: a Condition...= of it is not met, see systemctl status "
                       "wiki.service");
}

static void test_jobs(void **state)
{
    struct odp_unit_facts f = facts(ODP_UNIT_INACTIVE);

    (void)state;
    assert_not_started(wiki, f, "dependency",
                       "wiki.service: dependency: a unit that it requires has failed, see "
                       "systemctl list-dependencies wiki.service");
    assert_not_started(wiki, f, "canceled",
                       "wiki.service: canceled: its start was called off, by systemctl stop or the "
                       "like");
    assert_not_started(wiki, f, "timeout",
                       "wiki.service: timeout (its JobTimeoutSec=), see journalctl -u "
                       "wiki.service");
    assert_not_started(wiki, f, "assert",
                       "wiki.service: assert: an Assert...= of it is not met, see systemctl status "
                       "wiki.service");
    assert_not_started(wiki, f, "skipped",
                       "wiki.service: its start job ended with skipped, see systemctl status "
                       "wiki.service");
    assert_not_started(mine, f, "failed",
                       "mine.service: its start job ended with failed, see systemctl --user status "
                       "mine.service");
}

static void test_loop(void **state)
{
    struct odp_unit_facts f = failed("exit-code", CLD_EXITED, 3);

    (void)state;
    f.is_looping = true;
    f.state = ODP_UNIT_ACTIVATING;
    assert_down(f, "wiki.service: ends and is restarted again and again (exit-code 3), see "
                   "journalctl -u wiki.service");
    assert_not_started(wiki, f, "failed",
                       "wiki.service: ends and is restarted again and again (exit-code 3), see "
                       "journalctl -u wiki.service");
}

static void test_down_by_hand(void **state)
{
    struct odp_unit_facts f = facts(ODP_UNIT_INACTIVE);

    (void)state;
    assert_down(f, "wiki.service: has ended, or somebody has stopped it");
    strcpy(f.load_state, "not-found");
    assert_down(f, "wiki.service: there is no such unit (not-found): mind the name and [backend] "
                   "scope, and after a new file: systemctl daemon-reload");
    strcpy(f.load_state, "masked");
    assert_down(f, "wiki.service: masked, try: systemctl unmask wiki.service");
    strcpy(f.load_state, "bad-setting");
    assert_down(f, "wiki.service: its file has a fault (bad-setting), try: systemd-analyze verify "
                   "wiki.service");
}

static void test_refused(void **state)
{
    static const struct {
        const char *error, *message, *why;
    } rows[] = {
        {"org.freedesktop.systemd1.NoSuchUnit", "Unit mine.service not found.",
         "mine.service: there is no such unit (not-found): mind the name and [backend] scope, and "
         "after a new file: systemctl --user daemon-reload"},
        {"org.freedesktop.systemd1.UnitMasked", "Unit mine.service is masked.",
         "mine.service: masked, try: systemctl --user unmask mine.service"},
        {"org.freedesktop.systemd1.BadUnitSetting", "x",
         "mine.service: its file has a fault (bad-setting), try: systemd-analyze --user verify "
         "mine.service"},
        {"org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
         "Interactive authentication required.",
         "mine.service: odp may not do that (Interactive authentication required.): run odp as "
         "root, allow it by a polkit rule, or write scope = user for a unit of your own"},
        {"org.freedesktop.systemd1.OnlyByDependency", "Operation refused.",
         "mine.service: Operation refused."},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char why[ODP_REASON_MAX + 1];

        odp_unit_why_refused(&mine, rows[i].error, rows[i].message, why, sizeof(why));
        assert_string_equal(why, rows[i].why);
    }
}

// ---- units that odp makes ----------------------------------------------------------------------

static const struct odp_unit_made words = {.service = "wiki",
                                           .program = "/usr/bin/wiki",
                                           .directory = "/srv/wiki",
                                           .user = "nemo",
                                           .environment_file = "/etc/odp/wiki.env"};
static const struct odp_unit_id made = {.name = "odp-run-wiki.service", .made = &words};

static void test_made_judge(void **state)
{
    struct odp_unit_facts f = facts(ODP_UNIT_INACTIVE);

    (void)state;
    strcpy(f.load_state, "not-found");
    assert_int_equal(odp_unit_judge(&f), ODP_UNITS_FAILED);
    f.is_made = true;
    assert_int_equal(odp_unit_judge(&f), ODP_UNITS_INACTIVE);
}

static void expect_not_run(const struct odp_unit_facts *f, const char *wanted)
{
    char got[ODP_REASON_MAX + 1];

    odp_unit_why_not_started(&made, f, "failed", got, sizeof(got));
    assert_string_equal(got, wanted);
}

static void test_made_not_run(void **state)
{
    struct odp_unit_facts f = failed("exit-code", CLD_EXITED, 203);
    char got[ODP_REASON_MAX + 1];

    (void)state;
    expect_not_run(&f, "cannot run /usr/bin/wiki: it is not there, or is no program");
    // What has run has had the status from the program itself.
    odp_unit_why_down(&made, &f, got, sizeof(got));
    assert_string_equal(got, "exited with status 203, see odp logs wiki");
    odp_unit_why_not_started(&made, &f, "done", got, sizeof(got));
    assert_string_equal(got, "exited with status 203, see odp logs wiki");
    f = failed("exit-code", CLD_EXITED, 200);
    expect_not_run(&f, "cannot enter directory /srv/wiki: is it there?");
    f = failed("exit-code", CLD_EXITED, 217);
    expect_not_run(&f, "user nemo: there is no such user");
    f = failed("exit-code", CLD_EXITED, 216);
    expect_not_run(&f, "user nemo: cannot become it");
    f = failed("exit-code", CLD_EXITED, 226);
    expect_not_run(&f, "exited with status 226, see odp logs wiki");
    f = failed("resources", 0, 0);
    expect_not_run(&f, "environment_file /etc/odp/wiki.env: cannot be read: is it there?");
    f = failed("signal", CLD_KILLED, SIGKILL);
    expect_not_run(&f, "signal SIGKILL, see odp logs wiki");
}

static void test_made_ended(void **state)
{
    struct odp_unit_facts f = facts(ODP_UNIT_INACTIVE);
    char got[ODP_REASON_MAX + 1];

    (void)state;
    f.is_made = true;
    strcpy(f.load_state, "not-found");
    odp_unit_why_down(&made, &f, got, sizeof(got));
    assert_string_equal(got, "odp-run-wiki.service: has ended, or somebody has stopped it");
    odp_unit_why_not_started(&made, &f, "done", got, sizeof(got));
    assert_string_equal(got, "has ended at once, see odp logs wiki: a command has to stay in the "
                             "foreground");
    odp_unit_why_not_started(&made, &f, "canceled", got, sizeof(got));
    assert_non_null(strstr(got, "canceled: its start was called off"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_state_names),    cmocka_unit_test(test_judge),
        cmocka_unit_test(test_judge_with_job), cmocka_unit_test(test_judge_loop),
        cmocka_unit_test(test_results),        cmocka_unit_test(test_start_limit),
        cmocka_unit_test(test_done_and_gone),  cmocka_unit_test(test_jobs),
        cmocka_unit_test(test_loop),           cmocka_unit_test(test_down_by_hand),
        cmocka_unit_test(test_refused),        cmocka_unit_test(test_made_judge),
        cmocka_unit_test(test_made_not_run),   cmocka_unit_test(test_made_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
