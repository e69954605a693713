#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# odpd and odp-launcher killed at any moment, two odpds at once, garbage on the control socket: no
# service is started twice, no client pays for it, nothing is left behind.

import json
import os
import random
import signal
import socket
import subprocess
import time
import unittest

from harness import (HOST, Backend, Background, Case, Gate, Odpd, connect, exchange, free_port, is_alive,
                     plain_file, private_dirty, read_exactly, until)


class KillLauncherTest(Case):
    def begin(self, *args, **options):
        self.backend = Backend(self.directory(), "echo.py", *args)
        d = self.odpd({"web": self.backend.file(**options)})
        until(d.launcher, "the launcher runs")
        return d

    def kill_launcher(self, d, await_next=True):
        old = until(d.launcher, "there is a launcher")
        os.kill(old, signal.SIGKILL)
        if await_next:
            until(lambda: d.launcher() not in (None, old), "another launcher runs")

    def visit(self, data=b"hello"):
        with connect(self.backend.listen) as s:
            reply = exchange(s, data)
        self.assert_same(reply[:len(data)], data)
        return int(reply[len(data):].split()[1])

    def test_while_asleep(self):
        d = self.begin()
        self.kill_launcher(d)
        self.assertEqual(self.visit(), self.backend.starts()[0])
        self.assertEqual(len(self.backend.starts()), 1)

    def test_as_the_first_client_comes(self):
        d = self.begin("--delay", 0.3)
        for i in range(4):
            self.kill_launcher(d, await_next=False)
            self.visit()
            self.assertEqual(len(self.backend.starts()), i + 1)
            self.assertEqual(d.odp("stop", "web").returncode, 0)

    def test_while_starting(self):
        d = self.begin("--delay", 1.2)
        s = self.connect(self.backend.listen)
        s.sendall(b"held")
        pid = until(self.backend.starts, "it is started")[0]
        self.kill_launcher(d)
        self.assertEqual(exchange(s, b" on"), b"held onbye %d\n" % pid)
        self.assertEqual(self.backend.starts(), [pid])
        self.assertEqual(d.status("web")["failed_wakes"], 0)

    def test_at_random_moments_of_a_start(self):
        d = self.begin("--delay", 0.1, idle="5min")
        rng = random.Random(1)
        for i in range(5):
            s = self.connect(self.backend.listen)
            s.sendall(b"x")
            time.sleep(rng.uniform(0, 0.03))  # the moment is the test's subject
            launcher = d.launcher()
            if launcher:
                os.kill(launcher, signal.SIGKILL)
            self.assertEqual(exchange(s, b"y"), b"xybye %d\n" % self.backend.starts()[-1])
            self.assertEqual(len(self.backend.starts()), i + 1)
            self.assertEqual(d.odp("stop", "web").returncode, 0)

    def test_while_ready(self):
        d = self.begin(idle="1s")
        s = self.connect(self.backend.listen)
        s.sendall(b"a")
        read_exactly(s, 1)
        pid = self.backend.starts()[0]
        self.kill_launcher(d)
        s.sendall(b"b")
        self.assertEqual(read_exactly(s, 1), b"b")
        self.assertEqual(self.visit(), pid)
        self.assertEqual(exchange(s, b"c"), b"cbye %d\n" % pid)
        s.close()
        # The new launcher has taken it over: it can stop it.
        d.await_state("web", "stopped")
        self.assertFalse(is_alive(pid))
        self.assertEqual(self.backend.starts(), [pid])

    def test_ready_one_ends_while_there_is_no_launcher(self):
        d = self.begin()
        pid = self.visit()
        self.kill_launcher(d, await_next=False)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not is_alive(pid), "it is dead")
        self.assertNotEqual(self.visit(), pid)
        self.assertEqual(len(self.backend.starts()), 2)

    def test_while_stopping(self):
        gate = Gate(self)
        d = self.begin("--stop-gate", gate)
        pid = self.visit()
        self.assertEqual(d.odp("stop", "--no-wait", "web").returncode, 0)
        d.await_state("web", "stopping")
        self.kill_launcher(d)
        self.assertTrue(is_alive(pid))
        gate.open()
        d.await_state("web", "stopped")
        self.assertFalse(is_alive(pid))
        self.assertEqual(self.backend.starts(), [pid])
        self.assertNotEqual(self.visit(), pid)
        self.assertEqual(len(self.backend.starts()), 2)

    def test_while_stopping_with_a_client_that_waits(self):
        gate = Gate(self)
        d = self.begin("--stop-gate", gate)
        pid = self.visit()
        self.assertEqual(d.odp("stop", "--no-wait", "web").returncode, 0)
        d.await_state("web", "stopping")
        visit = Background(self.visit)
        d.await_status("web", waiting=1)
        self.kill_launcher(d)
        gate.open()
        # Served by the one that was not to be stopped after all, or by the next one: served.
        answered_by = visit.join()
        self.assertIn(answered_by, self.backend.starts())
        self.assertLessEqual(len(self.backend.starts()), 2)
        # Nor is it served by one that is about to end and takes its next visitor with it.
        for _ in range(20):
            self.visit()
        d.await_state("web", "ready")
        self.assertTrue(is_alive(self.backend.starts()[-1]))

    def test_pauses_grow_only_where_nothing_waits(self):
        d = self.begin("--stop-delay", 12, idle="5min")
        pid = self.visit()
        self.assertEqual(d.odp("stop", "--no-wait", "web").returncode, 0)
        d.await_state("web", "stopping")
        longest = 0
        for _ in range(7):  # alone, the pause before the last one is 8 s
            begin = time.monotonic()
            self.kill_launcher(d)
            longest = max(longest, time.monotonic() - begin)
        self.assertLess(longest, 5)
        d.await_state("web", "stopped")
        self.assertEqual(self.backend.starts(), [pid])
        # One that comes while a pause goes on does not wait for its end, either.
        self.kill_launcher(d, await_next=False)
        begin = time.monotonic()
        self.assertNotEqual(self.visit(), pid)
        self.assertLess(time.monotonic() - begin, 5)

    def test_again_and_again(self):
        d = self.begin()
        pid = self.visit()
        s = self.connect(self.backend.listen)
        for i in range(4):
            self.kill_launcher(d)
            s.sendall(b"%d" % i)
            self.assertEqual(read_exactly(s, 1), b"%d" % i)
        self.assertEqual(self.visit(), pid)
        self.assertEqual(self.backend.starts(), [pid])


