#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Clients that cannot be served: who speaks HTTP gets a page with the reason and the time to try
# again, who does not is closed without a byte. In mode page an HTTP client is told at once that
# its service starts.

import os
import socket
import subprocess
import time
import unittest

from harness import (DEADLINE, HOST, Backend, Background, Case, Gate, connect, exchange, free_port,
                     plain_file, read_all, until)

GET = b"GET / HTTP/1.1\r\nHost: wiki\r\n\r\n"


class Page:
    """A response, taken apart; fails where it is not a whole and sound 503."""

    def __init__(self, test, response, head=False):
        header, end, self.body = response.partition(b"\r\n\r\n")
        test.assertTrue(end, response)
        status, *lines = header.decode().split("\r\n")
        test.assertEqual(status, "HTTP/1.1 503 Service Unavailable")
        self.header = dict(line.split(": ", 1) for line in lines)
        test.assertEqual(len(self.header), len(lines))
        test.assertEqual(self.header["Content-Type"], "text/html; charset=utf-8")
        test.assertEqual(self.header["Connection"], "close")
        test.assertEqual(self.header["Cache-Control"], "no-store")
        test.assertGreaterEqual(self.retry, 1)
        length = int(self.header["Content-Length"])
        test.assertEqual(len(self.body), 0 if head else length)
        test.assertGreater(length, 0)
        self.body = self.body.decode()

    @property
    def retry(self):
        return int(self.header["Retry-After"])


def ask(address, request=GET):
    with connect(address) as s:
        s.sendall(request)
        return read_all(s)


class AnswerCase(Case):
    def backend(self, *args, **options):
        return Backend(self.directory(), *args, **options)

    def page(self, address, request=GET, **options):
        return Page(self, ask(address, request), **options)

    def assert_nothing_left(self, d, sockets):
        d.await_status("web", waiting=0, connections=0)
        until(lambda: d.sockets() <= sockets, "the sockets of all that were answered are closed")


