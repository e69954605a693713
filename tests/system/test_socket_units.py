# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Socket units by the generator: from files to sockets that the service manager owns, and to odpd,
# which is started by whoever connects first.

import os
import re

from installed import SERVICES, InstalledCase
from machine import USER, until

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class TestGenerator(InstalledCase):
    def test_first_connection_starts_odpd_and_is_served(self):
        self.put("web", self.file("web"))
        self.service("web", "--delay", "2", program="http.py")
        self.reload()
        self.assertTrue(self.is_up("odp-web.socket"))
        self.assertFalse(self.is_up("odpd.service"))
        s = self.connect(self.port("web"))
        s.sendall(REQUEST)
        self.assertIn(b"200 OK", s.recv(4096))
        self.assertTrue(self.is_up("odpd.service"))
        self.assertIn('"ready"', self.odp("status", "web", "--json").stdout)

    def test_systemctl_names_the_file(self):
        self.put("echo", self.file("echo"))
        self.reload()
        self.assertIn(f"({SERVICES}/echo.ini; generated)",
                      self.machine.systemctl("status", "odp-echo.socket", check=False))
        self.assertEqual(self.machine.show("odp-echo.socket", "NeedDaemonReload"), "no")
        os.utime(self.machine.path(f"{SERVICES}/echo.ini"))
        self.assertEqual(self.machine.show("odp-echo.socket", "NeedDaemonReload"), "yes")

    def test_port_below_1024(self):
        text = self.file("echo").replace(f"listen = {self.port('echo')}", "listen = 80")
        self.put("echo", text)
        self.service("echo")
        self.reload()
        s = self.connect(80)
        s.sendall(b"x")
        self.assertEqual(s.recv(1), b"x")
        pid = self.machine.main_pid("odpd.service")
        status = self.machine.read(f"/proc/{self.machine.show('odpd.service', 'MainPID')}/status")
        self.assertEqual(re.search(r"^CapEff:\s*(\S+)", status, re.M)[1], "0" * 16)
        self.assertNotEqual(os.stat(f"/proc/{pid}").st_uid, 0)

    def test_a_faulty_file_costs_its_own_socket_alone(self):
        self.put("bad", self.file("bad") + "\n[nonsense]\n")
        self.put("echo", self.file("echo"))
        self.put("off", self.file("off").replace("[backend]", "enabled = no\n[backend]"))
        self.service("echo")
        self.reload()
        self.assertEqual(self.socket_units(), ["odp-echo.socket"])
        self.talk("echo")
        # All of it: after a cursor journalctl skips the first that matches.
        journal = self.machine.journal(f"--after-cursor={self.cursor}")
        self.assertRegex(journal, r"odp-generator\[\d+\]: " +
                         re.escape(f"{SERVICES}/bad.ini:") + r"\d+: unknown section")

    def test_names_and_descriptions(self):
        names = ["a.b-c_d", "0", "a.socket", "x" * 63]
        for name in names:
            self.put(name, self.file(name).replace("[backend]", "description = 100% %n \\\n[backend]"))
            self.service(name)
        self.reload()
        for name in names:
            with self.subTest(name=name):
                self.assertEqual(self.machine.show(f"odp-{name}.socket", "Description"),
                                 f"odp: {name} (100% %n \\)")
                self.talk(name)

    def test_unix_socket(self):
        self.put("echo", self.file("echo").replace("[service]", """[service]
            listen = /run/odp test/100%.sock
            socket_mode = 0606"""))
        self.service("echo")
        self.reload()
        path = self.machine.path("/run/odp test/100%.sock")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o606)
        s = self.connect(path)
        s.sendall(b"x")
        self.assertEqual(s.recv(1), b"x")
        self.machine.systemctl("stop", "odp-echo.socket", "odpd.service")
        self.assertFalse(os.path.exists(path))

    def test_boot(self):
        """No cycle, and all of it up, when everything is pulled in at once."""
        self.put("echo", self.file("echo").replace("[service]", "[service]\nlisten = /srv/x.sock"))
        self.put("far", self.file("far").replace("[service]", "[service]\nlisten = /mnt/far/x.sock"))
        # As fstab-generator makes it of a network mount: it comes after the network, and that after
        # all sockets.
        self.unit("mnt-far.mount", """
            [Unit]
            DefaultDependencies=no
            Wants=network-online.target
            After=network-online.target late.service
            Requires=late.service
            [Mount]
            What=tmpfs
            Where=/mnt/far
            Type=tmpfs
            """)
        self.unit("late.service", "[Service]\nType=oneshot\nExecStart=/bin/true")
        done = self.machine.run("systemd-analyze", "--generators=yes", "verify",
                                "multi-user.target", check=False)
        self.assertNotIn("cycle", done.stderr)
        for name in "echo", "far":
            done = self.machine.run("systemd-analyze", "verify",
                                    f"/run/systemd/generator/odp-{name}.socket", check=False)
            self.assertEqual(done.stderr, "")
        self.machine.systemctl("start", "--job-mode=isolate", "multi-user.target")
        self.assertTrue(self.is_up("odp-echo.socket"))
        self.assertNotIn("cycle", self.machine.journal(f"--after-cursor={self.cursor}"))

    def test_of_a_user(self):
        self.machine.enable_user(USER)
        config = f"/home/{USER}/.config/odp/services"
        text = "\n".join(s.strip() for s in self.file("mine").splitlines())
        self.machine.write(f"{config}/mine.ini", text)
        self.machine.run("chown", "-R", f"{USER}:{USER}", f"/home/{USER}/.config")
        self.addCleanup(self.machine.systemctl, "daemon-reload", user=USER)
        self.addCleanup(self.machine.run, "rm", "-r", f"/home/{USER}/.config/odp")
        self.machine.systemctl("daemon-reload", user=USER)
        self.assertEqual(self.machine.show("odp-mine.socket", "LoadState", USER), "loaded")
        self.assertEqual(self.machine.show("odp-mine.socket", "LoadState"), "not-found")
        self.assertEqual(self.machine.show("odp-mine.socket", "SourcePath", USER),
                         f"{config}/mine.ini")


class TestSocketsNeverDie(InstalledCase):
    def test_clients_wait_through_a_crash_loop(self):
        self.put("echo", self.file("echo"))
        self.service("echo")
        self.reload()
        self.machine.write("/run/systemd/system/odpd.service.d/crash.conf",
                           "[Service]\nExecStartPre=/bin/false\n")
        self.addCleanup(self.machine.run, "rm", "-rf", "/run/systemd/system/odpd.service.d")
        self.machine.daemon_reload()
        clients = [self.connect(self.port("echo")) for _ in range(30)]
        for s in clients:
            s.sendall(b"x")
        until(lambda: int(self.machine.show("odpd.service", "NRestarts")) >= 6,
              "odpd was started again and again")
        self.assertTrue(self.is_up("odp-echo.socket"))
        self.machine.run("rm", "-rf", "/run/systemd/system/odpd.service.d")
        self.machine.daemon_reload()
        for s in clients:
            self.assertEqual(s.recv(1), b"x")
