#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What passes through odpd arrives, to the last byte and in both directions, however the two ends
# finish; and what passes leaves nothing behind in odpd.

import os
import random
import selectors
import socket
import struct
import subprocess
import threading
import time
import unittest

from harness import (HOST, SHORT, Backend, Background, Case, connect, digest, exchange, free_port,
                     is_sanitized, listener, plain_file, private_dirty, raise_descriptor_limit,
                     read_all, read_exactly, reset, until)

BLOCK = 1 << 20


def blocks(tag, n):
    """n blocks of a megabyte, each with its number: a lost, doubled or displaced one shows."""
    body = random.Random(tag).randbytes(BLOCK - 16)
    for i in range(n):
        yield struct.pack("<QQ", tag, i) + body


def send_blocks(s, tag, n):
    for block in blocks(tag, n):
        s.sendall(block)
    s.shutdown(socket.SHUT_WR)


def check_blocks(s, tag, n):
    """Reads to the end; returns the number of bytes."""
    buffer = bytearray(BLOCK)
    view = memoryview(buffer)
    for i, block in enumerate(blocks(tag, n)):
        filled = 0
        while filled < BLOCK:
            got = s.recv_into(view[filled:])
            if got == 0:
                raise AssertionError(f"end of file after {filled} bytes of block {i}")
            filled += got
        if buffer != block:
            raise AssertionError(f"block {i} is damaged")
    if s.recv(1):
        raise AssertionError("more bytes than were sent")
    return n * BLOCK


class RelayTest(Case):
    """A plain service `r` whose other end is in the test itself."""

    def setUp(self):
        self.port = free_port()
        self.server = self.closing(listener())
        self.server.settimeout(60)
        self.d = None

    def begin(self, more="", host=""):
        server, port = self.server.getsockname()
        self.d = self.odpd({"r": plain_file(f"{host}{self.port}", f"{server}:{port}") + more})
        # What a first visit brings along is not a leak.
        c, s = self.pair()
        c.close()
        self.assertEqual(s.recv(1), b"")
        s.close()
        self.d.await_status("r", connections=0, state="ready")
        self.baseline = self.d.sockets()

    def pair(self):
        """A client, and the connection that the service has accepted for it. The bare probe of a
        service that starts is a connection, too: it is the one that does not carry the mark."""
        c = self.connect(self.port)
        mark = os.urandom(16)
        c.sendall(mark)
        while True:
            s = self.closing(self.server.accept()[0])
            s.settimeout(60)
            if s.recv(16, socket.MSG_WAITALL) == mark:
                return c, s
            s.close()

    def assert_no_leak(self):
        self.d.await_status("r", connections=0, waiting=0)
        until(lambda: self.d.sockets() == self.baseline,
              f"sockets are back to {self.baseline} (now {self.d.sockets()})")


class PacingTest(RelayTest):
    """Between two ends on one machine nothing is paced; a default that does not pace is left alone."""

    def setUp(self):
        super().setUp()
        with open("/proc/sys/net/ipv4/tcp_congestion_control", encoding="ascii") as f:
            self.default = f.read().strip()
        self.wanted = "reno" if self.default.startswith("bbr") else self.default

    def assert_congestion(self, wanted, own, peer):
        """Of the socket with these two ports, as ss(8) shows it."""
        ports = f"( sport = :{own} and dport = :{peer} )"
        shown = subprocess.run(["ss", "-HOtin", ports], capture_output=True, text=True, check=True).stdout
        self.assertIn(f" {wanted} ", shown)

    def test_service(self):
        self.begin()
        _, s = self.pair()
        self.assert_congestion(self.wanted, s.getpeername()[1], s.getsockname()[1])

    def test_client_of_any_address(self):
        self.begin()
        c, s = self.pair()
        ports = self.port, c.getsockname()[1]
        s.sendall(b"little")
        read_exactly(c, 6)
        self.assert_congestion(self.default, *ports)
        sender = Background(lambda: s.sendall(bytes(1 << 20)))
        read_exactly(c, 1 << 20)
        sender.join()
        self.assert_congestion(self.wanted, *ports)

    def test_client_of_loopback(self):
        self.begin(host=f"{HOST}:")
        c, _ = self.pair()
        self.assert_congestion(self.wanted, c.getpeername()[1], c.getsockname()[1])