class FailureTest(AnswerCase):
    def failing(self, n_failures, **options):
        """A service in the backoff of so many failed starts."""
        backend = self.backend("echo.py", "--exit", 7)
        d = self.odpd({"web": backend.file(**options)})
        for _ in range(n_failures):
            self.assertEqual(d.odp("start", "web").returncode, 1)
        return backend, d

    def test_failed_start_answers_every_waiter(self):
        directory, gate = self.directory(), Gate(self)
        backend = Backend(directory, "echo.py", "--gate", gate, "--exit", 7)
        d = self.odpd({"web": backend.file(
            service=f"description = Tom & Jerry's\nlisten = {directory}/web.sock")})
        sockets = d.sockets()
        addresses = [backend.listen, f"{directory}/web.sock"]
        http = [self.connect(addresses[i % 2]) for i in range(30)]
        for s in http:
            s.sendall(GET)
        others = [self.connect(addresses[i % 2]) for i in range(6)]
        for s, data in zip(others, [b"SSH-2.0-client\r\n", b"\x16\x03\x01", b"GET / HT"] * 2):
            s.sendall(data)
        silent = [self.connect(addresses[i % 2]) for i in range(4)]
        d.await_status("web", waiting=40)
        gate.open()
        for s in http:
            page = Page(self, read_all(s))
            self.assertEqual(page.retry, 1)
            self.assertIn("<h1>web could not be started</h1>", page.body)
            self.assertIn("status 7, last words: cannot open the database", page.body)
            self.assertIn("Tom &amp; Jerry&#39;s", page.body)
            self.assertNotIn("Refresh", page.header)
            s.close()
        for s in others + silent:
            self.assert_closed(s)
            s.close()
        self.assertEqual(len(backend.starts()), 1)
        self.assert_nothing_left(d, sockets)

    def test_last_words_that_are_a_sentence(self):
        backend = self.backend()
        backend.command = "/bin/sh -c 'echo The disk is full.; exit 7'"
        self.odpd({"web": backend.file()})
        self.assertIn("last words: The disk is full.</p>", self.page(backend.listen).body)

    def test_backoff_says_when_to_come_again(self):
        backend, d = self.failing(10)
        page = self.page(backend.listen)
        self.assertIn(page.retry, range(5, 10))
        self.assertIn("cannot open the database", page.body)
        self.assertIn(f"Try again in {page.retry} seconds", page.body)
        self.assertEqual(len(backend.starts()), 10)
        self.assertEqual(d.state("web"), "failed")

    def test_a_request_after_the_verdict(self):
        # The connection is turned away as it comes; its request is a little later.
        backend, d = self.failing(8)
        with connect(backend.listen) as s:
            until(lambda: "turned away" in d.log(), "it is turned away")
            d.await_status("web", waiting=0)
            for i in range(len(GET)):
                s.sendall(GET[i:i + 1])
            self.assertIn("could not be started", Page(self, read_all(s)).body)
        self.assertEqual(len(backend.starts()), 8)

    def test_nothing_after_the_verdict(self):
        backend, d = self.failing(8)
        sockets = d.sockets()
        for data in (b"", b"GET / HT", b"SSH-2.0-client\r\n"):
            s = self.connect(backend.listen)
            s.sendall(data)
            self.assert_closed(s)
            s.close()
        # Who ended its sending side has said all it had to say.
        s = self.connect(backend.listen)
        s.sendall(b"GET / HT")
        s.shutdown(socket.SHUT_WR)
        self.assert_closed(s)
        for _ in range(300):
            connect(backend.listen).close()
        self.assert_nothing_left(d, sockets)

    def test_a_crowd_that_says_nothing(self):
        # More than may linger: the ones above it are closed at once, the others a little later.
        backend, d = self.failing(8)
        sockets = d.sockets()
        clients = [self.connect(backend.listen) for _ in range(400)]
        for s in clients:
            self.assert_closed(s)
            s.close()
        self.assert_nothing_left(d, sockets)

    def test_head(self):
        backend, _ = self.failing(8)
        page = self.page(backend.listen, b"HEAD / HTTP/1.0\r\n\r\n", head=True)
        self.assertEqual(page.header["Content-Length"],
                         str(len(self.page(backend.listen).body.encode())))

    def test_pipelined_requests_get_one_answer(self):
        backend, _ = self.failing(8)
        for _ in range(20):
            self.page(backend.listen, GET * 50)

    def test_request_bodies_do_not_lose_the_answer(self):
        directory = self.directory()
        backend = Backend(directory, "echo.py", "--exit", 7)
        path = f"{directory}/web.sock"
        d = self.odpd({"web": backend.file(service=f"listen = {path}")})
        for _ in range(10):
            self.assertEqual(d.odp("start", "web").returncode, 1)
        sockets = d.sockets()
        for size in (200_000, 3_000_000):
            request = b"POST /form HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
            for address in [backend.listen, path] * 10:
                with self.subTest(size=size, address=str(address)), connect(address) as s:
                    sender = Background(self.send, s, request)
                    Page(self, read_all(s))
                    s.shutdown(socket.SHUT_RDWR)
                    sender.join()
        self.assert_nothing_left(d, sockets)

    def send(self, s, data):
        try:
            s.sendall(data)
        except OSError:
            pass  # not all of it is wanted

    def test_body_that_came_while_held(self):
        gate = Gate(self)
        backend = self.backend("echo.py", "--gate", gate, "--exit", 7)
        d = self.odpd({"web": backend.file()})
        body = b"x" * 200_000
        with connect(backend.listen) as s:
            sender = Background(s.sendall, b"POST / HTTP/1.1\r\n\r\n" + body)
            d.await_status("web", waiting=1)
            gate.open()
            Page(self, read_all(s))
            sender.join()

    def test_a_client_that_never_leaves(self):
        backend, d = self.failing(8)
        sockets = d.sockets()
        s = self.connect(backend.listen)
        s.sendall(GET)
        Page(self, read_all(s))
        self.assert_nothing_left(d, sockets)

    def test_names_are_escaped(self):
        d = self.odpd({"web": f"""
            [service]
            listen = {free_port()}
            target = {HOST}:{free_port()}
            [backend]
            type = process
            command = "/nonexistent/<script>alert('1')&x"
            """})
        page = self.page(int(d.status("web")["listen"][0]))
        self.assertIn("/nonexistent/&lt;script&gt;alert(&#39;1&#39;)&amp;x", page.body)
        self.assertNotIn("<script", page.body)

    def test_curl(self):
        backend, _ = self.failing(8)
        url = f"http://{HOST}:{backend.listen}/"
        for options, head in (([], False), (["--head"], True), (["--data", "a=b"], False)):
            done = subprocess.run(["curl", "-sS", "-i", *options, url], capture_output=True,
                                  timeout=DEADLINE, check=True)
            Page(self, done.stdout, head=head)


