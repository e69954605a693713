# SPDX-License-Identifier: LGPL-2.1-or-later
#
# odp doctor where odp is installed: its units, its sockets, its accounts, as root and as a user.

import os
import shutil

from doctor import InstalledDoctorCase
from installed import SERVICES
from machine import USER
from units import server, until


class Case(InstalledDoctorCase):
    def sound(self, *names):
        for name in names:
            self.put(name, self.file(name))
            self.service(name)
        self.reload()

    def occupied(self, name):
        """The service's socket fails, since its port is another program's for a while."""
        self.put(name, self.file(name))
        self.service(name)
        self.unit("nuisance.service", "[Service]\nExecStart=" + server("echo.py", self.port(name)))
        self.machine.systemctl("start", "nuisance.service")
        until(lambda: f":{self.port(name)} " in self.machine.run("ss", "-Hltn").stdout, "it is there")
        self.machine.daemon_reload()
        self.machine.systemctl("start", f"odp-{name}.socket", check=False)

    def dropin(self, unit, text):
        self.machine.write(f"/etc/systemd/system/{unit}.d/first.conf", text)
        self.addCleanup(self.machine.daemon_reload)
        self.addCleanup(shutil.rmtree, self.machine.path(f"/etc/systemd/system/{unit}.d"))
        self.machine.daemon_reload()


