#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the launcher makes of engines that answer oddly, late, too much or not at all. Real engines
# are tests/system's.

import os
import socket
import threading
import unittest

import test_launcher
from test_launcher import HEADER, await_true

LOCATE, LOCATE_ID = 12, 1 << 30
ID = "0123456789abcdef" * 4  # no control group has it
OK = b"HTTP/1.1 200 OK\r\n"


def body(text, head=OK):
    return head + f"Content-Length: {len(text)}\r\n\r\n{text}".encode()


def container(running="true", pid=0, identity=ID):
    return '{"Id":"%s","State":{"Running":%s,"Pid":%s}}' % (identity, running, pid)


class Engine(threading.Thread):
    """Answers each connection with the next of the answers; None: with nothing, for ever."""

    def __init__(self, path, answers):
        super().__init__(daemon=True)
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen()
        self.answers, self.requests, self.open = list(answers), [], []
        self.start()

    def run(self):
        for answer in self.answers:
            try:
                connection = self.server.accept()[0]
            except OSError:
                return
            self.requests.append(connection.recv(65536))
            self.open.append(connection)
            try:
                for part in answer if isinstance(answer, list) else [answer]:
                    if part is not None:
                        connection.sendall(part)
            except OSError:
                pass  # it had enough
            if answer is not None:
                connection.close()

    def end(self):
        self.server.close()
        for connection in self.open:
            connection.close()


class TestEngine(test_launcher.LauncherTest):
    def setUp(self):
        super().setUp()
        old = os.environ.get("XDG_RUNTIME_DIR")
        os.environ["XDG_RUNTIME_DIR"] = self.dir
        self.addCleanup(lambda: os.environ.pop("XDG_RUNTIME_DIR") if old is None
                        else os.environ.update(XDG_RUNTIME_DIR=old))

    def serve(self, name, *answers):
        os.makedirs(self.path("podman"), exist_ok=True)
        where = self.path("docker.sock" if name == "docker" else "podman/podman.sock")
        engine = Engine(where, answers)
        self.addCleanup(engine.end)
        return engine

    def engine(self, *answers, containers=("wiki",), name="docker"):
        engine = self.serve(name, *answers)
        self.service("a", ("unit", "a.service"), ("scope", "user"), ("engine", name),
                     *(("container", c) for c in containers))
        self.run_launcher()
        return engine

    def locate(self):
        request = self.next_id | LOCATE_ID
        self.next_id += 1
        raw = b"a"
        self.link.send(self.header(request) + raw)
        report = self.report(request)
        return report.state, report.reason

    def header(self, request):
        return HEADER.pack(1, LOCATE, 0, 1, 0, 0, request, 0, self.digests["a"])

    def assert_unknown(self, answer, why):
        engine = self.engine(answer)
        state, reason = self.locate()
        self.assertEqual(state, "NOWHERE")
        self.assertEqual(reason, f"cannot ask docker at {self.path('docker.sock')}: {why}")
        self.assertIn("its memory is not known: cannot ask docker", self.log())
        self.assertTrue(self.process.poll() is None)
        return engine

    def test_what_is_asked(self):
        engine = self.engine(body('{"message":"No such container"}', b"HTTP/1.1 404 No\r\n"))
        self.assertEqual(self.locate(), ("NOWHERE", "docker has no container wiki"))
        self.assertEqual(engine.requests[0].decode().splitlines(),
                         ["GET /containers/wiki/json HTTP/1.1", "Host: localhost",
                          "Connection: close", ""])

    def test_containers_that_do_not_run(self):
        engine = self.engine(body(container("false")), body(container()),
                             containers=("db", "wiki"))
        self.assertEqual(self.locate(), ("NOWHERE", "the container db does not run"))
        self.assertEqual(len(engine.requests), 2)

    def test_a_group_that_is_not_found(self):
        # The process is there, but it is no container's.
        self.engine(body(container(pid=os.getpid())))
        self.assertEqual(self.locate(),
                         ("NOWHERE", "the control group of container wiki is not found"))

    def test_chunks_in_pieces(self):
        text = container("false")
        pieces = [b"HTTP/1.", b"1 200 OK\r\nTransfer-", b"Encoding: chunked\r\n\r", b"\n5\r", b"\n",
                  text[:3].encode(), text[3:5].encode(), b"\r\n%x\r\n" % (len(text) - 5),
                  text[5:].encode(), b"\r\n0\r\n\r", b"\n"]
        self.engine(pieces, name="podman")
        self.assertEqual(self.locate(), ("NOWHERE", "the container wiki does not run"))

    def test_nonsense(self):
        self.assert_unknown(b"SSH-2.0-OpenSSH_9.2\r\n", "its answer is no HTTP/1.1")

    def test_nothing(self):
        self.assert_unknown(b"", "it has closed the connection")

    def test_torn(self):
        self.assert_unknown(body("x" * 100)[:-1], "it has closed the connection")

    def test_too_long(self):
        self.assert_unknown([OK + b"\r\n"] + [b"x" * 65536] * 17, "its answer is too long")

    def test_a_head_without_end(self):
        self.assert_unknown([OK] + [b"X: y\r\n" * 1000] * 4, "its answer is no HTTP/1.1")

    def test_what_makes_no_sense(self):
        answers = ["", "[]", "{", '{"Id":"wiki","State":{"Running":true}}', container(pid='"x"')[:-3],
                   container(identity="../../../etc"), '{"Id":"%s"}' % ID, "[" * 5000]
        self.engine(*map(body, answers), body("{}", b"HTTP/1.1 500 Oh\r\n"))
        for _ in answers:
            state, reason = self.locate()
            self.assertEqual((state, reason.partition("answers")[2]),
                             ("NOWHERE", " what makes no sense (status 200)"))
        self.assertRegex(self.locate()[1], r"status 500\)$")

    def test_no_engine(self):
        self.service("a", ("unit", "a.service"), ("scope", "user"), ("container", "x"),
                     ("engine", "podman"))
        self.run_launcher()
        self.assertEqual(self.locate(),
                         ("NOWHERE", f"cannot ask podman at {self.path('podman/podman.sock')}: "
                                     "no such file or directory"))

    def test_docker_comes_first(self):
        engines = [self.serve(name, body("", b"HTTP/1.1 404 No\r\n"))
                   for name in ("podman", "docker")]
        self.service("a", ("unit", "a.service"), ("scope", "user"), ("container", "x"))
        self.run_launcher()
        self.assertEqual(self.locate(), ("NOWHERE", "docker has no container x"))
        self.assertEqual([len(e.requests) for e in engines], [0, 1])

    def test_asked_anew_while_it_is_silent(self):
        engine = self.engine(None, body(container("false")))
        first, second = self.next_id | LOCATE_ID, (self.next_id + 1) | LOCATE_ID
        self.next_id += 2
        self.link.send(self.header(first) + b"a")
        await_true(lambda: engine.requests, "it is asked")
        self.link.send(self.header(second) + b"a")
        self.assertEqual(self.report(first).reason, "it was asked for anew")
        self.assertEqual(self.report(second).reason, "the container wiki does not run")

    def test_ends_while_it_is_silent(self):
        engine = self.engine(None)
        self.link.send(self.header(LOCATE_ID | 1) + b"a")
        await_true(lambda: engine.requests, "it is asked")
        self.end_launcher()


if __name__ == "__main__":
    unittest.main()