class WaitTest(AnswerCase):
    def test_waited_too_long(self):
        backend = self.backend("echo.py", "--delay", 60)
        d = self.odpd({"web": backend.file(wait="timeout = 2s")})
        silent, http = self.connect(backend.listen), self.connect(backend.listen)
        http.sendall(GET)
        page = Page(self, read_all(http))
        self.assertIn("<h1>web is not ready yet</h1>", page.body)
        self.assertIn("did not answer within 2s ([wait] timeout)", page.body)
        self.assert_closed(silent)
        self.assertEqual(d.state("web"), "starting")

    def test_stopped_by_hand(self):
        backend = self.backend("echo.py", "--delay", 60)
        d = self.odpd({"web": backend.file()})
        s = self.connect(backend.listen)
        s.sendall(GET)
        d.await_status("web", waiting=1, state="starting")
        self.assertEqual(d.odp("stop", "web").returncode, 0)
        page = Page(self, read_all(s))
        self.assertIn("<h1>web was stopped</h1>", page.body)
        self.assertNotIn("<p>web</p>", page.body)  # without a description the title says it all
        self.assertIn("stopped by odp stop", page.body)
        # The answered one waits no more: nothing is started for it.
        self.assertEqual(d.state("web"), "stopped")
        self.assertLessEqual(len(backend.starts()), 1)

    def test_target_that_never_answers(self):
        port = free_port()
        self.odpd({"web": plain_file(port, f"{HOST}:{free_port()}") + "\n[ready]\ntimeout = 1s\n"})
        page = self.page(port)
        self.assertIn("<h1>web does not answer</h1>", page.body)
        self.assertIn("did not answer within 1s", page.body)