class HalfCloseTest(RelayTest):
    def test_client_first(self):
        self.begin()
        c, s = self.pair()
        request, reply = random.Random(1).randbytes(5 << 20), random.Random(2).randbytes(7 << 20)

        def serve():
            got = read_all(s)
            s.sendall(reply)
            s.close()
            return got

        server = Background(serve)
        self.assert_same(exchange(c, request), reply)
        self.assert_same(server.join(), request)
        c.close()
        self.assert_no_leak()

    def test_service_first(self):
        self.begin()
        c, s = self.pair()
        data = random.Random(3).randbytes(5 << 20)
        s.sendall(b"that is all")
        s.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(c), b"that is all")
        sender = Background(lambda: (c.sendall(data), c.close()))
        self.assert_same(read_all(s), data)
        sender.join()
        s.close()
        self.assert_no_leak()

    def test_half_closed_stays_open(self):
        # The other direction may live for as long as it wants, in both states.
        self.begin()
        for first in (0, 1):
            pair = self.pair()
            ended, open_ = pair[first], pair[not first]
            ended.shutdown(socket.SHUT_WR)
            self.assertEqual(open_.recv(1), b"")
            for i in range(50):
                open_.sendall(b"%4d" % i)
                self.assertEqual(read_exactly(ended, 4), b"%4d" % i)
            self.assertEqual(self.d.status("r")["connections"], 1)
            open_.close()
            self.assertEqual(ended.recv(1), b"")
            ended.close()
        self.assert_no_leak()

    def test_last_words_with_the_end(self):
        # The bytes right before the end of file arrive with it, in every size.
        self.begin()
        for n in (0, 1, 100, 4096, 16383, 16384, 16385, 65536, 300001):
            with self.subTest(n_bytes=n):
                c, s = self.pair()
                data = random.Random(n).randbytes(n)
                s.sendall(data)
                s.close()
                self.assert_same(read_all(c), data)
                c.close()
                c, s = self.pair()
                sender = Background(lambda: (c.sendall(data), c.close()))
                self.assert_same(read_all(s), data)
                sender.join()
                s.close()
        self.assert_no_leak()

    def test_through_a_process(self):
        backend = Backend(self.directory(), "sink.py")
        self.odpd({"sink": backend.file()})
        data = random.Random(4).randbytes(20 << 20)
        for _ in range(3):
            with connect(backend.listen) as c:
                self.assertEqual(exchange(c, data), f"{len(data)} {digest(data)}\n".encode())


class BackpressureTest(RelayTest):
    N = 64 if SHORT else 256  # megabytes; what the kernel buffers is far less than either

    def stalled(self, count):
        """The count once it has not moved for a while."""
        while True:
            before = count[0]
            end = time.monotonic() + 0.5
            while time.monotonic() < end and count[0] == before:
                time.sleep(0.02)
            if count[0] == before:
                return before

    def check(self, writer, reader):
        count = [0]

        def send():
            for block in blocks(5, self.N):
                writer.sendall(block)
                count[0] += 1
            writer.shutdown(socket.SHUT_WR)

        before = private_dirty(self.d.pid)
        sender = Background(send)
        until(lambda: count[0] > 0, "the writer begins")
        n_sent = self.stalled(count)
        self.assertLess(n_sent, 40, "megabytes that nobody has read")
        grown = private_dirty(self.d.pid) - before
        if not is_sanitized():
            self.assertLess(grown, 256 * 1024)
        self.assertEqual(check_blocks(reader, 5, self.N), self.N * BLOCK)
        sender.join()
        writer.close()
        reader.close()
        self.assert_no_leak()

    def test_slow_client(self):
        self.begin()
        c, s = self.pair()
        self.check(s, c)

    def test_slow_service(self):
        self.begin()
        c, s = self.pair()
        self.check(c, s)

    def test_slow_process(self):
        directory = self.directory()
        go = os.path.join(directory, "go")
        backend = Backend(directory, "sink.py", "--slow", go)
        d = self.odpd({"sink": backend.file()})
        data = random.Random(6).randbytes(48 << 20)
        with connect(backend.listen) as c:
            reply = Background(exchange, c, data)
            d.await_state("sink", "ready")
            self.stalled_service(d)
            with open(go, "w", encoding="utf-8"):
                pass
            self.assertEqual(reply.join(), f"{len(data)} {digest(data)}\n".encode())

    def stalled_service(self, d):
        seen = [None]

        def quiet():
            before, seen[0] = seen[0], d.status("sink")["bytes_in"]
            time.sleep(0.2)
            return before is not None and before == seen[0]
        until(quiet, "nothing moves while the service does not read")
        self.assertLess(seen[0], 40 << 20)

    def test_a_stalled_stream_stalls_no_other(self):
        self.begin()
        c, s = self.pair()
        flood = Background(send_blocks, s, 7, 64)
        other_c, other_s = self.pair()
        for i in range(200):
            other_c.sendall(b"%8d" % i)
            self.assertEqual(read_exactly(other_s, 8), b"%8d" % i)
        self.assertEqual(check_blocks(c, 7, 64), 64 * BLOCK)
        flood.join()


