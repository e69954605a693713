# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Commands under a real systemd: each runs in a unit that odp-launcher asks for, outside of odp, and
# is neither lost nor doubled whoever dies.

import json
import os
import re
import signal
import unittest

from installed import InstalledCase
from machine import USER
from harness import cpu_seconds, is_alive, is_sanitized, read_exactly, read_file, until
from units import server

# systemd holds back what units tell of themselves as long as a client of its private socket does not
# read, such as a systemctl that was suspended, but not that a job has ended.
HELD_BACK = """<busconfig><policy context="mandatory"><deny receive_type="signal"
receive_interface="org.freedesktop.DBus.Properties"/></policy></busconfig>"""
MADE = ["odp-run-*.service", "odp-exec-*.service", "odp-probe-*.service"]


class TransientCase(InstalledCase):
    def setUp(self):
        self.addCleanup(self.look_for_sanitizers)  # when all of odp has ended
        super().setUp()
        self.addCleanup(self.end_units)

    def look_for_sanitizers(self):
        # Leaks are not looked for: the sandbox does not let it.
        found = re.findall(r".*(?:ERROR: \w+Sanitizer|runtime error:).*",
                           self.machine.journal(f"--after-cursor={self.cursor}"))
        self.assertEqual(found, [])

    def end_units(self, user=None):
        for what in (["kill", "--signal=KILL"], ["stop"], ["reset-failed"]):
            self.machine.systemctl(*what, *MADE, user=user, check=False)

    def begin(self, files):
        for name, text in files.items():
            self.put(name, text)
        self.reload()
        self.machine.systemctl("start", "odp.target")
        for name in files:
            until(lambda name=name: self.status(name)["state"] == "stopped", f"{name} is asleep")

    def status(self, name):
        return json.loads(self.odp("status", name, "--json").stdout)["services"][0]

    def await_state(self, name, state):
        until(lambda: self.status(name)["state"] == state, f"{name} is {state}")
        return self.status(name)

    def await_active(self, unit, state, user=None):
        until(lambda: self.machine.show(unit, "ActiveState", user) == state, f"{unit} is {state}")

    def launcher_pid(self):
        return self.machine.main_pid("odp-launcher.service")

    def kill_launcher(self):
        pid = until(self.launcher_pid, "there is a launcher")
        os.kill(pid, signal.SIGKILL)
        until(lambda: not is_alive(pid), "the launcher is dead")

    def made(self, user=None):
        """The units that odp has made and that are still there."""
        listed = self.machine.systemctl("list-units", "--all", "--plain", "--no-legend", *MADE,
                                        user=user)
        return sorted(line.split()[0] for line in listed.splitlines())

    def command(self, name, *options, idle="5min", backend="", ready="", program="echo.py"):
        """A service NAME that is a command; it records its starts in /tmp/NAME.starts."""
        starts = f"/tmp/{name}.starts"
        self.machine.write(starts, "", 0o666)
        text = self.file(name, idle, "COMMAND\n" + backend, ready)
        line = server(program, self.target(name), "--starts", starts, *options)
        return text.replace(f"unit = {name}.service", "").replace("COMMAND", f"command = {line}")


    def server_line(self, name):
        line = server("echo.py", self.port(name) + 1, "--starts", f"/tmp/{name}.starts")
        return f"{line} & echo $! > /tmp/{name}.pid"

    def scripts(self, name, start="", stop="", status="", limits=""):
        """A service NAME that its start command leaves running, as /tmp/NAME.pid tells."""
        self.machine.write(f"/tmp/{name}.starts", "", 0o666)
        texts = {
            "start": start or self.server_line(name),
            "stop": stop or f"kill $(cat /tmp/{name}.pid)",
            "status": status,
        }
        lines = []
        for what, text in texts.items():
            if text:
                self.machine.write(f"/tmp/{name}.{what}", f"#!/bin/sh\n{text}\n", 0o755)
                lines.append(f"{what} = /tmp/{name}.{what}")
        return "\n".join([*lines, limits])

    def exec_file(self, name, idle="5min", **options):
        text = self.file(name, idle, "COMMANDS")
        return text.replace(f"unit = {name}.service", "").replace(
            "COMMANDS", self.scripts(name, **options))


