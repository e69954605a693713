# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What lies between odp and its units, restarted, killed and gone: D-Bus, systemd itself, the
# launcher. No client loses by it, nothing is stopped for it, nothing is started twice.

import os
import shutil
import signal
import subprocess
import time
import unittest

from units import UnitCase
from harness import cpu_seconds, is_alive, read_exactly, read_file, until


class BusCase(UnitCase):
    def systemctl(self, *args):
        self.machine.systemctl(*args)  # as root it does without D-Bus

    def restart_bus(self):
        self.systemctl("restart", "dbus.service")

    def kill_bus(self):
        pid = self.machine.main_pid("dbus.service")
        os.kill(pid, signal.SIGKILL)
        until(lambda: not is_alive(pid), "the bus is dead")

    def take_bus(self):
        """Nobody gets it back but return_bus()."""
        self.addCleanup(self.return_bus)
        self.systemctl("stop", "dbus.socket", "dbus.service")

    def return_bus(self):
        self.systemctl("reset-failed")
        self.systemctl("start", "dbus.socket")

    def echo(self, s):
        s.sendall(b"y")
        self.assertEqual(read_exactly(s, 1), b"y")


class TestBus(BusCase):
    def wake_while(self, disturb):
        files = {"app": self.file("app")}
        self.service("app", "--delay", "2", text="ExecStartPost=/bin/sleep 1")
        d = self.odpd(files)
        s = self.connect(self.port("app"))
        s.sendall(b"x")
        d.await_state("app", "starting")
        self.await_unit("app", "activating")
        disturb()
        self.assertEqual(read_exactly(s, 1), b"x")
        d.await_state("app", "ready")
        self.assertEqual(self.starts("app"), 1)
        self.assertEqual(d.status("app")["failed_wakes"], 0)
        # What happens next is seen.
        self.systemctl("stop", "app.service")
        d.await_state("app", "stopped")

    def relay_while(self, disturb):
        files = {"app": self.file("app", idle="600ms")}
        self.service("app")
        d = self.odpd(files)
        s = self.talk("app")
        disturb()
        self.echo(s)
        until(lambda: "service manager is reached" in d.log(), "odp is back on the bus")
        self.echo(s)
        self.assertEqual(d.state("app"), "ready")
        self.assertEqual(d.log().count("-> ready"), 1)
        s.close()
        d.await_state("app", "stopped")
        self.await_unit("app", "inactive")

    def stop_while(self, disturb):
        files = {"app": self.file("app")}
        gate = self.gate("app")
        self.service("app", text=f"ExecStop=/bin/sh -c 'until test -e {gate}; do sleep 0.1; done'")
        d = self.odpd(files)
        self.talk("app").close()
        d.odp("stop", "--no-wait", "app")
        self.await_unit("app", "deactivating")
        disturb()
        s = self.connect(self.port("app"))  # held, and served after the stop
        s.sendall(b"x")
        self.assertEqual(d.state("app"), "stopping")
        self.open(gate)
        self.assertEqual(read_exactly(s, 1), b"x")
        self.assertEqual(self.starts("app"), 2)

    def test_restarted_during_a_wake(self):
        self.wake_while(self.restart_bus)

    def test_killed_during_a_wake(self):
        self.wake_while(self.kill_bus)

    def test_restarted_while_relaying(self):
        self.relay_while(self.restart_bus)

    def test_killed_while_relaying(self):
        self.relay_while(self.kill_bus)

    def test_restarted_during_a_stop(self):
        self.stop_while(self.restart_bus)

    def test_killed_during_a_stop(self):
        self.stop_while(self.kill_bus)

    def test_systemd_executes_itself_anew_during_a_wake(self):
        self.wake_while(lambda: self.systemctl("daemon-reexec"))

    def test_systemd_executes_itself_anew_while_relaying(self):
        self.relay_while(lambda: self.systemctl("daemon-reexec"))

    def test_systemd_reloads_during_a_wake(self):
        self.wake_while(lambda: self.systemctl("daemon-reload"))

    def test_gone(self):
        files = {"up": self.file("up"), "down": self.file("down")}
        self.service("up")
        self.service("down")
        d = self.odpd(files)
        s = self.talk("up")
        launcher = d.launcher()
        self.take_bus()
        # Who comes in vain is told why.
        done = d.odp("start", "down")
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot reach the system's service manager over D-Bus: ", done.stderr)
        self.assertEqual(d.state("down"), "failed")
        # Nothing spins, and nothing is taken for stopped.
        before = cpu_seconds(launcher), cpu_seconds(d.pid)
        time.sleep(2)
        self.assertLess(cpu_seconds(launcher) - before[0], 0.1)
        self.assertLess(cpu_seconds(d.pid) - before[1], 0.1)
        self.assertEqual(d.state("up"), "ready")
        self.echo(s)
        # An asked stop is refused rather than called done, and the service serves on.
        s.close()
        d.odp("stop", "--no-wait", "up")
        until(lambda: "stopping -> probing: could not be stopped: cannot reach" in d.log(), "it is refused")
        self.talk("up")
        # What happens meanwhile is seen afterwards.
        self.systemctl("start", "down.service")
        self.systemctl("stop", "up.service")
        self.return_bus()
        d.await_state("up", "stopped")
        d.await_state("down", "ready")
        self.assertEqual(d.launcher(), launcher)
        self.talk("up")

    def test_gone_when_the_launcher_starts(self):
        files = {"up": self.file("up"), "down": self.file("down")}
        self.service("up")
        self.service("down")
        self.take_bus()
        self.systemctl("start", "up.service")
        d = self.odpd(files)
        self.assertIn("cannot reach the system's service manager over D-Bus: Connection refused",
                      d.status("down")["reason"])
        self.return_bus()
        d.await_state("up", "ready")
        self.talk("down")

    def test_launcher_killed_while_the_bus_is_gone(self):
        files = {"up": self.file("up")}
        self.service("up")
        d = self.odpd(files)
        s = self.talk("up")
        self.take_bus()
        os.kill(d.launcher(), signal.SIGKILL)
        until(d.launcher, "there is a new one")
        self.echo(s)
        self.return_bus()
        d.await_state("up", "ready")
        self.echo(s)
        self.assertEqual(self.starts("up"), 1)


