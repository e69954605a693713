#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""odp-launcher asked for probes, as odpd sees it: [ready] command beside backends of every type."""

import os
import signal
import time
import unittest

import test_launcher
from test_launcher import LOOK, PROBE, START, STOP, await_true, is_alive


class ProbeTest(test_launcher.LauncherTest):
    def probed(self, text, *backend, name="a"):
        """A service with a script as its probe; by default there is nothing to start."""
        ready = ("probe", "exec"), ("command", self.script(f"{name}-probe.sh", text))
        self.service(name, *(backend or [("type", "none")]), ready=ready)

    def note(self, word="pids"):
        return f"echo $$ >>{self.path(word)}\n"

    def pids(self, word="pids"):
        return [int(line) for line in self.lines(word)]

    def records(self):
        return sorted(os.listdir(self.path("run/launcher/probe")))

    def test_passes(self):
        self.probed("echo all is well\n")
        self.run_launcher()
        for _ in range(5):
            self.expect(PROBE, "a", "ANSWERS")
        self.assertEqual(self.records(), [])
        self.assertNotIn("all is well", self.log())
        self.assert_nothing_unread()

    def test_does_not_pass(self):
        rows = [("echo one; echo two words; exit 2\n", "exit status 2: two words"),
                ("exit 1\n", "exit status 1"),
                ("kill -TERM $$\n", "its command was killed by signal 15 (TERM)"),
                ("echo oh >&2; kill -9 $$\n", "its command was killed by signal 9 (KILL): oh")]
        for i, (text, _) in enumerate(rows):
            self.probed(text, name=f"s{i}")
        self.run_launcher()
        for i, (_, reason) in enumerate(rows):
            self.expect(PROBE, f"s{i}", "SILENT", reason)
            self.expect(PROBE, f"s{i}", "SILENT", reason)

    def test_cannot_be_run(self):
        self.service("a", ("type", "none"),
                     ready=[("probe", "exec"), ("command", "/nonexistent/x y")])
        self.run_launcher()
        self.expect(PROBE, "a", "SILENT", "cannot run /nonexistent/x: No such file or directory")
        self.assertEqual(self.records(), [])

    def test_beside_every_backend(self):
        started = ("start", self.script("start", "exit 0\n")), ("stop", self.script("stop", ""))
        backends = {"none": [("type", "none")], "process": [("command", "/bin/sleep 1000")],
                    "exec": started, "systemd": [("unit", "nothing.service")]}
        for name, backend in backends.items():
            self.probed(self.note(name), *backend, name=name)
        self.run_launcher()
        for name in backends:
            self.expect(PROBE, name, "ANSWERS")
        self.expect(START, "process", "RUNNING")
        pid = self.pid("process")
        self.expect(PROBE, "process", "ANSWERS")
        self.expect(LOOK, "process", "RUNNING")
        self.assertEqual(self.pid("process"), pid)
        self.assertTrue(is_alive(pid))

    def test_as_the_service(self):
        self.probed("echo \"$WHO in $(pwd)\"; exit 1\n", ("command", "/bin/sleep 1000"),
                    ("environment", "WHO=me"), ("directory", "/usr"))
        self.run_launcher()
        self.expect(PROBE, "a", "SILENT", "exit status 1: me in /usr")

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_as_its_user(self):
        self.probed("id -un; exit 1\n", ("command", "/bin/sleep 1000"), ("user", "nobody"))
        self.run_launcher()
        self.expect(PROBE, "a", "SILENT", "exit status 1: nobody")

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_as_a_user_where_nothing_is_run_but_the_probe(self):
        more = ("user", "nobody"), ("directory", "/usr"), ("environment", "WHO=me")
        text = "echo $(id -un) as $WHO in $(pwd); exit 1\n"
        self.probed(text, ("type", "none"), *more)
        self.probed(text, ("unit", "nothing.service"), *more, name="b")
        self.run_launcher()
        for name in "a", "b":
            self.expect(PROBE, name, "SILENT", "exit status 1: nobody as me in /usr")

    def test_late(self):
        self.probed(f"trap '' TERM\n{self.note()}echo waiting\nwhile :; do sleep 1; done\n")
        self.probed("exit 0\n", name="b")
        self.run_launcher()
        begin = time.monotonic()
        late = self.send(PROBE, "a")
        self.expect(PROBE, "b", "ANSWERS")  # it holds nobody up
        report = self.report(late)
        self.assertEqual((report.state, report.reason), (
            "SILENT", "its command did not end within 10s and was killed: waiting"))
        self.assertGreater(time.monotonic() - begin, 10)
        self.assertFalse(is_alive(self.pids()[0]))

    def test_leaves_nothing_behind(self):
        self.probed(f"sh -c 'trap \"\" TERM; {self.note().strip()}; while :; do sleep 1; done' &\n"
                    f"while ! [ -s {self.path('pids')} ]; do sleep 0.01; done\n")
        self.run_launcher()
        self.expect(PROBE, "a", "ANSWERS")
        self.assertFalse(is_alive(self.pids()[0]))

    def test_prints_more_than_anybody_reads(self):
        self.probed("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end; exit 3\n")
        self.probed(f"{self.note()}exec yes\n", name="b")
        self.probed("exit 0\n", name="c")
        self.run_launcher()
        self.expect(PROBE, "a", "SILENT", "exit status 3: end")
        endless = self.send(PROBE, "b")
        self.await_lines("pids", 1)
        for _ in range(20):
            self.expect(PROBE, "c", "ANSWERS")
        self.assertLess(os.path.getsize(self.path("log")), 100000)
        self.send(STOP, "b")
        self.assertEqual(self.report(endless).state, "SILENT")
        await_true(lambda: not is_alive(self.pids()[0]), "it is ended")

    def test_start_and_stop_end_it(self):
        self.probed(f"{self.note()}sleep 1000\n", ("command", "/bin/sleep 1000"))
        self.run_launcher()
        for n, op in enumerate([START, STOP], 1):
            probe = self.send(PROBE, "a")
            self.await_lines("pids", n)
            self.ask(op, "a")
            report = self.report(probe)
            self.assertEqual((report.state, report.reason),
                             ("SILENT", "the service is started or stopped"))
            await_true(lambda: self.records() == [], "it is gone")
        self.assertEqual([p for p in self.pids() if is_alive(p)], [])
        self.assert_nothing_unread()

    def test_asked_anew(self):
        self.probed(f"{self.note()}while ! [ -e {self.path('go')} ]; do sleep 0.02; done\n")
        self.run_launcher()
        first = self.send(PROBE, "a")
        self.await_lines("pids", 1)
        second = self.send(PROBE, "a")
        self.assertEqual(self.report(first).state, "SILENT")
        with open(self.path("go"), "w", encoding="utf-8"):
            pass
        self.assertEqual(self.report(second).state, "ANSWERS")
        self.assertEqual(len(self.pids()), 1)

    def test_changed_file(self):
        self.probed("exit 0\n")
        self.run_launcher()
        self.expect(LOOK, "a", "RUNNING")  # it has read the file
        old = self.digests["a"]
        self.service("a", ("type", "none"), ready=[("probe", "exec"), ("command", "/bin/false")])
        report = self.ask(PROBE, "a", digest=old)
        self.assertEqual(report.state, "ANSWERS")  # of the settings that odpd means
        self.expect(PROBE, "a", "SILENT", "exit status 1")
        self.assertEqual(self.ask(PROBE, "a", digest=1).state, "STALE")

    def test_not_its_probe(self):
        self.service("a", ("type", "none"))
        self.run_launcher()
        self.expect(PROBE, "a", "SILENT", "its probe is not the launcher's to make")

    def test_end_of_the_launcher_ends_it(self):
        self.probed(f"trap '' TERM\n{self.note()}while :; do sleep 1; done\n")
        self.run_launcher()
        self.send(PROBE, "a")
        self.await_lines("pids", 1)
        self.end_launcher()
        await_true(lambda: not is_alive(self.pids()[0]), "it is ended")
        self.run_launcher()
        self.ask(LOOK, "a")
        self.assertEqual(self.records(), [])

    def test_killed_launcher(self):
        self.probed(f"{self.note()}[ -e {self.path('go')} ] || sleep 1000\n",
                    ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        pid = self.pid("a")
        self.send(PROBE, "a")
        probe = int(self.await_lines("pids", 1)[0])
        self.kill_launcher()
        self.assertTrue(is_alive(probe))
        with open(self.path("go"), "w", encoding="utf-8"):
            pass
        self.run_launcher()
        self.expect(LOOK, "a", "RUNNING")
        await_true(lambda: not is_alive(probe), "the next one ends it")
        await_true(lambda: self.ask(PROBE, "a").state == "ANSWERS", "and runs another one")
        self.assertEqual(self.pid("a"), pid)
        self.assertEqual(self.records(), [])

    def test_killed_launcher_and_a_file_that_is_gone(self):
        self.probed(f"{self.note()}sleep 1000\n")
        self.service("b", ("type", "none"))
        self.run_launcher()
        self.send(PROBE, "a")
        probe = int(self.await_lines("pids", 1)[0])
        self.kill_launcher()
        os.unlink(self.path("config/services/a.ini"))
        self.run_launcher()
        self.ask(LOOK, "b")
        await_true(lambda: not is_alive(probe), "the next one ends it")

    def test_names_do_not_meet(self):
        # The record of a probe is not that of another service.
        for name in "x", "x.probe", "probe":
            self.probed(self.note(name) + "sleep 1000\n", ("command", "/bin/sleep 1000"),
                        name=name)
        self.run_launcher()
        for name in "x", "x.probe", "probe":
            self.expect(START, name, "RUNNING")
            self.send(PROBE, name)
            self.await_lines(name, 1)
        self.kill_launcher()
        self.run_launcher()
        for name in "x", "x.probe", "probe":
            self.expect(LOOK, name, "RUNNING")
            self.expect(STOP, name, "INACTIVE")
            await_true(lambda n=name: not is_alive(self.pids(n)[0]), "its probe is ended")

    def test_storm(self):
        self.probed("exit 1\n")
        self.run_launcher()
        requests = [self.send(PROBE, "a") for _ in range(200)]
        states = {self.report(r).state for r in requests}
        self.assertEqual(states, {"SILENT"})

    def test_stopped_probe_is_ended(self):
        self.probed(f"{self.note()}sleep 1000\n")
        self.run_launcher()
        self.send(PROBE, "a")
        probe = int(self.await_lines("pids", 1)[0])
        os.kill(probe, signal.SIGSTOP)
        self.send(STOP, "a")
        await_true(lambda: not is_alive(probe), "it is ended")


if __name__ == "__main__":
    unittest.main()
