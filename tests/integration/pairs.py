# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Relayed connections with both ends in the test: whatever happens to odpd in between, what one end
# sends the other one gets.

import hashlib
import random
import socket
import threading
import time

from harness import DEADLINE, Background


class Pair:
    """A client and its service's end, both the test's own."""

    def __init__(self, case, client, upstream):
        """`upstream` listens where odpd connects to."""
        self.client = client
        self.client.sendall(b"?")
        while True:  # bare probes say nothing
            upstream.settimeout(DEADLINE)
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


class Flood:
    """Bytes both ways through pairs, until it is ended."""

    def __init__(self, pairs):
        self.enough = threading.Event()
        self.chunk = random.Random(3).randbytes(300007)
        up = [(p.client, p.service) for p in pairs]
        down = [(p.service, p.client) for p in pairs]
        self.ways = [[(Background(self.send, a), Background(self.receive, b)) for a, b in way]
                     for way in (up, down)]

    def send(self, s):
        total, sent = hashlib.sha256(), 0
        while not self.enough.wait(0.01):  # the machine has others to serve
            data = self.chunk[sent % 1000:]
            s.sendall(data)
            total.update(data)
            sent += len(data)
        s.shutdown(socket.SHUT_WR)
        return total.hexdigest(), sent

    @staticmethod
    def receive(s):
        total, n = hashlib.sha256(), 0
        while data := s.recv(1 << 18):
            total.update(data)
            n += len(data)
        return total.hexdigest(), n

    def end(self, case):
        """Returns how many bytes went up and down; the digests agree."""
        self.enough.set()
        sums = []
        for way in self.ways:
            results = [(sender.join(), receiver.join()) for sender, receiver in way]
            for sent, received in results:
                case.assertEqual(received, sent)
            sums.append(sum(sent[1] for sent, _ in results))
        return sums
