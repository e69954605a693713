#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# odpd is restarted over a descriptor store: connections live on, not a byte lost or doubled. The
# store is the test's own; tests/system/test_restart.py has systemd's.

import hashlib
import random
import socket
import threading
import time
import unittest

from harness import (DEADLINE, HOST, Background, Case, free_port, listener, plain_file, read_all,
                     read_exactly, reset, until)
from store import Manager


class Pair:
    """A client and its service's end, both the test's own."""

    def __init__(self, case, port, upstream):
        self.client = case.connect(port)
        self.client.sendall(b"?")
        while True:  # bare probes say nothing
            self.service = case.closing(upstream.accept()[0])
            self.service.settimeout(DEADLINE)
            if self.service.recv(1) == b"?":
                break
        self.service.sendall(b"!")
        case.assertEqual(self.client.recv(1), b"!")
        self.ports = self.client.getsockname(), self.service.getpeername()

    def check(self, case):
        case.assertEqual((self.client.getsockname(), self.service.getpeername()), self.ports)


def stuff(sock):
    """Sends until nothing more is taken for a while; returns what was sent."""
    chunk = random.Random(7).randbytes(1 << 16)
    sent, full_since = bytearray(), None
    sock.setblocking(False)
    while full_since is None or time.monotonic() - full_since < 0.2:
        try:
            n = sock.send(chunk)
            sent += chunk[:n]
            full_since = None
        except BlockingIOError:
            full_since = full_since or time.monotonic()
            time.sleep(0.004)
    sock.settimeout(DEADLINE)
    return bytes(sent)


