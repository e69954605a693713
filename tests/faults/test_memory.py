#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Out of memory wherever a whole scenario asks for some: on each path of calls that leads there, the
# first time and the last (with ODP_TEST_LONG each time). Within its start odpd may end with an error;
# after it, at most the one client or call that met the fault is lost.

import collections
import contextlib
import functools
import glob
import os
import re
import signal
import subprocess
import unittest

from faults import (COUNT, ENOMEM, HANG, Outcome, Service, Sweep, World, Wrong, frames_named,
                    with_wakes)
from harness import HOST, plain_file, processes_about, read_file

KEPT_WAKES = 1000  # of web, in the ledger that odpd finds
# The one exception: libuv ends the process where the table of its watchers cannot grow
# (maybe_resize() in its src/unix/core.c), for uv__io_start() has no way to fail. It grows when the
# loop is made, and when a descriptor of libuv's own has a higher number than any before.
LIBUV_ABORTS = re.compile(r"^realloc libuv\.so")


class MemoryWorld(World):
    """What the scenarios of odpd and the launcher share: web, which sleeps by its window."""

    wanted = None  # what a run without a fault has shown
    services = ()  # that may leave processes

    def visit_web(self):
        self.visit(self.web)

    def await_web_asleep(self):
        self.await_true(lambda: re.findall("web: .*-> ([a-z]+)", self.log())[-1:] in
                        (["stopped"], ["failed"]), "web sleeps")

    def ask_status(self):
        services = self.ask("Status")["parameters"].get("services", [])
        keys = [list(s) for s in services]
        if self.wanted and keys != self.wanted["status"]:
            raise Wrong(f"not all of it: {services}")
        return keys

    def kept(self, pid=None):
        """The descriptors of odpd, or another process, that may not become more."""
        kinds = collections.Counter()
        for path in glob.glob(f"/proc/{pid or self.pid}/fd/*"):
            with contextlib.suppress(FileNotFoundError):
                kinds[os.readlink(path).partition(":")[0]] += 1
        return {k: kinds[k] for k in ("socket", "pipe", "anon_inode")}

    def check_at_rest(self):
        self.await_true(lambda: self.at_rest() == self.wanted["at_rest"],
                        "as many descriptors as without a fault", 5)
        if len(self.lost) > 1:
            raise AssertionError(f"more than one step has failed: {self.lost}")

    def check_end(self):
        if self.terminate() != 0:
            raise AssertionError(f"ended with {self.process.returncode} after SIGTERM")
        self.check_nothing_left()
        if not self.wanted:
            return
        wakes = re.search(r"^web (\d+) ", read_file(self.path("state/ledger")), re.M)
        if not wakes or int(wakes[1]) < KEPT_WAKES:
            raise Wrong(f"the ledger has lost what it had: {wakes}")
        if int(wakes[1]) == KEPT_WAKES:
            self.lost.append("all writes of the ledger")

    def check_nothing_left(self):
        left = [os.path.join(path, name) for path, _, names in os.walk(self.runtime)
                for name in names if name != "lock" and not name.endswith((".log", ".log.1", ".ini"))]
        running = [pid for s in self.services for pid in s.running()]
        if left or running or any(s.was_twice() for s in self.services):
            raise Wrong(f"left behind: {left} {running}")

    def clean_up(self):
        self.hang_up()
        for process in (self.process, self.target):
            if process and process.poll() is None:
                process.kill()
            if process:
                process.wait()
        for service in self.services:
            for pid in service.running():
                os.kill(pid, signal.SIGKILL)


class OdpdWorld(MemoryWorld):
    """slow shows the waiting page, broken never starts, plain has nothing to start."""

    def __init__(self, directory, wanted=None):
        self.web, self.slow, self.broken, self.plain = (Service(directory) for _ in range(4))
        self.wanted, self.services = wanted, (self.web, self.slow)
        super().__init__(directory, {
            "web": self.web.process_file(idle="20ms"),
            "slow": self.slow.process_file(wait="mode = page"),
            "broken": self.broken.file("command = /bin/false"),
            "plain": plain_file(self.plain.listen, f"{HOST}:{self.plain.port}"),
        }, "odpd", wanted and wanted["ledger"])
        self.target = subprocess.Popen(self.plain.command.split())

    def is_up(self):
        return (self.has_ended() or
                self.n_logged("inactive: unknown -> stopped") >= 3 and self.n_logged("-> ready"))

    def visit_plain(self):
        self.visit(self.plain)

    def visit_slow(self):
        reply = self.visit(self.slow, wanted=b"\r\n\r\n")
        # A try that stands already is left to the service.
        if b"\r\nRefresh: " not in reply and b"served" not in reply:
            raise AssertionError(f"neither the waiting page nor served: {reply}")
        self.await_log("slow: .* -> ready")

    def visit_slow_again(self):
        self.visit(self.slow)

    def visit_broken(self):
        reply = self.visit(self.broken, wanted=b"503 Service Unavailable")
        if b"exited with status 1" not in reply:
            raise AssertionError(f"without the reason: {reply}")

    def ask_why(self):
        why = self.ask("Why", name="slow")["parameters"]
        if self.wanted and (list(why) != self.wanted["why"] or not why["state"]):
            raise Wrong(f"not all of it: {why}")
        return list(why)

    def stop_slow(self):
        reply = self.ask("Stop", name="slow")
        if "error" in reply:
            raise AssertionError(f"not stopped: {reply}")

    def at_rest(self):
        return self.kept()

    def play(self):
        """All of it, up to the moment when everything sleeps again. Returns what was shown."""
        self.attempt(self.visit_web)
        self.attempt(self.visit_plain)
        self.attempt(self.visit_broken)
        self.attempt(self.visit_slow)
        self.attempt(self.visit_slow_again)
        why = self.attempt(self.ask_why)
        self.attempt(self.stop_slow)
        self.attempt(self.await_web_asleep)
        self.attempt(self.visit_web)
        self.attempt(self.await_web_asleep)
        status = self.attempt(self.ask_status)
        # Four listeners, the control socket's, and the launcher's link.
        self.await_true(lambda: self.descriptors()["socket"] == 6, "all connections are closed")
        return {"why": why, "status": status, "at_rest": self.at_rest()}


