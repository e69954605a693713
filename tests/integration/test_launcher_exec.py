#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""odp-launcher with backend type = exec, as odpd sees it: real commands that start, stop and tell."""

import os
import signal
import time
import unittest

import test_launcher
from test_launcher import FREEZE, LOOK, START, STOP, await_true, is_alive


class ExecTest(test_launcher.LauncherTest):
    """`up` stands for what is started: a file that is there while it runs."""

    def exec_service(self, *backend, start=None, stop=None, status=None):
        keys = [("start", self.script("start.sh", start or "touch " + self.path("up"))),
                ("stop", self.script("stop.sh", stop or "rm -f " + self.path("up")))]
        if status:
            keys.append(("status", self.script("status.sh", status)))
        self.service("a", *keys, *backend)

    def is_up(self):
        return os.path.exists(self.path("up"))

    def note(self, word):
        """A line of a script that tells that it was run."""
        return f"echo $$ >>{self.path(word)}\n"

    def pids_of(self, word):
        return [int(line) for line in self.lines(word)]

    def go(self):
        with open(self.path("go"), "w", encoding="utf-8"):
            pass

    def until_go(self):
        return f"while ! [ -e {self.path('go')} ]; do sleep 0.02; done\n"


class TestCommands(ExecTest):
    def test_start_look_stop(self):
        self.exec_service()
        self.run_launcher()
        self.expect(LOOK, "a", "INACTIVE")
        self.expect(START, "a", "RUNNING")
        self.assertTrue(self.is_up())
        self.expect(LOOK, "a", "RUNNING")
        self.expect(STOP, "a", "INACTIVE")
        self.assertFalse(self.is_up())
        self.expect(LOOK, "a", "INACTIVE")
        await_true(lambda: self.files() == ["lock"], "its records are gone")
        self.assert_nothing_unread()
        self.expect(FREEZE, "a", "FAILED", "freeze is not possible with backend type = exec")

    def test_start_of_what_runs_asks_first(self):
        # Slow to answer it was given up, and it may take a second start ill.
        self.exec_service(start=f"{self.note('starts')}[ ! -e {self.path('up')} ] || exit 1\n"
                                f"touch {self.path('up')}\n",
                          status=f"test -e {self.path('up')}\n")
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        self.expect(START, "a", "RUNNING")
        self.assertEqual(len(self.lines("starts")), 1)
        os.unlink(self.path("up"))  # by other hands
        self.expect(START, "a", "RUNNING")
        self.assertEqual(len(self.lines("starts")), 2)
        self.assert_nothing_unread()

    def test_settings_apply_to_all_commands(self):
        note = "echo \"$WHO in $(pwd)\" >>%s\n" % self.path("noted")
        self.exec_service(("environment", "WHO=me"), ("directory", "/usr"),
                          start=note, stop=note, status=note)
        self.run_launcher()
        for op in START, LOOK, STOP:
            self.ask(op, "a")
        self.assertEqual(self.lines("noted"), ["me in /usr"] * 3)

    def test_start_fails(self):
        self.exec_service(start="echo no such machine; exit 3\n")
        self.run_launcher()
        self.expect(START, "a", "FAILED",
                    "start: exited with status 3, last words: no such machine")
        self.expect(LOOK, "a", "INACTIVE")
        self.assertIn("a: no such machine", self.log())
        await_true(lambda: self.files() == ["lock"], "its records are gone")

    def test_last_words_are_those_of_the_command(self):
        self.exec_service(start="echo old words\n", stop="exit 1\n")
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        self.expect(STOP, "a", "RUNNING", "stop: exited with status 1")

    def test_command_cannot_be_run(self):
        self.service("a", ("start", "/nonexistent/x"), ("stop", "/nonexistent/y"))
        self.run_launcher()
        self.expect(START, "a", "FAILED",
                    "start: cannot run /nonexistent/x: No such file or directory")
        self.expect(STOP, "a", "FAILED",
                    "stop: cannot run /nonexistent/y: No such file or directory")

    def test_start_is_killed_by_a_signal(self):
        self.exec_service(start="kill -TERM $$\n")
        self.run_launcher()
        self.expect(START, "a", "FAILED", "start: killed by signal 15 (TERM)")

    def test_late_start_is_killed_with_its_group(self):
        note = self.note("pids")
        self.exec_service(("start_timeout", "2s"),  # time for two shells to begin
                          start=f"sh -c 'trap \"\" TERM; echo $$ >>{self.path('pids')}; "
                                f"while :; do sleep 1; done' &\n{note}echo waiting\nwait\n")
        self.run_launcher()
        begin = time.monotonic()
        self.expect(START, "a", "FAILED",
                    "start: did not end within 2s and was killed, last words: waiting")
        self.assertGreater(time.monotonic() - begin, 2)
        self.assertEqual([p for p in self.pids_of("pids") if is_alive(p)], [])
        self.assertEqual(len(self.pids_of("pids")), 2)
        self.expect(LOOK, "a", "INACTIVE")

    def test_stop_fails(self):
        self.exec_service(stop="echo busy; exit 1\n")
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        self.expect(STOP, "a", "RUNNING", "stop: exited with status 1, last words: busy")
        self.expect(LOOK, "a", "RUNNING")
        self.script("stop.sh", "exit 0\n")
        self.expect(STOP, "a", "INACTIVE")
        self.expect(LOOK, "a", "INACTIVE")

    def test_late_stop(self):
        self.exec_service(("stop_timeout", "1s"), stop=self.note("pids") + "sleep 1000\n")
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        self.expect(STOP, "a", "RUNNING", "stop: did not end within 1s and was killed")
        self.assertFalse(is_alive(self.pids_of("pids")[0]))

    def test_what_start_leaves_behind_lives_and_is_heard(self):
        self.exec_service(start=f"sh -c 'echo $$ >{self.path('daemon')}; "
                                f"{self.until_go()} head -c 200000 /dev/zero | tr \"\\0\" x; "
                                "echo; echo daemon speaks; sleep 1000' &\n",
                          stop=f"kill $(cat {self.path('daemon')})\n")
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        pid = int(self.await_lines("daemon", 1)[0])
        self.addCleanup(lambda: is_alive(pid) and os.kill(pid, signal.SIGKILL))
        self.kill_launcher()
        self.run_launcher()
        self.expect(LOOK, "a", "RUNNING")
        self.go()
        await_true(lambda: "a: daemon speaks" in self.log(), "output")
        self.expect(STOP, "a", "INACTIVE")
        await_true(lambda: not is_alive(pid), "the daemon ends")
        await_true(lambda: self.files() == ["lock"], "nothing is left")