class TestProcess(TransientCase):
    def test_wakes_and_sleeps_outside_of_odp(self):
        self.begin({"echo": self.command("echo", idle="500ms")})
        self.assertEqual(self.status("echo")["state"], "stopped")
        self.assertEqual(self.made(), [])
        s = self.talk("echo")
        unit = "odp-run-echo.service"
        self.assertEqual(self.made(), [unit])
        self.assertEqual(self.machine.show(unit, "ControlGroup"), "/system.slice/" + unit)
        self.assertEqual(self.status("echo")["backend"], "process")
        s.close()
        self.await_active(unit, "inactive")
        self.await_state("echo", "stopped")
        self.assertEqual(self.status("echo")["reason"], "quiet for 500ms")
        until(lambda: self.made() == [], "the unit is gone")
        self.talk("echo")
        self.assertEqual(self.starts("echo"), 2)

    def test_failures_in_words(self):
        plain = "[service]\nlisten = %d\ntarget = 127.0.0.1:%d\n[backend]\n%s\n"
        self.machine.write("/tmp/bad.env", "A=1\n", 0o644)
        faults = {
            "program": ("command = /nonexistent/x --flag",
                        "cannot run /nonexistent/x: it is not there, or is no program"),
            "name": ("command = no-such-program-of-odp",
                     "cannot run no-such-program-of-odp: it is not there, or is no program"),
            "text": ("command = /etc/passwd",
                     "cannot run /etc/passwd: it is not there, or is no program"),
            "directory": ("command = /bin/sleep 99\ndirectory = /nonexistent",
                          "cannot enter directory /nonexistent: is it there?"),
            "user": ("command = /bin/sleep 99\nuser = nobody-of-odp",
                     "user nobody-of-odp: there is no such user"),
            "file": ("command = /bin/sleep 99\nenvironment_file = /nonexistent.env",
                     "environment_file /nonexistent.env: cannot be read: is it there?"),
            "secret": ("command = /bin/sleep 99\nenvironment_file = /tmp/bad.env",
                       "environment_file /tmp/bad.env: others may read or write it: chmod 600 it"),
            "status": ("command = /bin/sh -c 'sleep 0.3; exit 7'",
                       "exited with status 7, see odp logs status"),
            "signal": ("command = /bin/sh -c 'sleep 0.3; kill -9 $$'",
                       "signal SIGKILL, see odp logs signal"),
        }
        files = {}
        for i, (name, (backend, _)) in enumerate(faults.items()):
            files[name] = plain % (4500 + i, 4600 + i, backend)
        self.begin(files)
        for name, (_, reason) in faults.items():
            done = self.odp("start", name, check=False)
            self.assertEqual(done.returncode, 1, name)
            self.assertIn(reason, done.stderr)
            # It can be tried again, and says the same.
            self.assertIn(reason, self.odp("start", name, check=False).stderr)
            self.assertEqual(self.odp("stop", name).returncode, 0)
        until(lambda: self.made() == [], "nothing is left")

    def test_settings(self):
        self.machine.write("/tmp/secrets.env", "A=from the file\nB=\"quoted # text\"\n", 0o600)
        self.machine.write("/tmp/settings.sh", """#!/bin/sh
            { id -un; pwd; echo "$A|$B|$C"; echo "$*"; echo "$NOTIFY_SOCKET$LISTEN_FDS"; } \
                > /tmp/settings.out
            exec sleep 1000""", 0o755)
        self.machine.run("rm", "-f", "/tmp/settings.out")
        self.begin({"app": """
            [service]
            listen = 4520
            target = 127.0.0.1:4521
            [backend]
            command = /tmp/settings.sh $HOME %n ${A} a$$b 'two words'
            directory = /tmp
            user = nobody
            environment = A=direct
            environment = C=c %n
            environment_file = /tmp/secrets.env
            stop_timeout = 7s
            [ready]
            probe = none
            """})
        self.machine.write("/tmp/settings.out", "", 0o666)
        self.assertEqual(self.odp("start", "app").returncode, 0)
        unit = "odp-run-app.service"
        wanted = ["nobody", "/tmp", "from the file|quoted # text|c %n",
                  "$HOME %n ${A} a$$b two words", ""]
        until(lambda: self.machine.read("/tmp/settings.out").splitlines() == wanted, "it ran so")
        self.assertEqual(self.machine.show(unit, "TimeoutStopUSec"), "7s")
        # systemd reads again what it has written of it: nothing of it is lost or expanded.
        self.machine.daemon_reload()
        self.assertEqual(self.machine.show(unit, "LoadState"), "loaded")
        self.assertIn("HOME", self.machine.show(unit, "ExecStart"))
        self.assertEqual(self.machine.show(unit, "TimeoutStopUSec"), "7s")
        self.assertEqual(self.status("app")["state"], "ready")
        self.assertEqual(self.odp("stop", "app").returncode, 0)

    def test_has_to_be_killed(self):
        self.begin({"app": self.command("app", backend="stop_timeout = 1s")
                       .replace("command = ", "command = /bin/sh -c 'trap \"\" TERM; \"$@\"' sh ")})
        self.talk("app").close()
        self.assertEqual(self.odp("stop", "app").returncode, 0)
        self.assertEqual(self.status("app")["state"], "stopped")
        until(lambda: self.made() == [], "nothing is left")
        self.talk("app")

    def test_stopped_and_killed_by_others(self):
        self.begin({"echo": self.command("echo")})
        unit = "odp-run-echo.service"
        first = self.talk("echo")
        self.machine.systemctl("stop", unit)
        self.await_state("echo", "stopped")
        self.assert_closed(first)
        self.talk("echo")
        self.machine.systemctl("kill", "--signal=KILL", unit)
        self.await_state("echo", "stopped")
        self.assertEqual(self.status("echo")["reason"], "signal SIGKILL, see odp logs echo")
        self.talk("echo")
        self.assertEqual(self.starts("echo"), 3)

    def test_logs(self):
        self.begin({"echo": self.command("echo").replace(
            "command = ", "command = /bin/sh -c 'echo it says this; exec \"$@\"' sh ")})
        self.talk("echo")
        until(lambda: "it says this" in self.odp("logs", "echo").stdout, "odp logs has it")
        self.assertIn("Started", self.odp("logs", "echo").stdout)  # and what systemd says
        found = self.machine.journal("-t", "echo", "-o", "json", "--output-fields=ODP_SERVICE")
        self.assertIn('"ODP_SERVICE":"echo"', found)


