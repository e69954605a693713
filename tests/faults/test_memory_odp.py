#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The command line out of memory wherever it asks for some, as in test_memory.py: it does what it was
# asked for, or says in one line that it could not.

import functools
import os
import re
import subprocess
import unittest

from faults import COUNT, ENOMEM, HANG, Outcome, Page, Service, Sweep, World, frames_named
from harness import HOST, plain_file, program

COMMANDS = ("--version", "help", "help status", "status web plain", "status --json",
            "why web", "why web --json", "start plain", "stop web", "check {sound}",
            "check {faulty}", "status nosuch", "nosuch")


def shape_of(done):
    """What a run without a fault and one with it have in common: all but the figures."""
    return done.returncode, re.sub(r"\d+", "#", done.stdout), re.sub(r"\d+", "#", done.stderr)


def run_odp(runtime, arguments, page):
    return subprocess.run([program("odp"), "--runtime", runtime, *arguments],
                          env=page.environment(), stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=HANG, check=False)


def odp_run(runtime, arguments, wanted, directory, place):
    page = Page(os.path.join(directory, "page"), "odp")
    page.arm(ENOMEM, *place)
    done = run_odp(runtime, arguments, page)
    outcome = Outcome(place, page.is_done(), where=page.where())
    if shape_of(done) == wanted:
        outcome.note = "done"
    elif (done.returncode in (1, wanted[0]) and len(done.stderr.splitlines()) == 1 and
          "out of memory" in done.stderr):
        outcome.note = "failed"
    else:
        outcome.wrong = f"{shape_of(done)}\n  instead of {wanted}"
        outcome.where = frames_named(outcome.where)
    return outcome


class OdpTest(Sweep):
    def test_every_command(self):
        directory = self.directory()
        web, plain = Service(directory), Service(directory)
        d = World(directory, {"web": web.process_file(),
                              "plain": plain_file(plain.listen, f"{HOST}:{plain.port}")}, "")
        self.addCleanup(self.finish, d)
        # Ended before that: to odpd it would be something left behind.
        target = subprocess.Popen(plain.command.split())
        self.addCleanup(target.wait)
        self.addCleanup(target.kill)
        faulty = os.path.join(directory, "faulty.ini")
        with open(faulty, "w", encoding="utf-8") as f:
            f.write("[service]\nlisten = x\nlistne = 1\n[backend]\n")
        d.start()
        d.await_state("plain", "ready")
        for command in COMMANDS:
            with self.subTest(command=command):
                self.check(d, command.format(sound=d.config, faulty=faulty).split())

    def check(self, d, arguments):
        page = Page(d.path("page"), "odp")
        page.arm(COUNT)
        wanted = shape_of(run_odp(d.runtime, arguments, page))
        self.sweep_places(f"odp {' '.join(arguments)} out of memory", page.places(),
                          functools.partial(odp_run, d.runtime, arguments, wanted))


if __name__ == "__main__":
    unittest.main()