class TestSockets(Case):
    def test_sound(self):
        self.sound("web", "echo")
        self.assert_healthy()  # odpd does not run, and that is well
        self.assertFalse(self.is_up("odpd.service"))
        s = self.talk("echo")
        self.assert_healthy()
        s.close()
        self.assert_healthy()

    def test_failed(self):
        self.sound("echo")
        self.occupied("web")
        # Who has the port is told; that the socket has failed comes of it.
        kinds = [f["kind"] for f in self.doctor()]
        self.assertIn("port-taken", kinds)
        self.machine.systemctl("stop", "nuisance.service")
        command = self.find(None, "socket-failed", "web", "odp-web.socket has failed (resources)")
        self.assertEqual(command, "systemctl reset-failed odp-web.socket; "
                         "systemctl start odp-web.socket")
        done = self.odp("doctor", "--fix")
        self.assertEqual(done.stdout, "did systemctl reset-failed odp-web.socket\n"
                         "did systemctl start odp-web.socket\nnothing found\n")
        self.talk("web")

    def test_failed_while_odpd_runs(self):
        self.sound("echo")
        kept = self.talk("echo")
        self.occupied("web")
        self.machine.systemctl("stop", "nuisance.service")
        done = self.odp("doctor", "--fix")
        self.assertIn("did systemctl restart odpd.service\nnothing found\n", done.stdout)
        self.talk("web")
        kept.sendall(b"y")
        self.assertEqual(kept.recv(1), b"y")
        self.assertEqual(self.starts("echo"), 1)

    def test_masked(self):
        self.sound("web", "echo")
        self.machine.systemctl("stop", "odp-web.socket")
        self.machine.systemctl("mask", "--runtime", "odp-web.socket")
        self.addCleanup(self.machine.systemctl, "unmask", "--runtime", "odp-web.socket")
        self.find(None, "socket-masked", "web", "odp-web.socket is masked")

    def test_not_started(self):
        self.sound("web", "echo")
        self.machine.systemctl("stop", "odp-web.socket")
        self.find(None, "socket-inactive", "web", "odp-web.socket is not started")
        self.assertIn("nothing found", self.odp("doctor", "--fix").stdout)
        self.talk("web")

    def test_missing(self):
        self.sound("echo")
        self.put("web", self.file("web"))
        self.service("web")
        self.machine.daemon_reload()
        self.put("late", self.file("late"))
        self.service("late")
        os.unlink(self.machine.path(f"{SERVICES}/web.ini"))
        # A unit's file makes systemd read all of them, the generator included.
        self.assertEqual([f["kind"] for f in self.doctor()], ["socket-inactive"])
        self.mend(None, "odp enable late")

    def move(self, name):
        """Another pair of ports in its file."""
        del self.ports[name]
        self.put(name, self.file(name))

    def test_other_address(self):
        self.sound("web", "echo")
        self.move("web")
        self.find_and_mend(None, "socket-stale", "web",
                           f"odp-web.socket does not listen on {self.port('web')}",
                           command="odp enable web")

    def test_other_address_that_systemd_has_read(self):
        self.sound("web", "echo")
        self.move("web")
        self.machine.daemon_reload()
        self.find_and_mend(None, "socket-stale", "web",
                           f"odp-web.socket does not listen on {self.port('web')}")

    def test_fix_leaves_a_changed_address_alone(self):
        self.sound("web", "echo")
        self.move("web")
        os.utime(self.machine.path("/etc/systemd/system/echo.service"), (2e9, 2e9))
        self.talk("echo")
        done = self.machine.run("/usr/local/bin/odp", "doctor", "--fix", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertNotIn("did systemctl daemon-reload", done.stdout)
        self.assertIn("odp enable web", done.stdout)

    def test_stray(self):
        self.sound("web", "echo")
        os.unlink(self.machine.path(f"{SERVICES}/web.ini"))
        self.find_and_mend(None, "socket-stray", "web", "odp-web.socket listens, but",
                           command="systemctl daemon-reload; systemctl stop odp-web.socket")
        self.talk("echo")
        self.put("web", self.file("web"))
        self.odp("enable", "web")
        os.unlink(self.machine.path(f"{SERVICES}/web.ini"))
        self.odp("reload")
        self.find_and_mend(None, "socket-stray", "web", "odp-web.socket listens, but")

    def test_generator_masked(self):
        self.sound("web", "echo")
        self.machine.systemctl("stop", "odp-web.socket", "odp-echo.socket")
        link = "/etc/systemd/system-generators/odp-generator"
        self.machine.run("ln", "-s", "/dev/null", link)
        self.addCleanup(self.machine.run, "rm", "-f", link)
        self.machine.daemon_reload()
        self.find_and_mend(None, "no-generator", "odp", f"{link} is masked")

    def test_generator_gone(self):
        self.sound("web")
        self.machine.systemctl("stop", "odp-web.socket")
        path = "/usr/local/lib/systemd/system-generators/odp-generator"
        self.machine.run("mv", path, "/tmp/odp-generator")
        self.addCleanup(self.machine.daemon_reload)
        self.addCleanup(self.machine.run, "mv", "/tmp/odp-generator", path)
        self.addCleanup(self.machine.run, "sh", "-c", "rm -rf /etc/systemd/system/odp-web.socket "
                        "/etc/systemd/system/*.wants/odp-web.socket")
        self.machine.daemon_reload()
        self.find_and_mend(None, "no-generator", "odp", "odp-generator is not installed")
        self.talk("web")


class TestOdpd(Case):
    def test_off(self):
        self.sound("web")
        self.machine.systemctl("stop", "odp.target", "odp-web.socket", "odpd.service")
        self.addCleanup(self.machine.systemctl, "disable", "odp.target", check=False)
        self.find_and_mend(None, "odpd-off", "odp", "odp is off",
                           command="systemctl enable --now odp.target")
        self.talk("web")

    def test_fails(self):
        self.sound("web")
        self.dropin("odpd.service", "[Service]\nExecStart=\nExecStart=/bin/false\nType=exec\n")
        self.machine.systemctl("start", "odpd.service", check=False)
        until(lambda: self.machine.show("odpd.service", "NRestarts") != "0", "it fails")
        self.find(None, "odpd-failed", "odp", "odpd.service ends and is started again")

    def test_launcher_is_off(self):
        self.sound("web")
        self.talk("web")
        self.machine.systemctl("stop", "odp-launcher.socket", "odp-launcher.service")
        found = self.doctor()
        self.assertEqual([f["kind"] for f in found], ["launcher-off"], found)
        self.mend(None, found[0]["command"])

    def test_launcher_is_masked(self):
        self.sound("web")
        self.machine.systemctl("mask", "--runtime", "odp-launcher.socket")
        self.addCleanup(self.machine.systemctl, "unmask", "--runtime", "odp-launcher.socket")
        self.find(None, "launcher-off", "odp", "odp-launcher.socket is masked")

    def test_few_descriptors(self):
        self.dropin("odpd.service", "[Service]\nLimitNOFILE=1024\n")
        self.sound("web")
        self.talk("web")
        self.find_and_mend(None, "few-descriptors", "web", "max_connections = 1024",
                           "odpd has 1024")

    def test_state_of_others(self):
        self.sound("web")
        self.talk("web")
        self.assert_healthy()
        self.machine.run("chown", "root:root", "/var/lib/odp")
        self.find_and_mend(None, "state-unwritable", "odp", "odpd may not write to /var/lib/odp")


class TestAccounts(Case):
    def test_file_that_odpd_may_not_read(self):
        self.sound("web")
        self.machine.run("chgrp", "root", f"{SERVICES}/web.ini")
        self.find_and_mend(None, "file-unreadable", "web", "odpd may not read")

    def test_no_account(self):
        self.sound("web")
        self.machine.systemctl("stop", "odpd.service")
        self.machine.run("sh", "-c", "userdel odp; groupdel odp 2>/dev/null; true")
        self.addCleanup(self.machine.run, "systemd-sysusers", "odp.conf")
        found = self.doctor()
        self.assertIn("no-account", [f["kind"] for f in found])
        self.machine.run("sh", "-c", next(f["command"] for f in found if f["kind"] == "no-account"))
        self.assertIn("\nodp:", self.machine.read("/etc/passwd"))

    def test_not_in_the_group(self):
        self.sound("web")
        self.talk("web")
        command = self.find(None, "not-in-group", "odp", f"{USER} is not in group odp", user=USER)
        self.assertTrue(command.startswith(f"sudo usermod -aG odp {USER}"))
        self.machine.run("usermod", "-aG", "odp", USER)
        self.addCleanup(self.machine.run, "gpasswd", "-d", USER, "odp")
        self.assert_healthy(user=USER)

    def test_of_a_user(self):
        self.machine.enable_user(USER)
        path = f"/home/{USER}/.config/odp/services/echo.ini"
        self.machine.run("mkdir", "-p", os.path.dirname(path), user=USER)
        self.machine.write(path, "\n".join(s.strip() for s in self.file("echo").splitlines()) + "\n")
        self.machine.run("chown", f"{USER}:", path)
        self.addCleanup(os.unlink, self.machine.path(path))
        self.service("echo", user=USER)
        self.machine.systemctl("daemon-reload", user=USER)
        self.machine.systemctl("enable", "--now", "odp.target", user=USER)
        self.addCleanup(self.machine.systemctl, "disable", "--now", "odp.target", user=USER)
        command = self.find(None, "no-linger", "odp", "only there while you are logged in",
                            user=USER)
        self.assertEqual(command, f"loginctl enable-linger {USER}")
        # What that command leaves; taken back by it, it would end his service manager.
        self.machine.write(f"/var/lib/systemd/linger/{USER}", "")
        self.addCleanup(os.unlink, self.machine.path(f"/var/lib/systemd/linger/{USER}"))
        self.assert_healthy(user=USER)
