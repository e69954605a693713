#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# [client] max_connections: a service never has one connection more than its bound, whoever is too
# much waits in its turn (here or in the kernel's queue), and each end lets exactly one in.

import os
import selectors
import signal
import socket
import threading
import unittest

from harness import (DEADLINE, HOST, Background, Case, connect, free_port, listener, plain_file,
                     read_all, read_exactly, read_file, until)


def bound(n):
    return f"\n[client]\nmax_connections = {n}\n"


def name(i):
    return b"%06d" % i


class CountingServer:
    """Echoes in one thread, and counts: how many it has now, the most it ever had, who came when
    (a client's first six bytes are its name)."""

    def __init__(self, address):
        self.address = address
        self.now = self.most = 0
        self.names = []
        self.stop = threading.Event()
        self.sockets = selectors.DefaultSelector()
        self.listening = listener(address)
        self.listening.setblocking(False)
        self.sockets.register(self.listening, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stop.is_set():
            for key, _ in self.sockets.select(0.1):
                self.step(key.fileobj)
        for key in list(self.sockets.get_map().values()):
            key.fileobj.close()

    def step(self, s):
        if s.fileno() < 0:
            return
        if s is self.listening:
            s, _ = s.accept()
            s.setblocking(False)
            self.sockets.register(s, selectors.EVENT_READ)
            self.now += 1
            # Ended ones are counted out first: their end may stand unread beside the new one.
            for key, _ in self.sockets.select(0):
                if key.fileobj is not self.listening:
                    self.step(key.fileobj)
            self.most = max(self.most, self.now)
            return
        try:
            data = s.recv(65536)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if data:
            if len(data) == 6 and data.isdigit():
                self.names.append(data)
            s.sendall(data)
        else:
            self.sockets.unregister(s)
            s.close()
            self.now -= 1

    def close(self):
        self.stop.set()
        self.thread.join()


class BoundCase(Case):
    def server(self, address):
        server = CountingServer(address)
        self.addCleanup(server.close)
        return server

    def client(self, address, i):
        """A client that has said its name; what it gets back tells that it is served."""
        s = self.connect(address)
        s.sendall(name(i))
        return s

    def assert_served(self, s, i):
        self.assertEqual(read_exactly(s, 6), name(i))

    def assert_nothing_yet(self, *clients):
        for s in clients:
            s.setblocking(False)
            with self.assertRaises(BlockingIOError):
                s.recv(1)
            s.settimeout(DEADLINE)


class ReadyTest(BoundCase):
    def begin(self, n, address=None, files=None, **options):
        target = (HOST, free_port())
        address = address or free_port()
        server = self.server(target)
        d = self.odpd({"web": plain_file(address, "%s:%d" % target, **options) + bound(n),
                       **(files or {})})
        # The bare probe is no client.
        d.await_state("web", "ready")
        until(lambda: server.now == 0, "the probe has gone")
        server.most = 0
        return d, server, address

    def test_never_one_too_many(self):
        d, server, address = self.begin(3)
        clients = [self.client(address, i) for i in range(10)]
        for i in range(3):
            self.assert_served(clients[i], i)
        self.assert_nothing_yet(*clients[3:])
        self.assertEqual(d.status("web")["connections"], 3)
        # The others are in the kernel's queue: they cost odpd nothing.
        self.assertEqual(d.status("web")["waiting"], 0)
        for i in range(7):
            clients[i].close()
            self.assert_served(clients[i + 3], i + 3)
            self.assert_nothing_yet(*clients[i + 4:])
            self.assertEqual(d.status("web")["connections"], 3)
        self.assertEqual(server.most, 3)
        self.assertEqual(server.names, [name(i) for i in range(10)])

    def test_one(self):
        d, server, address = self.begin(1)
        for i in range(20):
            first, second = self.client(address, i), self.client(address, 100 + i)
            self.assert_served(first, i)
            self.assert_nothing_yet(second)
            self.assertEqual(d.status("web")["connections"], 1)
            first.close()
            self.assert_served(second, 100 + i)
            second.close()
        self.assertEqual(server.most, 1)

    def test_why_says_so(self):
        d, _, address = self.begin(2)
        first = self.client(address, 0)
        self.assert_served(first, 0)
        self.assertNotIn("max_connections", d.odp("why", "web").stdout)
        self.assert_served(self.client(address, 1), 1)
        self.assertIn("full: more are served as these end ([client] max_connections)",
                      d.odp("why", "web").stdout)
        self.assertEqual(d.call("Why", name="web")["parameters"]["max_connections"], 2)
        first.close()
        d.await_status("web", connections=1)
        self.assertNotIn("max_connections", d.odp("why", "web").stdout)

    def test_every_listener_pauses(self):
        path = os.path.join(self.directory(), "web.sock")
        d, server, address = self.begin(2, extra=f"listen = {path}")
        held = [self.client(address, 0), self.client(path, 1)]
        for i, s in enumerate(held):
            self.assert_served(s, i)
        more = [self.client(path, 2), self.client(address, 3)]
        self.assert_nothing_yet(*more)
        self.assertEqual(d.status("web")["waiting"], 0)
        for s in held:
            s.close()
        for i, s in enumerate(more):
            self.assert_served(s, i + 2)
        self.assertEqual(server.most, 2)

    def test_the_others_feel_nothing(self):
        other = self.server((HOST, free_port()))
        port = free_port()
        _, _, address = self.begin(1, files={"other": plain_file(port, "%s:%d" % other.address)})
        self.assert_served(self.client(address, 0), 0)
        waits = self.client(address, 1)
        for i in range(50):
            self.assert_served(self.client(port, i), i)
        self.assert_nothing_yet(waits)

    def test_storm(self):
        # Clients that come and go as they like, all at once: the bound holds at every moment.
        d, server, address = self.begin(5)

        def visit(first):
            for i in range(first, first + 25):
                with connect(address) as s:
                    s.sendall(name(i))
                    self.assert_served(s, i)
                    if i % 3 == 0:
                        s.shutdown(socket.SHUT_WR)
                        self.assertEqual(read_all(s), b"")

        for task in [Background(visit, 1000 * i) for i in range(20)]:
            task.join()
        self.assertLessEqual(server.most, 5)
        self.assertEqual(len(server.names), 500)
        d.await_status("web", connections=0, waiting=0)


class StartingTest(BoundCase):
    def begin(self, n, extra=""):
        """A service that is not there yet: self.server(target) is its start."""
        target, port = (HOST, free_port()), free_port()
        d = self.odpd({"web": plain_file(port, "%s:%d" % target) + bound(n) + extra})
        return d, target, port

    def test_held_ones_come_in_their_order(self):
        d, target, port = self.begin(100, "[wait]\nmax_waiting = 300\n")
        clients = [self.client(port, i) for i in range(330)]
        d.await_status("web", waiting=300)
        server = self.server(target)
        for i in range(100):
            self.assert_served(clients[i], i)
        status = d.await_status("web", state="ready", connections=100)
        # Nobody else is accepted before those that wait here.
        self.assertEqual(status["waiting"], 200)
        self.assert_nothing_yet(*clients[100:])
        self.assertEqual(sorted(server.names), [name(i) for i in range(100)])
        for i in range(230):
            clients[i].close()
            self.assert_served(clients[i + 100], i + 100)
        self.assertEqual(server.most, 100)
        self.assertEqual(server.names[100:], [name(i) for i in range(100, 330)])
        self.assertIsNone(d.status("web")["sleeps_in_seconds"])

    def test_tries_count_from_their_beginning(self):
        # Eight are tried at once where a target accepts: with two places two, also while they are
        # silent, which is when it takes 1.5 s to know.
        d, target, port = self.begin(2)
        clients = [self.connect(port) for _ in range(12)]
        d.await_status("web", waiting=12)
        server = self.server(target)
        d.await_status("web", state="ready", connections=2)
        for i, s in enumerate(clients):
            s.sendall(name(i))
        for i, s in enumerate(clients):
            self.assert_served(s, i)
            s.close()
        self.assertEqual(server.most, 2)

    def test_one_that_leaves_while_it_waits(self):
        d, target, port = self.begin(1)
        clients = [self.client(port, i) for i in range(4)]
        d.await_status("web", waiting=4)
        server = self.server(target)
        self.assert_served(clients[0], 0)
        d.await_status("web", connections=1, waiting=3)
        clients[1].close()
        d.await_status("web", connections=1, waiting=2)
        clients[0].close()
        self.assert_served(clients[2], 2)
        clients[2].close()
        self.assert_served(clients[3], 3)
        self.assertEqual(server.most, 1)

    def test_wait_timeout_counts_on(self):
        d, target, port = self.begin(1, "[wait]\ntimeout = 2s\n")
        first = self.client(port, 0)
        d.await_status("web", waiting=1)
        browser, other = self.connect(port), self.client(port, 1)
        browser.sendall(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n")
        d.await_status("web", waiting=3)
        self.server(target)
        self.assert_served(first, 0)
        page = read_all(browser).decode()
        self.assertIn("503 Service Unavailable", page)
        self.assertIn("<h1>web has no place free</h1>", page)
        self.assertIn("All that it serves at once, 1, stayed while you waited for 2s.", page)
        self.assert_closed(other)
        # Who is served is served for as long as it likes, and its end makes room.
        first.sendall(b"still here")
        self.assertEqual(read_exactly(first, 10), b"still here")
        first.close()
        self.assert_served(self.client(port, 2), 2)

    def test_page_mode(self):
        # Who was shown the page has no place and waits for none; who comes again does.
        d, target, port = self.begin(1, "[wait]\nmode = page\n")
        request = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n"
        for _ in range(5):
            with connect(port) as s:
                s.sendall(request)
                self.assertIn(b"503", read_all(s))
        d.await_status("web", waiting=0)
        server = self.server(target)
        d.await_state("web", "ready")
        until(lambda: server.now == 0, "the probe has gone")
        server.most = 0
        browsers = [self.connect(port) for _ in range(3)]
        for s in browsers:
            s.sendall(request)
        for i, s in enumerate(browsers):
            self.assertEqual(read_exactly(s, len(request)), request)
            self.assert_nothing_yet(*browsers[i + 1:])
            s.close()
        self.assertEqual(server.most, 1)


class RestartTest(BoundCase):
    def script(self, path, text):
        with open(path, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)
        return path

    def test_full_of_old_connections(self):
        # It was stopped behind odp's back, but a connection from before lives on and has the only
        # place: who waits cannot be tried, and still the service is found to answer.
        directory, target, port = self.directory(), (HOST, free_port()), free_port()
        up, starts = f"{directory}/up", f"{directory}/starts"
        start = self.script(f"{directory}/start", f"echo >>{starts}; touch {up}\n")
        d = self.odpd({"web": f"""
            [service]
            listen = {port}
            target = {HOST}:{target[1]}
            [backend]
            start = {start}
            stop = /bin/rm -f {up}
            status = /usr/bin/test -e {up}
            """ + bound(1)})
        first, second = self.client(port, 0), self.client(port, 1)
        d.await_status("web", waiting=2)
        until(lambda: os.path.exists(up), "it was started")
        self.server(target)
        self.assert_served(first, 0)
        d.await_status("web", state="ready", connections=1, waiting=1)
        os.unlink(up)
        os.kill(d.launcher(), signal.SIGKILL)
        until(lambda: len(read_file(starts)) == 2, "it is started again for the one that waits")
        d.await_status("web", state="ready", connections=1, waiting=1)
        self.assert_nothing_yet(second)
        first.close()
        self.assert_served(second, 1)


if __name__ == "__main__":
    unittest.main()