class TestStatus(ExecTest):
    def test_codes(self):
        code = self.path("code")
        self.exec_service(status=f"exit $(cat {code})\n")
        self.run_launcher()
        for status, state in (("0", "RUNNING"), ("3", "INACTIVE"), ("1", "INACTIVE"),
                              ("4", "INACTIVE")):
            with open(code, "w", encoding="utf-8") as f:
                f.write(status)
            self.expect(LOOK, "a", state)
        await_true(lambda: self.files() == ["lock"], "its records are gone")

    def test_it_is_believed_over_what_was_done(self):
        self.exec_service(status=f"test -e {self.path('up')}\n")
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        self.expect(LOOK, "a", "RUNNING")
        os.unlink(self.path("up"))
        self.expect(LOOK, "a", "INACTIVE")

    def test_cannot_tell(self):
        self.exec_service(status="kill -KILL $$\n")
        self.run_launcher()
        self.expect(LOOK, "a", "FAILED", "status: killed by signal 9 (KILL)")

    def test_cannot_tell_of_what_is_up(self):
        self.exec_service(status="kill -KILL $$\n")
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        self.expect(LOOK, "a", "RUNNING", "status: killed by signal 9 (KILL)")

    def test_late(self):
        self.exec_service(status=self.note("pids") + "sleep 1000\n")
        self.run_launcher()
        looks = [self.send(LOOK, "a") for _ in range(3)]
        for look in looks:
            report = self.report(look)
            self.assertEqual((report.state, report.reason),
                             ("FAILED", "status: did not end within 10s and was killed"))
        self.assertFalse(is_alive(self.pids_of("pids")[0]))
        self.assertEqual(len(self.pids_of("pids")), 1)


