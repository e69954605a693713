#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What odpd costs while nothing happens: no system call, little memory, next to nothing for a
# connection that is relayed and silent.

import os
import re
import shutil
import signal
import subprocess
import time
import unittest

from harness import (DEADLINE, LONG, Backend, Case, connect, exchange, free_port, is_sanitized,
                     listener, plain_file, private_dirty, program, raise_descriptor_limit,
                     read_exactly, read_file, until)

QUIET_SEC = 60 if LONG else 10
N_SERVICES = 30


class Strace:
    """Follows one process; skips the test where that is not allowed."""

    def __init__(self, case, pid):
        self.path = os.path.join(case.directory(), "trace")
        with open(self.path + ".err", "wb") as err:
            self.process = subprocess.Popen(
                ["strace", "-f", "-p", str(pid), "-o", self.path], stderr=err,
                stdin=subprocess.DEVNULL)
        case.addCleanup(self.kill)
        said = until(lambda: read_file(self.path + ".err"), "strace says something")
        if "attached" not in said:
            self.process.wait(DEADLINE)
            raise unittest.SkipTest(f"no permission to trace: {said.strip()}")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def calls(self):
        """Ends the trace; returns all calls but the one that was under way when it began."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(DEADLINE)
        lines = read_file(self.path).splitlines()
        waiting = r"(\d+ +)?(epoll_p?wait2?|restart_syscall)\(.*<detached \.\.\.>"
        return [line for line in lines if not re.fullmatch(waiting, line)]


class AsleepTest(Case):
    def begin(self):
        directory = self.directory()
        backends = [Backend(directory) for _ in range(N_SERVICES)]
        d = self.odpd({f"s{i}": b.file(idle="500ms") for i, b in enumerate(backends)})
        self.await_sleep(d)
        return d, backends

    def await_sleep(self, d):
        until(lambda: all(s["state"] == "stopped" for s in d.all_status()), "all sleep")
        d.hang_up()

    def wake_each(self, d, backends):
        for b in backends:
            with connect(b.listen) as s:
                self.assertEqual(exchange(s, bytes(100_000)),
                                 bytes(100_000) + b"bye %d\n" % b.starts()[0])
        self.await_sleep(d)
        self.assertEqual([len(b.starts()) for b in backends], [1] * N_SERVICES)

    def assert_silence(self, d):
        traces = {"odpd": Strace(self, d.pid), "odp-launcher": Strace(self, d.launcher())}
        time.sleep(QUIET_SEC)  # the silence itself is what is measured
        self.assertEqual({name: t.calls() for name, t in traces.items()},
                         {"odpd": [], "odp-launcher": []})

    @unittest.skipUnless(shutil.which("strace"), "strace is missing: apt-get install strace")
    def test_no_system_call(self):
        d, backends = self.begin()
        self.await_last_hang_up(d)
        self.assert_silence(d)
        self.wake_each(d, backends)
        self.await_last_hang_up(d)
        self.assert_silence(d)

    def await_last_hang_up(self, d):
        """odpd has closed the control connection, and both have gone back to waiting."""
        n = N_SERVICES + 2  # listeners, the control socket, the launcher's link
        until(lambda: d.sockets() == n, f"{n} sockets are left (now {d.sockets()})")
        for pid in d.pid, d.launcher():
            until(lambda pid=pid: read_file(f"/proc/{pid}/wchan") in
                  ("ep_poll", "do_epoll_wait", "0", "") and
                  " S " in read_file(f"/proc/{pid}/stat"), "odpd and its launcher sleep")

    @unittest.skipUnless(shutil.which("strace"), "strace is missing: apt-get install strace")
    def test_the_trace_would_show_it(self):
        # Against a silence that only the measuring makes.
        d, _ = self.begin()
        trace = Strace(self, d.pid)
        d.state("s0")
        d.hang_up()
        until(lambda: "accept4" in read_file(trace.path), "the call is seen")
        self.assertNotEqual(trace.calls(), [])

    @unittest.skipIf(is_sanitized(), "sanitizers need memory of their own")
    def test_memory(self):
        # Pages of a file that was written a moment ago count as dirty until they are on the disk.
        with open(program("odpd"), "rb") as f:
            os.fsync(f.fileno())
        d, backends = self.begin()
        before = self.await_memory(d)
        self.wake_each(d, backends)
        after = self.await_memory(d)
        print(f"private dirty: {before // 1024} KiB, {after // 1024} KiB after {N_SERVICES} wakes",
              flush=True)

    def await_memory(self, d):
        """What the last reply needed is given back a moment after it has been taken."""
        measured = []

        def look():
            measured.append(private_dirty(d.pid))
            return measured[-1] <= 400 * 1024
        until(look, f"odpd has at most 400 KiB of private dirty memory: {measured}", 5)
        return measured[-1]

    @unittest.skipIf(is_sanitized(), "sanitizers need memory of their own")
    def test_memory_of_idle_connections(self):
        n = 1000
        raise_descriptor_limit(2 * n + 200)
        port, server = free_port(), self.closing(listener())
        server.settimeout(DEADLINE)
        d = self.odpd({"r": plain_file(port, "%s:%d" % server.getsockname())})
        d.await_state("r", "ready")
        bare_probe, _ = server.accept()
        bare_probe.close()
        pairs = [self.pair(port, server)]
        d.await_status("r", connections=1)
        before = private_dirty(d.pid)
        pairs += [self.pair(port, server) for _ in range(n)]
        d.await_status("r", connections=n + 1)
        grown = private_dirty(d.pid) - before
        print(f"{grown / n:.0f} bytes an idle connection", flush=True)
        self.assertLessEqual(grown, 512 * n)
        # It is the connections that were measured: they live.
        for c, s in pairs:
            c.sendall(b"y")
            self.assertEqual(read_exactly(s, 1), b"y")

    def pair(self, port, server):
        c = self.connect(port)
        c.sendall(b"x")
        s = self.closing(server.accept()[0])
        s.settimeout(DEADLINE)
        self.assertEqual(read_exactly(s, 1), b"x")
        s.sendall(b"z")
        self.assertEqual(read_exactly(c, 1), b"z")
        return c, s


if __name__ == "__main__":
    unittest.main()