class TestExec(TransientCase):
    def test_what_start_leaves_lives_on(self):
        self.begin({"echo": self.exec_file("echo", idle="700ms")})
        s = self.talk("echo")
        unit = "odp-exec-echo-start.service"
        self.assertEqual(self.made(), [unit])
        self.assertEqual(self.machine.show(unit, "SubState"), "exited")
        self.kill_launcher()
        s.sendall(b"y")
        self.assertEqual(read_exactly(s, 1), b"y")
        s.close()
        self.await_state("echo", "stopped")
        until(lambda: self.made() == [], "nothing is left")
        self.talk("echo").close()
        self.assertEqual(self.starts("echo"), 2)
        self.await_state("echo", "stopped")

    def test_failures_in_words(self):
        self.begin({
            "one": self.exec_file("one", start="echo some words; exit 3"),
            "two": self.exec_file("two", start="sleep 99 & sleep 99", limits="start_timeout = 1s"),
            "three": self.exec_file("three", stop="exit 4"),
        })
        done = self.odp("start", "one", check=False)
        self.assertIn("start: exited with status 3, see odp logs one", done.stderr)
        self.assertIn("some words", self.odp("logs", "one").stdout)
        done = self.odp("start", "two", check=False)
        self.assertIn("within 1s", done.stderr)
        until(lambda: self.made() == [], "all of it is gone, what it had left too")
        self.talk("three").close()
        done = self.odp("stop", "three", check=False)
        self.assertIn("stop: exited with status 4, see odp logs three", done.stderr)
        self.machine.run("sh", "-c", "kill $(cat /tmp/three.pid)")

    def test_program_that_is_not_there(self):
        text = self.exec_file("one").replace("start = /tmp/one.start", "start = /nonexistent/x")
        self.begin({"one": text})
        self.assertIn("start: cannot run /nonexistent/x: it is not there, or is no program",
                      self.odp("start", "one", check=False).stderr)

    def test_status_decides(self):
        self.begin({"echo": self.exec_file(
            "echo", status="echo asked >> /tmp/echo.asked; kill -0 $(cat /tmp/echo.pid)")})
        self.talk("echo")
        # It goes by itself. Whoever asks finds out; the next connection starts it again.
        self.machine.run("sh", "-c", "kill $(cat /tmp/echo.pid)")
        self.kill_launcher()
        self.await_state("echo", "stopped")
        self.talk("echo")
        self.assertEqual(self.starts("echo"), 2)
        until(lambda: self.made() == ["odp-exec-echo-start.service"], "no question is left")
        self.assertNotIn("ailed", self.machine.journal("-u", "odp-exec-echo-status.service"))

    def test_started_twice_beside_what_it_has_left(self):
        # The first start is too slow for its visitor, and nothing can be asked: it is run again.
        self.begin({"echo": self.exec_file(
            "echo", start="echo x >> /tmp/echo.runs; test -s /tmp/echo.pid || "
            "{ sleep 1000 & echo $! > /tmp/echo.pid; }", limits="").replace(
                "[ready]", "[ready]\ntimeout = 300ms")})
        self.machine.write("/tmp/echo.pid", "")
        self.machine.write("/tmp/echo.runs", "")
        for n in 1, 2:
            self.assertEqual(self.odp("start", "echo", check=False).returncode, 1)
            self.assertEqual(len(self.machine.read("/tmp/echo.runs").split()), n)
        self.assertEqual(self.made(), ["odp-exec-echo-start.service",
                                       "odp-exec-echo-start:2.service"])
        self.assertEqual(self.odp("stop", "echo").returncode, 0)
        until(lambda: self.made() == [], "nothing is left")

    def test_other_settings_while_what_it_has_left_ends(self):
        """It has been stopped, and its start's unit is still on its way out, which takes a moment
        and here longer: that is no service that runs."""
        unit, gate = "odp-exec-echo-start.service", self.gate("end")
        path = f"/run/systemd/system/{unit}.d/slow.conf"
        self.machine.write(path, "[Service]\nTimeoutStopSec=infinity\n"
                                 f"ExecStop=sh -c 'until test -e {gate}; do sleep 0.05; done'\n")
        self.addCleanup(os.unlink, self.machine.path(path))
        self.begin({"echo": self.exec_file("echo")})
        self.talk("echo").close()
        self.assertEqual(self.odp("stop", "echo").returncode, 0)
        self.await_active(unit, "deactivating")
        self.put("echo", self.exec_file("echo", limits="stop_timeout = 20s"))
        self.assertEqual(self.odp("reload").returncode, 0)
        self.talk("echo").close()
        self.assertEqual(self.starts("echo"), 1)  # since its files were written anew
        self.open(gate)
        self.await_active(unit, "inactive")

    def test_the_launcher_is_killed_at_each_command(self):
        line = server("echo.py", "PORT", "--starts", "/tmp/echo.starts")
        begin, end = self.gate("begin"), self.gate("end")
        wait = "until test -e %s; do sleep 0.05; done\n"
        text = self.exec_file("echo", stop=wait % end + "kill $(cat /tmp/echo.pid)")
        self.machine.write("/tmp/echo.start", "#!/bin/sh\n" + wait % begin + line.replace(
            "PORT", str(self.target("echo"))) + " & echo $! > /tmp/echo.pid\n", 0o755)
        self.begin({"echo": text})
        s = self.connect(self.port("echo"))
        s.sendall(b"x")
        self.await_active("odp-exec-echo-start.service", "activating")
        self.kill_launcher()
        self.open(begin)
        self.assertEqual(read_exactly(s, 1), b"x")
        s.close()
        self.odp("stop", "--no-wait", "echo")
        self.await_active("odp-exec-echo-stop.service", "activating")
        self.kill_launcher()
        self.open(end)
        self.await_state("echo", "stopped")
        self.assertEqual(self.starts("echo"), 1)
        until(lambda: self.made() == [], "nothing is left")

    def test_names_do_not_clash(self):
        self.begin({name: self.exec_file(name) for name in ("a", "a-start", "run-a")})
        for name in "a", "a-start", "run-a":
            self.talk(name).close()
        self.assertEqual(self.made(), ["odp-exec-a-start-start.service", "odp-exec-a-start.service",
                                       "odp-exec-run-a-start.service"])
        for name in "a", "a-start", "run-a":
            self.assertEqual(self.odp("stop", name).returncode, 0)


