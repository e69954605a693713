#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Clocks that are set, by hours and by a year, forward and back, and a machine that was suspended,
# while services start, are ready in their window, stop, and back off: no window, timeout or backoff
# moves, the ledger counts what was, and `odp why` tells moments by the clock as it is now.

import functools
import os
import re
import time
import unittest

from faults import Page
from harness import (Background, Backend, Case, Odpd, connect, exchange, free_port, plain_file,
                     read_all, until)

HOUR = 3600
YEAR = 365 * 24 * HOUR
NSEC = 10**9
LONG = 20  # seconds: what is over by then was not moved by an hour, on a slow machine either


class ClockWorld(Odpd):
    """A service in each of the moments, all at once."""

    def __init__(self, directory):
        self.directory = directory
        self.gate = os.path.join(directory, "gate")  # once it is there, they go on
        gate = f"until test -e {self.gate}; do sleep 0.02; done"
        self.starting, self.stopping = Backend(directory), Backend(directory)
        self.starting.command = self.script("starting", f"{gate}; exec {self.starting.command}")
        self.stopping.command = self.script("stopping", f"trap '{gate}; exit 0' TERM\n"
                                                        f"{self.stopping.command} &\nwait\n")
        self.window, self.steady = Backend(directory), Backend(directory)
        self.broken = Backend(directory, "echo.py", "--exit", 1)
        self.silent = free_port()  # nobody ever answers behind it
        super().__init__(directory, {
            "starting": self.starting.file(backend="start_timeout = 30s", ready="timeout = 30s"),
            "window": self.window.file(idle="1s"),
            "steady": self.steady.file(idle="10min"),
            "stopping": self.stopping.file(backend="stop_timeout = 30s"),
            "broken": self.broken.file(),
            "silent": plain_file(self.silent, f"127.0.0.1:{free_port()}") + "[wait]\ntimeout = 1s",
            "asleep": Backend(directory).file(),
        })
        self.page = Page(self.path("page"), "")

    def script(self, name, text):
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return f"/bin/sh {path}"

    def open_gate(self):
        with open(self.gate, "w", encoding="utf-8"):
            pass

    def visit(self, backend):
        with connect(backend.listen) as s:
            return exchange(s, b"hello")

    def ask(self, port):
        with connect(port) as s:
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return read_all(s)

    def sums(self, name):
        status = self.status(name)
        return status["awake_seconds"], status["asleep_seconds"]

    def why(self, name):
        return self.call("Why", name=name)["parameters"]


