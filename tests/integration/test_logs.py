#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# odp logs: what a service has printed, kept by odpd and the launcher, read and followed by odp.

import contextlib
import os
import re
import shutil
import signal
import subprocess
import unittest

import test_asleep
from harness import DEADLINE, Case, free_port, program, read_file, until

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d "


def without_time(line):
    found = re.match(TIME, line)
    if not found:
        raise AssertionError(f"no time: {line}")
    return line[found.end():]


def opened(pid):
    """The paths of all that it has open."""
    directory = f"/proc/{pid}/fd"
    paths = []
    for fd in os.listdir(directory):
        with contextlib.suppress(FileNotFoundError):
            paths.append(os.readlink(f"{directory}/{fd}"))
    return paths


class LogsTest(Case):
    def begin(self, script):
        path = os.path.join(self.directory(), "script")
        with open(path, "w", encoding="utf-8") as f:
            f.write(script)
        self.d = self.odpd({"a": f"""
            [service]
            listen = {free_port()}
            target = 127.0.0.1:{free_port()}
            [backend]
            command = /bin/sh {path}
            [ready]
            probe = none
            """})

    def lines(self, *args):
        done = self.d.odp("logs", "a", *args)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return [without_time(line) for line in done.stdout.splitlines()]

    def own_lines(self, *args):
        return [line for line in self.lines(*args) if not line.startswith("odp: ")]

    def kept(self, name="a.log"):
        return os.path.join(self.d.runtime, "logs", name)

    def follow(self, *args):
        p = subprocess.Popen([program("odp"), "--runtime", self.d.runtime, "logs", "a", "-f", *args],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(p.wait, DEADLINE)
        self.addCleanup(p.kill)
        self.addCleanup(p.stdout.close)
        self.addCleanup(p.stderr.close)
        return p

    def test_what_it_printed_and_what_odp_did(self):
        self.begin("echo first; printf 'second\\033[31m\\n\\303\\274ber\\n' >&2; exec sleep 1000")
        self.assertEqual(self.d.odp("start", "a").returncode, 0)
        until(lambda: len(self.own_lines()) == 3, "all lines are there")
        self.assertEqual(self.own_lines(), ["first", "second?[31m", "über"])
        lines = self.lines()
        woken = [i for i, line in enumerate(lines) if line.startswith("odp: start: stopped ->")]
        self.assertEqual(len(woken), 1)
        self.assertLess(woken[0], lines.index("first"))
        self.d.odp("stop", "a")
        self.assertTrue(any("stopped by odp stop" in line for line in self.lines()))
        self.assertEqual(self.lines("-n", "2"), self.lines()[-2:])
        self.assertEqual(self.lines("-n", "0"), [])

    def test_bounded(self):
        self.begin("i=0; while [ $i -lt 9000 ]; do echo line $i; i=$((i+1)); done; echo end; "
                   "exec sleep 1000")
        self.d.odp("start", "a")
        until(lambda: self.own_lines("-n", "1") == ["end"], "all is printed")
        lines = self.own_lines()
        self.assertLessEqual(os.path.getsize(self.kept()), 65536)
        self.assertLessEqual(os.path.getsize(self.kept("a.log.1")), 65536)
        numbers = [int(line.split()[1]) for line in lines[:-1]]
        self.assertEqual(numbers, list(range(numbers[0], 9000)))
        self.assertGreater(len(numbers), 1500)
        self.assertEqual(sorted(os.listdir(os.path.dirname(self.kept()))), ["a.log", "a.log.1"])
        self.assertEqual(os.stat(self.kept()).st_mode & 0o777, 0o640)

    def test_followed(self):
        pipe = os.path.join(self.directory(), "pipe")
        os.mkfifo(pipe)
        self.begin(f"exec cat {pipe}")
        os.unlink(self.kept())
        follower = self.follow()
        self.d.odp("start", "a")
        with open(pipe, "w", encoding="utf-8") as printer:
            printer.write("one\n")
            printer.flush()
            until(lambda: "one" in self.own_lines(), "it is kept")
            # It follows by then: what it is late for it would show the end of.
            while without_time(follower.stdout.readline()) != "one\n":
                pass
            for i in range(4000):
                printer.write(f"number {i}\n")
        seen = ["one"]
        for line in follower.stdout:
            text = without_time(line.rstrip("\n"))
            if not text.startswith("odp: "):
                seen.append(text)
            if text == "number 3999":
                break
        self.assertEqual(seen, ["one"] + [f"number {i}" for i in range(4000)])
        follower.send_signal(signal.SIGINT)
        self.assertEqual(follower.wait(DEADLINE), -signal.SIGINT)

    def test_follower_that_falls_behind(self):
        # The file that it reads is turned over twice meanwhile: it still holds the first, and reads
        # the second before the third.
        pipe = os.path.join(self.directory(), "pipe")
        os.mkfifo(pipe)
        self.begin(f"exec cat {pipe}")
        self.d.odp("start", "a")
        follower = self.follow()
        with open(pipe, "w", encoding="utf-8") as printer:
            printer.write("one\n")
            printer.flush()
            while without_time(follower.stdout.readline()) != "one\n":
                pass
            follower.send_signal(signal.SIGSTOP)
            for i in range(4000):
                printer.write(f"number {i}\n")
        until(lambda: self.own_lines()[-1] == "number 3999", "all is printed")
        self.assertNotIn("number 0", self.own_lines(), "the first file is gone")
        follower.send_signal(signal.SIGCONT)
        seen = []
        while not seen or seen[-1] != "number 3999":
            seen.append(without_time(follower.stdout.readline().rstrip("\n")))
        self.assertEqual(seen, [f"number {i}" for i in range(4000)])

    def test_follower_outlives_odpd(self):
        self.begin("echo hello; exec sleep 1000")
        follower = self.follow("-n", "0")
        until(lambda: self.kept() in opened(follower.pid), "what comes now is followed")
        self.d.odp("start", "a")
        self.d.kill()
        self.d.start()
        self.d.await_state("a", "ready")
        self.d.odp("stop", "a")
        self.d.odp("start", "a")
        seen = [without_time(follower.stdout.readline().rstrip("\n"))]
        while seen.count("hello") < 2:
            seen.append(without_time(follower.stdout.readline().rstrip("\n")))
        self.assertTrue(any("found running" in line for line in seen), seen)

    @unittest.skipUnless(shutil.which("strace"), "strace is missing: apt-get install strace")
    def test_what_comes_at_once_is_kept_with_one_write(self):
        pipe = os.path.join(self.directory(), "pipe")
        os.mkfifo(pipe)
        self.begin(f"exec cat {pipe}")
        self.d.odp("start", "a")
        trace = test_asleep.Strace(self, self.d.launcher())
        with open(pipe, "w", encoding="utf-8") as printer:
            printer.write("".join(f"line {i}\n" for i in range(1000)))
        until(lambda: "line 999" in self.own_lines("-n", "5"), "all is printed")
        calls = trace.calls()
        n_reads = sum("read(" in call and "line " in call for call in calls)
        n_opened = sum("logs/a.log" in call and "O_WRONLY" in call for call in calls)
        self.assertGreater(n_reads, 0)
        self.assertLessEqual(n_opened, n_reads + 2)  # and odp's own words on its end

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to ask as somebody else")
    def test_not_for_everyone(self):
        self.begin("echo secret; exec sleep 1000")
        self.d.odp("start", "a")
        until(lambda: "secret" in self.own_lines(), "it is kept")
        for args in ([], ["-f"]):
            done = subprocess.run([self.everyones_odp(), "--runtime", self.d.runtime, "logs", "a",
                                   *args], user=65534, group=65534, extra_groups=[],
                                  capture_output=True, text=True, timeout=DEADLINE, check=False)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("cannot be read: Permission denied: try as root or as a member of group "
                          "odp\n", done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1)

    def everyones_odp(self):
        # The build directory may be closed to others.
        return shutil.copy(program("odp"), os.path.join(self.d.directory, "odp"))

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to seem to have a journal")
    def test_where_the_journal_keeps_them(self):
        self.begin("exec sleep 1000")
        shutil.rmtree(os.path.join(self.d.runtime, "logs"))
        fake = os.path.join(self.directory(), "journalctl")
        with open(fake, "w", encoding="utf-8") as f:
            f.write('#!/bin/sh\necho "$@"; exit 5\n')
        os.chmod(fake, 0o755)
        journal = ("mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && "
                   ">/run/systemd/journal/socket && exec \"$@\"")
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", journal, "sh", program("odp"), "--runtime",
             self.d.runtime, "logs", "a", "-n", "3"], capture_output=True, text=True, check=False,
            timeout=DEADLINE, env=dict(os.environ, PATH=f"{os.path.dirname(fake)}:/bin:/usr/bin"))
        self.assertEqual((done.stdout, done.stderr, done.returncode),
                         ("--output=short-iso --quiet --lines=3 ODP_SERVICE=a\n", "", 5))

    def test_nearest_name(self):
        self.begin("exec sleep 1000")
        done = self.d.odp("logs", "aa")
        self.assertEqual(done.returncode, 1)
        self.assertIn("is it a?", done.stderr)

    def test_odpd_goes_on_without_the_directory(self):
        self.begin("echo hello; exec sleep 1000")
        self.d.terminate()
        shutil.rmtree(os.path.join(self.d.runtime, "logs"))
        with open(os.path.join(self.d.runtime, "logs"), "w", encoding="utf-8"):
            pass
        self.d.start()
        self.assertEqual(self.d.odp("start", "a").returncode, 0)
        until(lambda: "a: hello" in self.d.log(), "it is printed")
        self.assertIn("lines of services cannot be kept in", self.d.log())

    def test_without_odpd_and_unknown_names(self):
        self.begin("echo hello; exec sleep 1000")
        self.d.odp("start", "a")
        until(lambda: "hello" in self.own_lines(), "it is kept")
        done = self.d.odp("logs", "b")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no service named b", done.stderr)
        self.d.odp("stop", "a")
        self.d.terminate()
        self.assertIn("hello", self.own_lines())
        self.assertEqual(self.d.odp("logs", "b").returncode, 3)
        for args in ([], ["a", "b"], ["a", "-x"], ["a", "-n", "x"], ["a", "-n", "-1"]):
            self.assertEqual(self.d.odp("logs", *args).returncode, 2, args)

    def test_what_cannot_be_kept_is_one_warning(self):
        self.begin("echo one; echo two; exec sleep 1000")
        os.unlink(self.kept())
        os.mkdir(self.kept())
        self.d.odp("start", "a")
        until(lambda: "a: two" in self.d.log(), "it is printed")
        self.assertEqual(self.d.log().count("cannot be kept"), 2)  # odpd and its launcher, once each
        self.assertIn("odp-launcher: a: one", read_file(self.d.log_path))


if __name__ == "__main__":
    unittest.main()