class TestProbe(TransientCase):
    def test_command(self):
        self.machine.write("/tmp/probe", "#!/bin/sh\necho it lacks a file\n"
                           "id -un > /tmp/probe.user; exec test -e /tmp/probe.ok\n", 0o755)
        self.machine.write("/tmp/probe.user", "", 0o666)
        self.begin({"echo": self.command("echo", backend="user = nobody",
                                         ready="command = /tmp/probe\ntimeout = 2s")})
        done = self.odp("start", "echo", check=False)
        self.assertIn("exit status 1: it lacks a file", done.stderr)
        self.assertEqual(self.machine.read("/tmp/probe.user"), "nobody\n")
        self.machine.write("/tmp/probe.ok", "")
        self.addCleanup(os.unlink, self.machine.path("/tmp/probe.ok"))
        self.talk("echo")
        until(lambda: self.made() == ["odp-run-echo.service"], "no probe is left")
        self.assertNotIn("it lacks", self.machine.journal("-u", "odp-probe-echo.service"))

    def test_late_and_left_by_a_killed_launcher(self):
        self.machine.write("/tmp/probe", "#!/bin/sh\ntest -e /tmp/probe.ok && exit 0\n"
                           "sleep 1000 & sleep 1000\n", 0o755)
        self.begin({"echo": self.command("echo", ready="command = /tmp/probe")})
        s = self.connect(self.port("echo"))
        s.sendall(b"x")
        self.await_active("odp-probe-echo.service", "activating")
        self.machine.write("/tmp/probe.ok", "")
        self.addCleanup(os.unlink, self.machine.path("/tmp/probe.ok"))
        self.kill_launcher()
        self.assertEqual(read_exactly(s, 1), b"x")
        until(lambda: self.made() == ["odp-run-echo.service"], "no probe is left")


