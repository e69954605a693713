# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Freezing and thawing units. No key leads there yet, so that the launcher is asked directly.

import json
import socket
import subprocess

from units import UnitCase
import test_launcher as wire
from test_launcher import FREEZE, LOOK, START, STOP, THAW
from harness import DEADLINE, read_exactly, read_file


class TestFreeze(UnitCase):
    # One request, and its report, as odpd makes them.
    send, receive = wire.LauncherTest.send, wire.LauncherTest.receive
    report, ask = wire.LauncherTest.report, wire.LauncherTest.ask
    expect = wire.LauncherTest.expect

    def run_launcher(self, *units):
        """A launcher with the service `x` of these units."""
        directory = "/tmp/" + self.id()
        text = "\n".join(line.strip() for line in self.file("x", units=units).splitlines())
        self.machine.write(f"{directory}/services/x.ini", text + "\n")
        self.digests = {"x": wire.digest_of([("unit", u) for u in units])}
        self.next_id, self.unread = 1, []
        self.link, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.link.settimeout(DEADLINE)
        self.closing(self.link)
        self.launcher = subprocess.Popen(
            ["nsenter", "-t", str(self.machine.pid), "-m", "-u", "-i", "-n", "-p", "-C",
             "/odp/build/odp-launcher", "--config", directory, "--runtime", f"{directory}/run",
             "--link", str(end.fileno())], pass_fds=[end.fileno()])
        self.addCleanup(self.end_launcher)
        end.close()

    def end_launcher(self):
        self.link.close()
        self.assertEqual(self.launcher.wait(DEADLINE), 0)

    def log(self):
        return "its log is above"

    def freezer(self, name):
        return self.machine.show(f"{name}.service", "FreezerState")

    def is_frozen(self, name):
        group = self.machine.show(f"{name}.service", "ControlGroup")
        return "frozen 1" in read_file(f"{self.machine.cgroup}{group}/cgroup.events")

    def two(self):
        for name in ("a", "b"):
            self.unit(f"{name}.service", "[Service]\nExecStart=/bin/sleep infinity")
        self.run_launcher("a.service", "b.service")
        self.expect(LOOK, "x", "INACTIVE")
        self.expect(START, "x", "RUNNING")

    def test_freeze_and_thaw(self):
        self.two()
        self.expect(FREEZE, "x", "FROZEN")
        self.assertTrue(self.is_frozen("a") and self.is_frozen("b"))
        self.expect(LOOK, "x", "FROZEN")
        self.expect(THAW, "x", "RUNNING")
        self.assertFalse(self.is_frozen("a") or self.is_frozen("b"))
        self.expect(LOOK, "x", "RUNNING")
        self.assertEqual(self.unread, [])

    def test_start_thaws(self):
        self.two()
        self.expect(FREEZE, "x", "FROZEN")
        self.expect(START, "x", "RUNNING")
        self.assertFalse(self.is_frozen("a") or self.is_frozen("b"))

    def test_stop_of_what_is_frozen(self):
        self.two()
        self.expect(FREEZE, "x", "FROZEN")
        self.expect(STOP, "x", "INACTIVE")
        self.await_unit("a", "inactive")
        self.expect(THAW, "x", "RUNNING")  # there was nothing to thaw: a report of it follows
        self.assertEqual(self.receive().state, "INACTIVE")

    def test_one_that_cannot_be_frozen(self):
        self.unit("a.service", "[Service]\nExecStart=/bin/sleep infinity")
        self.unit("b.target", "[Unit]")
        self.run_launcher("a.service", "b.target")
        self.expect(START, "x", "RUNNING")
        report = self.ask(FREEZE, "x")
        self.assertEqual(report.state, "RUNNING")
        self.assertTrue(report.reason.startswith("b.target: "), report.reason)
        self.expect(START, "x", "RUNNING")  # comes after the thawing
        self.assertFalse(self.is_frozen("a"))

    def test_frozen_by_hand_is_thawed_for_a_visitor(self):
        files = {"echo": self.file("echo")}
        self.service("echo")
        self.machine.systemctl("start", "echo.service")
        self.machine.systemctl("freeze", "echo.service")
        d = self.odpd(files)
        self.assertEqual(d.state("echo"), "frozen")
        self.assertEqual(d.status("echo")["reason"], "found frozen")
        s = self.connect(self.port("echo"))
        s.sendall(b"x")
        self.assertEqual(read_exactly(s, 1), b"x")
        d.await_state("echo", "ready")
        self.assertEqual(self.starts("echo"), 1)
        self.assertEqual(d.status("echo")["reason"], "woken by a connection")
        why = json.loads(d.odp("why", "echo", "--json").stdout)
        self.assertEqual(why["woken_by"], "a client")
