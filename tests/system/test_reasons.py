# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Units that do not start: each says why, to a browser, to `odp why` and to `odp status`, in words
# that name the unit and what to do.

import json
import os
import signal

import machine
from harness import is_alive, until
from units import UnitCase

SLEEP = "ExecStart=/bin/sleep infinity"


class TestReasons(UnitCase):
    def start(self, unit, wanted, before=None):
        """Writes x.service, has it started, and compares what is said; returns odpd."""
        files = {"x": self.file("x", ready="timeout = 20s")}
        if unit is not None:
            self.unit("x.service", unit)
        d = self.odpd(files)
        if before:
            before(d)
        self.assert_failed(d, d.odp("start", "x"), wanted)
        return d

    def assert_failed(self, d, done, wanted):
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr.strip(), f"odp: x: {wanted}")
        status = json.loads(d.odp("status", "--json").stdout)["services"][0]
        self.assertEqual((status["state"], status["reason"]), ("failed", wanted))
        self.assertIn(wanted, d.odp("why", "x").stdout)

    def test_exit_code(self):
        self.start("[Service]\nType=oneshot\nExecStart=/bin/sh -c 'exit 3'",
                   "x.service: exit-code 3, see journalctl -u x.service")

    def test_exit_code_after_the_job(self):
        self.start("[Service]\nExecStart=/bin/sh -c 'sleep 0.2; exit 3'",
                   "x.service: exit-code 3, see journalctl -u x.service")

    def test_no_program(self):
        self.start("[Service]\nExecStart=/nonexistent",
                   "x.service: exit-code 203 (its program is not there or cannot be run), see "
                   "journalctl -u x.service")

    def test_signal(self):
        self.start("[Service]\nType=notify\nExecStart=/bin/sh -c 'kill -SEGV $$$$'",
                   "x.service: signal SIGSEGV, see journalctl -u x.service")

    def test_start_limit(self):
        def use_up(d):
            for _ in range(2):
                self.assertIn("exit-code 3", d.odp("start", "x").stderr)
        d = self.start("[Unit]\nStartLimitBurst=2\nStartLimitIntervalSec=1h\n[Service]\n"
                       "Type=oneshot\nExecStart=/bin/sh -c 'test -e /tmp/x.ok || exit 3'\n"
                       "RemainAfterExit=yes",
                       "x.service: start-limit-hit (last: exit-code 3), try: systemctl "
                       "reset-failed x.service", use_up)
        # What it says helps.
        self.machine.write("/tmp/x.ok", "")
        self.machine.systemctl("reset-failed", "x.service")
        done = d.odp("start", "--no-wait", "x")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.await_unit("x", "active")

    def test_not_found(self):
        wanted = ("x.service: there is no such unit (not-found): mind the name and [backend] scope, "
                  "and after a new file: systemctl daemon-reload")
        d = self.start(None, wanted)
        # It is there now.
        self.service("x")
        self.talk("x")
        self.assertEqual(d.state("x"), "ready")

    def test_not_found_is_said_before_anybody_asks(self):
        d = self.odpd({"x": self.file("x")})
        self.assertEqual(d.state("x"), "failed")
        self.assertIn("there is no such unit (not-found)", d.status("x")["reason"])

    def test_masked(self):
        self.addCleanup(self.machine.run, "rm", "-f", "/etc/systemd/system/x.service")
        self.machine.run("ln", "-s", "/dev/null", "/etc/systemd/system/x.service")
        self.machine.daemon_reload()
        self.start(None, "x.service: masked, try: systemctl unmask x.service")

    def test_bad_setting(self):
        self.start("[Service]\nExecStart=sleep/infinity",
                   "x.service: its file has a fault (bad-setting), try: systemd-analyze verify "
                   "x.service")

    def test_dependency(self):
        self.unit("needed.service", "[Service]\nType=oneshot\nExecStart=/bin/false")
        self.start(f"[Unit]\nRequires=needed.service\nAfter=needed.service\n[Service]\n{SLEEP}",
                   "x.service: dependency: a unit that it requires has failed, see systemctl "
                   "list-dependencies x.service")

    def test_timeout(self):
        self.start(f"[Service]\nType=notify\nTimeoutStartSec=1\n{SLEEP}",
                   "x.service: timeout (its TimeoutStartSec= or TimeoutStopSec=), see journalctl "
                   "-u x.service")

    def test_job_timeout(self):
        # The job is given up, the unit not: it is adopted if it comes up after all.
        d = self.start("[Unit]\nJobTimeoutSec=1\n[Service]\nType=notify\nNotifyAccess=all\n"
                       "ExecStart=/bin/sh -c 'sleep 3; systemd-notify --ready; sleep infinity'",
                       "x.service: timeout (its JobTimeoutSec=), see journalctl -u x.service")
        until(lambda: "running: failed -> probing" in d.log(), "it is adopted")

    def test_canceled(self):
        files = {"x": self.file("x")}
        self.unit("x.service", f"[Service]\nType=notify\n{SLEEP}")
        d = self.odpd(files)
        d.odp("start", "--no-wait", "x")
        self.await_unit("x", "activating")
        self.machine.systemctl("stop", "x.service")
        self.assertEqual(d.await_state("x", "failed")["reason"],
                         "x.service: canceled: its start was called off, by systemctl stop or the "
                         "like")

    def test_condition(self):
        self.start(f"[Unit]\nConditionPathExists=/nonexistent\n[Service]\n{SLEEP}",
                   "x.service: a Condition...= of it is not met, see systemctl status x.service")

    def test_assert(self):
        self.start(f"[Unit]\nAssertPathExists=/nonexistent\n[Service]\n{SLEEP}",
                   "x.service: assert: an Assert...= of it is not met, see systemctl status "
                   "x.service")

    def test_oneshot(self):
        self.start("[Service]\nType=oneshot\nExecStart=/bin/true",
                   "x.service: has run to its end (Type=oneshot), so that nothing of it is left to "
                   "be awake: write RemainAfterExit=yes into it, or name another unit")

    def test_stop_when_unneeded(self):
        self.start(f"[Unit]\nStopWhenUnneeded=yes\n[Service]\n{SLEEP}",
                   "x.service: StopWhenUnneeded=yes stops it when no other unit needs it: remove "
                   "that, or name the unit that needs it")

    def test_refuse_manual_start(self):
        self.start(f"[Unit]\nRefuseManualStart=yes\n[Service]\n{SLEEP}",
                   "x.service: Operation refused, unit x.service may be requested by dependency "
                   "only (it is configured to refuse manual start/stop).")

    def test_a_visitor_is_told(self):
        files = {"x": self.file("x")}
        self.unit("x.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'exit 3'")
        self.odpd(files)
        s = self.connect(self.port("x"))
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while chunk := s.recv(4096):
            answer += chunk
        self.assertIn(b" 503 ", answer)
        self.assertIn(b"x.service: exit-code 3", answer)


