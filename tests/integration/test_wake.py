#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A service's life as its users see it: woken by a connection, put to sleep by its quiet window,
# woken again; failed starts and foreign hands on the way.

import os
import random
import signal
import socket
import time
import unittest

from harness import (HOST, Backend, Background, Case, Gate, accepts, connect, exchange, free_port,
                     group_of, is_alive, read_all, read_exactly, reset, until)


class WakeTest(Case):
    def backend(self, *args, **options):
        return Backend(self.directory(), *args, **options)

    def echoes(self, port, data=b"hello", timeout=None):
        """One visit to an echo; returns the pid that answered."""
        with connect(port, timeout) as s:
            reply = exchange(s, data)
        self.assert_same(reply[:len(data)], data)
        self.assertRegex(reply[len(data):], rb"^bye \d+\n$")
        return int(reply[len(data):].split()[1])

    def test_first_visit_sleep_and_second_visit(self):
        backend = self.backend("echo.py", "--delay", 1, "--child")
        d = self.odpd({"web": backend.file(idle="2s")})
        self.assertEqual(d.state("web"), "stopped")
        self.assertEqual(backend.starts(), [])

        data = random.Random(1).randbytes(3 * 1024 * 1024)
        begin = time.monotonic()
        pid = self.echoes(backend.listen, data)
        self.assertGreater(time.monotonic() - begin, 0.95)
        self.assertEqual(backend.starts(), [pid])
        self.assertEqual(len(group_of(pid)), 2)

        asked = time.monotonic()
        status = d.status("web")
        self.assertEqual((status["state"], status["connections"]), ("ready", 0))
        self.assertEqual(status["wakes"], 1)
        self.assertGreater(status["last_wake_seconds"], 0.95)
        self.assertEqual([status["wake_p50_seconds"], status["wake_p95_seconds"]],
                         [status["last_wake_seconds"]] * 2)
        self.assertEqual(status["bytes_in"], len(data))
        self.assertEqual(status["bytes_out"], len(data) + len(f"bye {pid}\n"))
        self.assertTrue(0 < status["sleeps_in_seconds"] <= 2, status)

        until(lambda: d.state("web") != "ready", "the window ends")
        # Its begin is odpd's to know: a client of a busy machine sees the end later.
        self.assertGreater(time.monotonic() - asked, status["sleeps_in_seconds"] - 0.01)
        self.assertGreater(time.monotonic() - begin, 0.95 + 2)
        status = d.await_state("web", "stopped")
        self.assertEqual(status["reason"], "quiet for 2s")
        self.assertEqual(group_of(pid), [])

        again = self.echoes(backend.listen)
        self.assertNotEqual(again, pid)
        self.assertEqual(backend.starts(), [pid, again])
        self.assertEqual(d.status("web")["wakes"], 2)

    def test_freeing_is_prompt(self):
        backend = self.backend()
        d = self.odpd({"web": backend.file(idle="1s")})
        self.echoes(backend.listen)
        begin = time.monotonic()
        until(lambda: d.state("web") != "ready", "the window ends")
        # The budget is 100 ms; the rest is for a machine that does other things as well.
        self.assertLess(time.monotonic() - begin, 2)

    def test_many_clients_during_the_start(self):
        gate = Gate(self)
        backend = self.backend("echo.py", "--gate", gate)
        d = self.odpd({"web": backend.file()})
        clients = [self.connect(backend.listen) for _ in range(200)]
        for i, s in enumerate(clients):
            s.sendall(f"client {i}\n".encode())
            s.shutdown(socket.SHUT_WR)
        d.await_status("web", state="starting", waiting=200)
        gate.open()
        for i, s in enumerate(clients):
            self.assertRegex(read_all(s), rf"^client {i}\nbye \d+\n$".encode())
        self.assertEqual(len(backend.starts()), 1)
        d.await_status("web", connections=0, waiting=0)

    def test_more_clients_than_may_wait(self):
        # 256 wait in odpd, the others in the kernel's queue; all are answered.
        gate = Gate(self)
        backend = self.backend("echo.py", "--gate", gate)
        d = self.odpd({"web": backend.file()})
        clients = [self.connect(backend.listen) for _ in range(300)]
        d.await_status("web", waiting=256)
        gate.open()
        for i, s in enumerate(clients):
            s.sendall(f"client {i}\n".encode())
            s.shutdown(socket.SHUT_WR)
        for i, s in enumerate(clients):
            self.assertRegex(read_all(s), rf"^client {i}\nbye \d+\n$".encode())
        self.assertEqual(d.status("web")["failed_wakes"], 0)

    def test_max_waiting(self):
        gate = Gate(self)
        backend = self.backend("echo.py", "--gate", gate)
        d = self.odpd({"web": backend.file(wait="max_waiting = 3")})
        clients = [self.connect(backend.listen) for _ in range(7)]
        d.await_status("web", waiting=3)
        gate.open()
        for i, s in enumerate(clients):
            s.sendall(b"%d\n" % i)
            s.shutdown(socket.SHUT_WR)
        for i, s in enumerate(clients):
            self.assertRegex(read_all(s), rb"^%d\nbye \d+\n$" % i)

    def test_drain_timeout_cuts(self):
        backend = self.backend("echo.py")
        d = self.odpd({"web": backend.file(idle="5min\ndrain_timeout = 300ms")})
        s = self.connect(backend.listen)
        s.sendall(b"x")
        self.assertEqual(read_exactly(s, 1), b"x")
        begin = time.monotonic()
        self.assertEqual(d.odp("stop", "web").returncode, 0)
        self.assertGreater(time.monotonic() - begin, 0.29)
        self.assertEqual(read_all(s), b"")
        d.await_state("web", "stopped")

    def test_connection_while_stopping(self):
        # It accepts and serves on while it stops: a trap, since it will be gone in a moment.
        gate = Gate(self)
        backend = self.backend("echo.py", "--stop-gate", gate)
        d = self.odpd({"web": backend.file(idle="500ms")})
        first = self.echoes(backend.listen)
        d.await_state("web", "stopping")
        with connect(backend.listen) as s:
            d.await_status("web", waiting=1)
            self.assertTrue(is_alive(first))
            self.assertEqual(d.state("web"), "stopping")
            gate.open()
            reply = exchange(s, b"late")
        self.assertFalse(is_alive(first))
        second = backend.starts()[1]
        self.assertEqual(reply, f"latebye {second}\n".encode())
        self.assertEqual(len(backend.starts()), 2)

    def test_connection_after_stop_command_while_stopping(self):
        gate = Gate(self)
        backend = self.backend("echo.py", "--stop-gate", gate)
        d = self.odpd({"web": backend.file()})
        first = self.echoes(backend.listen)
        self.assertEqual(d.odp("stop", "--no-wait", "web").returncode, 0)
        d.await_state("web", "stopping")
        visit = Background(self.echoes, backend.listen)
        d.await_status("web", waiting=1)
        gate.open()
        second = visit.join()
        self.assertEqual(backend.starts(), [first, second])
        self.assertFalse(is_alive(first))

    def test_live_connection_is_never_stopped(self):
        backend = self.backend()
        d = self.odpd({"web": backend.file(idle="500ms")})
        with connect(backend.listen) as s:
            s.sendall(b"x")
            self.assertEqual(read_exactly(s, 1), b"x")
            pid = backend.starts()[0]
            # Six windows without a byte. Other visits come and go: theirs is not the last close.
            end = time.monotonic() + 3
            while time.monotonic() < end:
                self.echoes(backend.listen)
                status = d.status("web")
                self.assertEqual((status["state"], status["sleeps_in_seconds"]), ("ready", None))
                time.sleep(0.3)
            s.sendall(b"y")
            self.assertEqual(read_exactly(s, 1), b"y")
        self.assertEqual(backend.starts(), [pid])
        d.await_state("web", "stopped")

    def test_silent_connection_is_live(self):
        # Its client has never sent a byte, and nothing else happens.
        backend = self.backend("greeter.py")
        d = self.odpd({"mail": backend.file(idle="300ms")})
        with connect(backend.listen) as s:
            self.assertEqual(read_exactly(s, 20), b"220 at your service\n")
            end = time.monotonic() + 2
            while time.monotonic() < end:
                self.assertEqual(d.state("mail"), "ready")
                time.sleep(0.05)
            self.assertEqual(exchange(s, b"quit"), b"quitbye %d\n" % backend.starts()[0])
        d.await_state("mail", "stopped")

    def test_half_closed_connection_is_live(self):
        # The client has said all it wanted; what it waits for takes longer than the window.
        backend = self.backend("sink.py", "--slow", self.directory() + "/go")
        d = self.odpd({"job": backend.file(idle="300ms")})
        go = backend.command.split()[-1]
        with connect(backend.listen) as s:
            s.sendall(b"z" * 70000)
            s.shutdown(socket.SHUT_WR)
            d.await_state("job", "ready")
            end = time.monotonic() + 1.5
            while time.monotonic() < end:
                self.assertEqual(d.state("job"), "ready")
                time.sleep(0.05)
            with open(go, "w", encoding="utf-8"):
                pass
            self.assertTrue(read_all(s).startswith(b"70000 "))

    def test_window_runs_from_the_last_close(self):
        backend = self.backend()
        d = self.odpd({"web": backend.file(idle="1500ms")})
        with connect(backend.listen) as s:
            s.sendall(b"x")
            read_exactly(s, 1)
            for _ in range(3):  # what others do moves nothing
                self.echoes(backend.listen)
            last = time.monotonic()
        until(lambda: d.state("web") != "ready", "the window ends")
        took = time.monotonic() - last
        self.assertGreater(took, 1.45)
        self.assertLess(took, 4)

    def test_crash_at_start(self):
        backend = self.backend("echo.py", "--delay", 0.3, "--exit", 7)
        d = self.odpd({"web": backend.file()})
        clients = [self.connect(backend.listen) for _ in range(5)]
        for s in clients:
            s.sendall(b"request")
        for s in clients:
            self.assert_closed(s)
        status = d.await_state("web", "failed")
        self.assertIn("status 7", status["reason"])
        self.assertIn("cannot open the database", status["reason"])
        self.assertEqual((status["waiting"], status["failed_wakes"]), (0, 1))
        self.assertEqual(len(backend.starts()), 1)

        # The first backoff is none, so the next visit starts it at once. Nothing did before.
        self.assert_closed(self.connect(backend.listen))
        self.assertEqual(len(backend.starts()), 2)

        # The second one is one second: a visit within it is told at once, without a start.
        self.assert_closed(self.connect(backend.listen))
        self.assertEqual(len(backend.starts()), 2)

        d.await_state("web", "failed")
        done = d.odp("start", "web")
        self.assertEqual(done.returncode, 1)
        self.assertIn("status 7", done.stderr)

    def test_crash_at_start_then_repaired(self):
        directory = self.directory()
        backend = Backend(directory)
        script = os.path.join(directory, "run.sh")
        with open(script, "w", encoding="utf-8") as f:
            f.write(f"test -e {directory}/repaired || exit 9\nexec {backend.command}\n")
        backend.command = f"sh {script}"
        d = self.odpd({"web": backend.file()})
        self.assert_closed(self.connect(backend.listen))
        self.assertIn("status 9", d.await_state("web", "failed")["reason"])
        with open(os.path.join(directory, "repaired"), "w", encoding="utf-8"):
            pass
        self.assertEqual(self.echoes(backend.listen), backend.starts()[0])
        self.assertEqual(d.state("web"), "ready")

    def test_killed_by_someone_else(self):
        backend = self.backend()
        d = self.odpd({"web": backend.file()})
        first = self.echoes(backend.listen)
        os.kill(first, signal.SIGKILL)
        status = d.await_state("web", "stopped")
        self.assertIn("signal 9", status["reason"])
        second = self.echoes(backend.listen)
        self.assertEqual(backend.starts(), [first, second])

    def test_killed_under_a_live_connection(self):
        backend = self.backend()
        d = self.odpd({"web": backend.file()})
        s = self.connect(backend.listen)
        s.sendall(b"x")
        read_exactly(s, 1)
        first = backend.starts()[0]
        os.kill(first, signal.SIGKILL)
        self.assert_closed(s)
        # Until then its listening socket may still take a connection, and end it with itself.
        until(lambda: not is_alive(first), "it is dead")
        second = self.echoes(backend.listen)
        self.assertEqual(backend.starts(), [first, second])
        self.assertEqual(d.state("web"), "ready")

    def test_killed_and_visited_at_once(self):
        # The connection is refused before the launcher has told of the end, after it, or while it
        # does: often enough that each of them comes to pass.
        backend = self.backend()
        self.odpd({"web": backend.file()})
        for i in range(40):
            pid = self.echoes(backend.listen)
            self.assertEqual(backend.starts()[i:], [pid])
            os.kill(pid, signal.SIGKILL)
            until(lambda: not is_alive(pid), "it is dead")  # pylint: disable=cell-var-from-loop

    def test_killed_during_the_start(self):
        backend = self.backend("echo.py", "--delay", 60)
        d = self.odpd({"web": backend.file()})
        s = self.connect(backend.listen)
        pid = until(backend.starts, "it is started")[0]
        os.kill(pid, signal.SIGKILL)
        self.assert_closed(s)
        self.assertIn("signal 9", d.await_state("web", "failed")["reason"])

    def test_command_not_found(self):
        d = self.odpd({"web": f"""
            [service]
            listen = {free_port()}
            target = {HOST}:{free_port()}
            [backend]
            type = process
            command = /nonexistent/server --port 1
            """})
        port = int(d.status("web")["listen"][0])
        self.assert_closed(self.connect(port))
        status = d.await_state("web", "failed")
        self.assertIn("/nonexistent/server", status["reason"])
        self.assertIn("No such file", status["reason"])
        done = d.odp("start", "web")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nonexistent/server", done.stderr)

    def test_start_that_is_too_slow_fails_alone(self):
        slow = self.backend("echo.py", "--delay", 7)
        quick = self.backend()
        d = self.odpd({"slow": slow.file(ready="timeout = 4s"), "quick": quick.file()})
        s = self.connect(slow.listen)
        d.await_status("slow", waiting=1)
        self.echoes(quick.listen)
        self.assertEqual(d.state("slow"), "starting")
        self.assert_closed(s)
        status = d.await_state("slow", "failed")
        self.assertIn("did not answer within 4s", status["reason"])
        self.assertEqual(d.state("quick"), "ready")
        # It was not stopped: it answers later, and is adopted by the visit that finds it.
        pid = slow.starts()[0]
        self.assertTrue(is_alive(pid))
        until(lambda: accepts(slow.target), "the slow one listens")
        self.assertEqual(self.echoes(slow.listen), pid)
        self.assertEqual(slow.starts(), [pid])

    def test_start_and_stop_commands(self):
        backend = self.backend("echo.py", "--delay", 0.5, "--stop-delay", 0.5)
        d = self.odpd({"web": backend.file()})
        done = d.odp("start", "web")
        self.assertEqual((done.returncode, done.stdout), (0, "web: ready\n"), done.stderr)
        pid = backend.starts()[0]
        self.assertEqual(d.state("web"), "ready")
        done = d.odp("start", "web")
        self.assertEqual((done.returncode, done.stdout), (0, "web: ready\n"), done.stderr)
        done = d.odp("stop", "web")
        self.assertEqual((done.returncode, done.stdout), (0, "web: stopped\n"), done.stderr)
        self.assertFalse(is_alive(pid))
        self.assertEqual(d.status("web")["reason"], "stopped by odp stop")

        begin = time.monotonic()
        done = d.odp("start", "--no-wait", "web")
        self.assertEqual((done.returncode, done.stdout), (0, "web: starting\n"), done.stderr)
        d.await_state("web", "ready")
        self.assertGreater(time.monotonic() - begin, 0.45)
        done = d.odp("stop", "--no-wait", "web")
        self.assertEqual((done.returncode, done.stdout), (0, "web: stopping\n"), done.stderr)
        d.await_state("web", "stopped")
        self.assertEqual(len(backend.starts()), 2)
        self.assertEqual(d.odp("start", "nothere").returncode, 1)

    def test_stop_command_lets_connections_end(self):
        backend = self.backend()
        d = self.odpd({"web": backend.file()})
        s = self.connect(backend.listen)
        s.sendall(b"x")
        read_exactly(s, 1)
        stop = Background(d.odp, "stop", "web")
        d.await_state("web", "draining")
        s.sendall(b"y")
        self.assertEqual(read_exactly(s, 1), b"y")
        s.close()
        self.assertEqual(stop.join().returncode, 0)
        self.assertEqual(d.state("web"), "stopped")

    def test_stop_command_while_starting(self):
        backend = self.backend("echo.py", "--delay", 60)
        d = self.odpd({"web": backend.file()})
        start = Background(d.odp, "start", "web")
        d.await_state("web", "starting")  # it has said so
        s = self.connect(backend.listen)
        d.await_status("web", waiting=1)
        pid = until(backend.starts, "it is started")[0]
        self.assertEqual(d.odp("stop", "web").returncode, 0)
        self.assert_closed(s)
        self.assertEqual(start.join().returncode, 1)
        self.assertFalse(is_alive(pid))
        self.assertEqual(d.state("web"), "stopped")

    def test_started_by_command_sleeps_by_its_window(self):
        backend = self.backend()
        d = self.odpd({"web": backend.file(idle="500ms")})
        d.odp("start", "web")
        self.assertEqual(d.await_state("web", "stopped")["reason"], "quiet for 500ms")

    def test_without_a_probe(self):
        backend = self.backend("echo.py", "--delay", 0.7)
        d = self.odpd({"web": backend.file(ready="probe = none")})
        done = d.odp("start", "web")
        self.assertEqual((done.returncode, done.stdout), (0, "web: ready\n"), done.stderr)
        # Ready without listening: the first visit finds that out, and still waits.
        self.assertEqual(self.echoes(backend.listen), backend.starts()[0])
        self.assertEqual(d.status("web")["failed_wakes"], 0)

    def test_client_resets_do_not_disturb_the_window(self):
        backend = self.backend()
        d = self.odpd({"web": backend.file(idle="700ms")})
        for _ in range(20):
            s = connect(backend.listen)
            s.sendall(b"x")
            read_exactly(s, 1)
            reset(s)
        d.await_status("web", connections=0)
        d.await_state("web", "stopped")
        self.assertEqual(len(backend.starts()), 1)


if __name__ == "__main__":
    unittest.main()