class TestLost(TransientCase):
    def test_the_launcher_is_killed_while_it_runs(self):
        self.begin({"echo": self.command("echo", idle="700ms")})
        s = self.talk("echo")
        self.kill_launcher()
        s.sendall(b"y")
        self.assertEqual(read_exactly(s, 1), b"y")
        s.close()
        self.await_active("odp-run-echo.service", "inactive")
        self.await_state("echo", "stopped")
        self.assertEqual(self.starts("echo"), 1)

    def test_the_launcher_is_killed_at_each_step_of_a_start(self):
        self.begin({"echo": self.command("echo", "--delay", "1")})
        for i in range(1, 5):
            s = self.connect(self.port("echo"))
            s.sendall(b"x")
            if i > 1:
                self.await_state("echo", "starting")
            if i > 2:
                until(lambda: self.made(), "it is made")
            self.kill_launcher()
            self.assertEqual(read_exactly(s, 1), b"x")
            self.assertEqual(self.starts("echo"), i)
            s.close()
            self.assertEqual(self.odp("stop", "echo").returncode, 0)
        self.assertEqual(self.status("echo")["failed_wakes"], 0)

    def test_odpd_and_the_launcher_are_restarted(self):
        self.begin({"echo": self.command("echo", idle="1s")})
        self.talk("echo").close()
        self.machine.systemctl("restart", "odpd.service", "odp-launcher.service")
        self.await_active("odp-run-echo.service", "inactive")
        self.await_state("echo", "stopped")
        self.assertEqual(self.starts("echo"), 1)

    def test_the_bus_is_restarted(self):
        self.begin({"echo": self.command("echo", idle="700ms")})
        s = self.talk("echo")
        self.machine.systemctl("restart", "dbus.service")
        s.close()
        self.await_active("odp-run-echo.service", "inactive")
        self.await_state("echo", "stopped")

    def test_f9_the_bus_is_gone(self):
        self.begin({"run": self.command("run", idle="700ms"), "late": self.command("late"),
                    "cmd": self.exec_file("cmd")})
        s = self.talk("run")
        self.machine.systemctl("stop", "dbus.socket", "dbus.service")
        self.addCleanup(self.machine.systemctl, "start", "dbus.socket", check=False)
        waiting = [self.connect(self.port(name)) for name in ("late", "cmd")]
        for one in waiting:
            one.sendall(b"x")
        for name in "late", "cmd":
            self.await_state(name, "failed")
            self.assertIn("D-Bus", self.status(name)["reason"])
            self.assertEqual(self.starts(name), 0)
        s.sendall(b"y")
        self.assertEqual(read_exactly(s, 1), b"y")
        launcher = self.launcher_pid()
        before = cpu_seconds(launcher)
        s.close()
        until(lambda: "cannot reach" in self.machine.journal(
            f"--after-cursor={self.cursor}", "ODP_SERVICE=run"), "its stop was tried")
        self.assertLess(cpu_seconds(launcher) - before, 0.5)
        self.machine.systemctl("start", "dbus.socket")
        self.await_active("odp-run-run.service", "inactive")
        for name in "late", "cmd":
            self.talk(name).close()
            self.assertEqual(self.starts(name), 1)

    def test_f9_what_was_late_while_the_bus_was_gone_is_ended_after_it(self):
        hangs = "test -e /tmp/cmd.go || exec sleep 987654\n"
        self.addCleanup(self.machine.write, "/tmp/cmd.go", "")
        self.begin({"cmd": self.exec_file("cmd", start=hangs + f"{self.server_line('cmd')}",
                                          limits="start_timeout = 2s")})
        self.odp("start", "--no-wait", "cmd")
        unit = "odp-exec-cmd-start.service"
        self.await_active(unit, "activating")
        self.machine.systemctl("stop", "dbus.socket", "dbus.service")
        self.addCleanup(self.machine.systemctl, "start", "dbus.socket", check=False)
        until(lambda: "start: it cannot be ended while D-Bus is gone" in self.machine.journal(
            f"--after-cursor={self.cursor}", "ODP_SERVICE=cmd"), "it is given up")
        self.assertEqual(self.machine.show(unit, "ActiveState"), "activating")
        self.machine.write("/tmp/cmd.go", "")
        self.machine.systemctl("start", "dbus.socket")
        until(lambda: unit not in self.made(), "it is ended")
        self.talk("cmd")
        self.assertEqual(self.starts("cmd"), 1)

    def test_what_units_tell_is_held_back(self):
        rule = "/etc/dbus-1/system.d/odp-test.conf"
        self.addCleanup(self.machine.systemctl, "reload", "dbus.service")
        self.machine.write(rule, HELD_BACK)
        self.addCleanup(os.unlink, self.machine.path(rule))
        self.machine.systemctl("reload", "dbus.service")
        self.begin({"app": self.exec_file("app", limits="start_timeout = 20s")})
        self.talk("app").close()
        self.assertEqual(self.odp("stop", "app").returncode, 0)
        self.put("app", self.exec_file("app", start="echo no disk >&2; exit 3"))
        self.assertEqual(self.odp("reload").returncode, 0)
        self.assertIn("exited with status 3", self.odp("start", "app", check=False).stderr)

    def test_systemd_itself_is_executed_anew_and_reloaded(self):
        self.begin({"echo": self.command("echo", "--delay", "1")})
        for what in ("daemon-reexec", "daemon-reload"):
            s = self.connect(self.port("echo"))
            s.sendall(b"x")
            self.await_state("echo", "starting")
            self.machine.systemctl(what)
            self.assertEqual(read_exactly(s, 1), b"x")
            s.close()
            self.assertEqual(self.odp("stop", "echo").returncode, 0)
        self.assertEqual(self.starts("echo"), 2)

    def test_renamed_while_it_runs(self):
        text = self.command("old")
        self.begin({"old": text})
        s = self.talk("old")
        os.unlink(self.machine.path("/etc/odp/services/old.ini"))
        self.put("new", text)
        self.odp("reload")
        self.assertEqual(self.made(), ["odp-run-old.service"])
        self.kill_launcher()
        s.sendall(b"y")
        self.assertEqual(read_exactly(s, 1), b"y")
        s.close()
        until(lambda: self.status("new")["state"] == "ready", "the next launcher has found it")
        # Another service of the old name has a unit of its own.
        self.put("old", self.command("old2").replace("[service]", "[service]"))
        self.odp("reload", check=False)
        self.assertEqual(self.odp("stop", "new").returncode, 0)
        until(lambda: "odp-run-old.service" not in self.made(), "it is gone")
        self.assertEqual(self.odp("start", "new").returncode, 0)
        self.assertIn("odp-run-new.service", self.made())


