# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the tests of faults share: the page of inject.h, odpd with the library loaded, a service that
# notices if it is not alone, and running one scenario many times, each time with another fault.

import collections
import concurrent.futures
import ctypes
import mmap
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
# pylint: disable=wrong-import-position
from harness import (BUILD, DEADLINE, HOST, LONG, SHORT, Case, Odpd, connect, free_port, is_alive,
                     is_sanitized, read_all, read_file)

LIBRARY = os.path.join(BUILD, "tests", "faults", "libodp-faults.so")
SERVE = os.path.join(BUILD, "tests", "faults", "odp-faults-serve")
NOTHING, COUNT, ENOMEM, KILL_BEFORE, KILL_AFTER = range(5)
PATHS_MAX = 4096
HANG = DEADLINE / 2  # seconds after which something counts as hanging
WORKERS = 8  # on two cores: each waits most of the time


class Wrong(Exception):
    """What not even a fault excuses: a wrong answer, something lost for good."""


def with_wakes(ledger, name, n_wakes):
    """The ledger's text with another sum, and the checksum for it (FNV-1a, 64 bit)."""
    body = re.sub(rf"(?m)^{name} \d+ ", f"{name} {n_wakes} ", ledger.rpartition("checksum ")[0])
    checksum = 14695981039346656037
    for byte in body.encode():
        checksum = (checksum ^ byte) * 1099511628211 % (1 << 64)
    return f"{body}checksum {checksum:016x}\n"


class Fields(ctypes.Structure):
    _fields_ = [("program", ctypes.c_char * 32), ("mode", ctypes.c_uint64),
                ("at", ctypes.c_uint64), ("path", ctypes.c_uint64), ("n_by_path", ctypes.c_uint64),
                ("n_allocations", ctypes.c_uint64),
                ("n_steps", ctypes.c_uint64), ("is_done", ctypes.c_uint64),
                ("realtime_nsec", ctypes.c_int64), ("boottime_nsec", ctypes.c_int64),
                ("where", ctypes.c_char * 1024), ("paths", ctypes.c_uint64 * PATHS_MAX)]


class Page:
    """The page that inject.h describes, in a file of its own."""

    def __init__(self, path, program):
        self.path = path
        with open(path, "w+b") as f:
            f.truncate(ctypes.sizeof(Fields))
            self.fields = Fields.from_buffer(mmap.mmap(f.fileno(), ctypes.sizeof(Fields)))
        self.fields.program = program.encode()

    def arm(self, mode, at=0, path=0):
        self.fields.at, self.fields.path = at, path
        self.fields.mode = mode

    def places(self):
        """Where memory was asked for while it was counted: (how many times, by which path of calls). Of
        each path the first and the last time, with ODP_TEST_LONG each one."""
        if self.fields.n_allocations > PATHS_MAX:
            raise Wrong(f"{self.fields.n_allocations} allocations")
        counted = collections.Counter(self.fields.paths[:self.fields.n_allocations])
        return [(at, path) for path, n in counted.items()
                for at in (range(1, n + 1) if LONG else sorted({1, n}))]

    def is_done(self):
        return bool(self.fields.is_done)

    def where(self):
        return self.fields.where.decode()

    def environment(self):
        env = {**os.environ, "LD_PRELOAD": LIBRARY, "ODP_FAULTS": self.path}
        if is_sanitized():
            env["ASAN_OPTIONS"] = "verify_asan_link_order=0:" + env.get("ASAN_OPTIONS", "")
        return env


class Service:
    """odp-faults-serve in a directory of its own."""

    def __init__(self, directory):
        self.directory = tempfile.mkdtemp(prefix="serve-", dir=directory)
        self.listen, self.port = free_port(), free_port()
        self.command = f"{SERVE} serve {self.directory} {self.port}"

    def path(self, name):
        return os.path.join(self.directory, name)

    def file(self, backend, idle="5min", wait=""):
        return f"""
            [service]
            listen = {self.listen}
            target = {HOST}:{self.port}
            [backend]
            {backend}
            [wait]
            {wait}
            [idle]
            timeout = {idle}
            """

    def process_file(self, **options):
        return self.file(f"command = {self.command}", **options)

    def exec_file(self, status=True, **options):
        return self.file(f"""type = exec
            start = {SERVE} daemon {self.directory} {self.port}
            stop = {SERVE} stop {self.directory}
            """ + (f"status = {SERVE} status {self.directory}" if status else ""), **options)

    def pids(self):
        return [int(line) for line in read_file(self.path("starts")).split()]

    def running(self):
        # By its command line, too: numbers are given out again, and fast with so many processes.
        return [pid for pid in self.pids() if is_alive(pid) and
                self.directory.encode() in read_file(f"/proc/{pid}/cmdline", "rb")]

    def was_twice(self):
        return os.path.exists(self.path("twice"))


