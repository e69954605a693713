#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Clients while they are held: those that leave are forgotten, those that wait lose nothing, and
# what a forwarder does in front of a service that is not there yet is not the client's problem.

import os
import random
import socket
import time
import unittest

from harness import (DEADLINE, HOST, Backend, Background, Case, Gate, connect, digest, exchange,
                     free_port, listener, plain_file, read_all, read_exactly, reset, until)


def leave_silently(s):
    s.close()


def leave_after_bytes(s):
    s.sendall(b"GET / HTTP/1.1\r\n\r\n")
    s.close()


def leave_by_reset(s):
    s.sendall(b"GET / HTTP/1.1\r\n\r\n")
    reset(s)


LEAVING = [leave_silently, leave_after_bytes, leave_by_reset]


class LeavingTest(Case):
    def check(self, d, addresses, states=("starting",)):
        """Whoever leaves `web` is forgotten while the others wait on."""
        d.await_state("web", *states)
        stays = self.connect(addresses[0])
        d.await_status("web", waiting=1)
        baseline = d.sockets()
        for address in addresses:
            for leave in LEAVING:
                with self.subTest(leave=leave.__name__, address=str(address)):
                    clients = [connect(address) for _ in range(10)]
                    d.await_status("web", waiting=11)
                    for s in clients:
                        leave(s)
                    # Long before the service could answer, and nobody else left.
                    d.await_status("web", waiting=1, deadline=2)
                    until(lambda: d.sockets() <= baseline + 1, "their sockets are closed", 5)
        self.assertIn(d.state("web"), states)
        self.assertFalse(self.is_readable(stays), "the one that stays was not touched")

    def is_readable(self, s):
        s.setblocking(False)
        try:
            s.recv(1)
            return True
        except BlockingIOError:
            return False

    def test_during_the_start(self):
        directory, port = self.directory(), free_port()
        backend = Backend(directory, "echo.py", "--delay", 60, listen=port)
        d = self.odpd({"web": backend.file(service=f"listen = {directory}/web.sock")})
        # Not even the one that woke it is waited for.
        s = connect(port)
        d.await_status("web", state="starting", waiting=1)
        s.close()
        d.await_status("web", waiting=0, deadline=2)
        self.check(d, [port, ("::1", port), f"{directory}/web.sock"])

    def test_while_the_target_is_down(self):
        port = free_port()
        d = self.odpd({"web": plain_file(port, f"{HOST}:{free_port()}")})
        self.check(d, [port])

    def test_behind_a_forwarder_that_resets(self):
        backend = Backend(self.directory(), "forwarder.py", "--ready", 600)
        d = self.odpd({"web": backend.file()})
        d.odp("start", "--no-wait", "web")
        self.check(d, [backend.listen])

    def test_behind_a_target_that_accepts_and_says_nothing(self):
        # A try stands for 1.5 s before it counts as an answer: who leaves within is forgotten.
        server, port = self.closing(listener()), free_port()
        d = self.odpd({"web": plain_file(port, "%s:%d" % server.getsockname())}, ready=False)
        until(d.is_listening, "odpd listens")
        for leave in LEAVING:
            s = connect(port)
            leave(s)
        d.await_status("web", waiting=0, connections=0)
        until(lambda: d.state("web") == "ready", "it stood")

    def test_while_stopping(self):
        gate = Gate(self)
        backend = Backend(self.directory(), "echo.py", "--stop-gate", gate)
        d = self.odpd({"web": backend.file()})
        with connect(backend.listen) as s:
            exchange(s, b"x")
        d.odp("stop", "--no-wait", "web")
        for leave in LEAVING:
            s = connect(backend.listen)
            d.await_status("web", waiting=1)
            leave(s)
            d.await_status("web", waiting=0, deadline=0.9)
        gate.open()
        # Nobody waits any more: there is nobody to start it for.
        d.await_state("web", "stopped")
        self.assertEqual(len(backend.starts()), 1)

    def test_half_close_first(self):
        # Once its FIN is out, a client's close sends nothing more: each try asks again.
        backend = Backend(self.directory(), "echo.py", "--delay", 60)
        d = self.odpd({"web": backend.file()})
        s = connect(backend.listen)
        s.sendall(b"GET / HTTP/1.1\r\n\r\n")
        s.shutdown(socket.SHUT_WR)
        d.await_status("web", waiting=1, state="starting")
        s.close()
        d.await_status("web", waiting=0, deadline=5)

    def test_nobody_left_when_it_answers(self):
        gate = Gate(self)
        backend = Backend(self.directory(), "echo.py", "--gate", gate)
        d = self.odpd({"web": backend.file(idle="2s")})
        s = connect(backend.listen)
        d.await_status("web", waiting=1)
        s.close()
        d.await_status("web", waiting=0, deadline=0.9)
        gate.open()
        # The start is seen through, and the window runs from then.
        self.assertEqual(d.await_state("web", "ready")["connections"], 0)
        d.await_state("web", "stopped")
        self.assertEqual(len(backend.starts()), 1)


