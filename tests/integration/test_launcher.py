#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""odp-launcher as odpd sees it: the real program at the other end of a socketpair, real processes.

ODP_BUILD names the directory that holds odp-launcher (default: the working directory).
ODP_WRAPPER, if set, is a command put before it (`valgrind -q --error-exitcode=99`).
"""

import collections
import os
import random
import re
import shlex
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import time
import unittest

LAUNCHER = os.path.join(os.environ.get("ODP_BUILD", "."), "odp-launcher")
WRAPPER = shlex.split(os.environ.get("ODP_WRAPPER", ""))
DEADLINE = 20.0  # seconds that anything may take before it counts as failed

LOOK, START, STOP, FREEZE, THAW, REPORT, PROBE, LOAD, RENAME, FORGET = range(1, 11)
STATES = ["NONE", "RUNNING", "INACTIVE", "FAILED", "FROZEN", "STALE", "ANSWERS", "SILENT", "DONE",
          "LOCATED", "NOWHERE", "STARTING"]
PROBE_ID = 1 << 31
HEADER = struct.Struct("<BBBBHHIIQ")

Report = collections.namedtuple("Report", "id name state reason")


def digest_of(backend, ready=()):
    """FNV-1a 64 of the settings that the launcher acts on, as core/config computes it."""
    value = 14695981039346656037
    settings = [f"backend.{k}={v}\n" for k, v in backend] + [f"ready.{k}={v}\n" for k, v in ready]
    for byte in "".join(settings).encode():
        value = ((value ^ byte) * 1099511628211) & 0xFFFFFFFFFFFFFFFF
    return value


def await_true(condition, what):
    """Returns the condition's first true value."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    raise AssertionError(f"not within {DEADLINE} s: {what}")


def is_alive(pid):
    """False for zombies too: nobody may collect what the launcher's end has orphaned."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def read_text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except FileNotFoundError:
        return ""


class LauncherTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="odp-launcher-")
        # A service that runs as another user has to get here.
        os.chmod(self.dir, 0o755)
        os.makedirs(self.path("config/services"))
        self.digests = {}
        self.next_id = 1
        self.next_port = 20000
        self.process = None
        self.link = None
        self.unread = []

    def tearDown(self):
        if self.link is not None:
            self.end_launcher()
        records = self.path("run/launcher")
        for name in os.listdir(records) if os.path.isdir(records) else []:
            if not name.endswith(".pid"):
                continue
            pid = re.search(r"^pid=(\d+)$", read_text(os.path.join(records, name)), re.M)
            if pid:
                try:
                    os.killpg(int(pid[1]), signal.SIGKILL)
                except ProcessLookupError:
                    pass
        shutil.rmtree(self.dir)

    def path(self, name):
        return os.path.join(self.dir, name)

    # The files

    def service(self, name, *backend, ready=()):
        """Writes a service's file; returns the digest that odpd would send."""
        self.next_port += 2
        lines = "".join(f"{k} = {v}\n" for k, v in backend)
        if ready:
            lines += "[ready]\n" + "".join(f"{k} = {v}\n" for k, v in ready)
        with open(self.path(f"config/services/{name}.ini"), "w", encoding="utf-8") as f:
            f.write(f"[service]\nlisten = {self.next_port}\n"
                    f"target = 127.0.0.1:{self.next_port + 1}\n\n[backend]\n{lines}")
        self.digests[name] = digest_of(backend, ready)
        return self.digests[name]

    def files(self):
        """What tells of processes, and the lock; texts of services' files are kept beside."""
        return sorted(f for f in os.listdir(self.path("run/launcher")) if not f.endswith(".ini"))

    def script(self, name, text):
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)
        return path

    def script_service(self, name, text, *backend):
        self.service(name, ("command", self.script(f"{name}.sh", text)), *backend)

    # The launcher

    def run_launcher(self):
        self.link, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.link.settimeout(DEADLINE)
        with open(self.path("log"), "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                WRAPPER + [LAUNCHER, "--config", self.path("config"), "--runtime",
                           self.path("run"), "--link", str(end.fileno()), "--log-level", "debug"],
                pass_fds=[end.fileno()], stderr=log, stdin=subprocess.DEVNULL)
        end.close()
        self.unread = []

    def end_launcher(self):
        """As odpd's end does it: the launcher must end at once, well, and leave all running."""
        self.link.close()
        self.link = None
        self.assertEqual(self.process.wait(DEADLINE), 0, self.log())

    def kill_launcher(self):
        self.process.kill()
        self.process.wait()
        self.link.close()
        self.link = None

    def log(self):
        return read_text(self.path("log"))

    # Requests

    def send(self, op, name, digest=None):
        request = self.next_id | (PROBE_ID if op == PROBE else 0)
        self.next_id += 1
        if digest is None:
            digest = self.digests.get(name, 0)
        raw = name.encode()
        self.link.send(HEADER.pack(1, op, 0, len(raw), 0, 0, request, 0, digest) + raw)
        return request

    def receive(self):
        data = self.link.recv(4096)
        if not data:
            raise AssertionError("the launcher is gone: " + self.log())
        version, op, state, n_name, n_reason, zero, request, zero2, _ = HEADER.unpack_from(data)
        self.assertEqual((version, op, zero, zero2), (1, REPORT, 0, 0))
        self.assertEqual(len(data), HEADER.size + n_name + n_reason)
        name = data[HEADER.size:HEADER.size + n_name].decode()
        reason = data[HEADER.size + n_name:].decode()
        return Report(request, name, STATES[state], reason)

    def report(self, request):
        """The report with this id; what comes before it stays for later."""
        for i, report in enumerate(self.unread):
            if report.id == request:
                return self.unread.pop(i)
        while True:
            report = self.receive()
            if report.id == request:
                return report
            self.unread.append(report)

    def ask(self, op, name, digest=None):
        report = self.report(self.send(op, name, digest))
        self.assertEqual(report.name, name)
        return report

    def expect(self, op, name, state, reason=""):
        report = self.ask(op, name)
        self.assertEqual((report.state, report.reason), (state, reason))

    def assert_nothing_unread(self):
        """A look's answer comes after all that was sent before it."""
        self.ask(LOOK, sorted(self.digests)[0])
        self.assertEqual(self.unread, [])

    # What runs

    def record(self, name):
        return dict(line.split("=", 1)
                    for line in read_text(self.path(f"run/launcher/{name}.pid")).splitlines())

    def pid(self, name):
        return int(self.record(name)["pid"])

    def lines(self, name):
        return read_text(self.path(name)).splitlines()

    def await_lines(self, name, n):
        return await_true(lambda: len(self.lines(name)) >= n and self.lines(name), f"{name}: {n}")