class KillOdpdTest(Case):
    def test_adopts_what_runs(self):
        backend = Backend(self.directory())
        d = self.odpd({"web": backend.file(idle="1500ms")})
        with connect(backend.listen) as s:
            exchange(s, b"x")
        pid = backend.starts()[0]
        d.kill()
        self.assertTrue(is_alive(pid))
        d.start()
        d.await_state("web", "ready")
        with connect(backend.listen) as s:
            s.sendall(b"again")
            self.assertEqual(read_exactly(s, 5), b"again")
            closed = time.monotonic()
            self.assertEqual(exchange(s, b""), b"bye %d\n" % pid)
        until(lambda: d.state("web") != "ready", "the window ends")
        self.assertGreater(time.monotonic() - closed, 1.4)
        d.await_state("web", "stopped")
        self.assertFalse(is_alive(pid))
        self.assertEqual(backend.starts(), [pid])

    def test_window_in_full_without_a_visit(self):
        backend = Backend(self.directory())
        d = self.odpd({"web": backend.file(idle="1500ms")})
        d.odp("start", "web")
        d.kill()
        d.start()
        d.await_state("web", "ready")
        d.await_state("web", "stopped")
        why = d.call("Why", name="web")["parameters"]  # by odpd's own clock
        self.assertIn("found it running", why["woken_by"])
        self.assertGreater(why["stopped_at"] - why["woken_at"], 1.4)

    def test_first_connection_at_once(self):
        backend = Backend(self.directory())
        d = self.odpd({"web": backend.file()})
        for i in range(5):
            if i:
                d.kill()
                d.start(ready=False)
            s = self.connect_patiently(backend.listen)
            self.assertEqual(exchange(s, b"x"), b"xbye %d\n" % backend.starts()[0])
            s.close()
        self.assertEqual(len(backend.starts()), 1)

    def connect_patiently(self, port):
        def attempt():
            try:
                return connect(port)
            except ConnectionRefusedError:
                return None
        return until(attempt, "it listens")

    def test_killed_while_starting(self):
        backend = Backend(self.directory(), "echo.py", "--delay", 1)
        d = self.odpd({"web": backend.file()})
        self.connect(backend.listen)
        pid = until(backend.starts, "it is started")[0]
        d.kill()
        d.start(ready=False)
        s = self.connect_patiently(backend.listen)
        self.assertEqual(exchange(s, b"x"), b"xbye %d\n" % pid)
        s.close()
        self.assertEqual(backend.starts(), [pid])

    def test_killed_while_stopping(self):
        gate = Gate(self)
        backend = Backend(self.directory(), "echo.py", "--stop-gate", gate)
        d = self.odpd({"web": backend.file(idle="1s")})
        d.odp("start", "web")
        d.odp("stop", "--no-wait", "web")
        d.await_state("web", "stopping")
        d.kill()
        d.start()
        gate.open()
        d.await_state("web", "stopped")
        with connect(backend.listen) as s:
            self.assertEqual(exchange(s, b"x"), b"xbye %d\n" % backend.starts()[1])

    def test_ends_in_order_with_all_kinds_of_connections(self):
        directory = self.directory()
        ready = Backend(directory)
        slow = Backend(directory, "echo.py", "--delay", 60)
        d = self.odpd({"ready": ready.file(), "slow": slow.file(),
                       "down": plain_file(free_port(), f"{HOST}:{free_port()}")})
        relayed = self.connect(ready.listen)
        relayed.sendall(b"x")
        read_exactly(relayed, 1)
        held = self.connect(slow.listen)
        control = self.connect(os.path.join(d.runtime, "control.sock"))
        control.sendall(b'{"method":')
        d.await_status("slow", waiting=1)
        self.assertEqual(d.terminate(), 0)
        for s in (relayed, held, control):
            self.assert_closed(s)
        self.assertFalse(os.path.exists(os.path.join(d.runtime, "control.sock")))
        # Services are left as they are, for the odpd that comes next.
        self.assertTrue(is_alive(ready.starts()[0]))
        d.start()
        d.await_state("ready", "ready")

    def test_sigint(self):
        d = self.odpd({"down": plain_file(free_port(), f"{HOST}:{free_port()}")})
        d.hang_up()
        d.process.send_signal(signal.SIGINT)
        self.assertEqual(d.process.wait(30), 0)


