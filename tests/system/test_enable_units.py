# SPDX-License-Identifier: LGPL-2.1-or-later
#
# odp enable and odp disable under systemd: one command between a file and a service that can be
# reached, and nobody's file, port or connection harmed by it.

import hashlib
import json
import os
import sys
import threading

from installed import ODP, SERVICES, InstalledCase
from machine import USER, Background, harness, until
from units import server

sys.path.insert(0, harness.SERVERS)
# pylint: disable=wrong-import-position
import source
from harness import SHORT, read_file


class EnableCase(InstalledCase):
    def add(self, name, **options):
        self.put(name, self.file(name, **options))
        self.service(name)

    def enable(self, *names, code=0, verb="enable"):
        done = self.odp(verb, *names, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def disable(self, *names, code=0):
        return self.enable(*names, code=code, verb="disable")

    def odpd_pid(self):
        return int(self.machine.show("odpd.service", "MainPID"))

    def refused(self, port):
        try:
            self.machine.connect(port).close()
            return False
        except ConnectionRefusedError:
            return True

    def connect_soon(self, port):
        until(lambda: not self.refused(port), f"somebody listens on {port}")

    def text(self, name):
        return self.machine.read(f"{SERVICES}/{name}.ini")

    def edit(self, name, old, new):
        self.assertIn(old, self.text(name))
        self.machine.write(f"{SERVICES}/{name}.ini", self.text(name).replace(old, new))

    def move(self, name):
        """Another port, by an edit of its file; returns the one before."""
        before, after = self.port(name), self.port(name) + 3000
        self.edit(name, f"listen = {before}", f"listen = {after}")
        self.ports[name] = after
        return before

    def target(self, name):
        return self.ports[name] % 3000 + 3001 if self.ports[name] >= 8000 else super().target(name)


class TestEnable(EnableCase):
    def test_the_smallest_file(self):
        """Five lines, one command, one visitor; then all that may happen to its unit."""
        self.ports["navidrome"] = 4533
        self.service("navidrome", "--delay", "2")
        self.machine.write(f"{SERVICES}/navidrome.ini", f"""[service]
listen = 4533
target = 127.0.0.1:{self.target("navidrome")}

[backend]
unit = navidrome.service
""")
        self.enable("navidrome")
        self.talk("navidrome").close()
        self.machine.systemctl("stop", "navidrome.service")
        self.talk("navidrome").close()
        self.machine.systemctl("restart", "odpd.service")
        self.talk("navidrome").close()
        self.machine.write(f"{SERVICES}/navidrome.ini", self.text("navidrome") +
                           "[idle]\ntimeout = 300ms\n")
        self.enable("navidrome")
        self.await_unit("navidrome", "inactive")
        self.assertEqual(self.starts("navidrome"), 2)

    def test_a_fresh_file(self):
        self.add("echo")
        self.assertEqual(self.enable("echo").stdout, "echo: enabled\n")
        self.assertEqual(self.odpd_pid(), 0)  # nobody has asked for anything yet
        self.talk("echo")
        self.assertNotEqual(self.odpd_pid(), 0)

    def test_odpd_that_is_being_started(self):
        """Its control socket is not there yet. What it has read may be the file of before."""
        self.add("echo")
        self.enable("echo")
        self.talk("echo")
        gate, dropin = "/tmp/gate", "/etc/systemd/system/odpd.service.d/gate.conf"
        self.machine.write(gate, "")
        self.machine.write(dropin, f"""[Service]
ExecStartPre=+/bin/sh -c 'while test -e {gate}; do sleep 0.02; done'
""")
        self.addCleanup(os.unlink, self.machine.path(dropin))
        self.addCleanup(self.machine.run, "rm", "-f", gate)
        self.machine.daemon_reload()
        self.machine.systemctl("restart", "--no-block", "odpd.service")
        self.await_odpd("activating")
        self.edit("echo", "timeout = 5min", "timeout = 4min")
        enable = Background(self.enable, "echo")
        until(lambda: not enable.thread.is_alive() or self.waits(f"{ODP}\0enable"), "it waits")
        os.unlink(self.machine.path(gate))
        self.assertEqual(enable.join().stdout, "echo: enabled\n")
        self.assertEqual(json.loads(self.odp("why", "echo", "--json").stdout)["window_seconds"], 240)

    def waits(self, command):
        """Whether a process with this beginning of a command line is between two looks."""
        return any("nanosleep" in read_file(f"/proc/{pid}/wchan")
                   for pid in harness.processes_about(command))

    def test_odpd_that_has_been_stopped(self):
        self.add("echo")
        self.enable("echo")
        self.talk("echo").close()
        self.machine.systemctl("stop", "odpd.service")
        self.edit("echo", "timeout = 5min", "timeout = 4min")
        self.assertEqual(self.enable("echo").stdout, "echo: enabled\n")
        self.talk("echo")

    def test_beside_others(self):
        self.add("one")
        self.enable("one")
        self.talk("one")
        self.add("two")
        self.add("three")
        self.assertEqual(self.enable("two", "three").stdout, "two: enabled\nthree: enabled\n")
        for name in ("one", "two", "three"):
            self.talk(name)
            self.assertTrue(self.is_up(f"odp-{name}.socket"))

    def test_twice_over(self):
        self.add("echo")
        self.enable("echo")
        self.talk("echo")
        pid = self.odpd_pid()
        self.edit("echo", "timeout = 5min", "timeout = 4min")
        self.assertEqual(self.enable("echo", "echo").stdout, "echo: enabled\n")
        self.assertEqual(self.odpd_pid(), pid)  # what is no listener's is read without a restart
        self.assertIn("echo: reload: changed", self.machine.journal("-u", "odpd.service"))

    def test_changed_port(self):
        for runs in (False, True):
            with self.subTest(runs=runs):
                name = f"echo{runs}".lower()
                self.add(name)
                self.enable(name)
                if runs:
                    self.talk(name)
                else:
                    self.machine.systemctl("stop", "odpd.service")
                before = self.move(name)
                self.enable(name)
                self.assertTrue(self.refused(before))
                self.talk(name)

    def test_changed_port_that_systemd_has_read_already(self):
        """By that alone its socket is closed; nobody is told."""
        self.add("echo")
        self.enable("echo")
        self.talk("echo")
        self.move("echo")
        self.machine.daemon_reload()
        self.assertTrue(self.is_up("odp-echo.socket"))
        self.assertTrue(self.refused(self.port("echo")))
        self.enable("echo")
        self.talk("echo")

    def test_changed_port_that_somebody_else_has_by_now(self):
        self.add("echo")
        self.enable("echo")
        self.talk("echo")
        self.move("echo")
        self.machine.daemon_reload()
        other = self.closing(self.machine.listener(self.port("echo")))
        self.assertIn("is taken by another program", self.enable("echo", code=1).stderr)
        other.close()
        self.enable("echo")
        self.talk("echo")

    def test_who_may_connect(self):
        """A live socket has the mode it was made with."""
        self.put("echo", self.file("echo").replace(f"listen = {self.port('echo')}", """listen = /run/e.sock
            socket_mode = 0600"""))
        self.service("echo")
        self.enable("echo")
        path = self.machine.path("/run/e.sock")
        self.connect(path).sendall(b"x")
        until(lambda: self.starts("echo") == 1, "odpd has woken it")
        self.edit("echo", "socket_mode = 0600", "socket_mode = 0666")
        self.assertIn("echo: listen changed: run odp enable echo\n", self.odp("reload").stdout)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.enable("echo")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o666)
        s = self.connect(path)
        s.sendall(b"x")
        self.assertEqual(s.recv(1), b"x")
        self.assertNotIn("run odp", self.odp("status").stdout)

    def test_reload_leaves_it_to_enable(self):
        self.add("one")
        self.enable("one")
        self.talk("one")
        self.add("two")
        before = self.move("one")
        out = self.odp("reload").stdout
        self.assertIn("one: listen changed: run odp enable one\n", out)
        self.assertIn("two: no socket unit listens for it yet: run odp enable two\n", out)
        self.assertIn("listen changed: run odp enable one", self.odp("status", "one").stdout)
        self.assertTrue(self.refused(self.port("two")))
        self.enable("one", "two")
        self.assertTrue(self.refused(before))
        self.talk("one")
        self.talk("two")
        self.assertNotIn("run odp", self.odp("status").stdout)

    def test_disable_and_back(self):
        self.add("one")
        self.add("two")
        self.enable("one", "two")
        self.talk("one")
        self.assertEqual(self.disable("one").stdout, "one: disabled\n")
        self.assertTrue(self.refused(self.port("one")))
        self.assertEqual(self.show_state("one"), "disabled")
        self.assertTrue(self.is_active("one"))  # what runs is left running
        self.talk("two")
        self.enable("one")
        self.talk("one")
        self.assertEqual(self.starts("one"), 1)

    def show_state(self, name):
        return self.odp("status", name).stdout.splitlines()[1].split()[1]

    def test_removed_file(self):
        self.add("one")
        self.add("two")
        self.enable("one", "two")
        self.talk("one")
        os.unlink(self.machine.path(f"{SERVICES}/one.ini"))
        self.assertEqual(self.disable("one").stdout, "one: disabled\n")
        self.assertTrue(self.refused(self.port("one")))
        self.assertIn("there is no file", self.disable("one", code=1).stderr)
        # What is left over goes with any other command, too.
        os.unlink(self.machine.path(f"{SERVICES}/two.ini"))
        self.add("three")
        self.enable("three")
        self.assertTrue(self.refused(self.port("two")))
        self.assertEqual(self.socket_units(), ["odp-three.socket"])

    def test_the_file_stays_as_it_was(self):
        self.add("echo")
        path = self.machine.path(f"{SERVICES}/echo.ini")
        text = self.text("echo").replace("[service]\n", "# mine\n[service]\nenabled = no\n") + "; end"
        self.machine.write(f"{SERVICES}/echo.ini", text)
        os.chmod(path, 0o640)
        os.chown(path, 12, 34)
        before = os.stat(path)
        self.enable("echo")
        self.assertEqual(self.text("echo"), text.replace("enabled = no", "enabled = yes"))
        after = os.stat(path)
        self.assertEqual((after.st_mode, after.st_uid, after.st_gid),
                         (before.st_mode, before.st_uid, before.st_gid))
        self.disable("echo")
        self.assertEqual(self.text("echo"), text)
        self.assertEqual(os.listdir(self.machine.path(SERVICES)), ["echo.ini"])


