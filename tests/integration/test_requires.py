#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# [requires] service, mount and path: what a service needs comes first, stays as long as the service
# is awake, and keeps it from being started where it is not there.

import ctypes
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import unittest

from harness import (HOST, Backend, Background, Case, Gate, children_of, connect, exchange, free_port,
                     is_alive, listener, plain_file, read_exactly, read_file, until)
from test_answer import Page, ask


def requires(*lines):
    return "\n[requires]\n" + "\n".join(lines) + "\n"


class Gated(Backend):
    """A service that is started at once and ready when the test says so."""

    def __init__(self, test):
        super().__init__(test.directory())
        self.test = test
        self.command = f"/bin/sh -c 'echo $$ >> {self.starts_path}; exec sleep 1000'"

    def open(self):
        answer_at(self.test, self.target)


def answer_at(test, target):
    """Answers every connection, until the test ends."""
    s = test.closing(listener((HOST, int(target.rpartition(":")[2]))))
    test.addCleanup(s.shutdown, socket.SHUT_RD)  # which wakes who accepts

    def greet():
        while True:
            try:
                with s.accept()[0] as connection:
                    connection.sendall(b"x")
            except OSError:
                return
    threading.Thread(target=greet, daemon=True).start()


class RequiresCase(Case):
    def backend(self, *args):
        return Backend(self.directory(), *args)

    def why(self, d, name):
        done = d.odp("why", name, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def assert_echoes(self, backend, data=b"hello"):
        with connect(backend.listen) as s:
            self.assertTrue(exchange(s, data).startswith(data))

    def assert_order(self, d, *texts):
        """The log has these, one after the other."""
        log, at = d.log(), -1
        for text in texts:
            found = log.find(text, at + 1)
            self.assertGreater(found, at, f"{text} is not where it belongs")
            at = found

    def turned_away(self, backend):
        return Page(self, ask(backend.listen)).body


class FirstTest(RequiresCase):
    """What a service requires is ready before the service is asked to start."""

    def test_waits_for_what_it_requires(self):
        db, wiki = Gated(self), self.backend()
        d = self.odpd({"db": db.file(), "wiki": wiki.file() + requires("service = db")})
        with connect(wiki.listen) as s:
            until(db.starts, "db was started")
            status = d.await_status("wiki", state="starting", waiting=1)
            self.assertEqual(status["reason"], "waits for db")
            self.assertEqual((d.state("db"), wiki.starts()), ("starting", []))
            self.assertEqual(d.status("db")["reason"], "required by wiki")
            why = self.why(d, "db")
            self.assertEqual(why["woken_by"], "wiki, which requires it")
            self.assertEqual(why["required_by"],
                             [{"name": "wiki", "state": "starting", "waits": True}])
            self.assertIn("required by wiki, which waits for it", d.odp("why", "db").stdout)
            why = self.why(d, "wiki")
            self.assertEqual((why["reason"], why["woken_by"]), ("waits for db", "a client"))
            self.assertEqual(why["requires"], [{"name": "db", "state": "starting"}])
            self.assertIn("requires db, which is starting", d.odp("why", "wiki").stdout)
            db.open()
            self.assertTrue(exchange(s, b"hello").startswith(b"hello"))
        self.assertEqual((len(db.starts()), len(wiki.starts())), (1, 1))
        self.assert_order(d, "db: answers: probing -> ready",
                          "wiki: required ready: requiring -> starting")
        status = d.status("wiki")
        self.assertEqual((status["wakes"], status["failed_wakes"]), (1, 0))
        self.assertIn("required by wiki, which is awake", d.odp("why", "db").stdout)

    def test_ready_requirements_cost_no_wait(self):
        db, wiki = self.backend(), self.backend()
        d = self.odpd({"db": db.file(), "wiki": wiki.file() + requires("service = db")})
        self.assert_echoes(db)
        self.assert_echoes(wiki)
        self.assertEqual(self.why(d, "wiki")["reason"], "woken by a connection")
        self.assertEqual((len(db.starts()), len(wiki.starts())), (1, 1))

    def test_all_side_by_side(self):
        a, b, wiki = Gated(self), Gated(self), self.backend()
        d = self.odpd({"a": a.file(), "b": b.file(),
                       "wiki": wiki.file() + requires("service = a", "service = b")})
        with connect(wiki.listen) as s:
            until(lambda: a.starts() and b.starts(), "both were started")
            d.await_status("wiki", reason="waits for a, b")
            a.open()
            d.await_status("wiki", reason="waits for b")
            self.assertEqual(wiki.starts(), [])
            b.open()
            self.assertTrue(exchange(s, b"x").startswith(b"x"))

    def test_chain_of_five(self):
        chain = [self.backend("echo.py", "--delay", "0.05") for _ in range(5)]
        d = self.odpd({f"s{i}": b.file() + (requires(f"service = s{i + 1}") if i < 4 else "")
                       for i, b in enumerate(chain)})
        self.assert_echoes(chain[0])
        self.assertEqual([len(b.starts()) for b in chain], [1] * 5)
        self.assertEqual([d.state(f"s{i}") for i in range(5)], ["ready"] * 5)
        # Each was asked to start only when the next one was ready.
        self.assert_order(d, *[line for i in (4, 3, 2, 1) for line in (
            f"s{i}: answers: probing -> ready", f"s{i - 1}: required ready: requiring -> starting")])

    def test_diamond(self):
        top, left, right, db = (self.backend("echo.py", "--delay", "0.05") for _ in range(4))
        d = self.odpd({"top": top.file() + requires("service = left", "service = right"),
                       "left": left.file() + requires("service = db"),
                       "right": right.file() + requires("service = db"), "db": db.file()})
        self.assertEqual(d.odp("start", "top").returncode, 0)
        self.assertEqual([len(b.starts()) for b in (top, left, right, db)], [1] * 4)
        self.assertEqual(self.why(d, "top")["woken_by"], "odp start")
        self.assertEqual({u["name"] for u in self.why(d, "db")["required_by"]}, {"left", "right"})

    def test_a_required_service_has_visitors_of_its_own(self):
        db, wiki = self.backend("echo.py", "--delay", "0.2"), self.backend()
        d = self.odpd({"db": db.file(), "wiki": wiki.file() + requires("service = db")})
        with connect(wiki.listen) as first, connect(db.listen) as own:
            self.assertTrue(exchange(own, b"own").startswith(b"own"))
            self.assertTrue(exchange(first, b"first").startswith(b"first"))
        self.assertEqual((len(db.starts()), len(wiki.starts())), (1, 1))
        self.assertEqual(d.state("wiki"), "ready")

    def test_start_timeout_counts_from_the_start_request(self):
        db, wiki = self.backend("echo.py", "--delay", "1"), self.backend()
        d = self.odpd({"db": db.file(), "wiki": wiki.file(backend="start_timeout = 800ms") +
                       requires("service = db")})
        done = d.odp("start", "wiki")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_a_requirement_that_is_just_stopping(self):
        gate = Gate(self)
        db, wiki = self.backend("echo.py", "--stop-gate", gate), self.backend()
        d = self.odpd({"db": db.file(idle="0"), "wiki": wiki.file() + requires("service = db")})
        self.assert_echoes(db)
        d.await_state("db", "stopping")
        visit = Background(self.assert_echoes, wiki)
        d.await_status("wiki", waiting=1)
        self.assertEqual(d.state("db"), "stopping")
        gate.open()
        visit.join()
        self.assertEqual((len(db.starts()), len(wiki.starts())), (2, 1))

    def test_page_meanwhile(self):
        db, wiki = Gated(self), self.backend("http.py")
        d = self.odpd({"db": db.file(),
                       "wiki": wiki.file(wait="mode = page") + requires("service = db")})
        body = self.turned_away(wiki)
        self.assertIn("wiki is starting", body)
        self.assertIn("It waits for db.", body)
        until(db.starts, "the page's visitor has woken db")
        db.open()
        d.await_state("wiki", "ready")
        self.assertTrue(ask(wiki.listen).startswith(b"HTTP/1.1 200"))

    def test_a_client_that_waited_too_long_is_told_for_what(self):
        db, wiki = Gated(self), self.backend("http.py")
        d = self.odpd({"db": db.file(),
                       "wiki": wiki.file(wait="timeout = 200ms") + requires("service = db")})
        self.assertIn("It waits for db, while you waited for 200ms.", self.turned_away(wiki))
        db.open()  # nobody waits, but what was begun goes on
        d.await_state("wiki", "ready")

    def test_launcher_lost_meanwhile(self):
        db, wiki = Gated(self), self.backend()
        d = self.odpd({"db": db.file(), "wiki": wiki.file() + requires("service = db")})
        with connect(wiki.listen) as s:
            until(db.starts, "db was started")
            os.kill(until(d.launcher, "a launcher"), signal.SIGKILL)
            until(lambda: "odp-launcher ended" in d.log(), "its end was noticed")
            self.assertEqual(d.state("wiki"), "starting")
            db.open()
            self.assertTrue(exchange(s, b"x").startswith(b"x"))
        self.assertEqual((len(db.starts()), len(wiki.starts())), (1, 1))

    def test_called_off(self):
        db, wiki = Gated(self), self.backend()
        d = self.odpd({"db": db.file(), "wiki": wiki.file() + requires("service = db")})
        with connect(wiki.listen) as s:
            until(db.starts, "db was started")
            done = d.odp("stop", "wiki")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(d.state("wiki"), "stopped")
            self.assert_closed(s)
        db.open()
        d.await_state("db", "ready")  # it is nobody's any more; its window has begun
        self.assertIsNotNone(d.status("db")["sleeps_in_seconds"])
        self.assertEqual((d.state("wiki"), wiki.starts()), ("stopped", []))
        self.assertEqual(d.status("wiki")["failed_wakes"], 0)

    def test_two_dependents_wait_for_one(self):
        db, a, b = Gated(self), self.backend(), self.backend()
        d = self.odpd({"db": db.file(), "a": a.file() + requires("service = db"),
                       "b": b.file() + requires("service = db")})
        with connect(a.listen) as to_a, connect(b.listen) as to_b:
            d.await_status("a", reason="waits for db")
            d.await_status("b", reason="waits for db")
            db.open()
            self.assertTrue(exchange(to_a, b"a").startswith(b"a"))
            self.assertTrue(exchange(to_b, b"b").startswith(b"b"))
        self.assertEqual([len(x.starts()) for x in (db, a, b)], [1] * 3)


class FailedTest(RequiresCase):
    """What cannot be had fails the wake, with the reason."""

    def test_a_requirement_fails(self):
        db, wiki = self.backend("echo.py", "--exit", "1"), self.backend()
        d = self.odpd({"db": db.file(), "wiki": wiki.file() + requires("service = db")})
        reason = ("requires db, which failed: exited with status 1, last words: "
                  "cannot open the database")
        self.assertIn(f"The reason: {reason}.", self.turned_away(wiki))
        with connect(wiki.listen) as s:
            self.assert_closed(s)
        self.assertEqual(d.status("wiki")["reason"], reason)
        self.assertIn(reason, d.odp("why", "wiki").stdout)
        self.assertEqual(wiki.starts(), [])
        n = len(db.starts())  # by hand at once, in spite of the backoff of both
        done = d.odp("start", "wiki")
        self.assertEqual(done.returncode, 1)
        self.assertIn(reason, done.stderr)
        self.assertEqual(len(db.starts()), n + 1)

    def test_no_loop_and_backoff(self):
        db, wiki = self.backend("echo.py", "--exit", "1"), self.backend()
        d = self.odpd({"db": db.file(), "wiki": wiki.file() + requires("service = db")})
        for _ in range(8):
            self.assertEqual(d.odp("start", "wiki").returncode, 1)
        starts = len(db.starts())
        self.assertEqual(starts, 8)
        for _ in range(50):  # all within the backoff of 7 s
            self.assertIn("requires db, which failed", self.turned_away(wiki))
        self.assertEqual(len(db.starts()), starts)
        self.assertEqual(d.status("wiki")["failed_wakes"], 8)

    def test_the_chain_is_named(self):
        chain = [self.backend() for _ in range(3)] + [self.backend("echo.py", "--exit", "1")]
        d = self.odpd({f"s{i}": b.file() + (requires(f"service = s{i + 1}") if i < 3 else "")
                       for i, b in enumerate(chain)})
        self.assertEqual(d.odp("start", "s0").returncode, 1)
        self.assertEqual(d.status("s0")["reason"],
                         "requires s1, which requires s2, which requires s3, which failed: exited "
                         "with status 1, last words: cannot open the database")
        self.assertEqual([len(b.starts()) for b in chain], [0, 0, 0, 1])
        self.assertEqual([d.state(f"s{i}") for i in range(4)], ["failed"] * 4)

    def test_one_of_two_fails(self):
        a, b, wiki = Gated(self), self.backend("echo.py", "--exit", "1"), self.backend()
        d = self.odpd({"a": a.file(), "b": b.file(),
                       "wiki": wiki.file() + requires("service = a", "service = b")})
        self.assertIn("requires b, which failed", self.turned_away(wiki))
        a.open()  # nobody's any more
        d.await_state("a", "ready")
        self.assertEqual((d.state("wiki"), wiki.starts()), ("failed", []))

    def test_disabled_faulty_and_without_its_port(self):
        wikis = [self.backend() for _ in range(3)]
        taken = self.closing(listener())
        d = self.odpd({
            "off": self.backend().file(service="enabled = no"),
            "faulty": "[service]\n",
            "taken": plain_file(f"{HOST}:{taken.getsockname()[1]}", f"{HOST}:{free_port()}"),
            "w0": wikis[0].file() + requires("service = off"),
            "w1": wikis[1].file() + requires("service = faulty"),
            "w2": wikis[2].file() + requires("service = taken")})
        for wiki, words in zip(wikis, ["requires off, which is disabled: enabled = no",
                                       "requires faulty, which has no sound file: run odp check",
                                       "requires taken, which is invalid: cannot listen on"]):
            self.assertIn(words, self.turned_away(wiki))
            self.assertEqual(wiki.starts(), [])
        self.assertEqual(self.why(d, "w1")["requires"], [{"name": "faulty", "state": "invalid"}])

    def test_the_requirement_is_stopped_by_hand_meanwhile(self):
        db, wiki = Gated(self), self.backend()
        d = self.odpd({"db": db.file(), "wiki": wiki.file() + requires("service = db")})
        with connect(wiki.listen) as s:
            until(db.starts, "db was started")
            self.assertEqual(d.odp("stop", "db").returncode, 0)
            self.assert_closed(s)
        self.assertEqual(d.status("wiki")["reason"],
                         "requires db, which is stopping: stopped by odp stop")
        self.assertEqual((d.state("db"), len(db.starts()), wiki.starts()), ("stopped", 1, []))


class AwakeTest(RequiresCase):
    """A required service sleeps after the last of those that require it."""

    def test_kept_awake(self):
        db, wiki, clock = self.backend(), self.backend(), self.backend()
        d = self.odpd({"db": db.file(idle="200ms"), "clock": clock.file(idle="400ms"),
                       "wiki": wiki.file(idle="200ms") + requires("service = db")})
        with connect(wiki.listen) as s:
            s.sendall(b"x")
            read_exactly(s, 1)
            self.assert_echoes(clock)  # twice the window of db passes
            d.await_state("clock", "stopped")
            status = d.status("db")
            self.assertEqual((status["state"], status["sleeps_in_seconds"]), ("ready", None))
            text = d.odp("why", "db").stdout
            self.assertIn("  required by wiki, which is awake\n", text)
            self.assertIn("after the last connection has closed and nobody requires it", text)
        d.await_state("db", "stopped")
        wiki_why, db_why = self.why(d, "wiki"), self.why(d, "db")
        self.assertEqual((wiki_why["state"], db_why["stopped_reason"]),
                         ("stopped", "quiet for 200ms"))
        # Its window runs from the end of wiki, in full.
        self.assertGreaterEqual(db_why["stopped_at"] - wiki_why["stopped_at"], 0.19)
        self.assertEqual(db_why["required_by"], [])

    def test_two_dependents(self):
        db, a, b = self.backend(), self.backend(), self.backend()
        d = self.odpd({"db": db.file(idle="0"), "a": a.file(idle="0") + requires("service = db"),
                       "b": b.file(idle="0") + requires("service = db")})
        with connect(b.listen) as s:
            s.sendall(b"x")
            read_exactly(s, 1)
            self.assert_echoes(a)
            d.await_state("a", "stopped")
            self.assertEqual(d.state("db"), "ready")
            self.assertEqual([u["name"] for u in self.why(d, "db")["required_by"]], ["b"])
        d.await_state("db", "stopped")
        self.assertEqual(d.state("b"), "stopped")
        self.assertEqual(len(db.starts()), 1)

    def test_a_chain_sleeps_from_its_head(self):
        chain = [self.backend() for _ in range(3)]
        d = self.odpd({f"s{i}": b.file(idle="0") + (requires(f"service = s{i + 1}") if i < 2 else "")
                       for i, b in enumerate(chain)})
        self.assert_echoes(chain[0])
        d.await_state("s2", "stopped")
        stopped = [self.why(d, f"s{i}")["stopped_at"] for i in range(3)]
        self.assertEqual(stopped, sorted(stopped))
        self.assertEqual([len(b.starts()) for b in chain], [1] * 3)

    def test_stopped_by_hand_all_the_same(self):
        db, wiki = self.backend(), self.backend()
        d = self.odpd({"db": db.file(), "wiki": wiki.file(idle="0") + requires("service = db")})
        with connect(wiki.listen) as s:
            s.sendall(b"x")
            read_exactly(s, 1)
            done = d.odp("stop", "db")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual((d.state("db"), d.state("wiki")), ("stopped", "ready"))
            s.sendall(b"y")  # what it serves without db it goes on to serve
            self.assertEqual(read_exactly(s, 1), b"y")
            self.assertEqual(len(db.starts()), 1)
        d.await_state("wiki", "stopped")
        self.assert_echoes(wiki)
        self.assertEqual(len(db.starts()), 2)

    def test_a_requirement_dies(self):
        db, wiki = self.backend(), self.backend()
        d = self.odpd({"db": db.file(), "wiki": wiki.file(idle="0") + requires("service = db")})
        with connect(wiki.listen) as s:
            s.sendall(b"x")
            read_exactly(s, 1)
            os.kill(db.starts()[0], signal.SIGKILL)
            d.await_state("db", "stopped")
            s.sendall(b"y")
            self.assertEqual(read_exactly(s, 1), b"y")
            self.assertEqual((d.state("wiki"), len(db.starts())), ("ready", 1))
        d.await_state("wiki", "stopped")
        self.assert_echoes(wiki)  # the next wake
        self.assertEqual(len(db.starts()), 2)

    def test_a_dependent_that_was_found_running(self):
        db, wiki, clock = self.backend(), self.backend(), self.backend()
        d = self.odpd({"db": db.file(idle="200ms"), "clock": clock.file(idle="400ms"),
                       "wiki": wiki.file() + requires("service = db")})
        self.assert_echoes(wiki)
        d.kill()
        os.kill(db.starts()[0], signal.SIGKILL)
        until(lambda: not is_alive(db.starts()[0]), "db is gone")
        d.start()
        d.await_state("wiki", "ready")
        self.assertIn("found it running", self.why(d, "wiki")["woken_by"])
        self.assertEqual((d.state("db"), len(db.starts())), ("stopped", 1))
        # But once db is awake, it is kept so.
        self.assert_echoes(db)
        self.assert_echoes(clock)
        d.await_state("clock", "stopped")
        self.assertEqual(d.state("db"), "ready")
        self.assertEqual([u["name"] for u in self.why(d, "db")["required_by"]], ["wiki"])


class PlainProxyTest(RequiresCase):
    """Services of type none, on both sides."""

    def test_a_plain_proxy_is_required(self):
        port, wiki = free_port(), self.backend()
        d = self.odpd({"far": plain_file(free_port(), f"{HOST}:{port}") +
                       "\n[ready]\ntimeout = 300ms\n",
                       "wiki": wiki.file() + requires("service = far")})
        self.assertIn("requires far, which failed: runs, but did not answer within 300ms",
                      self.turned_away(wiki))
        answer_at(self, f"{HOST}:{port}")
        self.assertEqual(d.odp("start", "wiki").returncode, 0)
        self.assertEqual(d.state("far"), "ready")

    def test_a_plain_proxy_requires(self):
        # The way to a program on a virtual machine, which is another service's to start.
        vm = self.backend("echo.py", "--delay", "0.2")
        port = free_port()
        front = plain_file(port, vm.target.replace(HOST, "127.0.0.2")) + requires("service = vm") + \
            "\n[idle]\ntimeout = 200ms\n"
        vm.command = vm.command.replace(vm.target, vm.target.replace(HOST, "0.0.0.0"))
        d = self.odpd({"front": front, "vm": vm.file(idle="0")})
        self.assertEqual((d.state("front"), d.state("vm")), ("stopped", "stopped"))
        for n in range(1, 3):
            with connect(port) as s:
                s.sendall(b"x")
                self.assertEqual(read_exactly(s, 1), b"x")
                self.assertEqual([u["name"] for u in self.why(d, "vm")["required_by"]], ["front"])
            d.await_state("vm", "stopped")
            self.assertEqual(d.status("front")["reason"], "quiet for 200ms")
            self.assertEqual(len(vm.starts()), n)
        self.assertEqual(d.odp("start", "front").returncode, 0)
        self.assertEqual(d.odp("stop", "front").returncode, 0)
        d.await_state("vm", "stopped")

    def test_a_plain_proxy_lives_through_the_launcher(self):
        vm, third = self.backend(), self.backend()
        port = free_port()
        vm.command = vm.command.replace(vm.target, vm.target.replace(HOST, "0.0.0.0"))
        d = self.odpd({"front": plain_file(port, vm.target.replace(HOST, "127.0.0.2")) +
                       requires("service = vm"), "vm": vm.file(), "third": third.file()})
        with connect(port) as s:
            s.sendall(b"x")
            self.assertEqual(read_exactly(s, 1), b"x")
            launcher = until(d.launcher, "a launcher")
            os.kill(launcher, signal.SIGKILL)
            until(lambda: d.launcher() not in (None, launcher), "another launcher")
            self.assert_echoes(third)  # so its first words about the others are heard
            s.sendall(b"y")
            self.assertEqual(read_exactly(s, 1), b"y")
            self.assertEqual((d.state("front"), d.state("vm")), ("ready", "ready"))


    def test_launcher_lost_while_a_plain_proxy_is_tried(self):
        vm, target = self.backend(), f"{HOST}:{free_port()}"
        d = self.odpd({"front": plain_file(free_port(), target) + requires("service = vm"),
                       "vm": vm.file()})
        start = Background(d.odp, "start", "front")
        until(lambda: "front: running: starting -> probing" in d.log(), "its target is tried")
        os.kill(until(d.launcher, "a launcher"), signal.SIGKILL)
        until(lambda: "launcher lost: probing -> unknown" in d.log(), "its end was noticed")
        d.await_state("front", "starting")
        answer_at(self, target)
        self.assertEqual(start.join().returncode, 0)


class PresentTest(RequiresCase):
    """[requires] mount and path, as far as that needs no mounts of the test's own."""

    def test_a_mount_that_is_there(self):
        wiki = self.backend()
        self.odpd({"wiki": wiki.file() + requires("mount = /proc", "mount = /", "path = /etc")})
        self.assert_echoes(wiki)

    def test_a_mount_that_is_not(self):
        # F18: not started, the client is told why, no crash loop.
        wiki, films = self.backend(), self.directory()
        d = self.odpd({"wiki": wiki.file() + requires("mount = /proc", f"mount = {films}")})
        reason = f"{films} is not mounted ([requires] mount): mount it, then visit again"
        self.assertIn(f"The reason: {reason}.", self.turned_away(wiki))
        with connect(wiki.listen) as s:
            self.assert_closed(s)
        self.assertEqual(d.status("wiki")["reason"], reason)
        self.assertIn(f"wiki is failed: {reason}", d.odp("why", "wiki").stdout)
        for _ in range(6):
            done = d.odp("start", "wiki")
            self.assertEqual((done.returncode, reason in done.stderr), (1, True))
        starts = d.log().count("-> starting")
        self.assertGreater(starts, 6)
        for _ in range(50):
            self.assertIn("is not mounted", self.turned_away(wiki))
        # In the backoff nothing is even looked at.
        self.assertEqual(d.log().count("-> starting"), starts)
        self.assertEqual(wiki.starts(), [])

    def test_path(self):
        wiki = self.backend()
        path = os.path.join(self.directory(), "marker")
        d = self.odpd({"wiki": wiki.file(idle="0") + requires(f"path = {path}")})
        self.assertIn(f"{path} does not exist ([requires] path)", self.turned_away(wiki))
        os.symlink("nowhere", path)  # which leads nowhere
        self.assertIn("does not exist", d.odp("start", "wiki").stderr)
        os.unlink(path)
        with open(path, "w", encoding="utf-8"):
            pass
        self.assertEqual(d.odp("start", "wiki").returncode, 0)
        d.await_state("wiki", "stopped")
        self.assert_echoes(wiki)
        self.assertEqual(len(wiki.starts()), 2)

    def test_exec_backend(self):
        directory = self.directory()
        began = os.path.join(directory, "began")
        d = self.odpd({"vm": f"""
            [service]
            listen = {free_port()}
            target = {HOST}:{free_port()}
            [backend]
            start = /usr/bin/touch {began}
            stop = /bin/true
            [requires]
            path = {directory}/nothing
        """})
        self.assertIn("nothing does not exist", d.odp("start", "vm").stderr)
        self.assertFalse(os.path.exists(began))

    def test_no_descriptor_and_no_process_is_left(self):
        wiki = self.backend()
        d = self.odpd({"wiki": wiki.file() + requires(f"mount = {self.directory()}")})
        launcher = until(d.launcher, "a launcher")

        def descriptors():
            return len(os.listdir(f"/proc/{launcher}/fd"))
        d.odp("start", "wiki")
        before = descriptors()
        for _ in range(20):
            d.odp("start", "wiki")
        until(lambda: descriptors() == before, f"as many descriptors as before: {before}")
        until(lambda: not children_of(launcher), "no process is left")

    def test_requirements_before_mounts(self):
        # Nothing is looked at before the requirements are ready: they may be what mounts it.
        directory, wiki = self.directory(), self.backend()
        path = os.path.join(directory, "unlocked")
        vault = self.backend("echo.py")
        vault.command = f"/bin/sh -c 'touch {path}; exec {vault.command}'"
        self.odpd({"vault": vault.file(),
                   "wiki": wiki.file() + requires("service = vault", f"path = {path}")})
        self.assert_echoes(wiki)


# ---- mounts of the test's own --------------------------------------------------------------------


def can_mount():
    return subprocess.run(["unshare", "--mount", "/bin/true"], capture_output=True,
                          check=False).returncode == 0


class MountCase(RequiresCase):
    def begin(self, services):
        # unshare(1) makes all mounts in there private, and becomes odpd.
        return self.odpd(services, before=("unshare", "--mount"), start_new_session=True)

    def inside(self, d, *command):
        subprocess.run(["nsenter", "-t", str(d.pid), "-m", *command], check=True)


@unittest.skipUnless(can_mount(), "needs root, to mount something in a mount namespace of its own")
class MountTest(MountCase):
    def test_comes_and_goes(self):
        wiki, films = self.backend(), self.directory()
        d = self.begin({"wiki": wiki.file() + requires(f"mount = {films}")})
        self.assertIn("is not mounted", self.turned_away(wiki))
        self.inside(d, "mount", "-t", "tmpfs", "films", films)
        with connect(wiki.listen) as s:  # the visit after it
            s.sendall(b"x")
            self.assertEqual(read_exactly(s, 1), b"x")
            self.inside(d, "umount", films)
            s.sendall(b"y")  # what is up stays up
            self.assertEqual(read_exactly(s, 1), b"y")
            self.assertEqual(d.state("wiki"), "ready")
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        self.assertIn("is not mounted", d.odp("start", "wiki").stderr)
        self.assertEqual(len(wiki.starts()), 1)

    def test_bind_mounts(self):
        # Of the same file system: its device number tells nothing. And of a file.
        directory = self.directory()
        films, source = os.path.join(directory, "films"), os.path.join(directory, "source")
        note = os.path.join(directory, "note")
        os.mkdir(films)
        os.mkdir(source)
        with open(note, "w", encoding="utf-8"):
            pass
        wiki = self.backend()
        d = self.begin({"wiki": wiki.file() + requires(f"mount = {films}", f"mount = {note}")})
        self.inside(d, "mount", "--bind", source, films)
        self.assertIn("note is not mounted", self.turned_away(wiki))
        self.inside(d, "mount", "--bind", note, note)
        self.assert_echoes(wiki)


# ---- automounts ----------------------------------------------------------------------------------

# Linux's auto_fs.h, protocol 5: what the kernel sends to the daemon of a direct mount.
TOKEN_AT = 8  # behind version and type; four bytes
PACKET_BYTES = 304
CLONE_FS, CLONE_NEWNS = 0x200, 0x20000
IOC_READY, IOC_FAIL, IOC_CATATONIC = 0x9360, 0x9361, 0x9362


class Automount:
    """An automount point in odpd's mount namespace, and its daemon, which is this test."""

    def __init__(self, test, d, path):
        self.path, self.requests = path, []
        self.answer = None  # to all requests; None: let them hang
        self.changed = threading.Condition()
        self.error, self.root = None, -1
        self.packets, self.theirs = os.pipe()
        self.libc = ctypes.CDLL(None, use_errno=True)
        begun = threading.Event()
        thread = threading.Thread(target=self.run, args=(d.pid, begun), daemon=True)
        thread.start()
        begun.wait()
        os.close(self.theirs)
        test.addCleanup(self.close, thread)
        if self.error:
            raise self.error

    def checked(self, result):
        if result < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def enter(self, pid):
        # Only a thread that shares neither root nor working directory may change its namespace.
        self.checked(self.libc.unshare(CLONE_FS))
        namespace = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
        try:
            self.checked(self.libc.setns(namespace, CLONE_NEWNS))
        finally:
            os.close(namespace)
        options = f"fd={self.theirs},pgrp={os.getpgrp()},minproto=5,maxproto=5,direct"
        self.checked(self.libc.mount(b"odp", self.path.encode(), b"autofs", 0, options.encode()))
        self.root = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)

    def run(self, pid, begun):
        try:
            self.enter(pid)
        except OSError as e:
            self.error = e
            return
        finally:
            begun.set()
        while True:
            packet = os.read(self.packets, PACKET_BYTES)
            if not packet:  # nobody has it mounted any more, or it is catatonic
                return
            token = int.from_bytes(packet[TOKEN_AT:TOKEN_AT + 4], sys.byteorder)
            with self.changed:
                self.requests.append(token)
                self.changed.wait_for(lambda: self.answer)
            self.handle(token)

    def handle(self, token):
        if self.answer == "mount":
            self.libc.mount(b"films", self.path.encode(), b"tmpfs", 0, b"")
        try:
            fcntl.ioctl(self.root, IOC_READY if self.answer == "mount" else IOC_FAIL, token)
        except OSError:
            pass  # who asked was killed meanwhile

    def reply(self, answer):
        with self.changed:
            self.answer = answer
            self.changed.notify_all()

    def close(self, thread):
        self.reply("fail")
        if self.root >= 0:
            fcntl.ioctl(self.root, IOC_CATATONIC, 0)  # whoever hangs there gets an error
            os.close(self.root)
        thread.join()
        os.close(self.packets)