class SecondOdpdTest(Case):
    def test_same_runtime_directory(self):
        backend = Backend(self.directory())
        d = self.odpd({"web": backend.file()})
        with connect(backend.listen) as s:
            s.sendall(b"x")
            read_exactly(s, 1)
            second = Odpd(self.directory(), {"other": plain_file(free_port(), f"{HOST}:1")})
            second.runtime = d.runtime
            second.start(ready=False)
            self.assertEqual(second.process.wait(30), 1)
            self.assertIn("another odpd", second.log())
            self.assertEqual(len(second.log().splitlines()), 1, second.log())
            self.assertEqual(exchange(s, b"y"), b"ybye %d\n" % backend.starts()[0])
        self.assertEqual([s["name"] for s in d.all_status()], ["web"])
        self.assertEqual(d.odp("status").returncode, 0)

    def test_no_odpd(self):
        d = Odpd(self.directory(), {})
        done = d.odp("status")
        self.assertEqual(done.returncode, 3)
        self.assertEqual(done.stderr.count("\n"), 1)


class ControlTest(Case):
    def setUp(self):
        self.backend = Backend(self.directory())
        self.d = self.odpd({"web": self.backend.file()})
        self.path = os.path.join(self.d.runtime, "control.sock")

    def check_alive(self):
        done = self.d.odp("status", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["services"][0]["name"], "web")

    def send(self, data):
        s = self.connect(self.path)
        try:
            s.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return s

    def test_garbage(self):
        rng = random.Random(2)
        for data in (b"\0", b"\0" * 100_000, b"{}\0", b"[]\0", b"null\0", b"\"x\"\0", b"{\0",
                     b"GET / HTTP/1.1\r\n\r\n\0", b'{"method":7}\0', b'{"method":null}\0',
                     b'{"method":"io.odp.Control.Start"}\0',
                     b'{"method":"io.odp.Control.Start","parameters":[]}\0',
                     b'{"method":"io.odp.Control.Start","parameters":{"name":7}}\0',
                     b'{"method":"io.odp.Control.Status","parameters":{"names":"web"}}\0',
                     b'{"method":"io.odp.Control.Status","parameters":{"names":[7,null,{}]}}\0',
                     b'{"method":"io.odp.Control.Status","parameters":{"names":["web","nope"]}}\0',
                     b'{"method":"org.varlink.service.GetInterfaceDescription"}\0',
                     b'{"method":"\xff\xfe"}\0', b"[" * 60_000 + b"\0",
                     b'{"a":' * 10_000 + b"\0", rng.randbytes(1 << 20)):
            with self.subTest(data=data[:40]):
                s = self.send(data)
                s.shutdown(socket.SHUT_WR)
                try:
                    while s.recv(65536):
                        pass
                except ConnectionResetError:
                    pass
                s.close()
                self.check_alive()

    def test_random_bytes(self):
        rng = random.Random(3)
        for _ in range(200):
            self.send(rng.randbytes(rng.randrange(1, 300)) + b"\0").close()
        self.check_alive()
        self.assertEqual(self.backend.starts(), [])

    def test_endless_call(self):
        s = self.send(b'{"method":"' + b"x" * (8 << 20))
        self.assert_closed(s)
        self.check_alive()

    def test_half_a_call(self):
        for n in (1, 5, 20, 60):
            self.send(b'{"method":"io.odp.Control.Start","parameters":{"name":"web"}}'[:n]).close()
        self.check_alive()
        self.assertEqual(self.d.state("web"), "stopped")

    def test_caller_that_leaves_while_it_waits(self):
        backend = Backend(self.directory(), "echo.py", "--delay", 0.5)
        d = self.odpd({"slow": backend.file()})
        path = os.path.join(d.runtime, "control.sock")
        for _ in range(10):
            with connect(path) as s:
                s.sendall(b'{"method":"io.odp.Control.Start","parameters":{"name":"slow"}}\0' * 3)
        d.await_state("slow", "ready")

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to be somebody else as well")
    def test_strangers_lock_nobody_out(self):
        # All that another user can open, held open: who owns odpd still gets through.
        code = ("import socket,sys\n"
                "held = [socket.socket(socket.AF_UNIX) for _ in range(300)]\n"
                "for s in held: s.connect(sys.argv[1])\n"
                "print('held', flush=True); sys.stdin.read()")
        os.chmod(self.d.directory, 0o755)
        stranger = subprocess.Popen(["/usr/bin/python3", "-c", code, self.path], user=65534,
                                    group=65534, extra_groups=[], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE)
        self.addCleanup(stranger.wait)
        self.addCleanup(stranger.stdout.close)
        self.addCleanup(stranger.stdin.close)
        self.assertEqual(stranger.stdout.readline(), b"held\n")
        self.check_alive()

    def test_many_connections(self):
        clients = []
        for _ in range(200):
            clients.append(self.send(b"{"))
        # Whoever is too much is told so by a close; who leaves makes room.
        with connect(self.backend.listen) as s:
            self.assertTrue(exchange(s, b"x").startswith(b"xbye"))
        for s in clients:
            s.close()
        until(lambda: self.d.odp("status").returncode == 0, "there is room again")
        self.check_alive()

    def test_reader_that_does_not_read(self):
        # What it asked for and does not take must not pile up in odpd.
        before = private_dirty(self.d.pid)
        s = self.connect(self.path)
        s.settimeout(1)
        try:
            for _ in range(2000):
                s.sendall(b'{"method":"io.odp.Control.Status"}\0' * 100)
        except (TimeoutError, BrokenPipeError, ConnectionResetError):
            pass
        self.check_alive()
        self.assertLess(private_dirty(self.d.pid) - before, 16 << 20)


