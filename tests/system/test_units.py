# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Services that are units of a real systemd: woken, slept, and changed by other hands.

import os
import signal
import time

import machine
from harness import Background, until
from units import UnitCase

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class TestUnits(UnitCase):
    def test_first_connection_waits_and_the_window_stops(self):
        files = {"web": self.file("web", idle="700ms")}
        self.service("web", "--delay", "2", program="http.py")
        d = self.odpd(files)
        self.assertEqual(d.state("web"), "stopped")
        began = time.monotonic()
        s = self.connect(self.port("web"))
        s.sendall(REQUEST)
        self.assertIn(b"200 OK", s.recv(4096))
        self.assertGreater(time.monotonic() - began, 2)
        s.close()
        self.assertEqual(d.status("web")["backend"], "systemd")
        self.await_unit("web", "inactive")
        d.await_state("web", "stopped")
        self.assertEqual(d.status("web")["reason"], "quiet for 700ms")
        self.assertEqual(self.starts("web"), 1)

    def test_stopped_by_hand_is_started_by_the_next_connection(self):
        files = {"echo": self.file("echo")}
        self.service("echo")
        d = self.odpd(files)
        first = self.talk("echo")
        self.machine.systemctl("stop", "echo.service")
        status = d.await_state("echo", "stopped")
        self.assertEqual(status["reason"],
                         "echo.service: has ended, or somebody has stopped it")
        self.assert_closed(first)
        self.talk("echo")
        self.assertEqual(self.starts("echo"), 2)

    def test_started_by_hand_is_adopted_and_slept(self):
        files = {"echo": self.file("echo", idle="500ms")}
        self.service("echo")
        d = self.odpd(files)
        self.start_by_hand(d, "echo")
        self.await_unit("echo", "inactive")
        d.await_state("echo", "stopped")

    def start_by_hand(self, d, name):
        """It is seen as ready, also where systemctl ends only after its window."""
        start = Background(self.machine.systemctl, "start", f"{name}.service")
        d.await_state(name, "ready")
        start.join()

    def test_running_before_odpd_is_adopted_and_slept(self):
        files = {"echo": self.file("echo", idle="500ms")}
        self.service("echo")
        self.machine.systemctl("start", "echo.service")
        d = self.odpd(files)
        self.await_unit("echo", "inactive")
        d.await_state("echo", "stopped")
        self.assertEqual(self.starts("echo"), 1)

    def test_what_is_left_of_several_is_slept(self):
        files = {"echo": self.file("echo", idle="500ms", backend="start_timeout = 1s",
                                   units=["store.service", "echo.service"])}
        self.service("echo")
        self.unit("store.service", "[Service]\nExecStart=/bin/sleep infinity\n")
        # Found so, and come so.
        self.machine.systemctl("start", "store.service")
        d = self.odpd(files)
        self.await_unit("store", "inactive")
        status = d.await_status("echo", state="stopped", sleeps_in_seconds=None)
        self.assertEqual(status["reason"], "echo.service is not running, store.service is; "
                                           "the rest was quiet for 500ms")
        s = self.talk("echo")
        self.machine.systemctl("kill", "--signal=KILL", "echo.service")
        self.assert_closed(s)
        d.await_state("echo", "stopped")
        launcher = d.launcher()
        os.kill(launcher, signal.SIGKILL)
        until(lambda: d.launcher() not in (None, launcher) and d.state("echo") != "unknown",
              "the next launcher has found it")
        s.close()
        self.await_unit("store", "inactive")
        status = d.await_status("echo", state="stopped", sleeps_in_seconds=None)
        self.assertEqual(status["reason"], "echo.service: signal SIGKILL, see journalctl -u "
                                           "echo.service; the rest was quiet for 500ms")

    def test_restarted_by_hand_stays(self):
        files = {"echo": self.file("echo")}
        self.service("echo")
        d = self.odpd(files)
        self.talk("echo")
        self.machine.systemctl("restart", "echo.service")
        self.talk("echo")
        self.assertEqual(self.starts("echo"), 2)
        self.assertNotIn("ready -> stopped", d.log())

    def test_crash_is_noticed(self):
        files = {"echo": self.file("echo")}
        self.service("echo")
        d = self.odpd(files)
        self.talk("echo")
        self.machine.systemctl("kill", "--signal=KILL", "echo.service")
        status = d.await_state("echo", "stopped")
        self.assertEqual(status["reason"],
                         "echo.service: signal SIGKILL, see journalctl -u echo.service")
        self.talk("echo")
        self.assertEqual(self.starts("echo"), 2)

    def test_others_are_never_touched(self):
        files = {"echo": self.file("echo", idle="300ms")}
        self.ports["other"] = self.next_port[0] = self.next_port[0] + 2
        self.service("echo")
        self.service("other")
        self.machine.systemctl("start", "other.service")
        d = self.odpd(files)
        self.talk("echo").close()
        d.await_state("echo", "stopped")
        self.assertTrue(self.is_active("other"))
        self.assertEqual(self.starts("other"), 1)

    def test_alias(self):
        files = {"echo": self.file("echo", idle="500ms", units=["nick.service"])}
        self.service("echo")
        self.machine.run("ln", "-s", "echo.service", "/etc/systemd/system/nick.service")
        self.addCleanup(self.machine.run, "rm", "/etc/systemd/system/nick.service")
        self.machine.daemon_reload()
        d = self.odpd(files)
        self.talk("echo").close()
        self.await_unit("echo", "inactive")
        d.await_state("echo", "stopped")
        self.start_by_hand(d, "echo")

    def test_probe_unit(self):
        files = {"notify": self.file("notify", ready="probe = unit")}
        self.unit("notify.service", """
            [Service]
            Type=notify
            NotifyAccess=all
            ExecStart=/bin/sh -c 'sleep 1; systemd-notify --ready; sleep infinity'
            """)
        d = self.odpd(files)
        began = time.monotonic()
        self.assertEqual(d.odp("start", "notify").returncode, 0)
        self.assertGreater(time.monotonic() - began, 1)
        self.assertEqual(d.state("notify"), "ready")  # although nobody listens