class World(Odpd):
    """One odpd under faults, with the few things that a scenario does. Whatever it awaits is told by
    sockets or by the log: asking odpd would change how often it allocates."""

    def __init__(self, directory, services, program, seed=None):
        super().__init__(directory, services)
        self.page = Page(self.path("faults"), program)
        self.lost = []
        if seed is not None:
            os.mkdir(self.path("state"))
            with open(self.path("state/ledger"), "w", encoding="ascii") as f:
                f.write(seed)

    def begin(self, mode, at=0, path=0):
        self.page.arm(mode, at, path)
        self.start(ready=False, env=self.page.environment())

    def await_true(self, condition, what, seconds=HANG):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds:g} s: {what}")
            time.sleep(0.001)

    def has_ended(self):
        return self.process.poll() is not None

    def await_log(self, pattern, count=1, seconds=HANG):
        self.await_true(lambda: len(re.findall(pattern, self.log())) >= count or self.has_ended(),
                        f"{count} x {pattern} in the log", seconds)
        if self.has_ended():
            raise AssertionError(f"odpd ended with {self.process.returncode}")

    def n_logged(self, pattern):
        return len(re.findall(pattern, self.log()))

    def attempt(self, step, *args):
        """A step may fail once in a whole run: that is what met the fault. Its repetition may not."""
        try:
            return step(*args)
        except (AssertionError, OSError, ValueError) as e:
            self.lost.append(f"{step.__name__}: {e!r}")
            if self.has_ended():
                raise
        return step(*args)

    def visit(self, service, *, wanted=b"200 OK"):
        with connect(service.listen, timeout=HANG) as s:
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
            reply = read_all(s)
        if wanted not in reply:
            raise AssertionError(f"{wanted} is not in {reply[:300]}")
        return reply

    def ask(self, method, **parameters):
        """One call on a connection of its own."""
        self.hang_up()
        try:
            return self.call(method, **parameters)
        finally:
            self.hang_up()

    def child(self):
        """The launcher's pid, None while there is none."""
        words = read_file(f"/proc/{self.pid}/task/{self.pid}/children").split()
        return int(words[0]) if words else None


class Outcome:
    """What came of one run: `wrong` is empty where all was well."""

    def __init__(self, number, reached=False, wrong="", note="", where="", log=""):
        self.number, self.reached, self.wrong = number, reached, wrong
        self.note, self.where, self.log = note, where, log

    def __str__(self):
        return f"number {self.number}: {self.wrong}\n  at {self.where}\n{self.log}"


def frames_named(where):
    """The callers with their functions, where addr2line is there to name them."""
    named = []
    for frame in where.split()[1:]:
        name, _, offset = frame.partition("+")
        path = os.path.join(BUILD, name)
        if not os.path.exists(path) or not shutil.which("addr2line"):
            named.append(frame)
            continue
        done = subprocess.run(["addr2line", "-f", "-s", "-e", path, offset], capture_output=True,
                              text=True, check=False)
        named.append("/".join(done.stdout.split()[:2]))
    return " < ".join([where.split(" ")[0], *named])


def run_one(scenario, number):
    """In a process of its own: scenario(directory, number) returns an Outcome."""
    directory = tempfile.mkdtemp(prefix="odp-faults-")
    os.chmod(directory, 0o755)
    try:
        return scenario(directory, number)
    except BaseException:  # pylint: disable=broad-except
        return Outcome(number, wrong=traceback.format_exc())
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def run_all(scenario, numbers):
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(WORKERS, mp_context=context) as pool:
        return list(pool.map(run_one, [scenario] * len(numbers), numbers))


class Sweep(Case):
    """One scenario with the fault at one place after the other."""

    step = 11 if SHORT else 1

    def sweep(self, title, n_counted, scenario):
        """The first place, the second, and so on to the last. `n_counted` were counted in a run without
        the fault. Another run may have a few more or less: it goes on until none is reached. Returns
        how often each note came."""
        step = self.step
        numbers, outcomes = range(1, n_counted + 1, step), []
        while numbers:
            batch = run_all(scenario, numbers)
            outcomes += batch
            following = range(numbers[-1] + step, numbers[-1] + 1 + 5 * step, step)
            numbers = following if any(o.reached for o in batch) else ()
        return self.judge(title, n_counted, outcomes)

    def sweep_places(self, title, places, scenario):
        """The same for the places that Page.places() has told."""
        return self.judge(title, len(places), run_all(scenario, places[::self.step]))

    def judge(self, title, n_counted, outcomes):
        self.assertGreater(n_counted, 0)
        notes = collections.Counter(o.note for o in outcomes if o.reached)
        self.say(title, n_counted, outcomes, notes)
        wrong = [o for o in outcomes if o.wrong]
        if wrong:
            self.fail(f"{title}: {len(wrong)} runs went wrong\n" + "\n".join(map(str, wrong[:5])))
        n_chosen = len(range(0, n_counted, self.step))
        self.assertGreater(sum(notes.values()), 0.8 * n_chosen, "most places are reached")
        return notes

    def say(self, title, n_counted, outcomes, notes):
        short = ", ODP_TEST_SHORT: every 11th" if SHORT else ""
        print(f"\n{title}: {n_counted} places counted, {len(outcomes)} run, "
              f"{sum(notes.values())} reached{short}: "
              + ", ".join(f"{n} {note}" for note, n in sorted(notes.items())), file=sys.stderr,
              flush=True)