class TestRestart(UnitCase):
    """Restart= of the unit itself."""

    def crashing(self, n_crashes, settings, port):
        """A unit that crashes so often before it serves."""
        command = (f"n=$$(cat /tmp/x.runs 2>/dev/null || echo 0); echo $$((n + 1)) >/tmp/x.runs; "
                   f"[ $$n -ge {n_crashes} ] || exit 3; exec {port}")
        self.machine.run("rm", "-f", "/tmp/x.runs")
        return f"[Unit]\nStartLimitIntervalSec=0\n[Service]\n{settings}\nExecStart=/bin/sh -c '{command}'"

    def server(self):
        return (f"/usr/bin/python3 -IBS {machine.SERVERS}/echo.py --listen "
                f"127.0.0.1:{self.target('x')}")

    def test_crashing_once_keeps_the_client(self):
        for kind in ("simple", "exec"):
            with self.subTest(type=kind):
                files = {"x": self.file("x")}
                self.unit("x.service", self.crashing(
                    1, f"Type={kind}\nRestart=on-failure\nRestartSec=500ms", self.server()))
                d = self.odpd(files)
                self.talk("x")
                self.assertEqual(d.status("x")["failed_wakes"], 0)
                self.assertEqual(d.finish(), "")
                self.remove_units()
                self.units.clear()

    def test_crashing_before_it_is_up(self):
        files = {"x": self.file("x")}
        # The job fails with the first crash, and systemd goes on all the same.
        self.unit("x.service", self.crashing(
            1, "Type=forking\nRestart=on-failure\nRestartSec=500ms", f"setsid {self.server()} &"))
        d = self.odpd(files)
        self.talk("x")
        self.assertEqual(d.status("x")["failed_wakes"], 0)

    def test_crashing_in_use(self):
        files = {"x": self.file("x")}
        self.service("x", text="Restart=always\nRestartSec=500ms")
        d = self.odpd(files)
        self.talk("x")
        pid = self.machine.main_pid("x.service")
        os.kill(pid, signal.SIGKILL)
        until(lambda: not is_alive(pid), "it is dead")
        self.talk("x")
        self.assertEqual(self.starts("x"), 2)
        self.assertNotIn("ready -> stopped", d.log())

    def test_loop_is_told_and_recovers(self):
        files = {"x": self.file("x", ready="timeout = 30s")}
        self.unit("x.service", self.crashing(
            8, "Restart=always\nRestartSec=700ms", self.server()))
        d = self.odpd(files)
        done = d.odp("start", "x")
        self.assertIn("x.service: ends and is restarted again and again (exit-code 3), see "
                      "journalctl -u x.service", done.stderr)
        until(lambda: self.machine.show("x.service", "SubState") == "auto-restart", "it goes on so")
        # What stays up at last is adopted.
        until(lambda: d.state("x") == "ready", "the unit has proved itself")
        self.talk("x")
