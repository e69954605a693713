# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What runs already, and what others do: odp learns of it, takes it over, and never ends what is in
# use. Each test bears the number of the promise that it holds (docs/RELIABILITY.md).

import json
import os
import signal

from installed import InstalledCase
from harness import Background, is_alive, read_exactly, until


class AdoptionCase(InstalledCase):
    def begin(self, files):
        for name, text in files.items():
            self.put(name, text)
        self.reload()
        self.machine.systemctl("start", "odp.target")
        for name in files:
            until(lambda name=name: self.status(name)["state"] != "unknown", f"{name} is known")

    def status(self, name):
        return json.loads(self.odp("status", name, "--json").stdout)["services"][0]

    def await_state(self, name, state):
        until(lambda: self.status(name)["state"] == state, f"{name} is {state}")

    def direct(self, name):
        """A connection to the service that odp does not see."""
        def connect():
            try:
                return self.connect(self.target(name))
            except ConnectionRefusedError:
                return None  # it does not listen yet
        s = until(connect, f"{name} listens")
        self.echo(s)
        return s

    def echo(self, s):
        s.sendall(b"z")
        self.assertEqual(read_exactly(s, 1), b"z")

    def start_by_hand(self, name):
        self.machine.systemctl("start", f"{name}.service")
        until(lambda: self.starts(name), "it runs")

    def kill(self, unit):
        pid = until(lambda: self.machine.main_pid(unit), f"{unit} runs")
        os.kill(pid, signal.SIGKILL)
        until(lambda: not is_alive(pid), "it is dead")
        return pid


class TestFound(AdoptionCase):
    def test_f11_found_in_use_it_is_not_stopped(self):
        files = {"echo": self.file("echo", idle="400ms")}
        self.service("echo")
        self.start_by_hand("echo")
        s = self.direct("echo")
        self.begin(files)
        self.await_state("echo", "ready")
        # Several windows pass: each one's end is seen in the reason.
        until(lambda: "direct" in self.odp("why", "echo").stdout, "odp knows who is there")
        self.echo(s)
        self.assertTrue(self.is_active("echo"))
        s.close()
        self.await_unit("echo", "inactive")
        self.assertEqual(self.starts("echo"), 1)

    def test_f11_odpd_killed_in_use(self):
        files = {"echo": self.file("echo", idle="400ms")}
        self.service("echo")
        self.begin(files)
        self.talk("echo")
        s = self.direct("echo")
        before = self.kill("odpd.service")
        until(lambda: self.machine.main_pid("odpd.service") not in (None, before), "the next odpd")
        until(lambda: self.odp("status", check=False).returncode == 0, "it can be asked")
        self.await_state("echo", "ready")
        until(lambda: "direct" in self.odp("why", "echo").stdout, "odp knows who is there")
        self.echo(s)
        s.close()
        self.await_unit("echo", "inactive")
        self.assertEqual(self.starts("echo"), 1)

    def test_f4_relayed_and_direct_connections_keep_it_awake(self):
        files = {"echo": self.file("echo", idle="300ms")}
        self.service("echo")
        self.begin(files)
        relayed = self.talk("echo")
        direct = self.direct("echo")
        relayed.close()
        until(lambda: "direct" in self.odp("why", "echo").stdout, "its window has ended once")
        relayed = self.talk("echo")
        direct.close()
        self.machine.systemctl("restart", "odp-launcher.service")
        self.echo(relayed)
        self.assertTrue(self.is_active("echo"))
        relayed.close()
        self.await_unit("echo", "inactive")
        self.assertEqual(self.starts("echo"), 1)

    def test_f19_started_by_hand_it_is_slept_by_its_own_window(self):
        files = {"echo": self.file("echo", idle="1s"), "late": self.file("late", idle="5min")}
        self.ports["other"] = self.next_port[0] = self.next_port[0] + 2
        for name in "echo", "late", "other":
            self.service(name)
        self.begin(files)
        for name in "late", "other", "echo":
            self.start_by_hand(name)
        self.await_state("late", "ready")
        self.await_unit("echo", "inactive")
        self.await_state("echo", "stopped")
        self.assertEqual(self.status("echo")["reason"], "quiet for 1s")
        # Neither one with a longer window nor one in no file is touched.
        self.assertTrue(self.is_active("late") and self.is_active("other"))
        self.assertEqual([self.starts(n) for n in ("echo", "late", "other")], [1, 1, 1])