class TestMeanwhile(ExecTest):
    def test_starts_at_once_are_one(self):
        self.exec_service(start=self.note("pids") + self.until_go())
        self.run_launcher()
        starts = [self.send(START, "a") for _ in range(4)]
        self.expect(LOOK, "a", "STARTING", "is being started")
        self.go()
        self.assertEqual([self.report(r).state for r in starts], ["RUNNING"] * 4)
        self.assertEqual(len(self.pids_of("pids")), 1)
        self.assert_nothing_unread()

    def test_start_during_stop_comes_after_it(self):
        self.exec_service(stop=self.until_go() + "rm " + self.path("up"))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        stops, start = [self.send(STOP, "a") for _ in range(2)], self.send(START, "a")
        self.expect(LOOK, "a", "RUNNING", "is being stopped")
        self.go()
        self.assertEqual([self.report(r).state for r in stops], ["INACTIVE"] * 2)
        self.assertEqual(self.report(start).state, "RUNNING")
        self.assertTrue(self.is_up())

    def test_stop_during_start_gives_it_up(self):
        self.exec_service(start=self.note("pids") + "touch %s\nsleep 1000\n" % self.path("up"))
        self.run_launcher()
        start = self.send(START, "a")
        await_true(self.is_up, "half a start")
        stop, again = self.send(STOP, "a"), self.send(START, "a")
        report = self.report(start)
        self.assertEqual((report.state, report.reason),
                         ("FAILED", "was to be stopped before it had started"))
        self.assertEqual(self.report(stop).state, "INACTIVE")
        self.assertFalse(is_alive(self.pids_of("pids")[0]))
        await_true(lambda: len(self.pids_of("pids")) == 2, "the second start")
        self.assertEqual(self.ask(STOP, "a").state, "INACTIVE")
        self.assertEqual(self.report(again).state, "FAILED")
        self.assertFalse(self.is_up())

    def test_start_during_status_comes_after_it(self):
        self.exec_service(status=self.until_go() + f"test -e {self.path('up')}\n")
        self.run_launcher()
        look, start = self.send(LOOK, "a"), self.send(START, "a")
        self.go()
        self.assertEqual(self.report(look).state, "INACTIVE")
        self.assertEqual(self.report(start).state, "RUNNING")
        self.assertTrue(self.is_up())