def has_autofs():
    return "autofs" in read_file("/proc/filesystems").split()


@unittest.skipUnless(can_mount() and has_autofs(), "needs root and a kernel with autofs")
class AutomountTest(MountCase):
    def with_automount(self, answer, **options):
        wiki, films = self.backend(), self.directory()
        other = self.backend()
        d = self.begin({"wiki": wiki.file(**options) + requires(f"mount = {films}"),
                        "other": other.file()})
        automount = Automount(self, d, films)
        if answer:
            automount.reply(answer)
        return d, wiki, other, automount

    def await_children(self, d, n):
        launcher = until(d.launcher, "a launcher")
        try:  # well before a look that hangs is given up
            until(lambda: len(children_of(launcher)) == n, f"the launcher has {n} children", 15)
        except AssertionError as e:
            found = [[read_file(f"/proc/{pid}/{name}") for name in ("cmdline", "stat", "wchan")]
                     for pid in children_of(launcher)]
            raise AssertionError(f"{e}, but {found}") from e

    def test_triggered_by_the_look(self):
        d, wiki, _, automount = self.with_automount("mount")
        self.assert_echoes(wiki)
        self.assertEqual(len(automount.requests), 1)
        self.assertIn(f" {automount.path} ", read_file(f"/proc/{d.pid}/mountinfo"))

    def test_that_fails(self):
        d, wiki, _, automount = self.with_automount("fail")
        self.assertIn(f"{automount.path} is not mounted ([requires] mount): its automount failed: "
                      "No such file or directory", self.turned_away(wiki))
        self.assertEqual((len(automount.requests), wiki.starts()), (1, []))
        self.assertEqual(d.state("wiki"), "failed")

    def test_that_hangs(self):
        d, wiki, other, automount = self.with_automount(None, backend="start_timeout = 2s")
        waiting = Background(self.turned_away, wiki)
        until(lambda: automount.requests, "the look hangs in the automount")
        self.assert_echoes(other)  # nobody else feels it
        body = waiting.join()
        self.assertIn(f"{automount.path} did not answer within 1s ([requires] mount)", body)
        self.assertEqual(wiki.starts(), [])
        self.await_children(d, 1)  # that of other; who hung there is gone
        automount.reply("mount")
        self.assertEqual(d.odp("start", "wiki").returncode, 0)

    def test_stopped_while_it_hangs(self):
        d, wiki, _, automount = self.with_automount(None)
        waiting = Background(ask, wiki.listen)
        until(lambda: automount.requests, "the look hangs in the automount")
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        self.assertEqual(d.state("wiki"), "stopped")
        self.assertIn(b"stopped by odp stop", waiting.join())
        self.await_children(d, 0)  # nobody is left who could start it now
        automount.reply("mount")
        self.assert_echoes(wiki)
        self.assertEqual(len(wiki.starts()), 1)

    def test_odpd_ends_while_it_hangs(self):
        d, wiki, _, automount = self.with_automount(None)
        with connect(wiki.listen):
            until(lambda: automount.requests, "the look hangs in the automount")
            launcher = until(d.launcher, "a launcher")
            self.assertEqual(d.terminate(), 0)
            until(lambda: not is_alive(launcher), "the launcher is gone")


if __name__ == "__main__":
    unittest.main()