class WaitingTest(Case):
    def test_half_close_while_held(self):
        directory, port, gate = self.directory(), free_port(), Gate(self)
        backend = Backend(directory, "echo.py", "--gate", gate, listen=port)
        d = self.odpd({"web": backend.file(service=f"listen = {directory}/web.sock")})
        addresses = [port, ("::1", port), f"{directory}/web.sock"]
        # One more than the socket buffers hold at once is not needed: the client has sent it all.
        data = random.Random(1).randbytes(100_000)
        clients = []
        for address in addresses:
            s = self.connect(address)
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            clients.append(s)
        silent = self.connect(port)
        d.await_status("web", state="starting", waiting=len(clients) + 1)
        gate.open()
        for s in clients:
            self.assert_same(read_all(s), data + b"bye %d\n" % backend.starts()[0])
        self.assert_same(exchange(silent, data), data + b"bye %d\n" % backend.starts()[0])
        self.assertEqual(len(backend.starts()), 1)

    def test_half_close_without_a_byte(self):
        # On this machine it can be told from leaving.
        gate = Gate(self)
        backend = Backend(self.directory(), "echo.py", "--gate", gate)
        d = self.odpd({"web": backend.file()})
        s = self.connect(backend.listen)
        s.shutdown(socket.SHUT_WR)
        d.await_status("web", state="starting", waiting=1)
        gate.open()
        self.assertEqual(read_all(s), b"bye %d\n" % backend.starts()[0])

    def test_bytes_that_come_while_held(self):
        gate = Gate(self)
        backend = Backend(self.directory(), "echo.py", "--gate", gate)
        d = self.odpd({"web": backend.file()})
        s = self.connect(backend.listen)
        data = random.Random(2).randbytes(4 << 20)  # more than fits: it goes on once relayed
        echo = Background(exchange, s, data)
        d.await_status("web", state="starting", waiting=1)
        gate.open()
        self.assert_same(echo.join(), data + b"bye %d\n" % backend.starts()[0])

    def test_wait_timeout(self):
        backend = Backend(self.directory(), "echo.py", "--delay", 60)
        d = self.odpd({"web": backend.file(wait="timeout = 2s")})
        begin = time.monotonic()
        first = self.connect(backend.listen)
        first.sendall(b"x")
        until(lambda: time.monotonic() - begin > 0.5, "half of it has passed")
        second_begin = time.monotonic()
        second = self.connect(backend.listen)
        d.await_status("web", waiting=2)
        self.assert_closed(first)
        self.assertTrue(1.95 < time.monotonic() - begin < 6)
        self.assert_closed(second)
        self.assertTrue(1.95 < time.monotonic() - second_begin < 6)
        # It is the clients that gave up, not the service.
        self.assertEqual(d.await_status("web", waiting=0)["state"], "starting")
        self.assertEqual(len(backend.starts()), 1)


