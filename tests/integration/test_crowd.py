#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A crowd before one service that starts: everybody is answered in the end, and odpd's memory stays
# where it was. Beyond max_waiting and max_connections they stand in the kernel's queue, and beyond
# that one their own kernel knocks again, each second at first.

import errno
import select
import socket
import time
import unittest

from harness import (DEADLINE, HOST, SHORT, Backend, Case, is_sanitized, private_dirty,
                     raise_descriptor_limit, read_file)

N = 2000 if SHORT else 10000
DELAY = 3  # seconds before the service listens


class Crowd:
    """n clients from one epoll: each says its name, waits for the echo, and leaves."""

    def __init__(self, port, n):
        self.poll, self.clients = select.epoll(), {}
        self.waits, self.failures = [], []
        self.began = time.monotonic()
        for i in range(n):
            s = socket.socket()
            s.setblocking(False)
            error = s.connect_ex((HOST, port))
            if error not in (0, errno.EINPROGRESS):
                raise OSError(error, "connect")
            self.clients[s.fileno()] = (s, b"%06d\n" % i)
            self.poll.register(s, select.EPOLLOUT)

    def run(self, deadline):
        """Until all are answered or failed, or the deadline has passed."""
        while self.clients and time.monotonic() - self.began < deadline:
            for fd, events in self.poll.poll(1):
                self.step(fd, events)

    def step(self, fd, events):
        s, name = self.clients[fd]
        try:
            if events == select.EPOLLOUT:  # connected
                s.send(name)
                self.poll.modify(s, select.EPOLLIN)
                return
            answer = s.recv(100)
        except OSError as e:
            answer = str(e)
        if answer == name:
            self.waits.append(time.monotonic() - self.began)
        else:
            self.failures.append((name, answer))
        self.leave(fd)

    def leave(self, fd):
        self.poll.unregister(fd)
        self.clients.pop(fd)[0].close()

    def close(self):
        for fd in list(self.clients):
            self.leave(fd)
        self.poll.close()


def peak_rss(pid):
    for line in read_file(f"/proc/{pid}/status").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no VmHWM of {pid}")


class CrowdTest(Case):
    def test_at_a_service_that_starts(self):
        raise_descriptor_limit(N + 500)
        backend = Backend(self.directory(), "echo.py", "--delay", DELAY)
        d = self.odpd({"web": backend.file()})
        before = private_dirty(d.pid)
        crowd = Crowd(backend.listen, N)
        self.addCleanup(crowd.close)
        crowd.run(4 * DEADLINE)
        self.assertEqual((len(crowd.waits), crowd.failures, len(crowd.clients)), (N, [], 0))
        grown, rss = private_dirty(d.pid) - before, peak_rss(d.pid)
        waits = sorted(crowd.waits)
        print(f"{N} at once, service listens after {DELAY} s: answered after {waits[0]:.1f} s "
              f"(first), {waits[N // 2]:.1f} s (half), {waits[N * 99 // 100]:.1f} s (99%), "
              f"{waits[-1]:.1f} s (last); odpd: {rss // 1024} KiB RSS at most, private dirty "
              f"{before // 1024} KiB before, {(before + grown) // 1024} KiB after", flush=True)
        if not is_sanitized():
            self.assertLess(grown, 1 << 20)
        self.assertEqual(len(backend.starts()), 1)
        status = d.await_status("web", connections=0, waiting=0, state="ready")
        self.assertEqual(status["failed_wakes"], 0)


if __name__ == "__main__":
    unittest.main()