class TestRespawn(ExecTest):
    def begin(self, op):
        """Kills the launcher in the middle of a command, and runs the next."""
        self.send(op, "a")
        self.await_lines("pids", 1)
        self.kill_launcher()
        self.run_launcher()

    def test_last_result_is_remembered(self):
        self.exec_service()
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        self.kill_launcher()
        self.run_launcher()
        self.expect(LOOK, "a", "RUNNING")
        self.expect(STOP, "a", "INACTIVE")
        self.kill_launcher()
        self.run_launcher()
        self.expect(LOOK, "a", "INACTIVE")

    def test_start_goes_on_and_is_not_run_twice(self):
        self.exec_service(start=self.note("pids") + self.until_go() + self.note("done"))
        self.run_launcher()
        self.begin(START)
        self.expect(LOOK, "a", "STARTING", "is being started")
        start = self.send(START, "a")
        self.go()
        self.assertEqual(self.report(start).state, "RUNNING")
        self.assertEqual(self.pids_of("done"), self.pids_of("pids"))
        self.assertEqual(len(self.pids_of("pids")), 1)
        self.expect(LOOK, "a", "RUNNING")
        self.assert_nothing_unread()

    def test_start_that_nobody_waits_for_is_told(self):
        self.exec_service(start=self.note("pids") + self.until_go())
        self.run_launcher()
        self.begin(START)
        self.expect(LOOK, "a", "STARTING", "is being started")  # it has been taken over
        self.go()
        self.assertEqual(self.report(0).state, "RUNNING")

    def test_status_tells_what_came_of_a_start(self):
        self.exec_service(start=self.note("pids") + self.until_go() + "exit 1\n",
                          status=f"test -e {self.path('up')}\n")
        self.run_launcher()
        self.begin(START)
        self.expect(LOOK, "a", "STARTING", "is being started")  # it has been taken over
        self.go()
        self.assertEqual(self.report(0).state, "INACTIVE")
        self.expect(LOOK, "a", "INACTIVE")

    def test_adopted_start_has_an_end(self):
        self.exec_service(("start_timeout", "1s"), start=self.note("pids") + "sleep 1000\n")
        self.run_launcher()
        self.begin(START)
        self.expect(START, "a", "FAILED", "start: did not end within 1s and was killed")
        self.assertFalse(is_alive(self.pids_of("pids")[0]))

    def test_adopted_start_is_given_up_for_a_stop(self):
        self.exec_service(start="touch %s\n" % self.path("up") + self.note("pids") +
                          "sleep 1000\n")
        self.run_launcher()
        self.begin(START)
        self.expect(STOP, "a", "INACTIVE")
        self.assertFalse(is_alive(self.pids_of("pids")[0]))
        self.assertFalse(self.is_up())

    def test_adopted_stop_is_run_again(self):
        self.exec_service(stop=self.note("pids") + self.until_go() + "rm -f " + self.path("up"))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        self.begin(STOP)
        self.expect(LOOK, "a", "RUNNING", "is being stopped")
        stop = self.send(STOP, "a")
        self.go()
        self.assertEqual(self.report(stop).state, "INACTIVE")
        self.assertEqual(len(self.pids_of("pids")), 2)
        self.expect(LOOK, "a", "INACTIVE")

    def test_end_while_no_launcher_is_there(self):
        self.exec_service(start=self.note("pids") + self.until_go() + self.note("done"))
        self.run_launcher()
        self.send(START, "a")
        pid = int(self.await_lines("pids", 1)[0])
        self.kill_launcher()
        self.go()
        await_true(lambda: not is_alive(pid), "the start ends")
        self.run_launcher()
        self.expect(LOOK, "a", "RUNNING")


class TestKinds(ExecTest):
    def test_change_from_exec_waits_for_its_stop(self):
        self.exec_service(start=self.note("pids") + self.until_go(), stop=self.note("stops"))
        self.run_launcher()
        self.send(START, "a")
        self.await_lines("pids", 1)
        self.kill_launcher()
        self.service("a", ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(LOOK, "a", "STARTING", "is being started")
        self.go()
        self.assertEqual(self.report(0).state, "RUNNING")
        self.expect(LOOK, "a", "RUNNING")
        self.expect(STOP, "a", "INACTIVE")
        self.assertEqual(len(self.pids_of("stops")), 1)
        self.expect(START, "a", "RUNNING")
        self.assertEqual(self.record("a")["role"], "s")
        self.expect(STOP, "a", "INACTIVE")

    def test_change_from_process_waits_for_its_end(self):
        self.service("a", ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        self.exec_service()
        self.expect(LOOK, "a", "RUNNING")
        self.expect(STOP, "a", "INACTIVE")
        self.expect(START, "a", "RUNNING")
        self.assertTrue(self.is_up())

    def test_record_without_a_role_is_that_of_a_service(self):
        self.service("a", ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        pid = self.pid("a")
        self.kill_launcher()
        path = self.path("run/launcher/a.pid")
        text = test_launcher.read_text(path)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace("role=s\n", ""))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        self.assertEqual(self.pid("a"), pid)


if __name__ == "__main__":
    unittest.main()