class TestNobodyIsHarmed(EnableCase):
    MIB = 30 if SHORT else 300
    STEPS = 16  # more than there are before the download may end

    def download(self, s, steps):
        """Reads to the end, as far as the steps of the rest have come; returns the digest."""
        digest, n = hashlib.sha256(), 0
        while True:
            data = s.recv(1 << 18)
            if not data:
                return n, digest.hexdigest()
            digest.update(data)
            n += len(data)
            until(lambda: n <= (self.MIB << 20) * len(steps) / self.STEPS, "the rest goes on")

    def test_a_download_while_others_come_and_move(self):
        text = self.file("films").replace(f"listen = {self.port('films')}", "listen = 80")
        self.put("films", text)
        self.service("films", "--mib", str(self.MIB), program="source.py")
        self.enable("films")
        steps = ["films"]
        download = Background(self.download, self.connect(80), steps)
        pids = {self.odpd_pid()}
        others = [f"other-{i}" for i in range(6)]
        for name in others:
            self.add(name)
            for _ in range(2):
                self.enable(name)
                pids.add(self.odpd_pid())
                steps.append(name)
            self.talk(name)
        before = self.move("other-3")
        self.enable("other-3")
        self.assertTrue(self.refused(before), f"somebody listens on {before}")
        self.talk("other-3")
        self.assertTrue(download.thread.is_alive(), f"{download.result} {download.error}")
        steps += others  # to the end
        digest = hashlib.sha256()
        for block in source.blocks(self.MIB):
            digest.update(block)
        self.assertEqual(download.join(), (self.MIB << 20, digest.hexdigest()))
        self.assertEqual(self.starts("films"), 1)
        self.assertGreaterEqual(len(pids - {0}), 6)  # odpd was another one each time

    def test_a_storm_on_another_service(self):
        """Not one of those who come during a restart is refused or lost."""
        self.add("echo")
        self.enable("echo")
        self.talk("echo")
        done = threading.Event()

        def storm():
            n = 0
            while not done.is_set():
                with self.machine.connect(self.port("echo")) as s:
                    s.sendall(b"x")
                    if s.recv(1) != b"x":
                        raise AssertionError(f"client {n} was closed")
                n += 1
            return n

        clients = [Background(storm) for _ in range(4)]
        for i in range(3):
            self.add(f"other-{i}")
            self.enable(f"other-{i}")
        done.set()
        self.assertGreater(sum(c.join() for c in clients), 20)