class ResetTest(RelayTest):
    def assert_reset(self, s):
        with self.assertRaises(ConnectionResetError):
            while s.recv(65536):
                pass

    def test_by_client(self):
        self.begin()
        for sent in (b"", b"some bytes"):
            c, s = self.pair()
            c.sendall(sent)
            read_exactly(s, len(sent))
            reset(c)
            self.assert_reset(s)
            s.close()
        self.assert_no_leak()

    def test_by_service(self):
        self.begin()
        for sent in (b"", b"some bytes"):
            c, s = self.pair()
            s.sendall(sent)
            read_exactly(c, len(sent))
            reset(s)
            self.assert_reset(c)
            c.close()
        self.assert_no_leak()

    def test_after_half_close(self):
        self.begin()
        c, s = self.pair()
        c.shutdown(socket.SHUT_WR)
        self.assertEqual(s.recv(1), b"")
        reset(s)
        self.assert_reset(c)
        c.close()
        c, s = self.pair()
        s.shutdown(socket.SHUT_WR)
        self.assertEqual(c.recv(1), b"")
        reset(c)
        self.assert_reset(s)
        s.close()
        self.assert_no_leak()

    def test_in_the_middle_of_a_stream(self):
        self.begin()
        for who in ("client", "service"):
            c, s = self.pair()
            breaker, writer = (c, s) if who == "client" else (s, c)
            sender = Background(self.send_until_broken, writer)
            read_exactly(breaker, 3 << 20)
            reset(breaker)
            sender.join()
            writer.close()
        self.assert_no_leak()

    def send_until_broken(self, s):
        with self.assertRaises((ConnectionResetError, BrokenPipeError)):
            while True:
                s.sendall(bytes(1 << 16))

    def test_by_client_while_the_service_reads_nothing(self):
        # Nothing can be written to the service, so nothing but the client's own socket tells.
        self.begin()
        c, s = self.pair()
        c.settimeout(0.5)
        with self.assertRaises(TimeoutError):
            while True:
                c.send(bytes(1 << 20))
        reset(c)
        self.d.await_status("r", connections=0)
        s.close()
        self.assert_no_leak()

    def test_storm(self):
        self.begin()
        rng = random.Random(8)
        for _ in range(300):
            c, s = self.pair()
            ends = [c, s]
            rng.shuffle(ends)
            for end in ends:
                rng.choice((reset, socket.socket.close))(end)
        self.assert_no_leak()