class LauncherWorld(MemoryWorld):
    """job and bare are started and stopped by commands, bare without one that tells its status; kept
    does not sleep by itself."""

    target = None

    def __init__(self, directory, wanted=None):
        self.web, self.job, self.bare, self.steady = (Service(directory) for _ in range(4))
        self.wanted, self.services = wanted, (self.web, self.job, self.bare, self.steady)
        super().__init__(directory, {
            "web": self.web.process_file(idle="20ms"),
            "job": self.job.exec_file(),
            "bare": self.bare.exec_file(status=False),
            "steady": self.steady.process_file(),
        }, "odp-launcher", wanted and wanted["ledger"])

    def is_up(self):
        return self.has_ended() or self.n_logged(": unknown -> (stopped|failed)") >= 4

    def visit(self, service, *, wanted=b"200 OK"):
        try:
            return super().visit(service, wanted=wanted)
        except (AssertionError, OSError) as e:
            if "503 Service Unavailable" not in str(e):
                raise Wrong(f"neither served nor told: {e!r}") from e
            raise

    def visit_job(self):
        self.visit(self.job)

    def visit_bare(self):
        self.visit(self.bare)

    def visit_steady(self):
        self.visit(self.steady)

    def kill_launcher(self):
        """The next one has to find what runs."""
        with contextlib.suppress(ProcessLookupError, TypeError):
            os.kill(self.child(), signal.SIGKILL)

    def stop(self, name):
        reply = self.ask("Stop", name=name)
        if "error" in reply:
            raise AssertionError(f"not stopped: {reply}")
        try:
            self.await_true(lambda: not getattr(self, name).running(), f"{name} has ended", 2)
        except AssertionError as e:
            raise Wrong(f"{name} runs on") from e

    def at_rest(self):
        return self.kept(), self.kept(self.child())

    def play(self):
        self.attempt(self.visit_web)
        self.attempt(self.visit_job)
        self.attempt(self.visit_bare)
        self.attempt(self.visit_steady)
        self.attempt(self.await_web_asleep)
        self.kill_launcher()
        self.attempt(self.visit_web)
        for name in "job", "bare", "steady":
            self.attempt(self.stop, name)
        self.attempt(self.await_web_asleep)
        status = self.attempt(self.ask_status)
        self.await_true(lambda: self.descriptors()["socket"] == 6, "all connections are closed")
        return {"status": status, "at_rest": self.at_rest()}


def check_failed_start(world):
    """Ended by itself before it was up: in order, with exit code 1, having said why."""
    code = world.process.wait(HANG)
    said = [line for line in world.log().splitlines() if line.startswith("odpd: ")]
    if code != 1 or not any("emory" in line for line in said):
        raise AssertionError(f"ended with {code} and said {said}")
    # A launcher that was up already may still be writing down what it was told.
    world.await_true(lambda: not processes_about(world.config), "its launcher has ended, too")
    world.check_nothing_left()


def run_with_fault(make_world, wanted, directory, place):
    world = make_world(directory, wanted)
    outcome = Outcome(place)
    try:
        world.begin(ENOMEM, *place)
        world.await_true(world.is_up, "it is up")
        if world.has_ended():
            check_failed_start(world)
            outcome.note = "ended in its start"
        else:
            world.play()
            world.check_at_rest()
            world.check_end()
            outcome.note = "lost one step" if world.lost else "lost nothing"
    except (AssertionError, OSError, Wrong, subprocess.TimeoutExpired) as e:
        outcome.wrong = f"{e!r} (lost {world.lost})"
        if LIBUV_ABORTS.match(world.page.where()) and world.process.wait(HANG) == -signal.SIGABRT:
            outcome.wrong, outcome.note = "", "libuv aborts"
    finally:
        world.clean_up()
    outcome.reached = world.page.is_done()
    outcome.where = world.page.where()
    if "Sanitizer" in world.log() or "runtime error:" in world.log():
        outcome.wrong += " a sanitizer has something to say"
    if outcome.wrong:
        outcome.where = frames_named(outcome.where)
        outcome.log = world.log()
    return outcome


class MemoryTest(Sweep):
    def wanted_of(self, make_world):
        """A run without a fault: what it shows, and where it allocates."""
        world = make_world(self.directory())
        try:
            world.begin(COUNT)
            world.await_true(world.is_up, "it is up")
            wanted = world.play()
            world.check_end()
            self.assertEqual(world.lost, [])
            ledger = with_wakes(read_file(world.path("state/ledger")), "web", KEPT_WAKES)
            return {**wanted, "ledger": ledger}, world.page.places()
        finally:
            world.clean_up()

    def test_odpd(self):
        wanted, places = self.wanted_of(OdpdWorld)
        notes = self.sweep_places("odpd out of memory", places,
                                  functools.partial(run_with_fault, OdpdWorld, wanted))
        self.assertGreater(notes["ended in its start"], 0)
        self.assertGreater(notes["lost one step"], 0)

    def test_launcher(self):
        wanted, places = self.wanted_of(LauncherWorld)
        notes = self.sweep_places("odp-launcher out of memory", places,
                                  functools.partial(run_with_fault, LauncherWorld, wanted))
        self.assertGreater(notes["lost one step"], 0)


if __name__ == "__main__":
    unittest.main()