class HandoverTest(Case):
    def plain(self, extra="", **options):
        """A plain proxy before a listener of the test's own."""
        self.upstream = self.closing(listener())
        self.target = "%s:%d" % self.upstream.getsockname()
        self.port = free_port()
        manager = Manager(self, {"web": plain_file(f"{HOST}:{self.port}", self.target) + extra},
                          {"web": (HOST, self.port)}, **options)
        return manager

    def pair(self):
        return Pair(self, self.port, self.upstream)

    def test_idle_and_talking(self):
        manager = self.plain()
        pairs = [self.pair() for _ in range(5)]
        for i in range(3):
            pairs[0].client.sendall(b"before %d" % i)
            manager.restart()
            self.assertEqual(read_exactly(pairs[0].service, 8), b"before %d" % i)
            for n, pair in enumerate(pairs):
                pair.check(self)
                pair.client.sendall(b"ask %d" % n)
                self.assertEqual(read_exactly(pair.service, 5), b"ask %d" % n)
                pair.service.sendall(b"say %d" % n)
                self.assertEqual(read_exactly(pair.client, 5), b"say %d" % n)
            self.assertEqual(manager.odpd.status("web")["connections"], 5)
            self.assertEqual(manager.odpd.status("web")["state"], "ready")
            self.assertEqual(manager.store.stored, [])
        for pair in pairs:
            pair.client.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(pair.service), b"")
            pair.service.close()
            self.assertEqual(read_all(pair.client), b"")
        status = manager.odpd.await_status("web", connections=0)
        self.assertEqual(status["bytes_in"], 5 + 15 * 5 + 3 * 8)
        self.assertEqual(status["bytes_out"], 5 + 15 * 5)

    def test_half_closed(self):
        manager = self.plain()
        by_client, by_service = self.pair(), self.pair()
        by_client.client.shutdown(socket.SHUT_WR)
        self.assertEqual(by_client.service.recv(1), b"")
        by_service.service.shutdown(socket.SHUT_WR)
        self.assertEqual(by_service.client.recv(1), b"")
        for _ in range(3):
            manager.restart()
            by_client.service.sendall(b"more")
            self.assertEqual(read_exactly(by_client.client, 4), b"more")
            by_service.client.sendall(b"more")
            self.assertEqual(read_exactly(by_service.service, 4), b"more")
        by_client.service.close()
        self.assertEqual(read_all(by_client.client), b"")
        by_service.client.close()
        self.assertEqual(read_all(by_service.service), b"")
        manager.odpd.await_status("web", connections=0)

    def test_closed_in_between(self):
        manager = self.plain()
        ended, gone, asked = self.pair(), self.pair(), self.pair()

        def end():
            ended.client.close()
            reset(gone.client)
            asked.client.sendall(b"last words")
            asked.client.close()

        manager.restart(end)
        self.assertEqual(read_all(ended.service), b"")
        with self.assertRaises(ConnectionResetError):
            read_all(gone.service)
        self.assertEqual(read_all(asked.service), b"last words")
        for pair in ended, asked:
            pair.service.close()
        manager.odpd.await_status("web", connections=0)

    def test_bytes_in_pipes(self):
        manager = self.plain()
        up, down = self.pair(), self.pair()
        sent_up, sent_down = stuff(up.client), stuff(down.service)
        # The far ends take nothing: what odpd has read stands in its pipes.
        until(lambda: manager.odpd.descriptors()["pipe"] >= 4, "bytes stand in pipes")
        up.client.shutdown(socket.SHUT_WR)
        down.service.shutdown(socket.SHUT_WR)
        for _ in range(3):
            manager.restart()
        self.assert_same(read_all(up.service), sent_up)
        self.assert_same(read_all(down.client), sent_down)
        up.service.close()
        down.client.close()
        manager.odpd.await_status("web", connections=0)
        self.assertEqual(manager.odpd.status("web")["bytes_in"], len(sent_up) + 2)

    def test_bulk_both_ways(self):
        manager = self.plain()
        pairs = [self.pair() for _ in range(4)]
        enough = threading.Event()
        chunk = random.Random(3).randbytes(300007)

        def send(s):  # for as long as odpd is restarted
            total, sent = hashlib.sha256(), 0
            while not enough.is_set():
                data = chunk[sent % 1000:]
                s.sendall(data)
                total.update(data)
                sent += len(data)
            s.shutdown(socket.SHUT_WR)
            return total.hexdigest(), sent

        def receive(s):
            total, n = hashlib.sha256(), 0
            while data := s.recv(1 << 18):
                total.update(data)
                n += len(data)
            return total.hexdigest(), n

        ends = [s for p in pairs for s in (p.client, p.service)]
        others = [s for p in pairs for s in (p.service, p.client)]
        senders = [Background(send, s) for s in ends]
        receivers = [Background(receive, s) for s in others]
        for _ in range(3):
            manager.restart()
            before = manager.odpd.status("web")["bytes_in"]
            until(lambda: manager.odpd.status("web")["bytes_in"] > before, "bytes go on")
        enough.set()
        sums = [task.join() for task in senders]
        self.assertEqual([task.join() for task in receivers], sums)
        status = manager.odpd.await_status("web", connections=0)
        self.assertEqual(status["bytes_in"], 4 + sum(n for _, n in sums[::2]))
        self.assertEqual(status["bytes_out"], 4 + sum(n for _, n in sums[1::2]))

    def test_held(self):
        port, target = free_port(), free_port()
        manager = Manager(self, {"web": plain_file(f"{HOST}:{port}", f"{HOST}:{target}")},
                          {"web": (HOST, port)})
        clients = [self.connect(port) for _ in range(20)]
        for n, client in enumerate(clients[:10]):
            client.sendall(b"hello %d" % n)
        clients[0].shutdown(socket.SHUT_WR)
        manager.odpd.await_status("web", waiting=20)
        for _ in range(3):
            manager.restart()
            self.assertEqual(manager.odpd.status("web")["waiting"], 20)
        upstream = self.closing(listener((HOST, target)))
        heard = set()
        for n in range(20):
            service = self.closing(upstream.accept()[0])
            service.settimeout(DEADLINE)
            service.sendall(b"hi")
            if n < 10:  # those that said something are tried first
                heard.add(service.recv(100))
        self.assertEqual(heard, {b"hello %d" % n for n in range(10)})
        for client in clients:
            self.assertEqual(read_exactly(client, 2), b"hi")

    def test_client_that_leaves_in_between(self):
        port = free_port()
        manager = Manager(self, {"web": plain_file(f"{HOST}:{port}", f"{HOST}:{free_port()}")},
                          {"web": (HOST, port)})
        stays, leaves = self.connect(port), self.connect(port)
        manager.odpd.await_status("web", waiting=2)
        manager.restart(leaves.close)
        manager.odpd.await_status("web", waiting=1)
        stays.close()
        manager.odpd.await_status("web", waiting=0)


if __name__ == "__main__":
    unittest.main()
