#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Peers that take nothing for much longer than TCP_USER_TIMEOUT, as whoever pauses a film: they stay
# connected for as long as they answer the kernel's probes, and are found when they do not. The peer
# is in another network, at the end of a cable that can be pulled; time passes faster for odpd.

import array
import fcntl
import os
import select
import subprocess
import sys
import termios
import time
import unittest

from faults import BUILD
from harness import DEADLINE, HOST, Case, free_port, is_sanitized, plain_file, until
from test_keepalive import find_socket, ip, may_make_networks

HURRY = os.path.join(BUILD, "tests", "faults", "libodp-hurry.so")
TIMES = 60
USER_TIMEOUT = 120 / TIMES  # seconds
NO_PROBE = "\n[ready]\nprobe = none"
NEAR, FAR = "10.9.8.1", "10.9.8.2"

# One end of a connection, told by lines what to do: it answers each with one. What is sent is the
# endless repetition of one block, so that whoever reads knows every byte.
PEER = r"""
import random, socket, sys, threading
block = random.Random(1).randbytes(65537)
sent = got = 0
def stretch(at, n):
    return (block * (n // len(block) + 2))[at % len(block):][:n]
def send(n):
    s.sendall(stretch(sent, n))
for line in sys.stdin:
    word, *args = line.split()
    if word == "listen":
        server = socket.create_server((args[0], int(args[1])), backlog=5)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    elif word == "accept":
        s = server.accept()[0]
    elif word == "connect":
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        s.connect((args[0], int(args[1])))
    elif word == "send":
        threading.Thread(target=send, args=(int(args[0]),), daemon=True).start()
        sent += int(args[0])
    elif word == "read":
        while (left := int(args[0])) > 0:
            data = s.recv(min(left, 1 << 20))
            if not data or data != stretch(got, len(data)):
                break
            got += len(data)
            args[0] = left - len(data)
    print(args[0] if args else s.getsockname()[1], flush=True)
"""


class Peer:
    def __init__(self, case, pid=None):
        """In the network of that process, or in one of its own."""
        inside = ["nsenter", "-t", str(pid), "-n"] if pid else ["unshare", "--net"]
        self.process = subprocess.Popen([*inside, sys.executable, "-c", PEER], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for end in (self.process.wait, self.process.kill, self.process.stdout.close,
                    self.process.stdin.close):
            case.addCleanup(end)

    @property
    def pid(self):
        return self.process.pid

    def tell(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        if not select.select([self.process.stdout], [], [], DEADLINE)[0]:
            raise AssertionError(f"the peer does not come to an end of: {words}")
        return int(self.process.stdout.readline().rpartition(".")[2])


@unittest.skipUnless(may_make_networks(), "needs root, ip and network namespaces")
class PausedTest(Case):
    def begin(self):
        env = {**os.environ, "LD_PRELOAD": HURRY, "ODP_HURRY": str(TIMES)}
        if is_sanitized():
            env["ASAN_OPTIONS"] = "verify_asan_link_order=0:" + env.get("ASAN_OPTIONS", "")
        self.port, self.target, self.upload, self.far_target = (free_port() for _ in range(4))
        # With a probe of odpd's own the first connection would not be the test's.
        d = self.odpd({"film": plain_file(self.port, f"{HOST}:{self.target}") + NO_PROBE,
                       "upload": plain_file(self.upload, f"{FAR}:{self.far_target}") + NO_PROBE},
                      start=False)
        d.start(["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"], env=env)
        self.d = d
        self.far = Peer(self)
        until(lambda: os.readlink(f"/proc/{self.far.pid}/ns/net") not in
              (os.readlink(f"/proc/{pid}/ns/net") for pid in (d.pid, os.getpid())),
              "the far peer has a network of its own")
        ip("link", "add", "near", "netns", str(d.pid), "type", "veth", "peer", "name", "far",
           "netns", str(self.far.pid))
        for pid, name, address in ((d.pid, "near", NEAR), (self.far.pid, "far", FAR)):
            ip("address", "add", address + "/24", "dev", name, pid=pid)
            ip("link", "set", name, "up", pid=pid)
        self.near = Peer(self, d.pid)

    def begin_film(self):
        """The far peer is the client."""
        self.begin()
        self.near.tell("listen", HOST, self.target)
        self.far.tell("connect", NEAR, self.port)
        self.near.tell("accept")
        self.name, self.far_port = "film", self.far.tell("port")

    def begin_upload(self):
        """The far peer is the service."""
        self.begin()
        self.far.tell("listen", FAR, self.far_target)
        self.near.tell("connect", HOST, self.upload)
        self.far.tell("accept")
        self.name, self.far_port = "upload", self.far_target

    def n_queued(self):
        s = find_socket(self.d.pid, self.far_port)
        self.assertIsNotNone(s, "odpd still has the connection")
        with s:
            n = array.array("i", [0])
            fcntl.ioctl(s, termios.TIOCOUTQ, n)
            return n[0]

    def send(self, n_bytes):
        self.near.tell("send", n_bytes)
        until(lambda: self.n_queued() > 0, "bytes wait in odpd's socket")

    def pause(self, action=lambda: None):
        """Longer than the user timeout, several times."""
        begun = time.monotonic()
        while time.monotonic() - begun < 3.5 * USER_TIMEOUT:
            action()
            time.sleep(0.1)
        self.assertGreater(self.n_queued(), 0)
        self.assertEqual(self.d.status(self.name)["connections"], 1)

    def pull_cable(self):
        ip("link", "set", "far", "down", pid=self.far.pid)
        pulled = time.monotonic()
        self.d.await_status(self.name, connections=0)
        self.assertGreater(time.monotonic() - pulled, USER_TIMEOUT / 2)

    def test_film(self):
        # More than all sockets on its way can hold.
        self.begin_film()
        self.send(40 << 20)
        self.pause()
        self.assertEqual(self.far.tell("read", 40 << 20), 0)

    def test_little_in_the_kernel(self):
        # Nothing waits in odpd: no event will ever tell it of this one.
        self.begin_film()
        self.send(150_000)
        self.pause()
        self.assertEqual(self.far.tell("read", 150_000), 0)
        # The window has been closed for once: afterwards it is again like any other.
        self.send(40 << 20)
        self.pause()
        self.assertEqual(self.far.tell("read", 40 << 20), 0)

    def test_slow_reader(self):
        # It opens its window by less than the kernel has in one piece.
        self.begin_film()
        self.send(40 << 20)
        self.pause(lambda: self.assertEqual(self.far.tell("read", 3000), 0))

    def test_upload(self):
        self.begin_upload()
        self.send(40 << 20)
        self.pause()
        self.assertEqual(self.far.tell("read", 40 << 20), 0)

    def test_paused_and_vanished(self):
        self.begin_film()
        self.send(40 << 20)
        self.pause()
        self.pull_cable()

    def test_paused_upload_and_vanished(self):
        self.begin_upload()
        self.send(150_000)
        self.pause()
        self.pull_cable()

    def test_vanished_with_bytes_under_way(self):
        self.begin_film()
        ip("link", "set", "far", "down", pid=self.far.pid)
        self.send(1000)
        self.d.await_status(self.name, connections=0)

    def test_vanished_after_a_pause(self):
        # The window is open again, the kernel relieved of its timeout.
        self.begin_film()
        self.send(150_000)
        self.pause()
        self.assertEqual(self.far.tell("read", 150_000), 0)
        ip("link", "set", "far", "down", pid=self.far.pid)
        self.send(1000)
        self.d.await_status(self.name, connections=0)


if __name__ == "__main__":
    unittest.main()