class TestMemory(TransientCase):
    def pss_kib(self, pid):
        rollup = read_file(f"/proc/{pid}/smaps_rollup")
        return int(re.search(r"^Pss:\s+(\d+)", rollup, re.M)[1])

    def loads_systemd(self):
        return "libsystemd" in read_file(f"/proc/{self.launcher_pid()}/maps")

    @unittest.skipIf(is_sanitized(), "a sanitizer has much of its own")
    def test_asleep(self):
        odpd = "odpd.service"
        self.put("proxy", self.file("proxy", backend="type = none").replace(
            "unit = proxy.service", ""))
        self.reload()
        self.machine.systemctl("start", "odp.target")
        until(self.launcher_pid, "there is a launcher")
        until(lambda: self.status("proxy")["state"] != "unknown", "it is looked at")
        self.assertFalse(self.loads_systemd())
        self.machine.systemctl("stop", "odp.target")
        for i in range(30):
            self.put(f"app{i}", self.command(f"app{i}"))
        self.reload()
        self.machine.systemctl("start", "odp.target")
        # At once: it leaves ten seconds after its last answer.
        until(lambda: self.odp("status", "--json").stdout.count('"stopped"') == 30, "all are asleep")
        self.assertTrue(self.loads_systemd())
        kib = self.pss_kib(self.machine.main_pid(odpd)), self.pss_kib(self.launcher_pid())
        self.assertLessEqual(sum(kib), 2.5 * 1024, kib)
        # What is asleep needs no launcher; the next one finds what the last one has left.
        self.await_active("odp-launcher.service", "inactive")
        s = self.talk("app7")
        self.assertEqual(self.made(), ["odp-run-app7.service"])
        s.close()