class PageModeTest(AnswerCase):
    def served(self, port):
        """The real service's answer; returns its pid."""
        response = ask(port)
        self.assertTrue(response.startswith(b"HTTP/1.1 200 OK\r\n"), response)
        return int(response.split()[-1])

    def assert_waiting_page(self, page, head=False):
        self.assertEqual((page.header["Refresh"], page.retry), ("2", 2))
        if not head:
            self.assertIn("<h1>web is starting</h1>", page.body)

    def test_page_then_service(self):
        go = os.path.join(self.directory(), "go")
        backend = self.backend("http.py")
        backend.command = f"sh -c 'until test -e {go}; do sleep 0.05; done; exec $0 $@' " + \
            backend.command
        d = self.odpd({"web": backend.file(wait="mode = page")})
        sockets = d.sockets()
        for _ in range(3):  # the service could not have answered any of them
            self.assert_waiting_page(self.page(backend.listen))
        self.assert_nothing_left(d, sockets)
        self.assertEqual(d.state("web"), "starting")
        with open(go, "w", encoding="utf-8"):
            pass
        d.await_state("web", "ready")
        self.assertEqual([self.served(backend.listen)], backend.starts())
        self.assertEqual(d.status("web")["wakes"], 1)

    def test_head_and_curl(self):
        backend = self.backend("http.py", "--delay", 60)
        self.odpd({"web": backend.file(wait="mode = page")})
        page = self.page(backend.listen, b"HEAD / HTTP/1.1\r\n\r\n", head=True)
        self.assert_waiting_page(page, head=True)
        done = subprocess.run(["curl", "-sS", "-i", f"http://{HOST}:{backend.listen}/x"],
                              capture_output=True, timeout=DEADLINE, check=True)
        self.assert_waiting_page(Page(self, done.stdout))

    def test_others_are_held(self):
        backend = self.backend("echo.py", "--delay", 0.7)
        self.odpd({"web": backend.file(wait="mode = page")})
        with connect(backend.listen) as s:
            self.assertEqual(exchange(s, b"hello"), b"hellobye %d\n" % backend.starts()[0])

    def test_held_until_the_request_is_known(self):
        backend = self.backend("http.py", "--delay", 60)
        d = self.odpd({"web": backend.file(wait="mode = page")})
        line = GET.partition(b"\n")[0]
        s = self.connect(backend.listen)
        for i in range(len(line)):
            d.await_status("web", waiting=1, state="starting")
            s.sendall(line[i:i + 1])
        d.await_status("web", waiting=1)
        s.sendall(b"\n")
        self.assert_waiting_page(Page(self, read_all(s)))
        d.await_status("web", waiting=0, state="starting")

    def test_request_after_the_service_is_ready(self):
        # It was held without a byte; what it says now goes to the service.
        backend = self.backend("http.py", "--delay", 0.3)
        d = self.odpd({"web": backend.file(wait="mode = page")})
        s = self.connect(backend.listen)
        d.await_state("web", "ready")
        s.sendall(GET)
        self.assertTrue(read_all(s).startswith(b"HTTP/1.1 200 OK\r\n"))

    def test_visit_while_stopping(self):
        # Its demand outlives it: the service is started again after the stop.
        gate = Gate(self)
        backend = self.backend("http.py", "--stop-gate", gate)
        d = self.odpd({"web": backend.file(wait="mode = page")})
        self.assertEqual(d.odp("start", "web").returncode, 0)
        self.assertEqual(d.odp("stop", "--no-wait", "web").returncode, 0)
        d.await_state("web", "stopping")
        self.assert_waiting_page(self.page(backend.listen))
        gate.open()
        d.await_state("web", "ready")
        first, second = backend.starts()
        self.assertNotEqual(first, second)
        self.assertEqual(self.served(backend.listen), second)

    def test_behind_a_forwarder_that_resets(self):
        # A silent client's try is accepted and reset; its request may come at any time of that.
        backend = self.backend("forwarder.py", "--ready", 600)
        self.odpd({"web": backend.file(wait="mode = page")})
        for i in range(20):
            with connect(backend.listen) as s:
                time.sleep(i * 0.003)  # what is varied here is the time itself
                s.sendall(GET)
                self.assert_waiting_page(Page(self, read_all(s)))

    def test_plain_proxy(self):
        port = free_port()
        self.odpd({"web": plain_file(port, f"{HOST}:{free_port()}") + "\n[wait]\nmode = page\n"})
        page = self.page(port)
        self.assertIn("<h1>web does not answer yet</h1>", page.body)
        self.assertEqual(page.header["Refresh"], "2")

    def test_failed_start(self):
        gate = Gate(self)
        backend = self.backend("echo.py", "--gate", gate, "--exit", 7)
        d = self.odpd({"web": backend.file(wait="mode = page")})
        self.assert_waiting_page(self.page(backend.listen))
        gate.open()
        d.await_state("web", "failed")
        for _ in range(9):
            self.assertEqual(d.odp("start", "web").returncode, 1)
        page = self.page(backend.listen)
        self.assertIn("cannot open the database", page.body)
        self.assertIn(page.retry, range(5, 10))
        self.assertNotIn("Refresh", page.header)


if __name__ == "__main__":
    unittest.main()