class BulkTest(RelayTest):
    def test_gigabytes(self):
        n = 150 if SHORT else 1536  # megabytes in each direction at once
        self.begin()
        c, s = self.pair()
        before, begin = self.d.status("r"), time.monotonic()
        tasks = [Background(send_blocks, c, 9, n), Background(send_blocks, s, 10, n),
                 Background(check_blocks, s, 9, n), Background(check_blocks, c, 10, n)]
        for task in tasks:
            task.join(300)
        self.assertEqual([t.result for t in tasks[2:]], [n * BLOCK] * 2)
        self.assertLess(time.monotonic() - begin, 60)
        c.close()
        s.close()
        self.assert_no_leak()
        status = self.d.status("r")
        self.assertEqual(status["bytes_in"] - before["bytes_in"], n * BLOCK)
        self.assertEqual(status["bytes_out"] - before["bytes_out"], n * BLOCK)


class ManyTest(RelayTest):
    def echo_server(self):
        """One thread, for any number of connections; ends with the returned event."""
        stop = threading.Event()

        def serve():
            sel = selectors.DefaultSelector()
            self.server.setblocking(False)
            sel.register(self.server, selectors.EVENT_READ)
            while not stop.is_set():
                for key, _ in sel.select(0.2):
                    self.echo_event(sel, key.fileobj)
            for key in list(sel.get_map().values()):
                if key.fileobj is not self.server:
                    key.fileobj.close()
            sel.close()
        return stop, serve

    def echo_event(self, sel, s):
        if s is self.server:
            connection, _ = s.accept()
            connection.settimeout(60)
            sel.register(connection, selectors.EVENT_READ)
            return
        data = s.recv(65536)
        if data:
            s.sendall(data)
        else:
            sel.unregister(s)
            s.close()

    def test_two_thousand_at_once(self):
        n = 2000
        raise_descriptor_limit(2 * n + 200)
        self.begin("\n[client]\nmax_connections = 4000\n")
        stop, serve = self.echo_server()
        server = Background(serve)
        clients = [self.connect(self.port) for _ in range(n)]
        for round_ in range(3):
            for i, c in enumerate(clients):
                c.sendall(f"{round_}:{i:06}:".encode() * 100)
            for i, c in enumerate(clients):
                expected = f"{round_}:{i:06}:".encode() * 100
                self.assert_same(read_exactly(c, len(expected)), expected)
        self.assertEqual(self.d.status("r")["connections"], n)
        for c in clients:
            c.shutdown(socket.SHUT_WR)
        for c in clients:
            self.assertEqual(c.recv(1), b"")
            c.close()
        self.assert_no_leak()
        stop.set()
        server.join()


