#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The launcher's containers with an engine that is slow, hangs, lies or dies at a chosen moment. What
# real engines do is tests/system's.

import contextlib
import json
import os
import re
import socket
import threading
import unittest

from test_launcher import LOOK, START, STOP, LauncherTest, await_true

OK = "HTTP/1.1 200 OK\r\n"
HUNG = object()


class Engine:
    """Containers by name, and what the engine does when it is asked: `odd` has functions as
    answer() by its `what`, or HUNG for no answer at all."""

    def __init__(self, path, *names):
        self.path, self.lock = path, threading.Condition()
        self.up = dict.fromkeys(names, False)
        self.more = {}  # what else their State says
        self.requests, self.streams, self.kept, self.odd = [], [], [], {}
        self.server = None
        self.listen()

    def listen(self):
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(self.path)
        self.server.listen(4096)
        threading.Thread(target=self.accept, args=(self.server,), daemon=True).start()

    def end(self):
        """As a daemon that is killed."""
        with self.lock:
            self.server.shutdown(socket.SHUT_RDWR)
            self.server.close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
            for connection in self.streams + self.kept:
                connection.close()
            self.streams, self.kept = [], []

    def accept(self, server):
        while True:
            try:
                connection = server.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        head = b""
        while b"\r\n\r\n" not in head:
            part = connection.recv(65536)
            if not part:
                connection.close()
                return
            head += part
        method, path = head.decode().split()[:2]
        path = path.partition("?")[0]
        name = re.match(r"/v1.4[14]/containers/([^/]*)/", path)
        what = f"{method} {path.rpartition('/')[2]}"
        if path == "/v1.44/events":
            what = "GET newer"
        is_stream = what in ("GET events", "GET newer")
        with self.lock:
            self.requests.append((what, name and name[1]))
            odd = self.odd.get(what)
            if odd is HUNG:
                self.kept.append(connection)
                return
            if is_stream:  # its head comes before what anybody says on it
                self.streams.append(connection)
                self.reply(odd, connection, what, None)
        if not is_stream:
            self.reply(odd, connection, what, name and name[1])
        if connection not in self.streams:
            connection.close()

    def reply(self, odd, *args):
        with contextlib.suppress(OSError):
            (odd or self.answer)(*args)

    def answer(self, connection, what, name):
        if what in ("GET events", "GET newer"):
            connection.sendall(f"{OK}Transfer-Encoding: chunked\r\n\r\n".encode())
            return
        with self.lock:
            if what == "GET version":
                reply = body({"ApiVersion": "1.41", "MinAPIVersion": "1.12"})
            elif what == "GET _ping":
                reply = f"{OK}Content-Length: 2\r\n\r\nOK"
            elif name not in self.up:
                reply = body({"message": "No such container"}, "HTTP/1.1 404 Not Found\r\n")
            elif what == "GET json":
                reply = body(state(self.up[name], **self.more))
            else:
                self.up[name] = what == "POST start"
                reply = "HTTP/1.1 204 No Content\r\n\r\n"
        connection.sendall(reply.encode())

    def say(self, text):
        """On all streams, as one chunk."""
        with self.lock:
            streams = list(self.streams)
        for stream in streams:
            with contextlib.suppress(BrokenPipeError):  # another one has taken its place
                stream.sendall(f"{len(text):x}\r\n{text}\r\n".encode())

    def n(self, what):
        with self.lock:
            return sum(w == what for w, _ in self.requests)


def body(value, head=OK):
    text = json.dumps(value)
    return f"{head}Content-Length: {len(text)}\r\n\r\n{text}"


def state(is_up, **more):
    return {"Id": "a" * 64, "State": {"Running": is_up, "Status": "running" if is_up else "exited",
                                      "ExitCode": 0, **more}}


def event(name, action="start"):
    return json.dumps({"Type": "container", "Action": action,
                       "Actor": {"ID": "a" * 64, "Attributes": {"name": name}}}) + "\n"


