#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# odp-launcher killed before and after each single thing that it does to the world: while it wakes
# a service, stops one, and finds one that runs already. The client is served by the next launcher,
# the service never runs twice at once, and nothing of it is left when it was stopped.

import contextlib
import functools
import os
import signal
import unittest

from faults import (COUNT, HANG, KILL_AFTER, KILL_BEFORE, NOTHING, Outcome, Service, Sweep, World, Wrong,
                    frames_named)


class KilledWorld(World):
    """One service, of the kind `process`, `exec` or `bare` (exec without status)."""

    def __init__(self, directory, kind):
        self.web = Service(directory)
        super().__init__(directory, {
            "web": self.web.process_file() if kind == "process" else
                   self.web.exec_file(status=kind == "exec"),
        }, "odp-launcher")

    def is_asleep(self):
        return self.n_logged("inactive: unknown -> stopped") >= 1

    def check_alone(self):
        if self.web.was_twice():
            raise Wrong(f"two at once: {self.web.pids()}")

    def visit_web(self):
        self.visit(self.web)
        self.check_alone()
        if len(self.web.running()) != 1:
            raise Wrong(f"served by one of {self.web.running()}")

    def stop_web(self):
        reply = self.ask("Stop", name="web")
        if "error" in reply:
            raise AssertionError(f"not stopped: {reply}")
        self.check_alone()
        self.await_true(lambda: not self.web.running(), "nothing of it is left running")

    def kill_launcher(self):
        try:
            os.kill(self.child(), signal.SIGKILL)
        except ProcessLookupError:  # the step before was its last
            pass

    def check_end(self):
        path = os.path.join(self.runtime, "launcher")
        self.await_true(self.child, "the launcher runs again")
        self.await_true(lambda: set(os.listdir(path)) == {"lock", "web.ini"},
                        "its records are gone, and its text is kept")
        if self.terminate() != 0:
            raise AssertionError(f"ended with {self.process.returncode} after SIGTERM")
        if self.web.running():
            raise Wrong("it runs on after all")

    def clean_up(self):
        self.hang_up()
        if self.process and self.process.poll() is None:
            self.kill()
        for pid in self.web.running():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


# What happens while steps are counted; before and after it no launcher is killed by its page.


def wake(world, arm):
    arm()
    world.visit_web()


def stop(world, arm):
    world.visit_web()
    arm()
    world.stop_web()


def adopt(world, arm):
    world.visit_web()
    arm()
    world.kill_launcher()
    world.visit_web()
    world.stop_web()


def play(kind, scene, mode, directory, number):
    world = KilledWorld(directory, kind)
    page, outcome = world.page, Outcome(number)
    try:
        world.start(ready=False, env=page.environment())
        world.await_true(world.is_asleep, "it is up")
        scene(world, lambda: page.arm(mode, number))
        page.arm(NOTHING)
        world.stop_web()
        world.visit_web()  # all is as ever
        world.stop_web()
        world.check_end()
        outcome.note = "served and stopped"
        if mode == COUNT:
            outcome.note = f"{page.fields.n_steps} steps"
    except (AssertionError, OSError, Wrong) as e:
        outcome.wrong = f"{e!r} {os.listdir(os.path.join(world.runtime, 'launcher'))}"
    finally:
        world.clean_up()
    outcome.reached, outcome.where = page.is_done(), page.where()
    if outcome.wrong:
        outcome.where, outcome.log = frames_named(outcome.where), world.log()
    return outcome


class KilledTest(Sweep):
    def check(self, kind, scene):
        # On a loaded machine one may ask much more often whether all has ended than those that follow.
        counted = [play(kind, scene, COUNT, self.directory(), 0) for _ in range(3)]
        self.assertEqual([o.wrong for o in counted], ["", "", ""])
        n_counted = min(int(o.note.split()[0]) for o in counted)
        for mode, when in (KILL_BEFORE, "before"), (KILL_AFTER, "after"):
            self.sweep(f"odp-launcher killed {when} each step, {kind}, {scene.__name__}",
                       n_counted, functools.partial(play, kind, scene, mode))


for a_kind in "process", "exec", "bare":
    for a_scene in wake, stop, adopt:
        setattr(KilledTest, f"test_{a_kind}_{a_scene.__name__}",
                functools.partialmethod(KilledTest.check, a_kind, a_scene))


if __name__ == "__main__":
    unittest.main()