class TestSeveral(UnitCase):
    def stamp(self, name, what):
        return int(self.machine.show(f"{name}.service", what + "TimestampMonotonic"))

    def test_started_in_order_and_stopped_in_reverse(self):
        files = {"app": self.file("app", units=["base.service", "app.service"])}
        self.ports["base"] = self.next_port[0] = self.next_port[0] + 2
        # It counts as up a second after its process runs. What is not held by another is forgotten
        # by systemd as soon as it is down, times and all.
        self.service("base", text="ExecStartPost=/bin/sleep 1\nExecStopPost=/bin/sleep 0.5")
        self.service("app", text="ExecStopPost=/bin/sleep 0.5")
        self.unit("keeper.service", """
            [Unit]
            After=base.service app.service
            [Service]
            ExecStart=/bin/sleep infinity
            """)
        self.machine.systemctl("start", "keeper.service")
        d = self.odpd(files)
        self.talk("app").close()
        self.assertGreaterEqual(self.stamp("app", "InactiveExit"), self.stamp("base", "ActiveEnter"))
        self.assertEqual(d.odp("stop", "app").returncode, 0)
        self.assertFalse(self.is_active("base") or self.is_active("app"))
        self.assertGreaterEqual(self.stamp("base", "ActiveExit"),
                                self.stamp("app", "InactiveEnter"))

    def test_the_second_fails(self):
        files = {"app": self.file("app", units=["base.service", "app.service"])}
        self.ports["base"] = self.next_port[0] = self.next_port[0] + 2
        self.service("base")
        self.unit("app.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'exit 5'")
        d = self.odpd(files)
        done = d.odp("start", "app")
        self.assertIn("app.service: exit-code 5, see journalctl -u app.service", done.stderr)
        d.await_state("app", "failed")
        self.assertEqual(d.odp("stop", "app").returncode, 0)
        self.await_unit("base", "inactive")

    def test_one_of_two_is_stopped_by_hand(self):
        files = {"app": self.file("app", units=["base.service", "app.service"])}
        self.ports["base"] = self.next_port[0] = self.next_port[0] + 2
        self.service("base")
        self.service("app")
        d = self.odpd(files)
        self.talk("app")
        until(lambda: self.starts("base") == 1, "it is there")
        self.machine.systemctl("stop", "base.service")
        self.assertEqual(d.await_state("app", "stopped")["reason"],
                         "base.service: has ended, or somebody has stopped it")
        self.talk("app")
        until(lambda: self.starts("base") == 2, "it is started again")
        self.assertEqual(self.starts("app"), 1)

    def test_stopped_by_a_target(self):
        files = {"app": self.file("app", backend="stop_unit = all.target")}
        self.unit("all.target", "[Unit]\nStopWhenUnneeded=no")
        # The target is down before its member is.
        gate = self.gate("app")
        self.service("app", unit="PartOf=all.target\nWants=all.target",
                     text=f"ExecStop=/bin/sh -c 'until test -e {gate}; do sleep 0.1; done'")
        d = self.odpd(files)
        self.talk("app").close()
        self.assertEqual(self.machine.show("all.target", "ActiveState"), "active")
        d.odp("stop", "--no-wait", "app")
        until(lambda: self.machine.show("all.target", "ActiveState") == "inactive",
              "the target is down")
        self.assertEqual(self.machine.show("app.service", "ActiveState"), "deactivating")
        self.assertEqual(d.state("app"), "stopping")
        # Who comes now is held, and served by the next start.
        visit = Background(self.talk, "app")
        d.await_status("app", waiting=1)
        self.open(gate)
        visit.join()
        self.assertEqual(self.starts("app"), 2)

    def test_stop_unit_that_does_not_exist(self):
        files = {"app": self.file("app", backend="stop_unit = none.target")}
        self.service("app")
        d = self.odpd(files)
        self.talk("app").close()
        d.odp("stop", "--no-wait", "app")
        until(lambda: "stopping -> probing: could not be stopped: none.target: there is no such unit"
              in d.log(), "it is said")
        self.assertTrue(self.is_active("app"))

    def test_stop_that_takes_too_long(self):
        files = {"app": self.file("app", backend="stop_timeout = 1s")}
        self.service("app", text="ExecStop=/bin/sleep 4")
        d = self.odpd(files)
        self.talk("app").close()
        d.odp("stop", "--no-wait", "app")
        until(lambda: "stopping -> probing: could not be stopped: app.service: is still deactivating "
              "after 1s ([backend] stop_timeout)" in d.log(), "it is given up")
        d.await_state("app", "stopped")  # when it has come to it
        self.assertEqual(self.machine.show("app.service", "ActiveState"), "inactive")


class TestUser(UnitCase):
    def test_units_of_a_user(self):
        files = {"mine": self.file("mine", idle="700ms"),
                 "gone": self.file("gone"),
                 "system": self.file("system", backend="scope = system")}
        self.service("mine", user=machine.USER)
        self.service("system")
        d = self.odpd(files, user=machine.USER)
        self.assertEqual(d.state("mine"), "stopped")
        self.talk("mine").close()
        self.await_unit("mine", "inactive", machine.USER)
        self.assertEqual(self.starts("mine"), 1)
        self.assertIn("systemctl --user daemon-reload", d.odp("start", "gone").stderr)
        # The system's are looked at, but not his to start.
        self.assertEqual(d.state("system"), "stopped")
        self.assertIn("system.service: odp may not do that", d.odp("start", "system").stderr)
        self.assertEqual(self.starts("system"), 0)