class ForwarderTest(Case):
    """It accepts, takes bytes and resets for 1.5 s before there is a service behind it."""

    def forwarder(self, *args):
        directory = self.directory()
        self.resets = os.path.join(directory, "resets")
        backend = Backend(directory, "forwarder.py", "--resets", self.resets, *args)
        return backend, self.odpd({"web": backend.file()})

    def n_resets(self):
        with open(self.resets, encoding="utf-8") as f:
            return len(f.readlines())

    def check_it_reset(self, with_bytes=True):
        with open(self.resets, encoding="utf-8") as f:
            sizes = [int(line) for line in f]
        self.assertGreater(len(sizes), 0, "the test's forwarder has reset nothing")
        self.assertEqual(any(sizes), with_bytes)

    def request(self, seed, n=100_000):
        return random.Random(seed).randbytes(n)

    def test_one_client(self):
        backend, d = self.forwarder()
        data = self.request(1)
        s = self.connect(backend.listen)
        s.sendall(data)
        self.assert_same(read_exactly(s, len(data)), data)
        self.assertEqual(exchange(s, b"more"), b"morebye %d\n" % backend.starts()[0])
        self.check_it_reset()
        self.assertEqual(d.status("web")["bytes_in"], len(data) + 4)
        self.assertEqual(d.status("web")["failed_wakes"], 0)

    def test_small_request(self):
        backend, d = self.forwarder()
        s = self.connect(backend.listen)
        s.sendall(b"GET /")
        self.assertEqual(read_exactly(s, 5), b"GET /")
        self.assertEqual(exchange(s, b" HTTP/1.1"), b" HTTP/1.1bye %d\n" % backend.starts()[0])
        self.check_it_reset()
        self.assertEqual(d.status("web")["bytes_in"], 14)

    def test_twenty_clients(self):
        backend, d = self.forwarder()
        clients = [self.connect(backend.listen) for _ in range(20)]
        echoes = [Background(exchange, s, self.request(i)) for i, s in enumerate(clients)]
        for i, echo in enumerate(echoes):
            self.assert_same(echo.join(), self.request(i) + b"bye %d\n" % backend.starts()[0])
        self.check_it_reset()
        self.assertEqual(len(backend.starts()), 1)
        # Politeness: a service that is coming up gets two tries each 4 ms, however many wait.
        self.assertLess(self.n_resets(), 1000)
        d.await_status("web", connections=0, waiting=0)

    def test_client_that_half_closes(self):
        backend, _ = self.forwarder()
        data = self.request(2)
        s = self.connect(backend.listen)
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        self.assert_same(read_all(s), data + b"bye %d\n" % backend.starts()[0])
        self.check_it_reset()

    def test_service_that_wants_all_before_it_speaks(self):
        # Its first byte comes after the client's end of file, so only time tells that it stands.
        for n in (5, 16384, 100_000):
            with self.subTest(n_bytes=n):
                backend, _ = self.forwarder("--digest")
                data = self.request(n, n)
                s = self.connect(backend.listen)
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                self.assertEqual(read_all(s), f"{n} {digest(data)}\n".encode())
                self.check_it_reset()

    def test_bytes_in_pieces(self):
        backend, d = self.forwarder()
        s = self.connect(backend.listen)
        data = self.request(3, 30_000)

        def send():
            for at in range(0, len(data), 500):
                s.sendall(data[at:at + 500])
                time.sleep(0.04)
            s.shutdown(socket.SHUT_WR)
        sender = Background(send)
        self.assert_same(read_all(s), data + b"bye %d\n" % backend.starts()[0])
        sender.join()
        self.check_it_reset()
        self.assertEqual(d.status("web")["bytes_in"], len(data))

    def test_silent_client_of_a_service_that_speaks_first(self):
        backend, _ = self.forwarder("--greet")
        s = self.connect(backend.listen)
        self.assertEqual(read_exactly(s, 20), b"220 at your service\n")
        self.assertEqual(exchange(s, b"EHLO"), b"EHLObye %d\n" % backend.starts()[0])
        self.check_it_reset(with_bytes=False)

    def test_silent_client_beside_a_talking_one(self):
        backend, d = self.forwarder()
        silent = self.connect(backend.listen)
        d.await_status("web", waiting=1)
        talking = self.connect(backend.listen)
        self.assertEqual(exchange(talking, b"hello"), b"hellobye %d\n" % backend.starts()[0])
        self.assertEqual(exchange(silent, b"at last"), b"at lastbye %d\n" % backend.starts()[0])

    def unread(self, wait=""):
        """Behind a forwarder that accepts and reads nothing, since it looks for its service as
        yet: odpd, a client that has sent a request, the listener and the try's other end."""
        port, target = free_port(), free_port()
        d = self.odpd({"web": plain_file(port, f"{HOST}:{target}") + wait})
        client = self.connect(port)
        client.sendall(b"GET /")
        d.await_status("web", waiting=1)
        server = self.closing(listener((HOST, target)))
        server.settimeout(DEADLINE)
        return d, client, server, self.closing(server.accept()[0])

    def test_one_that_reads_nothing_has_no_service_behind_it(self):
        d, client, server, dialing = self.unread()
        began = time.monotonic()
        until(lambda: time.monotonic() - began > 2, "it stood for longer than a try has to")
        self.assertEqual((d.state("web"), d.status("web")["waiting"]), ("starting", 1))
        reset(dialing)
        service = self.closing(server.accept()[0])
        self.assertEqual(read_exactly(service, 5), b"GET /")
        service.sendall(b"page")
        self.assertEqual(read_exactly(client, 4), b"page")
        self.assertEqual(d.state("web"), "ready")

    def test_one_that_reads_late(self):
        # It is the same connection: what it carries is not asked for twice.
        d, client, _, dialing = self.unread()
        began = time.monotonic()
        until(lambda: time.monotonic() - began > 2, "it stood for longer than a try has to")
        self.assertEqual(read_exactly(dialing, 5), b"GET /")
        d.await_state("web", "ready")
        client.sendall(b" HTTP/1.0")
        self.assertEqual(read_exactly(dialing, 9), b" HTTP/1.0")

    def test_wait_timeout_behind_one_that_reads_nothing(self):
        began = time.monotonic()
        _, client, _, _ = self.unread("[wait]\ntimeout = 4s\n")
        self.assert_closed(client)
        self.assertTrue(3.95 < time.monotonic() - began < 8)

    def test_nothing_leaks(self):
        backend, d = self.forwarder()
        baseline = d.sockets()
        with connect(backend.listen) as s:
            exchange(s, b"hello")
        self.check_it_reset()
        d.await_status("web", connections=0, waiting=0)
        until(lambda: d.sockets() == baseline, "the sockets of failed tries are closed")


if __name__ == "__main__":
    unittest.main()