class TestOthers(AdoptionCase):
    def test_f8_stopped_killed_and_restarted_by_others(self):
        files = {"echo": self.file("echo")}
        self.service("echo")
        self.begin(files)
        self.talk("echo")
        self.machine.systemctl("stop", "echo.service")
        self.await_state("echo", "stopped")
        self.talk("echo")
        self.kill("echo.service")
        self.await_state("echo", "stopped")
        s = self.talk("echo")
        self.machine.systemctl("restart", "echo.service")
        self.assert_closed(s)
        self.talk("echo")
        self.assertEqual(self.starts("echo"), 4)
        self.assertEqual(self.status("echo")["failed_wakes"], 0)

    def test_f8_changed_while_nobody_looked(self):
        files = {"echo": self.file("echo"), "base": self.file("base")}
        self.service("echo")
        self.service("base")
        self.begin(files)
        self.talk("echo")
        self.machine.systemctl("stop", "odp-launcher.socket")  # or odpd would start the next one
        self.machine.systemctl("stop", "odp-launcher.service")
        self.machine.systemctl("stop", "echo.service")
        self.start_by_hand("base")
        self.machine.systemctl("start", "odp-launcher.socket")
        self.await_state("echo", "stopped")
        self.await_state("base", "ready")
        self.talk("echo")
        self.assertEqual((self.starts("echo"), self.starts("base")), (2, 1))

    def test_f3_a_visitor_of_what_is_being_slept_is_served(self):
        files = {"echo": self.file("echo", idle="300ms")}
        gate = self.gate("echo")
        self.service("echo", text=f"ExecStop=/bin/sh -c 'until test -e {gate}; do sleep 0.1; done'")
        self.begin(files)
        self.talk("echo").close()
        self.await_unit("echo", "deactivating")
        visit = Background(self.talk, "echo")
        until(lambda: self.status("echo")["waiting"] == 1, "it is held")
        self.open(gate)
        s = visit.join()
        self.assertEqual(self.starts("echo"), 2)
        self.echo(s)

    def test_f4_a_visitor_in_the_window_keeps_it(self):
        files = {"echo": self.file("echo", idle="10s")}
        self.service("echo")
        self.begin(files)
        self.talk("echo").close()
        until(lambda: self.status("echo")["sleeps_in_seconds"] is not None, "its window runs")
        s = self.talk("echo")
        self.assertIsNone(self.status("echo")["sleeps_in_seconds"])
        self.echo(s)
        self.assertEqual(self.starts("echo"), 1)


class TestOneshot(AdoptionCase):
    def test_what_has_ended_and_remains(self):
        files = {"set": self.file("set", idle="500ms", ready="probe = unit")}
        self.unit("set.service", """
            [Service]
            Type=oneshot
            RemainAfterExit=yes
            ExecStart=/bin/true
            ExecStop=/bin/touch /tmp/set.down
            """)
        self.begin(files)
        self.odp("start", "set")
        self.assertEqual(self.machine.show("set.service", "SubState"), "exited")
        self.await_unit("set", "inactive")
        self.machine.run("rm", "/tmp/set.down")  # its ExecStop= has run

    def test_a_target_stands_for_its_members(self):
        files = {"stack": self.file("stack", idle="700ms", units=["stack.target"])}
        self.unit("stack.target", "[Unit]\nWants=stack.service\nAfter=stack.service")
        self.service("stack", unit="PartOf=stack.target")
        self.begin(files)
        self.talk("stack").close()
        self.await_unit("stack", "inactive")
        until(lambda: self.machine.show("stack.target", "ActiveState") == "inactive", "it is down")
        self.await_state("stack", "stopped")