class TestRefused(EnableCase):
    def test_faulty_file(self):
        self.add("good")
        self.add("bad")
        self.edit("bad", "[idle]", "[idel]")
        self.edit("good", "[service]\n", "[service]\nenabled = no\n")
        done = self.enable("good", "bad", code=1)
        self.assertRegex(done.stdout, rf"^{SERVICES}/bad\.ini:\d+: unknown section \[idel\]")
        self.assertEqual(done.stderr, "odp: nothing is changed: mend the line above and enable "
                         "again\n")
        self.assertIn("enabled = no", self.text("good"))
        self.assertFalse(self.is_up("odp-good.socket"))

    def test_no_file(self):
        self.add("echo")
        done = self.enable("ecko", code=1)
        self.assertEqual(done.stderr, f"odp: there is no file {SERVICES}/ecko.ini, is it echo?\n")
        self.assertFalse(self.is_up("odp-echo.socket"))

    def test_address_of_another(self):
        self.add("one")
        self.enable("one")
        text = self.file("two")
        self.put("two", text.replace(f"listen = {self.port('two')}", f"listen = {self.port('one')}"))
        self.assertIn("is also that of one", self.enable("two", code=1).stdout)
        self.talk("one")
        # Neither does a name that comes first take it.
        self.machine.run("mv", f"{SERVICES}/two.ini", f"{SERVICES}/a.ini")
        self.assertIn("is also that of one", self.enable("a", code=1).stdout)
        self.talk("one")

    def test_taken_port(self):
        self.add("good")
        self.add("bad")
        self.unit("other.service", f"""
            [Service]
            ExecStart={server("echo.py", self.port("bad"))}
            """)
        self.machine.systemctl("start", "other.service")
        self.connect_soon(self.port("bad"))
        pid = self.machine.show("other.service", "MainPID")
        done = self.enable("good", "bad", code=1)
        self.assertEqual(done.stdout, "good: enabled\n")
        self.assertEqual(done.stderr, f"odp: bad: {self.port('bad')} is taken by python3 (pid {pid}, "
                         "other.service): end that, or change listen, then odp enable bad\n")
        self.talk("good")
        self.machine.systemctl("stop", "other.service")
        self.enable("bad")
        self.talk("bad")
        self.talk("good")

    def test_masked(self):
        self.add("echo")
        self.machine.systemctl("mask", "--runtime", "odp-echo.socket")
        done = self.enable("echo", code=1)
        self.machine.systemctl("unmask", "--runtime", "odp-echo.socket")
        self.assertEqual(done.stderr, "odp: echo: odp-echo.socket is masked: systemctl unmask "
                         "odp-echo.socket\n")

    def test_read_only_files(self):
        self.add("echo")
        self.machine.run("mount", "--bind", "/etc/odp", "/etc/odp")
        self.addCleanup(self.machine.run, "umount", "/etc/odp")
        self.machine.run("mount", "-o", "remount,bind,ro", "/etc/odp")
        done = self.disable("echo", code=1)
        self.assertEqual(done.stderr, f"odp: {SERVICES}/echo.ini cannot be changed: Read-only file "
                         "system: set `enabled` where this machine's files are made from\n")
        self.assertEqual(self.enable("echo").stdout, "echo: enabled\n")  # nothing is to be changed

    def test_not_for_a_user(self):
        self.add("echo")
        self.machine.enable_user(USER)
        done = self.machine.run("/usr/local/bin/odp", "--config", "/etc/odp", "disable", "echo",
                                user=USER, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("Permission denied", done.stdout + done.stderr)
        # Who forgot sudo is not sent to make a directory alone.
        for args in ("disable", "echo"), ("check",):
            done = self.machine.run("/usr/local/bin/odp", *args, user=USER, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("(as root: the system's files in /etc/odp)", done.stderr)


class TestOfAUser(EnableCase):
    def run_odp(self, *args):
        return self.machine.run("/usr/local/bin/odp", *args, user=USER, check=False)

    def test_enable(self):
        self.machine.enable_user(USER)
        config = f"/home/{USER}/.config/odp/services"
        self.addCleanup(self.machine.systemctl, "daemon-reload", user=USER)
        self.addCleanup(self.machine.run, "rm", "-rf", f"/home/{USER}/.config/odp")
        text = "\n".join(s.strip() for s in self.file("mine").splitlines())
        self.machine.write(f"{config}/mine.ini", text)
        self.machine.run("chown", "-R", f"{USER}:{USER}", f"/home/{USER}/.config")
        self.service("mine", user=USER)
        self.addCleanup(self.machine.systemctl, "stop", "odp-mine.socket", "odpd.service", user=USER,
                        check=False)
        done = self.run_odp("enable", "mine")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "mine: enabled\n", ""))
        self.talk("mine")
        self.assertEqual(self.machine.show("odpd.service", "ActiveState", USER), "active")
        self.assertEqual(self.run_odp("disable", "mine").stdout, "mine: disabled\n")
        self.assertTrue(self.refused(self.port("mine")))
        done = self.run_odp("enable", "nothing")
        self.assertEqual(done.stderr, f"odp: there is no file {config}/nothing.ini (as root: the "
                         "system's files)\n")