class TestJobs(LauncherTest):
    def test_start_look_stop(self):
        self.service("a", ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(LOOK, "a", "INACTIVE")
        self.expect(STOP, "a", "INACTIVE")
        self.expect(START, "a", "RUNNING")
        pid = self.pid("a")
        self.assertEqual(os.getpgid(pid), pid)
        self.assertEqual(int(self.record("a")["digest"], 16), self.digests["a"])
        self.expect(LOOK, "a", "RUNNING")
        self.expect(START, "a", "RUNNING")
        self.assertEqual(self.pid("a"), pid)
        self.expect(STOP, "a", "INACTIVE")
        self.assertFalse(os.path.exists(f"/proc/{pid}"), "not collected")
        self.assertEqual(self.files(), ["lock"])
        self.expect(LOOK, "a", "INACTIVE")
        self.assert_nothing_unread()

    def test_stopped_process_group_is_ended(self):
        self.service("a", ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        os.kill(self.pid("a"), signal.SIGSTOP)
        self.expect(STOP, "a", "INACTIVE")

    def test_group_that_ignores_term_is_killed_wholly(self):
        ignoring = "trap '' TERM; echo $$ >>%s; while :; do sleep 1000; done" % self.path("pids")
        self.script_service(
            "a", f"trap '' TERM\nsh -c \"{ignoring.replace('$', chr(92) + '$')}\" &\n"
                 f"(sh -c \"{ignoring.replace('$', chr(92) + '$')}\" &)\n"
                 f"echo $$ >>{self.path('pids')}\nwhile :; do sleep 1000; done\n",
            ("stop_timeout", "300ms"))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        pids = [int(p) for p in self.await_lines("pids", 3)]
        began = time.monotonic()
        report = self.ask(STOP, "a")
        self.assertEqual(report.state, "INACTIVE")
        self.assertIn("had to be killed", report.reason)
        self.assertGreaterEqual(time.monotonic() - began, 0.3)
        self.assertEqual([p for p in pids if is_alive(p)], [])

    def test_stop_waits_for_the_whole_group(self):
        # The leader obeys at once, its child only later, and well within the timeout.
        self.script_service(
            "a", "sh -c 'trap \"sleep 0.3; exit\" TERM; echo $$ >>%s; while :; do sleep 0.05; done'"
                 " &\nwait\n" % self.path("pids"))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        child = int(self.await_lines("pids", 1)[0])
        self.expect(STOP, "a", "INACTIVE")
        self.assertFalse(is_alive(child))

    def test_requests_at_once_are_all_answered(self):
        self.script_service("a", "echo $$ >>%s; exec sleep 1000\n" % self.path("pids"))
        self.run_launcher()
        starts = [self.send(START, "a") for _ in range(4)]
        self.assertEqual([self.report(r).state for r in starts], ["RUNNING"] * 4)
        self.assertEqual(len(self.await_lines("pids", 1)), 1)
        stops = [self.send(STOP, "a") for _ in range(3)]
        self.assertEqual([self.report(r).state for r in stops], ["INACTIVE"] * 3)
        self.assert_nothing_unread()

    def test_stop_right_behind_start(self):
        self.service("a", ("command", "/bin/sleep 1000"))
        self.run_launcher()
        for _ in range(20):
            start, stop = self.send(START, "a"), self.send(STOP, "a")
            self.assertIn(self.report(start).state, ["RUNNING", "FAILED"])
            self.assertEqual(self.report(stop).state, "INACTIVE")
            self.expect(LOOK, "a", "INACTIVE")
        self.assert_nothing_unread()

    def test_start_during_stop_comes_after_it(self):
        self.script_service(
            "a", "trap 'sleep 0.2; exit' TERM; echo $$ >>%s; while :; do sleep 0.05; done\n"
                 % self.path("pids"))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        old = int(self.await_lines("pids", 1)[0])
        stop, start = self.send(STOP, "a"), self.send(START, "a")
        self.assertEqual(self.report(stop).state, "INACTIVE")
        self.assertEqual(self.report(start).state, "RUNNING")
        self.assertFalse(is_alive(old))
        self.assertNotEqual(self.pid("a"), old)

    def test_too_many_requests_are_refused_not_lost(self):
        self.script_service("a", "trap '' TERM; echo x >>%s; while :; do sleep 1; done\n"
                            % self.path("up"), ("stop_timeout", "300ms"))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        self.await_lines("up", 1)
        stops = [self.send(STOP, "a") for _ in range(40)]
        states = [self.report(r).state for r in stops]
        self.assertIn("FAILED", states)
        self.assertEqual(states[0], "INACTIVE")

    def test_none_backend(self):
        self.service("plain", ("type", "none"))
        self.run_launcher()
        self.expect(LOOK, "plain", "RUNNING")
        self.expect(START, "plain", "RUNNING")
        self.expect(STOP, "plain", "RUNNING", "nothing to stop: the service has no backend")
        for op in FREEZE, THAW:
            report = self.ask(op, "plain")
            self.assertEqual(report.state, "FAILED")
            self.assertIn("not possible", report.reason)

    def test_process_cannot_be_frozen(self):
        self.service("a", ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(FREEZE, "a", "FAILED", "freeze is not possible with backend type = process")

    def test_unknown_service(self):
        self.service("a", ("command", "/bin/sleep 1000"))
        self.run_launcher()
        report = self.ask(START, "b")
        self.assertEqual(report.state, "FAILED")
        self.assertIn("there is no such service", report.reason)
        self.assertIn("b.ini", report.reason)


class TestStarting(LauncherTest):
    def start_fails(self, name):
        report = self.ask(START, name)
        self.assertEqual(report.state, "FAILED")
        self.assertEqual(self.files(), ["lock"])
        self.expect(LOOK, name, "INACTIVE")
        self.assertEqual(self.unread, [])
        return report.reason

    def test_exec_failure(self):
        self.service("a", ("command", "/nonexistent/x --flag"))
        self.service("b", ("command", "/etc/passwd"))
        self.run_launcher()
        self.assertEqual(self.start_fails("a"),
                         "cannot run /nonexistent/x: No such file or directory")
        self.assertEqual(self.start_fails("b"), "cannot run /etc/passwd: Permission denied")

    def test_directory(self):
        self.service("a", ("command", "/bin/sleep 1000"), ("directory", "/nonexistent"))
        self.service("b", ("command", "/bin/sleep 1000"), ("directory", "/usr"))
        self.run_launcher()
        self.assertEqual(self.start_fails("a"),
                         "cannot enter directory /nonexistent: No such file or directory")
        self.expect(START, "b", "RUNNING")
        self.assertEqual(os.readlink(f"/proc/{self.pid('b')}/cwd"), "/usr")

    def environment(self, name):
        self.expect(START, name, "RUNNING")
        variables = await_true(lambda: self.lines(f"{name}.env"), "environment")
        return dict(v.split("=", 1) for v in variables if "=" in v)

    def test_environment(self):
        env_file = self.path("secrets")
        with open(env_file, "w", encoding="utf-8") as f:
            f.write("# a comment\n\n  A = from the file \nB=\"quoted # text \"\nC='x=y'\nD=\n")
        self.script_service("a", "env >%s.tmp; mv %s.tmp %s; exec sleep 1000\n"
                            % ((self.path("a.env"),) * 3),
                            ("environment", "A=direct"), ("environment", "E=e"),
                            ("environment_file", env_file))
        os.environ["JOURNAL_STREAM"] = "1:2"
        self.addCleanup(os.environ.pop, "JOURNAL_STREAM")
        self.run_launcher()
        env = self.environment("a")
        self.assertEqual([env.get(k) for k in "ABCDE"],
                         ["from the file", "quoted # text ", "x=y", "", "e"])
        self.assertNotIn("JOURNAL_STREAM", env)
        self.assertIn("PATH", env)

    def test_environment_file_faults(self):
        env_file = self.path("secrets")
        self.service("a", ("command", "/bin/sleep 1000"), ("environment_file", env_file))
        self.run_launcher()
        self.assertEqual(self.start_fails("a"),
                         f"environment_file {env_file}: No such file or directory")
        with open(env_file, "w", encoding="utf-8") as f:
            f.write("A=1\nthis is secret\n")
        reason = self.start_fails("a")
        self.assertEqual(reason, f"environment_file {env_file}: line 2 is not KEY=VALUE")
        os.chmod(env_file, 0o606)
        self.assertIn("others may write it", self.start_fails("a"))

    def test_unknown_user(self):
        self.service("a", ("command", "/bin/sleep 1000"), ("user", "no-such-user-of-odp"))
        self.run_launcher()
        self.assertEqual(self.start_fails("a"),
                         "user no-such-user-of-odp: there is no such user")

    @unittest.skipUnless(os.geteuid() == 0, "only root can start things as another user")
    def test_user(self):
        os.chmod(self.dir, 0o777)
        self.script_service("a", "id -u; id -G; echo home=$HOME; echo by name >/dev/stderr\n"
                                 "exec sleep 1000\n", ("user", "nobody"))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        await_true(lambda: "a: by name" in self.log(), "output")
        self.assertIn("a: 65534\n", self.log())
        self.assertIn("a: home=/nonexistent\n", self.log())
        self.assertEqual(os.stat(f"/proc/{self.pid('a')}").st_uid, 65534)
        self.expect(STOP, "a", "INACTIVE")

    def test_clean_process(self):
        self.service("a", ("command", "/bin/sleep 1000"))
        blocked = {signal.SIGTERM, signal.SIGUSR1}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
        self.addCleanup(signal.pthread_sigmask, signal.SIG_SETMASK, before)
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        status = read_text(f"/proc/{self.pid('a')}/status")
        self.assertRegex(status, r"SigBlk:\s+0{16}\n")
        self.assertRegex(status, r"SigIgn:\s+0{16}\n")
        fds = f"/proc/{self.pid('a')}/fd"
        # The dynamic linker has descriptors of its own for a moment.
        await_true(lambda: sorted(os.listdir(fds)) == ["0", "1", "2"], "no other descriptors")
        self.assertEqual(os.readlink(fds + "/0"), "/dev/null")
        self.expect(STOP, "a", "INACTIVE")


class TestEnds(LauncherTest):
    def end_of(self, text, *backend):
        self.script_service("a", text, *backend)
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        report = self.report(0)
        self.assertEqual(report.name, "a")
        self.expect(LOOK, "a", "INACTIVE")
        self.assertEqual(self.files(), ["lock"])
        return report.state, report.reason

    def test_exit_status(self):
        self.assertEqual(self.end_of("exit 3\n"), ("FAILED", "exited with status 3"))

    def test_last_words(self):
        self.assertEqual(self.end_of("echo first; echo; printf 'no \\tdatabase' >&2; exit 3\n"),
                         ("FAILED", "exited with status 3, last words: no  database"))

    def test_last_words_that_tell(self):
        lines = "echo ERROR: no disk; echo; echo usage: x; echo; echo; echo failed.; echo bye;"
        self.assertEqual(self.end_of(lines + " exit 3\n"),
                         ("FAILED", "exited with status 3, last words: ERROR: no disk"))

    def test_last_words_that_are_long(self):
        """What they come to is at their end."""
        line = f"ERROR: for app: cannot do it on {'x' * 140}: Bind failed: the port is taken"
        self.assertEqual(self.end_of(f"echo '{line}'; exit 3\n"),
                         ("FAILED", "exited with status 3, last words: Bind failed: the port is taken"))

    def test_last_words_after_an_error_long_ago(self):
        self.assertEqual(self.end_of("echo error; seq 4; exit 3\n"),
                         ("FAILED", "exited with status 3, last words: 4"))

    def test_last_words_of_any_bytes(self):
        state, reason = self.end_of(
            "printf 'Gr\\303\\274n \\377\\001 '; head -c 800 /dev/zero | tr '\\0' x; exit 1\n")
        self.assertEqual(state, "FAILED")
        self.assertIn("last words: Grün ?  xxx", reason)
        self.assertLessEqual(len(reason.encode()), 255)

    def test_exit_well(self):
        self.assertEqual(self.end_of("echo bye; exit 0\n"), ("INACTIVE", "exited with status 0"))

    def test_killed(self):
        self.assertEqual(self.end_of("kill -KILL $$\n"), ("FAILED", "killed by signal 9 (KILL)"))

    def test_terminated_by_somebody(self):
        self.assertEqual(self.end_of("kill -TERM $$\n"), ("INACTIVE", "killed by signal 15 (TERM)"))

    def test_leftovers_are_terminated(self):
        state, _ = self.end_of("sleep 1000 & echo $! >>%s\nexit 1\n" % self.path("pids"))
        self.assertEqual(state, "FAILED")
        self.assertFalse(is_alive(int(self.lines("pids")[0])))

    def test_start_during_cleanup(self):
        # The first run leaves something that must be killed; the second stays.
        self.script_service(
            "a", "if [ ! -e {0} ]; then\n"
                 "  sh -c 'trap \"\" TERM; echo $$ >>{0}; while :; do sleep 1; done' &\n"
                 "  while [ ! -e {0} ]; do sleep 0.01; done; echo gone; exit 1\nfi\n"
                 "exec sleep 1000\n".format(self.path("pids")), ("stop_timeout", "500ms"))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        left = int(self.await_lines("pids", 1)[0])
        await_true(lambda: self.ask(LOOK, "a").reason == "is ending", "the end of the leader")
        self.expect(START, "a", "RUNNING")
        self.assertFalse(is_alive(left))
        self.assertEqual(self.unread, [])
        self.expect(LOOK, "a", "RUNNING")

    def test_stop_during_cleanup(self):
        self.script_service(
            "a", "sh -c 'trap \"\" TERM; echo $$ >>{0}; while :; do sleep 1; done' &\n"
                 "while [ ! -e {0} ]; do sleep 0.01; done; exit 1\n".format(self.path("pids")),
            ("stop_timeout", "500ms"))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        await_true(lambda: self.ask(LOOK, "a").reason == "is ending", "the end of the leader")
        start, stop = self.send(START, "a"), self.send(STOP, "a")
        self.assertEqual(self.report(start).state, "FAILED")
        self.assertEqual(self.report(stop).state, "INACTIVE")
        self.assert_nothing_unread()


class TestOutput(LauncherTest):
    def test_lines_are_logged(self):
        self.script_service("a", "echo out; echo err >&2; printf 'half'; sleep 0.05; echo ' line'\n"
                                 "head -c 2500 /dev/zero | tr '\\0' y; echo; exec sleep 1000\n")
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        await_true(lambda: self.log().count("y") >= 2500, "output")
        log = [line for line in self.log().splitlines() if "odp-launcher: a: " in line]
        for line in "out", "err", "half line":
            self.assertIn("odp-launcher: a: " + line, log)
        self.assertLessEqual(max(len(line) for line in log), 1024)
        self.assertEqual(stat.S_IMODE(os.stat(self.path("run/launcher/a.out")).st_mode), 0o600)

    def test_spam_does_not_starve_the_link(self):
        self.script_service("a", "exec yes spam\n")
        self.service("b", ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        await_true(lambda: "a: spam" in self.log(), "output")
        for _ in range(20):
            began = time.monotonic()
            self.expect(START, "b", "RUNNING")
            self.expect(STOP, "b", "INACTIVE")
            self.assertLess(time.monotonic() - began, 2)
        self.expect(STOP, "a", "INACTIVE")


class TestRespawn(LauncherTest):
    def test_running_service_is_adopted(self):
        self.script_service("a", "echo $$ >>{0}\nwhile [ ! -e {1} ]; do sleep 0.01; done\n"
                                 "echo still here\nwhile [ ! -e {2} ]; do sleep 0.01; done\n"
                                 "exit 3\n".format(self.path("pids"), self.path("speak"),
                                                   self.path("end")))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        pid = self.pid("a")
        self.await_lines("pids", 1)
        self.kill_launcher()
        self.run_launcher()
        self.expect(LOOK, "a", "RUNNING")
        self.expect(START, "a", "RUNNING")
        self.assertEqual(self.pid("a"), pid)
        self.assertTrue(is_alive(pid))
        self.assertEqual(self.lines("pids"), [str(pid)])
        open(self.path("speak"), "w", encoding="utf-8").close()
        await_true(lambda: "a: still here" in self.log(), "output after the respawn")
        open(self.path("end"), "w", encoding="utf-8").close()
        report = self.report(0)
        self.assertEqual((report.name, report.state), ("a", "INACTIVE"))
        self.assertIn("not known", report.reason)
        self.assertEqual(self.files(), ["lock"])

    def test_adopted_group_is_stopped_wholly_by_its_own_timeout(self):
        self.script_service(
            "a", "trap '' TERM\nsh -c 'trap \"\" TERM; echo $$ >>{0}; while :; do sleep 1; done' &\n"
                 "echo $$ >>{0}; while :; do sleep 1; done\n".format(self.path("pids")),
            ("stop_timeout", "300ms"))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        pids = [int(p) for p in self.await_lines("pids", 2)]
        self.kill_launcher()
        # The file says otherwise by now.
        self.service("a", ("command", "/bin/sleep 1000"), ("stop_timeout", "1h"))
        self.run_launcher()
        self.assertEqual(self.ask(STOP, "a").state, "INACTIVE")
        self.assertEqual([p for p in pids if is_alive(p)], [])

    def test_link_end_leaves_services_running(self):
        self.service("a", ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        pid = self.pid("a")
        self.end_launcher()
        self.assertTrue(is_alive(pid))
        self.run_launcher()
        self.expect(LOOK, "a", "RUNNING")
        self.assertEqual(self.pid("a"), pid)
        self.expect(STOP, "a", "INACTIVE")
        self.assertFalse(is_alive(pid))

    def test_end_while_no_launcher_is_there(self):
        self.service("a", ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        pid = self.pid("a")
        self.kill_launcher()
        os.kill(pid, signal.SIGKILL)
        await_true(lambda: not is_alive(pid), "its end")
        self.run_launcher()
        # A zombie that nobody collects is seen as ended a moment later.
        await_true(lambda: self.ask(LOOK, "a").state == "INACTIVE", "inactive")
        self.expect(START, "a", "RUNNING")
        self.assertNotEqual(self.pid("a"), pid)

    def test_record_of_another_process_is_not_believed(self):
        self.service("a", ("command", "/bin/sleep 1000"))
        self.service("b", ("command", "/bin/sleep 1000"))
        self.service("c", ("command", "/bin/sleep 1000"))
        bystander = subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True)
        self.addCleanup(bystander.wait)
        self.addCleanup(bystander.kill)
        time.sleep(0.03)  # start times count in clock ticks of 10 ms
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        pid, text = self.pid("a"), read_text(self.path("run/launcher/a.pid"))
        self.kill_launcher()
        with open(self.path("run/launcher/a.pid"), "w", encoding="utf-8") as f:
            f.write(text.replace(f"pid={pid}", f"pid={bystander.pid}"))
        with open(self.path("run/launcher/b.pid"), "w", encoding="utf-8") as f:
            f.write(re.sub(r"boot_id=.{4}", "boot_id=0000", text))
        with open(self.path("run/launcher/c.pid"), "w", encoding="utf-8") as f:
            f.write("pid=-1\nstart_time=0\n")
        self.run_launcher()
        for name in "abc":
            self.expect(LOOK, name, "INACTIVE")
            self.expect(STOP, name, "INACTIVE")
        self.assertIsNone(bystander.poll())
        self.assertTrue(is_alive(pid))
        os.kill(pid, signal.SIGKILL)

    def test_record_of_a_removed_service_stays(self):
        self.service("a", ("command", "/bin/sleep 1000"))
        self.service("b", ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        pid = self.pid("a")
        self.kill_launcher()
        os.unlink(self.path("config/services/a.ini"))
        self.run_launcher()
        self.expect(LOOK, "b", "INACTIVE")
        self.assertEqual(self.pid("a"), pid)
        self.assertTrue(is_alive(pid))

    def test_killed_at_any_moment_starts_nothing_twice(self):
        self.script_service("a", "echo $$ >>%s; exec sleep 1000\n" % self.path("pids"))
        seed = random.Random(4533)
        for _ in range(10 if WRAPPER else 60):
            self.run_launcher()
            self.expect(LOOK, "a", "INACTIVE")
            self.send(START, "a")
            time.sleep(seed.uniform(0, 0.004))  # the moment itself is what is tried
            self.kill_launcher()
            self.run_launcher()
            self.expect(LOOK, "a", self.ask(LOOK, "a").state)
            self.expect(START, "a", "RUNNING")
            pid = self.pid("a")
            await_true(lambda: str(pid) in self.lines("pids"), "up")
            self.assertEqual([p for p in self.lines("pids") if is_alive(int(p))], [str(pid)])
            self.expect(STOP, "a", "INACTIVE")
            self.end_launcher()

    def test_second_launcher_waits_for_the_first(self):
        self.service("a", ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(LOOK, "a", "INACTIVE")
        first, first_link = self.process, self.link
        self.run_launcher()
        await_true(lambda: "waiting for its end" in self.log(), "the second launcher")
        look = self.send(LOOK, "a")
        second, second_link = self.process, self.link
        self.process, self.link = first, first_link
        self.expect(START, "a", "RUNNING")
        self.end_launcher()
        self.process, self.link = second, second_link
        self.assertEqual(self.report(look).state, "RUNNING")


class TestSettings(LauncherTest):
    STALE = "a.ini is not what odpd has loaded: run odp reload"

    def test_wrong_digest_does_nothing(self):
        self.service("a", ("command", "/bin/sleep 1000"))
        self.run_launcher()
        for op in LOOK, START, STOP:
            report = self.ask(op, "a", digest=1)
            self.assertEqual((report.state, report.reason), ("STALE", self.STALE))
        self.assertEqual(os.listdir(self.path("run/launcher")), ["lock"])
        self.expect(LOOK, "a", "INACTIVE")

    def test_changed_file(self):
        old = self.service("a", ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        self.expect(STOP, "a", "INACTIVE")
        new = self.service("a", ("command", "/bin/sleep 2000"))
        # What was loaded is kept until odpd has loaded the other.
        self.assertEqual(self.ask(START, "a", old).state, "RUNNING")
        self.assertIn("1000", read_text(f"/proc/{self.pid('a')}/cmdline"))
        self.assertEqual(self.ask(LOOK, "a", new).state, "RUNNING")
        self.assertEqual(self.ask(STOP, "a", new).state, "INACTIVE")
        self.assertEqual(self.ask(START, "a", new).state, "RUNNING")
        self.assertIn("2000", read_text(f"/proc/{self.pid('a')}/cmdline"))
        self.assertEqual(self.ask(LOOK, "a", old).state, "STALE")

    def test_faulty_and_removed_file(self):
        digest = self.service("a", ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(LOOK, "a", "INACTIVE")
        with open(self.path("config/services/a.ini"), "w", encoding="utf-8") as f:
            f.write("nonsense\n")
        self.assertEqual(self.ask(LOOK, "a", 1).state, "STALE")
        os.unlink(self.path("config/services/a.ini"))
        self.assertEqual(self.ask(LOOK, "a", 1).state, "STALE")
        self.assertEqual(self.ask(START, "a", digest).state, "RUNNING")

    def test_file_that_is_new(self):
        self.service("a", ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(LOOK, "a", "INACTIVE")
        self.service("b", ("command", "/bin/sleep 1000"))
        self.expect(START, "b", "RUNNING")
        self.expect(STOP, "b", "INACTIVE")

    def test_changed_kind_of_backend(self):
        self.service("a", ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        pid = self.pid("a")
        self.service("a", ("type", "none"))
        self.expect(LOOK, "a", "RUNNING")
        self.expect(STOP, "a", "INACTIVE")
        self.assertFalse(is_alive(pid))
        self.expect(LOOK, "a", "RUNNING")
        self.expect(STOP, "a", "RUNNING", "nothing to stop: the service has no backend")

    def test_no_files_at_all(self):
        shutil.rmtree(self.path("config"))
        self.run_launcher()
        self.assertEqual(self.ask(LOOK, "a", 1).state, "FAILED")


class TestLink(LauncherTest):
    def test_malformed_records_are_dropped(self):
        self.service("a", ("command", "/bin/sleep 1000"))
        self.run_launcher()
        good = HEADER.pack(1, LOOK, 0, 1, 0, 0, 9, 0, self.digests["a"]) + b"a"
        for bad in (b"", b"x", good[:-1], good + b"x", b"\2" + good[1:], b"y" * 4000,
                    HEADER.pack(1, REPORT, 1, 1, 0, 0, 9, 0, 0) + b"a",
                    HEADER.pack(1, LOOK, 0, 5, 0, 0, 9, 0, 0) + b"../pw"):
            self.link.send(bad)
        self.expect(LOOK, "a", "INACTIVE")
        self.assertEqual(self.unread, [])
        self.assertIn("dropped", self.log())

    def test_odpd_that_reads_late(self):
        self.service("a", ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        total, sent, got = 5000, [], []
        self.link.setblocking(False)
        end = time.monotonic() + DEADLINE
        blocked = 0
        while len(got) < total and time.monotonic() < end:
            try:
                if len(sent) < total:
                    sent.append(self.send(LOOK, "a"))
                    continue
            except BlockingIOError:
                self.next_id -= 1
                blocked += 1
            if len(sent) < total and blocked % 100:
                time.sleep(0.0005)
                continue
            try:
                while True:
                    got.append(self.receive().id)
            except BlockingIOError:
                time.sleep(0.001)
        self.link.setblocking(True)
        self.link.settimeout(DEADLINE)
        self.assertEqual(got, sent)
        self.assertNotIn("is dropped", self.log())

    def test_end_with_unread_reports(self):
        self.service("a", ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        for _ in range(10):
            self.send(LOOK, "a")
        self.end_launcher()

    def test_no_fd_is_leaked(self):
        self.service("a", ("command", "/bin/sleep 1000"))
        self.service("bad", ("command", "/nonexistent"))
        self.run_launcher()

        def round_trip():
            self.expect(START, "a", "RUNNING")
            self.expect(STOP, "a", "INACTIVE")
            self.assertEqual(self.ask(START, "bad").state, "FAILED")
            return sorted(os.listdir(f"/proc/{self.process.pid}/fd"))

        before = round_trip()
        for _ in range(10):
            self.assertEqual(round_trip(), before)

    @unittest.skipUnless(shutil.which("strace"), "strace is missing: sudo apt-get install strace")
    @unittest.skipIf(WRAPPER, "the wrapper makes system calls of its own")
    def test_idle_launcher_makes_no_system_call(self):
        self.service("a", ("command", "/bin/sleep 1000"))
        self.service("b", ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        self.kill_launcher()
        self.run_launcher()
        self.expect(START, "b", "RUNNING")  # one adopted, one its own
        self.expect(STOP, "b", "INACTIVE")
        self.expect(START, "b", "RUNNING")
        trace = self.path("trace")
        with subprocess.Popen(["strace", "-f", "-o", trace, "-p", str(self.process.pid)],
                              stderr=subprocess.PIPE, text=True) as strace:
            line = strace.stderr.readline()
            if "attached" not in line:
                strace.wait()
                self.skipTest("strace cannot attach: " + line.strip())
            time.sleep(2)  # the time that is watched
            strace.send_signal(signal.SIGINT)
            strace.wait()
        calls = self.lines("trace")
        self.assertLessEqual(len(calls), 1, calls)
        if calls:
            self.assertRegex(calls[0], r"(epoll_p?wait|restart_syscall).*detached")


class TestCommandLine(unittest.TestCase):
    def run_with(self, *arguments):
        return subprocess.run([LAUNCHER, *arguments], capture_output=True, text=True, check=False,
                              timeout=DEADLINE)

    def test_version_and_help(self):
        result = self.run_with("--version")
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout, r"^odp-launcher \d+\.\d+\.\d+\n$")
        for argument in "--help", "-h":
            result = self.run_with(argument)
            self.assertEqual(result.returncode, 0, argument)
            self.assertIn("Usage: odp-launcher", result.stdout)

    def test_wrong_usage(self):
        for arguments in ([], ["--bogus"], ["--config", "/x", "--runtime", "/x"],
                          ["--config", "/x", "--runtime", "/x", "--link", "x"],
                          ["--config", "/x", "--runtime", "/x", "--link", "3", "extra"],
                          ["--config", "x" * 2000, "--runtime", "/x", "--link", "3"],
                          ["--log-level", "loud"]):
            result = self.run_with(*arguments)
            self.assertEqual((result.returncode, result.stdout), (2, ""), arguments)
            self.assertTrue(result.stderr.startswith(("odp-launcher: ", LAUNCHER)), result.stderr)

    def test_link_that_is_none(self):
        with tempfile.TemporaryDirectory() as runtime:
            result = self.run_with("--config", "/x", "--runtime", runtime, "--link", "0")
        self.assertEqual(result.returncode, 1)
        self.assertIn("SOCK_SEQPACKET", result.stderr)


if __name__ == "__main__":
    unittest.main()
