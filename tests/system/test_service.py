# SPDX-License-Identifier: LGPL-2.1-or-later
#
# odp's own units: odpd and its launcher as services with a sandbox, what starts them and what stops
# them.

import json
import os
import re
import signal
import subprocess
import time
import unittest

from installed import SERVICES, InstalledCase
from machine import USER, read_file, until
from harness import Background, is_sanitized, read_exactly
from units import server

# include/odp/core/message.h
WAKING = "63776ef48e2245378950332f56deac7f"
READY = "811cc51b48114a958421a58d674896f9"
QUIET = "899df4530e5e4fce8c1656d8e66f0072"
ORDERED = "a5654ed07c9346ad9953afa73ff62c76"
STOPPED = "abb6a742d523488c818e6c558911814d"
ENDED = "2ffb171aa6a84393b018f93a8d8af244"
FAILED = "088c002a276b43ca8902bfb905ee95b2"
FOUND = "7851ef2f4d064170950272acec51bf0a"

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

    def test_two_commands_after_the_installation(self):
        """As README.md and docs/SYSTEMD.md name them, where no account was made yet."""
        self.machine.run("userdel", "odp")
        for path in "/etc/odp", "/var/lib/odp":
            self.machine.run("rm", "-rf", path)
        self.addCleanup(self.machine.systemctl, "disable", "odp.target")
        self.machine.daemon_reload()
        self.machine.systemctl("enable", "--now", "odp.target")
        for unit in "odpd.service", "odp-launcher.socket":
            self.assertTrue(self.is_up(unit))
        text = self.file("wiki")
        self.service("wiki", "--delay", "1")
        self.machine.write(f"{SERVICES}/wiki.ini",
                           "\n".join(s.strip() for s in text.splitlines()) + "\n")
        self.odp("enable", "wiki")
        self.talk("wiki")
        owner = os.stat(self.machine.path(SERVICES))
        group = self.machine.run("id", "-g", "odp").stdout.strip()
        self.assertEqual((owner.st_uid, str(owner.st_gid)), (0, group))

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
        until(lambda: self.status(name)["state"] == state,
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


    # The journal

    def entries(self, **fields):
        """Not by matches of journalctl: with a cursor it would drop the first entry found."""
        text = self.machine.journal(f"--after-cursor={self.cursor}", "--output=json")
        return [e for e in map(json.loads, text.splitlines())
                if all(e.get(name) == value for name, value in fields.items())]

    def events(self, name):
        """MESSAGE_ID and ODP_STATE of what odpd has entered about a service."""
        return [(e["MESSAGE_ID"], e["ODP_STATE"])
                for e in self.entries(ODP_SERVICE=name, _SYSTEMD_UNIT="odpd.service")
                if "MESSAGE_ID" in e]

    def test_fields_of_entries(self):
        self.begin("echo", idle="5s")  # what is done by hand below comes before its end
        self.machine.systemctl("start", "odp.target")
        self.talk("echo").close()
        self.await_unit("echo", "inactive")
        self.talk("echo").close()
        self.odp("stop", "echo")
        self.machine.systemctl("start", "echo.service")
        self.await_state("echo", "ready")
        self.machine.systemctl("stop", "echo.service")
        self.await_state("echo", "stopped")
        self.assertEqual(self.events("echo"), [
            (WAKING, "starting"), (READY, "ready"), (QUIET, "stopping"), (STOPPED, "stopped"),
            (WAKING, "starting"), (READY, "ready"), (ORDERED, "stopping"), (STOPPED, "stopped"),
            (FOUND, "starting"), (READY, "ready"), (ENDED, "stopped")])
        quiet = self.entries(MESSAGE_ID=QUIET)[-1]
        self.assertEqual(quiet["ODP_REASON"], "quiet for 5s")
        self.assertEqual((quiet["SYSLOG_IDENTIFIER"], quiet["PRIORITY"]), ("odpd", "6"))
        self.assertIn("echo: deadline: ready -> stopping", quiet["MESSAGE"])

    def test_failed_start_is_explained_by_the_catalog(self):
        self.put("echo", self.file("echo"))
        self.unit("echo.service", "[Service]\nExecStart=/usr/bin/false\nType=oneshot")
        self.reload()
        self.assert_closed(self.connect(self.port("echo")))
        self.await_state("echo", "failed")
        self.machine.run("journalctl", "--update-catalog")
        self.assertIn((FAILED, "failed"), self.events("echo"))
        shown = self.machine.journal(f"--after-cursor={self.cursor}", "-x")
        self.assertIn("Subject: Service echo could not be started", shown)
        self.assertIn("See `odp why echo` for the reason", shown)

    def test_logs_shows_the_service_and_odp(self):
        self.begin("echo")
        self.put("talker", self.file("talker").replace(
            "unit = talker.service", "command = sh -c 'echo hello from within; exec sleep 1000'"))
        self.reload()
        self.machine.systemctl("start", "odp.target")
        self.talk("echo")
        self.odp("start", "--no-wait", "talker")
        until(lambda: "hello from within" in self.odp("logs", "talker").stdout,
              "odp logs shows what the command prints")
        self.assertNotIn("echo", self.odp("logs", "talker").stdout)
        logs = self.odp("logs", "echo").stdout
        self.assertIn("-> ready", logs)
        self.assertIn("Started echo.service", logs)
        self.assertNotIn("talker", logs)
        self.odp("stop", "talker", check=False)

    # What the service manager knows

    def test_status_line(self):
        self.begin("echo", "other", idle="1s")
        self.machine.systemctl("start", "odp.target")
        for line in "0 of 2 services awake", "1 of 2 services awake", "0 of 2 services awake":
            if line[0] == "1":
                self.talk("echo").close()
            until(lambda line=line: self.machine.show("odpd.service", "StatusText") == line, line)

    def watchdog(self, timeout):
        self.machine.write("/etc/systemd/system/odpd.service.d/watchdog.conf",
                           f"[Service]\nWatchdogSec={timeout}\n")
        self.addCleanup(os.unlink, self.machine.path(
            "/etc/systemd/system/odpd.service.d/watchdog.conf"))
        self.machine.daemon_reload()

    def test_watchdog_only_while_something_is_awake(self):
        self.watchdog("1s")
        self.begin("echo")
        self.machine.systemctl("start", "odp.target")
        asleep = self.machine.main_pid("odpd.service")
        os.kill(asleep, signal.SIGSTOP)
        time.sleep(2.5)  # nothing happens in it, so there is nothing to wait for
        self.assertEqual(self.machine.main_pid("odpd.service"), asleep)
        os.kill(asleep, signal.SIGCONT)
        held = self.talk("echo")
        time.sleep(2.5)
        self.assertEqual(self.machine.main_pid("odpd.service"), asleep)
        os.kill(asleep, signal.SIGSTOP)
        until(lambda: self.machine.main_pid("odpd.service") not in (None, asleep),
              "odpd was killed and started again")
        self.assertIn("Watchdog timeout", self.machine.journal(
            f"--after-cursor={self.cursor}", "-u", "odpd.service"))
        held.close()
        self.talk("echo")
        self.assertEqual(self.starts("echo"), 1)

    def test_asleep_no_system_call(self):
        self.begin("echo", idle="1s")
        self.file("noise")
        self.service("noise")
        self.machine.systemctl("start", "odp.target")
        self.talk("echo").close()
        self.await_state("echo", "stopped")
        trace = f"{self.directory()}/trace"
        with subprocess.Popen(["strace", "-f", "-o", trace, "-p",
                               str(self.machine.main_pid("odpd.service"))],
                              stderr=subprocess.PIPE, text=True) as strace:
            self.assertIn("attached", strace.stderr.readline())
            for _ in range(5):
                self.machine.systemctl("start", "noise.service")
                self.machine.systemctl("stop", "noise.service")
            time.sleep(3)
            seen = [line for line in read_file(trace).splitlines() if "epoll" not in line]
            n_calls = len(read_file(trace).splitlines())
            self.talk("echo")  # the trace works
            until(lambda: len(read_file(trace).splitlines()) > n_calls, "calls are seen")
            strace.terminate()
        self.assertEqual((seen, n_calls <= 1), ([], True))

    # What the sandbox must not hide

    def test_required_paths_and_mounts_are_seen_as_they_are(self):
        """In homes, in /tmp, in what belongs to others; and as they come and go."""
        self.machine.enable_user(USER)
        paths = [f"/home/{USER}/private/p", "/root/p", "/tmp/p", "/var/lib/others/p", "/srv/disk"]
        for path in paths[:-1]:
            directory = os.path.dirname(path)
            self.machine.run("mkdir", "-p", directory)
            if path != "/tmp/p":
                self.machine.run("chown", USER, directory)
                self.machine.run("chmod", "0700", directory)
        self.machine.run("mkdir", "-p", paths[-1])
        self.addCleanup(self.machine.run, "chown", "root", "/root")
        text = self.file("echo")
        self.put("echo", text + "[requires]\n" + "\n".join(
            [f"path = {p}" for p in paths[:-1]] + [f"mount = {paths[-1]}"]))
        self.service("echo")
        self.reload()
        self.machine.systemctl("start", "odp.target")
        for path in paths[-1:] + paths[:-1]:  # mounts are looked at first
            done = self.odp("start", "echo", check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(path, done.stderr)
            if path == paths[-1]:
                self.machine.run("mount", "-t", "tmpfs", "disk", path)
            else:
                self.machine.run("touch", path)
                self.addCleanup(self.machine.run, "rm", path)
            until(lambda: self.status("echo")["state"] == "failed", "it may be tried again")
        self.odp("start", "echo")
        self.odp("stop", "echo")
        self.machine.run("umount", paths[-1])
        done = self.odp("start", "echo", check=False)
        self.assertIn(paths[-1], done.stderr)
        self.assertEqual(self.starts("echo"), 1)

    def status(self, name):
        return json.loads(self.odp("status", name, "--json").stdout)["services"][0]

    def test_everything_works_in_the_sandbox(self):
        """A bulk transfer by splice, others' connections counted by the kernel's socket table, a
        command as a unit, memory from control groups, no capability anywhere."""
        self.put("echo", self.file("echo", idle="1s"))
        self.service("echo")
        self.put("page", self.file("page").replace(
            "unit = page.service", f"command = {server('http.py', self.target('page'))}"))
        self.reload()
        self.machine.systemctl("start", "odp.target")
        s = self.talk("echo")
        data = os.urandom(1 << 20)
        thread = Background(s.sendall, data)
        self.assertEqual(read_exactly(s, len(data)), data)
        thread.join()
        direct = self.connect(self.target("echo"))
        s.close()
        until(lambda: "direct" in self.odp("why", "echo").stdout, "direct connections are counted")
        self.assertEqual(self.status("echo")["state"], "ready")
        direct.close()
        self.await_unit("echo", "inactive")
        s = self.connect(self.port("page"))
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertIn(b"200 OK", s.recv(4096))
        s.close()
        self.odp("stop", "page")
        refused = [line for line in self.machine.journal(
            f"--after-cursor={self.cursor}", "-p", "warning").splitlines() if "odp" in line]
        self.assertEqual(refused, [])

    # What it costs

    @unittest.skipIf(is_sanitized(), "sanitizers need memory of their own")
    def test_thirty_services_asleep(self):
        self.bind_programs()
        names = [f"s{i}" for i in range(30)]
        for name in names:
            self.put(name, self.file(name, idle="1s"))
            self.machine.write(f"/etc/systemd/system/{name}.service",
                               "[Service]\nExecStart=/usr/bin/sleep infinity\n")
            self.units.append((f"{name}.service", None))
        self.units.pop(0)
        self.service("s0")
        self.reload()
        self.machine.systemctl("start", "odp.target")
        self.talk("s0").close()
        until(lambda: self.odp("status", "--json").stdout.count('"stopped"') == len(names),
              "all sleep")
        dirty, pss = self.used("odpd.service")
        launcher = self.used("odp-launcher.service")[1]
        print(f"odpd: private dirty {dirty} KiB, PSS {pss} KiB; launcher: PSS {launcher} KiB")
        self.assertLessEqual(dirty, 400)
        self.assertLessEqual(pss, 1024)
        self.assertLessEqual(pss + launcher, 2560)

    def test_as_a_user(self):
        self.machine.enable_user(USER)
        path = f"/home/{USER}/.config/odp/services/echo.ini"
        self.machine.run("mkdir", "-p", os.path.dirname(path), user=USER)
        text = self.file("echo")
        self.machine.write(path, "\n".join(s.strip() for s in text.splitlines()) + "\n")
        self.addCleanup(os.unlink, self.machine.path(path))
        self.service("echo", user=USER)
        self.machine.run("systemd-analyze", "--user", "verify", "--man=no", *UNITS, user=USER)
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