class TestUser(TransientCase):
    def test_a_user_s_own(self):
        self.machine.enable_user(USER)
        self.addCleanup(self.end_units, USER)
        files = {"echo": self.command("echo", idle="1s", backend=f"user = {USER}"),
                 "other": self.command("other", backend="user = root")}
        for name, text in files.items():
            path = f"/home/{USER}/.config/odp/services/{name}.ini"
            self.machine.run("mkdir", "-p", os.path.dirname(path), user=USER)
            self.machine.write(path, "\n".join(l.strip() for l in text.splitlines()) + "\n")
            self.addCleanup(os.unlink, self.machine.path(path))
        self.machine.systemctl("daemon-reload", user=USER)
        self.machine.systemctl("start", "odp.target", user=USER)
        self.addCleanup(self.machine.systemctl, "stop", "odp.target", user=USER)
        s = self.talk("echo")
        unit = "odp-run-echo.service"
        self.assertEqual(self.made(USER), [unit])
        self.assertEqual(self.made(), [])
        s.close()
        self.await_active(unit, "inactive", USER)
        self.assertEqual(self.starts("echo"), 1)
        done = self.machine.run("/usr/local/bin/odp", "start", "other", user=USER, check=False)
        self.assertIn("user root: only root can start things as another user", done.stderr)