class RandomTest(RelayTest):
    """Both sides send random amounts in random pieces, and end sending when it pleases them."""

    N = 60 if SHORT else 200

    def plan(self, rng):
        n = int(2 ** rng.uniform(0, 21)) if rng.random() < 0.9 else 0
        return {
            "data": rng.randbytes(n),
            "piece": int(2 ** rng.uniform(4, 18)),
            "pause": rng.choice((0, 0, 0, 0.001)),
            "waits": False,
        }

    def take_part(self, s, plan):
        """Returns what came from the other side; `waits`: speaks only after the other's end."""
        def send():
            data, piece = plan["data"], plan["piece"]
            for at in range(0, len(data), max(piece, len(data) // 200)):
                s.sendall(data[at:at + max(piece, len(data) // 200)])
                if plan["pause"]:
                    time.sleep(plan["pause"])
            s.shutdown(socket.SHUT_WR)

        if plan["waits"]:
            got = read_all(s)
            send()
            return got
        sender = Background(send)
        got = read_all(s)
        sender.join()
        return got

    def one(self, c, s, rng):
        ours, theirs = self.plan(rng), self.plan(rng)
        rng.choice((ours, theirs, {}))["waits"] = True
        served = Background(self.take_part, s, theirs)
        self.assert_same(self.take_part(c, ours), theirs["data"])
        self.assert_same(served.join(), ours["data"])
        c.close()
        s.close()

    def test_random_exchanges(self):
        seed = int(os.environ.get("ODP_TEST_SEED", 0)) or random.randrange(1, 1 << 30)
        print(f"ODP_TEST_SEED={seed}", flush=True)
        rng = random.Random(seed)
        self.begin()
        n_at_once = 8
        for _ in range(self.N // n_at_once):
            tasks = [Background(self.one, *self.pair(), random.Random(rng.random()))
                     for _ in range(n_at_once)]
            for task in tasks:
                task.join()
        self.assert_no_leak()


class AddressTest(Case):
    def test_service_that_speaks_first(self):
        backend = Backend(self.directory(), "greeter.py", "--delay", 0.3)
        self.odpd({"mail": backend.file()})
        for _ in range(3):
            with connect(backend.listen) as s:
                self.assertEqual(read_exactly(s, 20), b"220 at your service\n")
                self.assertTrue(exchange(s, b"EHLO").startswith(b"EHLObye "))

    def check(self, listen, target, visits, service=""):
        backend = Backend(self.directory(), "echo.py", "--delay", 0.3, listen=listen, target=target)
        self.odpd({"web": backend.file(service=service)})
        data = random.Random(11).randbytes(2 << 20)
        for address in visits:
            with connect(address) as s:
                reply = exchange(s, data)
            self.assert_same(reply, data + b"bye %d\n" % backend.starts()[0])
        self.assertEqual(len(backend.starts()), 1)

    def test_unix_sockets(self):
        directory = self.directory()
        self.check(f"{directory}/web.sock", f"{directory}/inner.sock", [f"{directory}/web.sock"])

    def test_unix_to_tcp(self):
        directory = self.directory()
        self.check(f"{directory}/web.sock", f"{HOST}:{free_port()}", [f"{directory}/web.sock"])

    def test_tcp_to_unix(self):
        directory, port = self.directory(), free_port()
        self.check(port, f"{directory}/inner.sock", [port])

    def test_ipv6(self):
        port = free_port()
        self.check(f"[::1]:{port}", f"[::1]:{free_port()}", [("::1", port)])
        with self.assertRaises(ConnectionRefusedError):
            connect(port)

    def test_bare_port_takes_both(self):
        port = free_port()
        self.check(port, f"{HOST}:{free_port()}", [port, ("::1", port)])

    def test_specific_address_only(self):
        port = free_port()
        self.check(f"{HOST}:{port}", f"{HOST}:{free_port()}", [port])
        with self.assertRaises(ConnectionRefusedError):
            connect(("127.0.0.2", port))

    def test_several_listens(self):
        directory, ports = self.directory(), [free_port(), free_port()]
        self.check(ports[0], f"{HOST}:{free_port()}",
                   [ports[0], ports[1], f"{directory}/web.sock"],
                   service=f"listen = {HOST}:{ports[1]}\nlisten = {directory}/web.sock")

    def test_target_that_appears_later(self):
        port, target = free_port(), free_port()
        d = self.odpd({"r": plain_file(port, f"{HOST}:{target}")})
        clients = [self.connect(port) for _ in range(3)]
        for s in clients:
            s.sendall(b"hold me")
        d.await_status("r", state="starting", waiting=3)
        server = self.closing(listener(target))
        server.settimeout(60)

        def serve():
            n = 0
            while n < 3:
                s, _ = server.accept()
                with s:
                    if s.recv(7, socket.MSG_WAITALL) == b"hold me":
                        s.sendall(b"held")
                        n += 1
        serving = Background(serve)
        for s in clients:
            self.assertEqual(read_all(s), b"held")
        serving.join()
        self.assertEqual(d.state("r"), "ready")

    def test_target_that_goes_and_comes_back(self):
        port, server = free_port(), listener()
        address = server.getsockname()
        d = self.odpd({"r": plain_file(port, "%s:%d" % address)})
        d.await_state("r", "ready")
        server.close()
        c = self.connect(port)
        c.sendall(b"hold me")
        d.await_status("r", state="starting", waiting=1)
        server = self.closing(listener(address))
        server.settimeout(60)
        while True:
            s, _ = server.accept()
            with s:
                if s.recv(7, socket.MSG_WAITALL) == b"hold me":
                    s.sendall(b"held")
                    break
        self.assertEqual(read_all(c), b"held")


del RelayTest  # a base only: it has no tests of its own

if __name__ == "__main__":
    unittest.main()
