#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Half-dead clients (power cut, Wi-Fi gone): what the kernel is asked to do about them, read off the
# sockets of a running odpd, and that a service whose only client has vanished goes to sleep.

import ctypes
import errno
import glob
import os
import shutil
import signal
import socket
import subprocess
import time
import unittest

from harness import (HOST, LONG, Backend, Case, Odpd, connect, exchange, free_port, listener,
                     plain_file, until)

ACTIVATE = shutil.which("systemd-socket-activate")
SYS_PIDFD_GETFD = 438
OPTIONS = {
    "on": (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    "idle": (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
    "interval": (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
    "probes": (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
    "user_timeout_ms": (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
    "nodelay": (socket.IPPROTO_TCP, socket.TCP_NODELAY),
}


def take_socket(pid, fd):
    """A descriptor for the same open socket; None where it is closed by now."""
    pidfd = os.pidfd_open(pid)
    try:
        copy = ctypes.CDLL(None, use_errno=True).syscall(SYS_PIDFD_GETFD, pidfd, fd, 0)
    finally:
        os.close(pidfd)
    if copy >= 0:
        return socket.socket(fileno=copy)
    if ctypes.get_errno() == errno.EBADF:
        return None
    raise unittest.SkipTest(f"pidfd_getfd: {os.strerror(ctypes.get_errno())}")


def is_socket(path):
    try:
        return os.readlink(path).startswith("socket:")
    except FileNotFoundError:
        return False


def find_socket(pid, port):
    """The process's own end of its connection with the client at this port, or None."""
    for path in filter(is_socket, glob.glob(f"/proc/{pid}/fd/*")):
        s = take_socket(pid, int(path.rpartition("/")[2]))
        try:
            if s and s.getpeername()[1] == port and s.family != socket.AF_UNIX:
                return s
        except (OSError, IndexError):
            pass
        if s:
            s.close()
    return None


class OptionsCase(Case):
    def options(self, d, s):
        port = s.getsockname()[1]
        with until(lambda: find_socket(d.pid, port), "odpd has accepted it") as end:
            d.all_status()  # what is accepted in a turn of the loop is set up in it
            return {name: end.getsockopt(*option) for name, option in OPTIONS.items()}

    def wanted(self, idle, user_timeout_ms):
        return {"on": 1, "idle": idle, "interval": 15, "probes": 4, "nodelay": 1,
                "user_timeout_ms": user_timeout_ms}


class OptionsTest(OptionsCase):
    def test_each_service_has_its_own(self):
        server = self.closing(listener())
        target = "%s:%d" % server.getsockname()
        ports = {name: free_port() for name in ("default", "short", "long")}
        files = {name: plain_file(port, target) for name, port in ports.items()}
        files["default"] = plain_file(f"{HOST}:{ports['default']}", f"{HOST}:{free_port()}")
        files["short"] = plain_file(ports["short"], f"{HOST}:{free_port()}") + """
            [client]
            keepalive = 5s"""
        files["long"] += "\n[client]\nkeepalive = 5min 300ms"
        d = self.odpd(files, ready=False)
        until(d.is_listening, "odpd listens")
        # Silence for the user timeout alone ends it, tcp(7): with a late first probe it must leave
        # time for more than one.
        for name, wanted in (("default", self.wanted(60, 120_000)),
                             ("short", self.wanted(5, 120_000)),
                             ("long", self.wanted(300, 360_000))):
            with self.subTest(name=name):
                self.assertEqual(self.options(d, self.connect(ports[name])), wanted)

    def test_unix_sockets_have_none(self):
        path = os.path.join(self.directory(), "web.sock")
        backend = Backend(self.directory(), listen=path)
        self.odpd({"web": backend.file()})
        with connect(path) as s:
            self.assertEqual(exchange(s, b"x"), b"xbye %d\n" % backend.starts()[0])

    @unittest.skipUnless(ACTIVATE, "systemd-socket-activate is missing: apt-get install systemd")
    def test_passed_sockets(self):
        # Those that wait in the queue already, the one that woke odpd among them, inherited what
        # the service manager had set: nothing.
        port = free_port()
        d = Odpd(self.directory(), {"web": plain_file(port, f"{HOST}:{free_port()}") +
                                    "\n[client]\nkeepalive = 90s"})
        self.addCleanup(self.finish, d)
        d.start([ACTIVATE, "-l", f"[::]:{port}", "--fdname=web"], ready=False)
        until(lambda: "Listening on" in d.log(), "the socket listens")
        os.kill(d.pid, signal.SIGSTOP)  # so that more than one wait
        clients = [self.connect(port) for _ in range(5)]
        os.kill(d.pid, signal.SIGCONT)
        clients += [self.connect(("::1", port)) for _ in range(2)]
        for s in clients:
            self.assertEqual(self.options(d, s), self.wanted(90, 150_000))


def ip(*words, pid=None):
    command = ["nsenter", "-t", str(pid), "-n"] if pid else []
    return subprocess.run([*command, "ip", *words], capture_output=True, text=True, check=True)


def may_make_networks():
    if os.geteuid() != 0 or not all(map(shutil.which, ("ip", "nsenter", "unshare"))):
        return False
    return subprocess.run(["unshare", "--net", "ip", "link", "set", "lo", "up"],
                          capture_output=True, check=False).returncode == 0


# Connects from a network of its own, says hello, and then says nothing for ever.
CLIENT = """
import socket, sys
sys.stdin.readline()
s = socket.create_connection(("10.9.8.1", int(sys.argv[1])))
s.sendall(b"hello"); assert s.recv(5, socket.MSG_WAITALL) == b"hello"
print(s.getsockname()[1], flush=True); sys.stdin.read()
"""


@unittest.skipUnless(may_make_networks(), "needs root, ip and network namespaces")
class VanishedTest(OptionsCase):
    """The client stands in another network namespace, at the end of a cable that is pulled."""

    def begin(self, **options):
        backend = Backend(self.directory())
        d = self.odpd({"web": backend.file(**options) + "\n[client]\nkeepalive = 1s"}, start=False)
        d.start(["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"])
        client = subprocess.Popen(["unshare", "--net", "/usr/bin/python3", "-c", CLIENT,
                                   str(backend.listen)],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for end in (client.wait, client.kill, client.stdout.close, client.stdin.close):
            self.addCleanup(end)
        until(lambda: os.readlink(f"/proc/{client.pid}/ns/net") not in
              (os.readlink(f"/proc/{pid}/ns/net") for pid in (d.pid, os.getpid())),
              "the client has a network of its own")
        ip("link", "add", "near", "netns", str(d.pid), "type", "veth", "peer", "name", "far",
           "netns", str(client.pid))
        for pid, name, address in ((d.pid, "near", "10.9.8.1/24"),
                                   (client.pid, "far", "10.9.8.2/24")):
            ip("address", "add", address, "dev", name, pid=pid)
            ip("link", "set", name, "up", pid=pid)
        client.stdin.write("\n")
        client.stdin.flush()
        self.port = int(client.stdout.readline())
        self.assertEqual(d.status("web")["connections"], 1)
        return d, client

    def test_connection_ends_and_service_sleeps(self):
        d, client = self.begin(idle="1s")
        # The kernel's own times, only shorter: 3 s instead of two minutes.
        with find_socket(d.pid, self.port) as s:
            self.assertEqual(s.getsockopt(*OPTIONS["idle"]), 1)
            s.setsockopt(*OPTIONS["interval"], 1)
            s.setsockopt(*OPTIONS["user_timeout_ms"], 3000)
            s.setsockopt(*OPTIONS["idle"], 1)
        began = time.monotonic()
        # While it answers the probes it is there, however silent.
        until(lambda: time.monotonic() - began > 5, "five seconds have passed")
        self.assertEqual(d.status("web")["connections"], 1)
        ip("link", "set", "far", "down", pid=client.pid)
        pulled = time.monotonic()
        d.await_status("web", connections=0)
        self.assertGreater(time.monotonic() - pulled, 1.5)
        d.await_state("web", "stopped")

    @unittest.skipUnless(LONG, "takes two minutes: ODP_TEST_LONG=1")
    def test_as_it_is(self):
        d, client = self.begin(idle="1s")
        ip("link", "set", "far", "down", pid=client.pid)
        pulled = time.monotonic()
        d.await_status("web", connections=0, deadline=150)
        self.assertTrue(110 < time.monotonic() - pulled < 145, time.monotonic() - pulled)
        d.await_state("web", "stopped")


if __name__ == "__main__":
    unittest.main()