class FaultyFileTest(Case):
    def test_start_and_stop_say_what_is_wrong_with_it(self):
        d = self.odpd({"web": "[service]\nlisten = 80\n"})
        for verb in "start", "stop":
            done = d.odp(verb, "web")
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertEqual(done.stderr, "odp: web: line 1: [service] has no target: write for "
                                          "instance `target = 127.0.0.1:18080`\n")


class AskingTest(Case):
    def test_asking_neither_wakes_nor_keeps_awake(self):
        backend = Backend(self.directory())
        d = self.odpd({"web": backend.file(idle="1500ms")})
        for _ in range(50):
            self.assertEqual(d.state("web"), "stopped")
        self.assertEqual(d.odp("status").returncode, 0)
        self.assertEqual(backend.starts(), [])
        with connect(backend.listen) as s:
            s.sendall(b"x")
            read_exactly(s, 1)
            closed = time.monotonic()
        until(lambda: d.odp("status", "web").returncode != 0 or d.state("web") != "ready",
              "the window ends although it is asked for all the time")
        self.assertTrue(1.4 < time.monotonic() - closed < 5)
        self.assertEqual(d.await_state("web", "stopped")["reason"], "quiet for 1s 500ms")
        self.assertEqual(len(backend.starts()), 1)


if __name__ == "__main__":
    unittest.main()
