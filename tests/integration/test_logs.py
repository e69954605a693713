#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# odp logs: what a service has printed, kept by odpd and the launcher, read and followed by odp.

import os
import re
import signal
import subprocess
import unittest

from harness import DEADLINE, Case, free_port, program, read_file, until

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d "


def without_time(line):
    found = re.match(TIME, line)
    if not found:
        raise AssertionError(f"no time: {line}")
    return line[found.end():]


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
            for i in range(4000):
                printer.write(f"number {i}\n")
        seen = []
        for line in follower.stdout:
            text = without_time(line.rstrip("\n"))
            if not text.startswith("odp: "):
                seen.append(text)
            if text == "number 3999":
                break
        self.assertEqual(seen, ["one"] + [f"number {i}" for i in range(4000)])
        follower.send_signal(signal.SIGINT)
        self.assertEqual(follower.wait(DEADLINE), -signal.SIGINT)

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