class ClocksTest(Case):
    def begin(self):
        d = ClockWorld(self.directory())
        self.addCleanup(self.finish, d)
        self.addCleanup(d.open_gate)
        d.start(env=d.page.environment())
        return d

    def fail_twice(self, d):
        """The second failure is backed off from, for one second. Returns when it was."""
        for n in 1, 2:
            self.assertIn(b"503 Service Unavailable", d.ask(d.broken.listen))
            d.await_status("broken", failed_wakes=n)
        return time.monotonic()

    def check(self, realtime=0, suspended=0):
        d = self.begin()
        for backend in d.window, d.steady, d.stopping:
            d.visit(backend)
        relayed = self.connect(d.steady.listen)
        relayed.sendall(b"x")
        stop = Background(d.odp, "stop", "stopping")
        start = Background(d.visit, d.starting)
        d.await_state("stopping", "stopping")
        failed = self.fail_twice(d)
        d.visit(d.window)
        quiet = time.monotonic()
        held = Background(d.ask, d.silent)
        d.await_status("silent", waiting=1)
        since = time.monotonic()
        d.await_state("starting", "starting")
        before = {name: d.sums(name) for name in ("asleep", "steady")}
        counted = time.monotonic()
        woken = d.why("steady")["woken_at"]

        d.page.fields.realtime_nsec = realtime * NSEC
        d.page.fields.boottime_nsec = suspended * NSEC

        self.check_ages(d, woken + realtime - suspended, counted)
        self.check_backoff(d, failed)
        self.assertIn(b"503 Service Unavailable", held.join(LONG))
        self.assertGreater(time.monotonic() - since, 0.8)
        self.assertLess(time.monotonic() - since, LONG)
        d.await_state("window", "stopped", deadline=LONG)
        self.assertGreater(time.monotonic() - quiet, 0.95)
        self.assertEqual(d.status("window")["reason"], "quiet for 1s")
        self.assertEqual((d.state("starting"), d.state("stopping")), ("starting", "stopping"))
        d.open_gate()
        self.assertEqual(stop.join(LONG).returncode, 0)
        self.assertNotIn("had to be killed", d.log())
        self.assertTrue(start.join(LONG).startswith(b"hellobye"))
        self.assertEqual(d.status("steady")["state"], "ready")
        self.assertEqual(exchange(relayed, b"y")[:2], b"xy")
        for name, at in ("asleep", 1), ("steady", 0):
            self.check_sum(d, name, at, before[name], counted, suspended)
        self.check_next_wake(d, realtime)

    def check_ages(self, d, woken, counted):
        """Moments follow the clock; spans do not care."""
        why = d.why("steady")
        self.assertAlmostEqual(why["woken_at"], woken, delta=1)
        self.assertEqual(len(why["clients"]), 1)
        self.assertTrue(0 <= why["clients"][0]["seconds"] <= time.monotonic() - counted + LONG, why)
        self.assertTrue(0 <= (d.why("window")["sleeps_in_seconds"] or 0) <= 1)
        text = d.odp("why", "steady").stdout
        self.assertNotIn(" -", text)
        said = re.search(r"woken +(\S+ \S+) by a client", text)
        self.assertAlmostEqual(time.mktime(time.strptime(said[1], "%Y-%m-%d %H:%M:%S")), woken,
                               delta=2)

    def check_backoff(self, d, failed):
        retry = d.why("broken")["retry_in_seconds"]
        self.assertTrue(0 <= retry <= 1, retry)
        if time.monotonic() - failed < 0.5:
            self.assertRegex(d.ask(d.broken.listen), b"\r\nRetry-After: 1\r\n")
            self.assertEqual(d.status("broken")["failed_wakes"], 2)
        until(lambda: d.ask(d.broken.listen) and d.status("broken")["failed_wakes"] > 2,
              "it is tried again", LONG)
        self.assertGreater(time.monotonic() - failed, 0.95)

    def check_sum(self, d, name, at, before, counted, suspended):
        passed = d.sums(name)[at] - before[at]
        self.assertGreater(passed, suspended)
        self.assertLess(passed, suspended + time.monotonic() - counted + 1)
        self.assertAlmostEqual(d.sums(name)[1 - at], before[1 - at], delta=0.01)

    def check_next_wake(self, d, realtime):
        """What happens from now on is as ever, and told by the new clock."""
        status = d.status("window")
        d.visit(d.window)
        after = d.await_status("window", wakes=status["wakes"] + 1)
        self.assertLess(after["last_wake_seconds"], LONG)
        self.assertAlmostEqual(d.why("window")["woken_at"], time.time() + realtime, delta=LONG)


for a_name, options in {"hours_forward": {"realtime": 3 * HOUR}, "hours_back": {"realtime": -3 * HOUR},
                        "year_forward": {"realtime": YEAR}, "year_back": {"realtime": -YEAR},
                        "back_to_the_epoch": {"realtime": -int(time.time()) + 5},
                        "suspended_for_hours": {"realtime": 8 * HOUR, "suspended": 8 * HOUR},
                        "suspended_and_set": {"realtime": 9 * HOUR, "suspended": 8 * HOUR}}.items():
    setattr(ClocksTest, f"test_{a_name}", functools.partialmethod(ClocksTest.check, **options))


if __name__ == "__main__":
    unittest.main()