class TestLauncher(BusCase):
    def test_killed_during_a_start(self):
        files = {"app": self.file("app")}
        self.service("app", "--delay", "1.5", text="ExecStartPost=/bin/sleep 1")
        d = self.odpd(files)
        s = self.connect(self.port("app"))
        s.sendall(b"x")
        self.await_unit("app", "activating")
        os.kill(d.launcher(), signal.SIGKILL)
        self.assertEqual(read_exactly(s, 1), b"x")
        d.await_state("app", "ready")
        self.assertEqual(self.starts("app"), 1)

    def test_killed_during_a_stop(self):
        files = {"app": self.file("app")}
        gate = self.gate("app")
        self.service("app", text=f"ExecStop=/bin/sh -c 'until test -e {gate}; do sleep 0.1; done'")
        d = self.odpd(files)
        self.talk("app").close()
        d.odp("stop", "--no-wait", "app")
        self.await_unit("app", "deactivating")
        os.kill(d.launcher(), signal.SIGKILL)
        self.open(gate)
        d.await_state("app", "stopped")
        self.assertEqual(self.machine.show("app.service", "ActiveState"), "inactive")

    def test_killed_asleep_and_awake(self):
        files = {"up": self.file("up", idle="2s"), "down": self.file("down")}
        self.service("up")
        self.service("down")
        d = self.odpd(files)
        s = self.talk("up")
        old = d.launcher()
        os.kill(old, signal.SIGKILL)
        until(lambda: d.launcher() not in (None, old), "there is a new one")
        self.echo(s)
        d.await_state("down", "stopped")
        self.assertEqual(d.state("up"), "ready")
        s.close()
        self.await_unit("up", "inactive")
        self.assertEqual((self.starts("up"), self.starts("down")), (1, 0))


class TestQuiet(BusCase):
    @unittest.skipUnless(shutil.which("strace"), "needs strace")
    def test_other_units_wake_nobody(self):
        files = {"app": self.file("app")}
        self.ports["other"] = self.next_port[0] = self.next_port[0] + 2
        self.service("app")
        self.service("other")
        d = self.odpd(files)
        self.machine.systemctl("start", "other.service")  # whatever comes first has come
        traced = {}
        for pid in (d.pid, d.launcher()):
            traced[pid] = self.trace(pid)
        for _ in range(3):
            self.machine.systemctl("restart", "other.service")
        self.machine.systemctl("stop", "other.service")
        self.machine.run("systemd-run", "--quiet", "--wait", "true")
        for pid, (strace, path) in traced.items():
            strace.terminate()
            strace.wait()
            self.assertEqual(read_file(path), "", f"process {pid}")

    def trace(self, pid):
        path = f"/proc/{self.machine.pid}/root/tmp/trace.{pid}"
        # What is under way when it attaches is shown, too: what begins counts.
        strace = subprocess.Popen(["strace", "-q", "-o", path, "-p", str(pid), "-e",
                                   "trace=!epoll_wait,restart_syscall"],
                                  stderr=subprocess.DEVNULL)
        self.addCleanup(strace.kill)
        until(lambda: "TracerPid:\t0" not in read_file(f"/proc/{pid}/status"), "it is traced")
        return strace, path