class TestContainers(LauncherTest):
    def engine(self, *names, services=None):
        """An engine, and a service for each container."""
        engine = Engine(self.path("e.sock"), *names)
        self.addCleanup(engine.end)
        for name in services or names:
            self.service(name, ("type", "docker"), ("socket", engine.path), ("container", name))
        self.run_launcher()
        return engine

    def n_descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def test_start_look_stop(self):
        engine = self.engine("a")
        self.expect(LOOK, "a", "INACTIVE")
        self.expect(START, "a", "RUNNING")
        self.assertTrue(engine.up["a"])
        self.expect(LOOK, "a", "RUNNING")
        self.expect(STOP, "a", "INACTIVE")
        # One stream, and no look but those that something asks for.
        self.assertEqual(engine.n("GET events"), 1)
        self.assertLessEqual(engine.n("GET json"), 6)

    def test_a_slow_answer_is_no_lost_engine(self):
        """A container that is locked, since it is being started, as Docker does it."""
        engine = self.engine("a", "b")
        self.expect(LOOK, "a", "INACTIVE")
        self.expect(LOOK, "b", "INACTIVE")
        gate = threading.Event()

        def locked(connection, what, name):
            if name == "a":
                gate.wait(20)
            engine.answer(connection, what, name)
        engine.odd["POST start"] = locked
        slow = self.send(START, "a")
        await_true(lambda: engine.n("GET _ping") >= 2, "it is asked whether it is there")
        self.expect(START, "b", "RUNNING")
        gate.set()
        self.assertEqual(self.report(slow).state, "RUNNING")
        self.assertNotIn("is lost", self.log())

    def test_a_hung_engine_is_told(self):
        engine = self.engine("a")
        self.expect(LOOK, "a", "INACTIVE")
        for what in ("POST start", "GET _ping", "GET events"):
            engine.odd[what] = HUNG
        self.link.settimeout(30)
        report = self.ask(START, "a")
        self.assertEqual((report.state, report.reason), ("FAILED", "cannot reach docker at "
                         f"{engine.path}: it does not answer: see odp doctor"))
        engine.odd.clear()
        engine.end()
        engine.listen()
        self.expect(START, "a", "RUNNING")

    def test_another_version(self):
        """It has left 1.41 behind, and is asked by its oldest; or it never had it."""
        engine = self.engine("a")
        gone = body({"message": "client version 1.41 is too old"}, "HTTP/1.1 400 Bad Request\r\n")
        told = {"ApiVersion": "1.52", "MinAPIVersion": "1.44"}
        engine.odd["GET events"] = lambda c, *_: c.sendall(gone.encode()) or engine.streams.remove(c)
        engine.odd["GET version"] = lambda c, *_: c.sendall(body(told).encode())
        self.expect(LOOK, "a", "INACTIVE")
        self.assertEqual(engine.n("GET version"), 1)
        told["ApiVersion"] = "1.40"
        engine.end()
        engine.listen()
        report = self.ask(START, "a")
        self.assertEqual(report.state, "FAILED")
        self.assertIn("Docker 20.10 or Podman 4.3 is wanted", report.reason)

    def test_killed_in_the_middle_of_a_call(self):
        for op, what, is_up, wanted in ((START, "POST start", False, "RUNNING"),
                                        (STOP, "POST stop", True, "INACTIVE"),
                                        (LOOK, "GET json", True, "RUNNING")):
            with self.subTest(what=what):
                self.tearDown()
                self.setUp()
                engine = self.engine("a")
                engine.up["a"] = is_up
                self.expect(LOOK, "a", "RUNNING" if is_up else "INACTIVE")
                engine.odd[what] = HUNG
                n = engine.n(what)
                request = self.send(op, "a")
                await_true(lambda e=engine, w=what, n=n: e.n(w) > n, "it is asked")
                engine.end()
                engine.odd.clear()
                engine.listen()
                self.assertEqual(self.report(request).state, wanted)

    def test_gone_for_a_while(self):
        engine = self.engine("a")
        self.expect(START, "a", "RUNNING")
        engine.end()
        await_true(lambda: "is lost" in self.log(), "it is lost")
        report = self.ask(LOOK, "a")
        self.assertEqual((report.state, "cannot reach docker" in report.reason), ("STALE", True))
        engine.up["a"] = False
        engine.listen()
        report = self.report(0)
        self.assertEqual((report.state, report.reason),
                         ("INACTIVE", "container a: has ended together with docker, which was "
                                      "restarted"))

    def test_another_takes_its_place(self):
        """The one that was there runs on, with nobody at its socket's path."""
        engine = self.engine("a")
        self.expect(START, "a", "RUNNING")
        os.unlink(engine.path)
        other = Engine(engine.path, "a")
        self.addCleanup(other.end)
        self.expect(STOP, "a", "INACTIVE")
        self.expect(START, "a", "RUNNING")
        self.assertEqual(other.up, {"a": True})
        # It is heard, and no one else.
        other.up["a"] = False
        other.say(event("a", "die"))
        self.assertEqual(self.report(0).state, "INACTIVE")
        self.assertEqual([e.n("GET events") for e in (engine, other)], [1, 1])
        self.assertEqual(self.log().count("is lost: another socket has taken its place"), 1)

    def test_out_of_memory(self):
        """In the order in which Docker tells it."""
        engine = self.engine("a")
        engine.up["a"] = True
        self.expect(LOOK, "a", "RUNNING")
        engine.more = {"OOMKilled": True}
        engine.say(event("a", "oom"))
        engine.up["a"] = False
        engine.more = {"OOMKilled": True, "ExitCode": 137}
        engine.say(event("a", "die"))
        report = self.report(0)
        self.assertEqual((report.state, report.reason),
                         ("FAILED", "container a: was killed for want of memory: give it more, or "
                                    "see docker logs a"))
        # Docker remembers one that was not the container's own end.
        for code, state_word, reason in (
                (0, "INACTIVE", "container a: has exited with status 0"),
                (1, "FAILED", "container a: has exited with status 1 (something in it was killed "
                              "for want of memory)")):
            with self.subTest(code=code):
                engine.up["a"], engine.more = True, {}
                engine.say(event("a"))
                self.assertEqual(self.report(0).state, "RUNNING")
                engine.up["a"], engine.more = False, {"OOMKilled": True, "ExitCode": code}
                engine.say(event("a", "die"))
                report = self.report(0)
                self.assertEqual((report.state, report.reason), (state_word, reason))

    def test_events_that_come_in_pieces(self):
        engine = self.engine("a")
        self.expect(LOOK, "a", "INACTIVE")
        text = event("a")
        wire = f"{len(text):x};x=y\r\n{text}\r\n"
        engine.up["a"] = True
        for byte in wire.encode():
            engine.streams[0].sendall(bytes([byte]))
        self.assertEqual(self.report(0).state, "RUNNING")

    def test_events_that_make_no_sense(self):
        engine = self.engine("a")
        self.expect(LOOK, "a", "INACTIVE")
        for text in ("\n", "{}\n", "[[[[\n", '{"Actor":7}\n', "\0\0\n", "x" * 300_000 + "\n",
                     event("b"), "[" * 2000 + "\n", '{"Actor":{"Attributes":{"name":["a"]}}}\n'):
            engine.say(text)
        engine.up["a"] = True
        engine.say(event("a"))
        self.assertEqual(self.report(0).state, "RUNNING")
        self.assertNotIn("is lost", self.log())

    def test_had_and_lost_again_and_again(self):
        """It takes all connections, and is of no use."""
        engine = self.engine("a")
        self.expect(LOOK, "a", "INACTIVE")
        request = self.send(START, "a")
        for what, cut in (("GET events", f"{OK}Transfer-Encoding: chunked\r\n\r\n10\r\n{{"),
                          ("POST start", "no HTTP at all\r\n"), ("GET json", "")):
            with self.subTest(what=what):
                self.assertEqual(self.report(request).state, "RUNNING")
                self.expect(STOP, "a", "INACTIVE")

                def end(connection, what, _, cut=cut):
                    connection.sendall(cut.encode())
                    if connection in engine.streams:
                        engine.streams.remove(connection)
                    connection.close()
                engine.odd[what] = end
                if what == "GET events":
                    engine.streams.pop().close()
                self.link.settimeout(30)
                report = self.ask(START, "a")
                self.assertEqual(report.state, "FAILED")
                self.assertIn(f"cannot reach docker at {engine.path}: ", report.reason)
                engine.odd.clear()
                request = self.send(START, "a")
        self.assertEqual(self.report(request).state, "RUNNING")

    def test_one_that_the_engine_cannot_tell_of(self):
        """As where its files are damaged. The engine is not lost with it."""
        engine = self.engine("a", "b")
        failed = body({"message": "layer not known"}, "HTTP/1.1 500 Internal Server Error\r\n")

        def one(connection, what, name):
            if name == "a":
                connection.sendall(failed.encode())
            else:
                engine.answer(connection, what, name)
        engine.odd["GET json"] = engine.odd["POST start"] = one
        report = self.ask(LOOK, "a")
        self.assertEqual(report.state, "INACTIVE")
        n = self.log().count("is lost")
        self.expect(START, "b", "RUNNING")
        report = self.ask(START, "a")
        self.assertEqual((report.state, report.reason),
                         ("FAILED", "container a: its image is gone: create it anew (layer not "
                                    "known)"))
        self.assertEqual(self.log().count("is lost"), n)
        engine.odd.clear()
        self.expect(START, "a", "RUNNING")

    def test_podman_in_the_middle_of_a_removal(self):
        engine = self.engine("a", "b")
        engine.up["a"] = True
        self.expect(LOOK, "a", "RUNNING")
        gone = body({"message": "container a does not exist in database: no such container"},
                    "HTTP/1.1 500 Internal Server Error\r\n").encode()
        engine.odd["GET json"] = lambda connection, *_: connection.sendall(gone)
        engine.say(event("a", "died"))
        self.assertIn("has no container a", self.report(0).reason)
        self.assertNotIn("is lost", self.log())

    def test_a_stream_that_is_cut(self):
        text = event("a")
        cuts = (f"{len(text):x}\r\n{text[:20]}", "5", "5\r\n", "zz\r\n", "", "0\r\n\r\n",
                "fffffffffffffffff\r\n")
        engine = self.engine("a")
        self.expect(LOOK, "a", "INACTIVE")
        for n, cut in enumerate(cuts):
            with self.subTest(cut=cut):
                engine.up["a"] = n % 2 == 0
                await_true(lambda: engine.streams, "it is heard")
                with engine.lock:
                    stream = engine.streams.pop()
                stream.sendall(cut.encode())
                stream.close()
                # Looked at, once it is heard again.
                self.assertEqual(self.report(0).state, "RUNNING" if n % 2 == 0 else "INACTIVE")

    def test_hundreds(self):
        names = [f"c{i:03}" for i in range(300)]
        engine = self.engine(*names)
        looks = [self.send(LOOK, name) for name in names]
        for look in looks:
            self.assertEqual(self.report(look).state, "INACTIVE")
        self.assertLess(engine.n("GET events"), 50)
        self.assertLess(engine.n("GET json"), 1000)
        engine.up["c123"] = True
        before = engine.n("GET json")
        engine.say(event("c123"))
        self.assertEqual(self.report(0).name, "c123")
        self.assertEqual(engine.n("GET json") - before, 1)
        engine.end()
        await_true(lambda: "is lost" in self.log(), "it is lost")
        self.assertLess(self.n_descriptors(), 50)
        engine.up["c007"] = True
        engine.listen()
        self.assertEqual(self.report(0).name, "c007")


if __name__ == "__main__":
    unittest.main()
