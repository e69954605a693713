# SPDX-License-Identifier: LGPL-2.1-or-later
#
# odp's own units: odpd and its launcher as services with a sandbox, what starts them and what stops
# them.

import os
import re
import signal

from installed import SERVICES, InstalledCase
from machine import USER, read_file, until
from harness import read_exactly

UNITS = ["odpd.service", "odp-launcher.service", "odp-launcher.socket", "odp.target"]
EXPOSURE = {"odpd.service": 1.5, "odp-launcher.service": 1.6}


class TestService(InstalledCase):
    def launcher_pid(self):
        return self.machine.main_pid("odp-launcher.service")

    def begin(self, *names, **options):
        for name in names:
            self.put(name, self.file(name, **options))
            self.service(name)
        self.reload()

    def test_first_connection_starts_everything(self):
        self.begin("echo")
        self.machine.systemctl("start", "odp-launcher.socket")
        for unit in "odpd.service", "odp-launcher.service":
            self.assertFalse(self.is_up(unit))
        self.talk("echo")
        for unit in "odpd.service", "odp-launcher.service", "odp-launcher.socket":
            self.assertTrue(self.is_up(unit), unit)
        odpd = read_file(f"/proc/{self.machine.main_pid('odpd.service')}/status")
        uid = self.machine.run("id", "-u", "odp").stdout.strip()
        self.assertIn(f"Uid:\t{uid}\t{uid}\t", odpd)
        self.assertIn("CapBnd:\t0000000000000000", odpd)
        self.assertIn('"ready"', self.machine.run("/usr/local/bin/odp", "status", "--json",
                                                  user=USER).stdout)

    def test_verify_and_security(self):
        self.machine.run("systemd-analyze", "verify", "--man=no", *UNITS)
        for unit, bound in EXPOSURE.items():
            shown = self.machine.run("systemd-analyze", "security", "--no-pager", unit).stdout
            found = re.search(r"Overall exposure level for \S+: ([\d.]+)", shown)
            self.assertLessEqual(float(found[1]), bound, shown)

    def test_killed_launcher_finds_what_runs(self):
        self.begin("echo", "other", idle="10min")
        held = self.talk("echo")
        before = self.launcher_pid()
        os.kill(before, signal.SIGKILL)
        until(lambda: self.launcher_pid() not in (None, before), "the next launcher")
        held.sendall(b"y")
        self.assertEqual(read_exactly(held, 1), b"y")
        self.talk("other")
        self.machine.systemctl("stop", "echo.service")
        self.await_state("echo", "stopped")
        self.assertEqual((self.starts("echo"), self.starts("other")), (1, 1))

    def await_state(self, name, state):
        until(lambda: f'"{state}"' in self.odp("status", name, "--json").stdout,
              f"{name} is {state}")

    def test_target_is_the_off_switch(self):
        self.begin("echo")
        self.machine.systemctl("start", "odp.target")
        self.talk("echo")
        self.machine.systemctl("stop", "odp.target")
        for unit in ["odp-echo.socket", *UNITS]:
            until(lambda unit=unit: not self.is_up(unit), f"{unit} is down")
        self.assertRaises(ConnectionRefusedError, self.connect, self.port("echo"))
        self.assertTrue(self.is_active("echo"))
        self.machine.systemctl("start", "odp.target")
        self.talk("echo")
        self.assertEqual(self.starts("echo"), 1)

    def test_enabled_target_is_back_after_a_boot(self):
        self.machine.systemctl("enable", "odp.target")
        self.addCleanup(self.machine.systemctl, "disable", "odp.target")
        wants = self.machine.systemctl("list-dependencies", "--plain", "multi-user.target")
        for unit in "odp.target", "odpd.service", "odp-launcher.socket":
            self.assertIn(unit, wants)

    def test_reload_by_systemctl(self):
        self.begin("echo")
        self.machine.systemctl("start", "odp.target")
        self.put("echo", self.file("echo").replace("[service]", "[service]\ndescription = New"))
        self.machine.systemctl("reload", "odpd.service")
        until(lambda: '"New"' in self.odp("status", "echo", "--json").stdout, "it is reloaded")
        self.assertTrue(self.is_up("odpd.service"))

    def test_directories(self):
        for path, mode in ((SERVICES, 0o750), ("/run/odp", 0o755), ("/run/odp-launcher", 0o755),
                           ("/run/odp-launcher/socket", 0o660), ("/var/lib/odp", 0o750)):
            self.begin()
            self.machine.systemctl("start", "odp.target")
            self.assertEqual(os.stat(self.machine.path(path)).st_mode & 0o777, mode, path)


    def test_as_a_user(self):
        self.machine.enable_user(USER)
        path = f"/home/{USER}/.config/odp/services/echo.ini"
        self.machine.run("mkdir", "-p", os.path.dirname(path), user=USER)
        text = self.file("echo")
        self.machine.write(path, "\n".join(s.strip() for s in text.splitlines()) + "\n")
        self.addCleanup(os.unlink, self.machine.path(path))
        self.service("echo", user=USER)
        for _ in range(2):
            self.machine.systemctl("daemon-reload", user=USER)
            self.machine.systemctl("enable", "--now", "odp.target", user=USER)
            s = self.talk("echo")
            self.assertTrue(self.is_active("echo", USER))
            s.close()
            done = self.machine.run("/usr/local/bin/odp", "status", "echo", "--json", user=USER)
            self.assertIn('"ready"', done.stdout)
            for unit in UNITS:
                self.assertEqual(self.machine.show(unit, "ActiveState", USER), "active", unit)
            self.machine.systemctl("disable", "--now", "odp.target", user=USER)
            for unit in ["odp-echo.socket", *UNITS]:
                until(lambda unit=unit: self.machine.show(unit, "ActiveState", USER) == "inactive",
                      f"{unit} is down")
        self.assertEqual(self.starts("echo"), 1)
