#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What odpd knows of its services crosses a restart: what runs and since when, wakes and stops under
# way, windows, backoff, sums, and what `odp why` tells. The store is the test's own.

import json
import socket
import time
import unittest

from harness import (DEADLINE, HOST, Backend, Background, Case, Gate, exchange, free_port, listener,
                     plain_file, read_all, read_exactly, until)
from store import Manager


class StatesTest(Case):
    def manager(self, backend, extra="", **options):
        return Manager(self, {"web": backend.file(**options) + extra},
                       {"web": (HOST, backend.listen)})

    def why(self, manager):
        done = manager.odpd.odp("why", "web", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_starting(self):
        backend = Backend(self.directory(), "echo.py", "--delay", 1.5)
        manager = self.manager(backend)
        clients = [self.connect(backend.listen) for _ in range(3)]
        tasks = [Background(exchange, c, b"hello") for c in clients]
        manager.odpd.await_state("web", "starting")
        until(backend.starts, "it was started")
        manager.restart()
        for task in tasks:
            self.assertEqual(task.join(), b"hellobye %d\n" % backend.starts()[0])
        self.assertEqual(len(backend.starts()), 1)
        status = manager.odpd.await_status("web", connections=0)
        self.assertEqual((status["wakes"], status["failed_wakes"]), (1, 0))
        self.assertGreater(status["last_wake_seconds"], 1.4)
        self.assertEqual(self.why(manager)["woken_by"], "a client")

    def test_failing_start(self):
        backend = Backend(self.directory())
        backend.command = f"/bin/sh -c 'echo $$ >> {backend.starts_path}; sleep 2; exit 3'"
        manager = self.manager(backend)
        client = self.connect(backend.listen)
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        until(backend.starts, "it was started")
        manager.restart()
        self.assertIn(b"503", read_all(client))
        status = manager.odpd.await_state("web", "failed")
        self.assertEqual((status["wakes"], status["failed_wakes"]), (0, 1))
        self.assertEqual(len(backend.starts()), 1)

    def test_backoff(self):
        backend = Backend(self.directory(), "echo.py", "--exit", 3)
        manager = self.manager(backend)
        while True:  # the pause after it grows with each failure
            manager.odpd.odp("start", "web")
            before = self.why(manager)
            if (before["retry_in_seconds"] or 0) > 8:
                break
        n_starts = len(backend.starts())
        manager.restart()
        after = self.why(manager)
        self.assertEqual(after["state"], "failed")
        self.assertTrue(1 < after["retry_in_seconds"] <= before["retry_in_seconds"], after)
        for key in ("failed_at", "failed_reason", "reason", "woken_by"):
            self.assertEqual(after[key], before[key])
        client = self.connect(backend.listen)
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        self.assertIn(b"503", read_all(client))
        self.assertEqual(len(backend.starts()), n_starts)

    def test_stopping_with_a_visitor(self):
        gate = Gate(self)
        backend = Backend(self.directory(), "echo.py", "--stop-gate", gate)
        manager = self.manager(backend)
        exchange(self.connect(backend.listen), b"x")
        stop = Background(manager.odpd.odp, "stop", "--no-wait", "web")
        manager.odpd.await_state("web", "stopping")
        stop.join()
        client = self.connect(backend.listen)
        manager.odpd.await_status("web", waiting=1)
        manager.restart()
        gate.open()
        said = exchange(client, b"again")
        self.assertEqual(len(backend.starts()), 2)
        self.assertEqual(said, b"againbye %d\n" % backend.starts()[1])

    def test_draining(self):
        backend = Backend(self.directory())
        # Time enough for a restart on a slow machine.
        manager = self.manager(backend, "\ndrain_timeout = 6s\n", idle="5min")
        client = self.connect(backend.listen)
        client.sendall(b"x")
        self.assertEqual(client.recv(1), b"x")
        began = time.monotonic()
        manager.odpd.odp("stop", "--no-wait", "web")
        manager.odpd.await_state("web", "draining")
        manager.restart()
        client.sendall(b"y")
        self.assertEqual(client.recv(1), b"y")
        manager.odpd.await_state("web", "stopped")
        self.assertGreaterEqual(time.monotonic() - began, 5.9)
        self.assertEqual(self.why(manager)["stopped_reason"], "stopped by odp stop")

    def test_window_goes_on(self):
        backend = Backend(self.directory())
        manager = self.manager(backend, idle="8s")  # two restarts fit into it
        exchange(self.connect(backend.listen), b"x")
        manager.odpd.await_status("web", connections=0)
        began = time.monotonic()
        for _ in range(2):
            manager.restart()
            self.assertLess(self.why(manager)["sleeps_in_seconds"], 8)
        manager.odpd.await_state("web", "stopped")
        self.assertLess(time.monotonic() - began, DEADLINE / 2)
        before = self.why(manager)
        self.assertEqual(before["stopped_reason"], "quiet for 8s")
        manager.restart()
        after = self.why(manager)
        for key in ("state", "reason", "stopped_at", "stopped_reason", "woken_at", "woken_by",
                    "woken_from"):
            self.assertEqual(after[key], before[key], key)

    def test_killed(self):
        """Nothing crosses; what runs is adopted, and its window begins in full."""
        backend = Backend(self.directory())
        manager = self.manager(backend, idle="3s")
        client = self.connect(backend.listen)
        client.sendall(b"x")
        self.assertEqual(client.recv(1), b"x")
        manager.odpd.kill()
        self.assertEqual(manager.store.stored, [])
        self.assert_closed(client)
        direct = self.connect(int(backend.target.rpartition(":")[2]))
        direct.sendall(b"d")
        self.assertEqual(direct.recv(1), b"d")
        manager.start()
        manager.odpd.await_state("web", "ready")
        self.assertGreater(self.why(manager)["sleeps_in_seconds"], 1)
        until(lambda: self.why(manager)["direct_connections"] == 1, "its window has ended once")
        self.assertEqual(manager.odpd.state("web"), "ready")
        self.assertEqual(len(backend.starts()), 1)

    # Connections on their way

    def test_early(self):
        """A try that the service has not answered yet: its bytes are neither lost nor doubled."""
        port, upstream = free_port(), self.closing(listener())
        upstream.settimeout(DEADLINE)
        target = "%s:%d" % upstream.getsockname()
        manager = Manager(self, {"web": plain_file(f"{HOST}:{port}", target)},
                          {"web": (HOST, port)})
        manager.odpd.await_state("web", "ready")
        upstream.close()  # probed anew: the next connections are tries
        client = self.connect(port)
        client.sendall(b"before ")
        manager.odpd.await_status("web", waiting=1)
        upstream = self.closing(listener((HOST, int(target.rpartition(":")[2]))))
        upstream.settimeout(DEADLINE)
        service = self.closing(upstream.accept()[0])
        service.settimeout(DEADLINE)
        self.assertEqual(read_exactly(service, 7), b"before ")
        manager.restart()
        client.sendall(b"after")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(service), b"after")
        service.sendall(b"reply")
        service.close()
        self.assertEqual(read_all(client), b"reply")

    def test_page_on_its_way(self):
        """A client that was turned away, and has not said yet that it speaks HTTP."""
        backend = Backend(self.directory(), "echo.py", "--exit", 3)
        manager = self.manager(backend)
        client = self.connect(backend.listen)
        manager.odpd.await_state("web", "failed")
        manager.restart()
        try:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            said = client.recv(1000)
        except ConnectionError:
            said = b""
        # It had half a second to say it, in which odpd was restarted.
        self.assertTrue(said == b"" or b"503" in said, said)

    def test_backend_that_has_changed(self):
        """What runs goes by the settings it was started with, until it is stopped."""
        backend, other = Backend(self.directory()), Backend(self.directory())
        other.listen = backend.listen
        manager = self.manager(backend)
        exchange(self.connect(backend.listen), b"x")
        manager.restart(lambda: manager.odpd.write_service("web", other.file()))
        self.assertIn("applies when it is next stopped", manager.odpd.status("web")["reason"])
        for _ in range(2):
            self.assertEqual(exchange(self.connect(backend.listen), b"y"),
                             b"ybye %d\n" % backend.starts()[0])
            manager.restart()
        self.assertEqual(manager.odpd.odp("stop", "web").returncode, 0)
        self.assertEqual(exchange(self.connect(backend.listen), b"z"),
                         b"zbye %d\n" % other.starts()[0])

    def test_who_requires_whom(self):
        """One waits for another one that is starting."""
        base = Backend(self.directory(), "echo.py", "--delay", 1.5)
        user = Backend(self.directory())
        manager = Manager(self, {"base": base.file(),
                                 "web": user.file() + "\n[requires]\nservice = base\n"},
                          {"base": (HOST, base.listen), "web": (HOST, user.listen)})
        task = Background(exchange, self.connect(user.listen), b"x")
        until(base.starts, "what it requires was started")
        manager.restart()
        self.assertEqual(task.join(), b"xbye %d\n" % user.starts()[0])
        self.assertEqual((len(base.starts()), len(user.starts())), (1, 1))

    def test_names_that_were_exchanged(self):
        """Sums and logs go with their services; what runs does, too."""
        a, b = (Backend(self.directory()) for _ in range(2))
        manager = Manager(self, {"a": a.file(), "b": b.file()},
                          {"a": (HOST, a.listen), "b": (HOST, b.listen)})
        client = self.connect(a.listen)
        for _ in range(3):
            client.sendall(b"x")
            self.assertEqual(client.recv(1), b"x")
        exchange(self.connect(b.listen), b"y")
        manager.odpd.await_status("b", connections=0)
        before = {name: manager.odpd.status(name) for name in "ab"}

        def swap():
            manager.odpd.write_service("a", b.file())
            manager.odpd.write_service("b", a.file())

        manager.restart(swap)
        for was, name in zip("ab", "ba"):
            after = manager.odpd.await_status(name, state="ready")
            for key in "wakes", "last_wake_seconds", "bytes_in", "bytes_out", "connections":
                self.assertEqual(after[key], before[was][key], (name, key))
        for was, name in zip("ab", "ba"):
            self.assertIn(f"was called {was} before", manager.odpd.odp("logs", name).stdout)
        self.assertEqual(exchange(client, b""), b"bye %d\n" % a.starts()[0])
        manager.odpd.await_status("b", connections=0)
        self.assertEqual(manager.odpd.odp("stop", "b").returncode, 0)
        self.assertEqual(manager.odpd.state("a"), "ready")
        self.assertEqual((len(a.starts()), len(b.starts())), (1, 1))

    def test_asleep_with_what_it_requires(self):
        """A plain proxy that requires others is asleep with them: nothing but a visitor wakes it."""
        base, port, upstream = Backend(self.directory()), free_port(), self.closing(listener())
        web = plain_file(f"{HOST}:{port}", "%s:%d" % upstream.getsockname())
        manager = Manager(self, {"base": base.file(idle="1s"), "web": web +
                                 "\n[idle]\ntimeout = 1s\n[requires]\nservice = base\n"},
                          {"base": (HOST, base.listen), "web": (HOST, port)})
        manager.odpd.await_state("web", "stopped")
        manager.restart()
        exchange(self.connect(base.listen), b"x")  # the launcher has answered for the other one, too
        self.assertEqual(manager.odpd.state("web"), "stopped")
        manager.odpd.await_state("base", "stopped")


if __name__ == "__main__":
    unittest.main()
