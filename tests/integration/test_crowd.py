#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A crowd before one service that starts: everybody is answered in the end, and odpd's memory stays
# where it was. Beyond max_waiting and max_connections they stand in the kernel's queue, and beyond
# that one their own kernel knocks again, each second at first.
#
# A queue that is too short for the crowd loses some, whoever accepts from it: several SYNs that
# are let in together for one free place all get their SYN-ACK, and the ACKs that find no place are
# thrown away. These clients believe themselves connected, the kernel forgets them after a few
# seconds where many are in that state, and answers what they send then with a reset. It counts
# each in SyncookiesFailed.

import ctypes
import errno
import select
import socket
import subprocess
import time
import unittest

from harness import (DEADLINE, HOST, SHORT, Backend, Case, is_sanitized, private_dirty,
                     raise_descriptor_limit, read_file)

N = 2000 if SHORT else 10000
N_TOO_MANY = 2000
DELAY = 3  # seconds before the service listens
CLONE_NEWNET = 0x40000000


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


def write_file(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def tcp_count(name):
    names, values = [line.split() for line in read_file("/proc/net/netstat").splitlines()[:2]]
    return int(values[names.index(name)])


class CrowdTest(Case):
    @classmethod
    def setUpClass(cls):
        """A network of its own for this process: its queue's length, and only its own counts."""
        super().setUpClass()
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNET) < 0:
            raise unittest.SkipTest("needs a network of its own: run it as root")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        write_file("/proc/sys/net/ipv4/tcp_syncookies", "1")

    def start(self, queue):
        write_file("/proc/sys/net/core/somaxconn", str(queue))
        backend = Backend(self.directory(), "echo.py", "--delay", DELAY)
        return backend, self.odpd({"web": backend.file()})

    def crowd(self, port, n):
        crowd = Crowd(port, n)
        self.addCleanup(crowd.close)
        crowd.run(4 * DEADLINE)
        self.assertEqual(len(crowd.clients), 0)
        return crowd

    def settled(self, backend, d):
        self.assertEqual(len(backend.starts()), 1)
        status = d.await_status("web", connections=0, waiting=0, state="ready")
        self.assertEqual(status["failed_wakes"], 0)

    def test_at_a_service_that_starts(self):
        raise_descriptor_limit(N + 500)
        backend, d = self.start(16384)
        before = private_dirty(d.pid)
        crowd = self.crowd(backend.listen, N)
        self.assertEqual((len(crowd.waits), crowd.failures), (N, []))
        grown, rss = private_dirty(d.pid) - before, peak_rss(d.pid)
        waits = sorted(crowd.waits)
        print(f"{N} at once, service listens after {DELAY} s: answered after {waits[0]:.1f} s "
              f"(first), {waits[N // 2]:.1f} s (half), {waits[N * 99 // 100]:.1f} s (99%), "
              f"{waits[-1]:.1f} s (last); odpd: {rss // 1024} KiB RSS at most, private dirty "
              f"{before // 1024} KiB before, {(before + grown) // 1024} KiB after", flush=True)
        if not is_sanitized():
            self.assertLess(grown, 1 << 20)
        self.settled(backend, d)

    def test_that_the_queue_is_too_short_for(self):
        raise_descriptor_limit(N_TOO_MANY + 500)
        backend, d = self.start(512)
        overflows, lost = tcp_count("ListenOverflows"), tcp_count("SyncookiesFailed")
        crowd = self.crowd(backend.listen, N_TOO_MANY)
        self.assertGreater(tcp_count("ListenOverflows"), overflows)
        # odpd itself turns nobody away.
        lost = tcp_count("SyncookiesFailed") - lost
        self.assertEqual((len(crowd.waits), len(crowd.failures)), (N_TOO_MANY - lost, lost),
                         crowd.failures)
        self.settled(backend, d)


if __name__ == "__main__":
    unittest.main()
