#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# `odp reload` and SIGHUP: services follow their files, and whoever is connected does not notice.

import os
import shutil
import signal
import socket
import stat
import time
import unittest

from harness import (DEADLINE, HOST, Backend, Background, Case, Gate, Odpd, connect, digest, exchange,
                     free_port, is_alive, is_sanitized, listener, plain_file, private_dirty,
                     read_all, read_exactly, read_file, until)

FAULT = "nonsense = 1\n"


class ReloadCase(Case):
    def begin(self, *names, idle="5min"):
        """A process service for each name."""
        self.backends = {name: Backend(self.directory()) for name in names}
        idle += "\ndrain_timeout = 50ms"
        self.d = self.odpd({name: b.file(idle=idle) for name, b in self.backends.items()})
        return self.backends[names[0]] if len(names) == 1 else list(self.backends.values())

    # The files

    def path(self, name):
        return os.path.join(self.d.config, "services", name + ".ini")

    def edit(self, name, old, new):
        text = read_file(self.path(name))
        self.assertIn(old, text)
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text.replace(old, new))

    def append(self, name, text):
        with open(self.path(name), "a", encoding="utf-8") as f:
            f.write(text)

    def move(self, *pairs):
        for old, new in pairs:
            os.rename(self.path(old), self.path(new))

    # The reload

    def reload(self, *rows, code=0):
        """`rows` are those of odp reload, without paths."""
        done = self.d.odp("reload")
        said = done.stdout.replace(os.path.join(self.d.config, "services") + "/", "")
        self.assertEqual(said.splitlines(), list(rows or ["nothing has changed"]), done.stderr)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(bool(done.stderr), code != 0)
        return done

    # Clients

    def talk(self, s, text=b"x"):
        s.sendall(text)
        self.assertEqual(read_exactly(s, len(text)), text)

    def visit(self, port):
        """A connection that is relayed."""
        s = self.connect(port)
        self.talk(s)
        return s

    def bye(self, port):
        """The pid of who serves the port."""
        with connect(port) as s:
            return int(exchange(s, b"x").split()[1])

    def assert_refused(self, port):
        with self.assertRaises(ConnectionRefusedError):
            connect(port)

    def assert_alive(self, *sockets):
        for s in sockets:
            self.talk(s, b"still there")


class TestSettings(ReloadCase):
    def test_nothing_has_changed(self):
        b = self.begin("a")
        s = self.visit(b.listen)
        self.reload()
        self.append("a", "# only a comment\n\n")
        self.reload()
        self.assert_alive(s)
        self.assertEqual(len(b.starts()), 1)

    def test_window(self):
        b = self.begin("a", idle="1h")
        with connect(b.listen) as s:
            self.talk(s)
        self.d.await_status("a", connections=0)
        self.assertGreater(self.d.await_state("a", "ready")["sleeps_in_seconds"], 3000)
        self.edit("a", "timeout = 1h", "timeout = 10min")
        self.reload("changed  a")
        left = self.d.status("a")["sleeps_in_seconds"]
        self.assertTrue(500 < left < 600, left)
        # The window runs from the last close: it is over by now.
        self.edit("a", "timeout = 10min", "timeout = 50ms")
        self.reload("changed  a")
        self.assertEqual(self.d.await_state("a", "stopped")["reason"], "quiet for 50ms")

    def test_window_of_a_busy_service(self):
        b = self.begin("a", idle="1h")
        s = self.visit(b.listen)
        self.edit("a", "timeout = 1h", "timeout = 0")
        self.reload("changed  a")
        self.assert_alive(s)
        self.assertEqual(self.d.state("a"), "ready")
        s.close()
        self.d.await_state("a", "stopped")

    def test_wait_timeout_of_one_who_waits(self):
        backend = Backend(self.directory(), "echo.py", "--delay", 600)
        self.d = self.odpd({"a": backend.file(wait="timeout = 1h")})
        s = self.connect(backend.listen)
        self.d.await_status("a", waiting=1)
        self.edit("a", "timeout = 1h", "timeout = 100ms")
        self.reload("changed  a")
        self.assert_closed(s)

    def test_ready_timeout_of_a_start(self):
        backend = Backend(self.directory(), "echo.py", "--delay", 600)
        self.d = self.odpd({"a": backend.file(ready="timeout = 1h")})
        s = self.connect(backend.listen)
        self.d.await_state("a", "starting")
        until(backend.starts, "it runs")
        self.edit("a", "timeout = 1h", "timeout = 100ms")
        self.reload("changed  a")
        self.assertIn("100ms", self.d.await_state("a", "failed")["reason"])
        self.assert_closed(s)

    def test_wait_mode_of_one_who_waits(self):
        backend = Backend(self.directory(), "echo.py", "--delay", 600)
        self.d = self.odpd({"a": backend.file(wait="timeout = 1h")})
        http, other = self.connect(backend.listen), self.connect(backend.listen)
        http.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        other.sendall(b"\0binary")
        self.d.await_status("a", waiting=2)
        self.edit("a", "[wait]", "[wait]\nmode = page")
        self.reload("changed  a")
        self.assertIn(b"a is starting", read_all(http))
        self.d.await_status("a", waiting=1)

    def test_probe(self):
        backend = Backend(self.directory(), "echo.py", "--delay", 600)
        self.d = self.odpd({"a": backend.file()})
        self.d.odp("start", "a", "--no-wait")
        until(backend.starts, "it runs")
        self.edit("a", "[ready]", "[ready]\nprobe = none")
        self.reload("changed  a")
        self.d.await_state("a", "ready")

    def test_max_waiting(self):
        backend = Backend(self.directory(), "echo.py", "--delay", 600)
        self.d = self.odpd({"a": backend.file(wait="max_waiting = 2")})
        clients = [self.connect(backend.listen) for _ in range(5)]
        self.d.await_status("a", waiting=2)
        self.edit("a", "max_waiting = 2", "max_waiting = 4")
        self.reload("changed  a")
        self.d.await_status("a", waiting=4)
        self.edit("a", "max_waiting = 4", "max_waiting = 100")
        self.reload("changed  a")
        self.d.await_status("a", waiting=5)
        self.assertEqual(len(clients), 5)

    def test_description(self):
        self.begin("a")
        self.edit("a", "[service]", "[service]\ndescription = The one")
        self.reload("changed  a")
        self.assertEqual(self.d.status("a")["description"], "The one")

    def test_target(self):
        first, second = self.closing(listener()), self.closing(listener())
        port = free_port()
        self.d = self.odpd({"p": plain_file(port, "%s:%d" % first.getsockname())})
        self.d.await_state("p", "ready")
        old = self.connect(port)
        old.sendall(b"one")
        peer = self.accept(first, b"one")
        self.edit("p", "target = %s:%d" % first.getsockname(),
                  "target = %s:%d" % second.getsockname())
        self.reload("changed  p")
        new = self.connect(port)
        new.sendall(b"two")
        self.accept(second, b"two")
        peer.sendall(b"still here")
        self.assertEqual(read_exactly(old, 10), b"still here")

    def accept(self, server, greeting):
        """The connection that says it; bare probes say nothing."""
        server.settimeout(DEADLINE)
        while True:
            s = self.closing(server.accept()[0])
            s.settimeout(DEADLINE)
            if s.recv(len(greeting)) == greeting:
                return s

    def test_socket_mode(self):
        path = os.path.join(self.directory(), "s")
        backend = Backend(self.directory(), listen=path)
        self.d = self.odpd({"a": backend.file(service="socket_mode = 0600")})
        inode = os.stat(path).st_ino
        self.edit("a", "socket_mode = 0600", "socket_mode = 0666")
        self.reload("changed  a")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o666)
        self.assertEqual(os.stat(path).st_ino, inode)


class TestBackend(ReloadCase):
    def test_changed_command(self):
        b = self.begin("a")
        s = self.visit(b.listen)
        pid = b.starts()[0]
        self.edit("a", "type = process", "type = process\nenvironment = WHO=me")
        self.reload("changed  a")
        self.assertIn("its new [backend] applies when it is next stopped",
                      self.d.status("a")["reason"])
        self.assert_alive(s)
        self.assertEqual(self.bye(b.listen), pid)
        self.assertEqual(self.d.odp("stop", "a").returncode, 0)
        self.assertIsNone(self.d.status("a")["note"])
        new = self.bye(b.listen)
        self.assertNotEqual(new, pid)
        self.assertIn(b"WHO=me", read_file(f"/proc/{new}/environ", "rb"))

    def test_taken_back(self):
        b = self.begin("a")
        s = self.visit(b.listen)
        self.edit("a", "type = process", "type = process\nenvironment = WHO=me")
        self.reload("changed  a")
        self.edit("a", "environment = WHO=me", "")
        self.reload("changed  a")
        self.assertIsNone(self.d.status("a")["note"])
        self.assert_alive(s)

    def test_command_and_target_move_together(self):
        """Until it is stopped the old process answers, and at its own address."""
        b = self.begin("a")
        s = self.visit(b.listen)
        pid, new_target = b.starts()[0], f"{HOST}:{free_port()}"
        self.edit("a", b.target, new_target)
        self.reload("changed  a")
        self.assertEqual(self.bye(b.listen), pid)
        self.assert_alive(s)
        s.close()
        self.assertEqual(self.d.odp("stop", "a").returncode, 0)
        self.assertNotEqual(self.bye(b.listen), pid)

    def test_asleep_it_applies_at_once(self):
        b = self.begin("a")
        new_target = f"{HOST}:{free_port()}"
        self.edit("a", b.target, new_target)
        self.reload("changed  a")
        self.assertIsNone(self.d.status("a")["note"])
        self.assertEqual(self.bye(b.listen), b.starts()[0])

    def exec_file(self, b, word):
        notes = os.path.join(self.d.directory, "notes")
        script = os.path.join(self.d.directory, f"{word}.sh")
        with open(script, "w", encoding="utf-8") as f:
            f.write(f"#!/bin/sh\necho $1-{word} >>{notes}\n"
                    f"[ $1 = stop ] && kill $(cat {b.starts_path}) && exit 0\n"
                    f"{b.command} >/dev/null 2>&1 &\n")
        os.chmod(script, 0o755)
        self.d.write_service("a", f"""
            [service]
            listen = {b.listen}
            target = {b.target}
            [backend]
            start = {script} start
            stop = {script} stop
            """)
        return notes

    def test_mended_it_is_tried_at_once(self):
        b = self.begin("a")
        self.edit("a", "command = ", "command = /nonexistent/")
        self.reload("changed  a")
        for _ in range(9):
            self.assertEqual(self.d.odp("start", "a").returncode, 1)
        with connect(b.listen) as s:
            self.assertEqual(s.recv(1), b"", "it is not backing off")
        self.edit("a", "command = /nonexistent/", "command = ")
        self.reload("changed  a")
        self.visit(b.listen)

    def test_exec_is_stopped_by_its_own_command(self):
        b = Backend(self.directory())
        self.d = self.odpd({}, start=False)
        notes = self.exec_file(b, "one")
        self.d.start()
        s = self.visit(b.listen)
        self.exec_file(b, "two")
        self.reload("changed  a")
        self.assert_alive(s)
        s.close()
        self.assertEqual(self.d.odp("stop", "a").returncode, 0)
        # Until then it may still take a connection, and end it with itself.
        until(lambda: not is_alive(b.starts()[0]), "what was killed has ended")
        os.unlink(b.starts_path)
        self.visit(b.listen).close()
        self.assertEqual(self.d.odp("stop", "a").returncode, 0)
        self.assertEqual(read_file(notes).split(),
                         ["start-one", "stop-one", "start-two", "stop-two"])

    def test_stop_timeout_of_what_runs(self):
        """It is the launcher's, which goes by the old one: odpd waits as long."""
        b = Backend(self.directory(), "echo.py", "--stop-delay", 600)
        self.d = self.odpd({"a": b.file(backend="stop_timeout = 1h")})
        pid = self.bye(b.listen)
        self.edit("a", "stop_timeout = 1h", "stop_timeout = 100ms")
        self.reload("changed  a")
        stop = Background(self.d.odp, "stop", "a")
        self.d.await_state("a", "stopping")
        # odpd's own patience is five seconds beyond stop_timeout.
        end = time.monotonic() + 6
        until(lambda: time.monotonic() > end or self.d.state("a") != "stopping", "time passes")
        self.assertEqual(self.d.state("a"), "stopping")
        os.kill(pid, signal.SIGKILL)
        self.assertEqual(stop.join().returncode, 0)

    def test_from_none_to_process(self):
        b = Backend(self.directory())
        self.d = self.odpd({"a": plain_file(b.listen, b.target)})
        self.d.write_service("a", b.file())
        self.reload("changed  a")
        self.d.await_state("a", "stopped")
        self.assertEqual(self.bye(b.listen), b.starts()[0])

    def test_from_process_to_none(self):
        b = self.begin("a", idle="100ms")
        s = self.visit(b.listen)
        self.d.write_service("a", plain_file(b.listen, b.target))
        self.reload("changed  a")
        self.assert_alive(s)
        s.close()
        self.d.await_status("a", connections=0)
        self.d.odp("stop", "a")
        until(lambda: not is_alive(b.starts()[0]), "it is stopped once more")
        server = self.closing(listener((HOST, int(b.target.split(":")[1]))))
        self.d.await_state("a", "ready")
        self.assertEqual(server.getsockname()[0], HOST)


class TestFaulty(ReloadCase):
    def test_faulty_file_changes_nothing(self):
        b = self.begin("a", idle="1h")
        s = self.visit(b.listen)
        before = self.d.status("a")
        self.edit("a", "timeout = 1h", "timeout = 1x")
        done = self.reload("a.ini:14: [idle] timeout = 1x is not a time span: write for instance "
                           "`10min`, `1h 30s` or `250ms`", code=1)
        self.assertIn("1 fault in 1 file", done.stderr)
        self.assert_alive(s)
        status = self.d.status("a")
        self.assertEqual({k: status[k] for k in ("state", "listen", "target", "connections")},
                         {k: before[k] for k in ("state", "listen", "target", "connections")})
        self.assertTrue(status["reason"].startswith(before["reason"] + "; a.ini has a fault"))
        self.assertIn("a.ini has a fault, so it stays as it was: line 14",
                      self.d.odp("status").stdout)
        self.assertIn("line 14", self.d.odp("why", "a").stdout)
        # It is stopped and started as it was, and says so no longer once the file is mended.
        self.assertEqual(self.d.odp("stop", "a").returncode, 0)
        self.assertTrue(is_alive(self.bye(b.listen)))
        self.edit("a", "timeout = 1x", "timeout = 2h")
        self.reload("changed  a")
        self.assertIsNone(self.d.status("a")["note"])

    def test_renamed_and_made_faulty_at_once(self):
        b = self.begin("a", idle="1h")
        s = self.visit(b.listen)
        self.edit("a", "timeout = 1h", "timeout = 1x")
        os.rename(self.path("a"), self.path("b"))
        fault = ("[idle] timeout = 1x is not a time span: write for instance `10min`, `1h 30s` or "
                 "`250ms`")
        self.reload(f"b.ini:14: {fault}", code=1)
        self.assert_alive(s)
        self.assertEqual({t["name"]: t["state"] for t in self.d.all_status()},
                         {"a": "ready", "b": "invalid"})
        self.assertEqual(self.d.status("a")["note"],
                         f"b.ini has a fault, so it stays as it was: line 14: {fault}")
        # Meanwhile it can be stopped and started, also by a launcher that has not seen its file.
        self.assertEqual(self.d.odp("stop", "a").returncode, 0)
        os.kill(self.d.launcher(), signal.SIGKILL)
        pid = self.bye(b.listen)
        self.assertTrue(is_alive(pid))
        with connect(b.listen) as s:
            self.edit("b", "timeout = 1x", "timeout = 2h")
            self.reload("changed  b", "renamed  a -> b")
            self.assertEqual([t["name"] for t in self.d.all_status()], ["b"])
            self.assertEqual(exchange(s, b"x"), b"xbye %d\n" % pid)

    def test_under_traffic(self):
        b = self.begin("a")
        size = (4 if is_sanitized() else 64) << 20
        data = os.urandom(1 << 20) * (size >> 20)
        with connect(b.listen) as s:
            download = Background(exchange, s, data)
            for text in (FAULT, "[idle]\n", FAULT, "# fine\n") * 5:
                self.append("a", text)
                self.d.odp("reload")
            got = download.join()
        self.assertEqual(digest(got[:size]), digest(data))
        self.assertEqual(got[size:], b"bye %d\n" % b.starts()[0])

    def test_faulty_new_file(self):
        b = self.begin("a")
        self.d.write_service("b", plain_file(free_port(), f"{HOST}:0"))
        self.reload(f"b.ini:3: [service] target = {HOST}:0: a port is from 1 to 65535", code=1)
        self.assertEqual(self.d.state("b"), "invalid")
        self.assertEqual(self.bye(b.listen), b.starts()[0])
        os.unlink(self.path("b"))
        self.reload()
        self.assertEqual([s["name"] for s in self.d.all_status()], ["a"])

    def test_unreadable_directory(self):
        b = self.begin("a")
        s = self.visit(b.listen)
        services = os.path.join(self.d.config, "services")
        os.rename(services, services + ".away")
        done = self.d.odp("reload")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn(f"cannot read {services}: No such file or directory: nothing is changed",
                      done.stderr)
        os.kill(self.d.pid, signal.SIGHUP)
        until(lambda: self.d.log().count("nothing is changed") == 2, "the log tells it")
        self.assert_alive(s)
        os.rename(services + ".away", services)
        self.reload()

    def test_clash_keeps_whoever_has_the_address(self):
        b, other = self.begin("b"), Backend(self.directory())
        other.listen = b.listen
        s = self.visit(b.listen)
        self.d.write_service("a", other.file())
        self.reload(f"a.ini:2: listen {b.listen} is also that of b (b.ini:2)",
                    f"b.ini:2: listen {b.listen} is also that of a (a.ini:2), which is left out",
                    code=1)
        self.assertEqual(self.d.state("a"), "invalid")
        self.assertIsNone(self.d.status("b")["note"])
        self.assert_alive(s)
        # The same where a service with a file of its own would take it.
        other.listen = free_port()
        self.d.write_service("a", other.file())
        self.reload("added    a")
        self.edit("a", f"listen = {other.listen}", f"listen = {b.listen}")
        self.reload(f"a.ini:2: listen {b.listen} is also that of b (b.ini:2)",
                    f"b.ini:2: listen {b.listen} is also that of a (a.ini:2), which is left out",
                    code=1)
        self.assertEqual(self.d.status("a")["listen"], [str(other.listen)])
        self.assertIn("a.ini has a fault, so it stays as it was: line 2",
                      self.d.status("a")["reason"])
        self.assertEqual(self.bye(other.listen), other.starts()[0])

    def test_what_a_faulty_file_had_is_not_free(self):
        a, b = self.begin("a", "b")
        self.append("a", FAULT)
        self.edit("b", f"listen = {b.listen}", f"listen = {a.listen}")
        done = self.d.odp("reload")
        self.assertIn("which is served as before: its file", done.stdout)
        self.assertEqual(self.bye(a.listen), a.starts()[0])
        self.assertEqual(self.bye(b.listen), b.starts()[0])

    def test_launcher_is_killed_after_a_faulty_edit(self):
        b = self.begin("a", idle="1h")
        pid = self.bye(b.listen)
        for text in ("[backend\n", None):
            if text:
                self.append("a", text)
                self.d.odp("reload")
            else:
                os.unlink(self.path("a"))  # without a reload: odpd still serves it
            launcher = self.d.launcher()
            os.kill(launcher, signal.SIGKILL)
            until(lambda: self.d.launcher() not in (None, launcher), "a new launcher")
            self.assertEqual(self.bye(b.listen), pid)
            self.assertEqual(self.d.odp("stop", "a").returncode, 0)
            self.assertFalse(is_alive(pid))
            pid = self.bye(b.listen)
            self.assertTrue(is_alive(pid))
        self.assertEqual(self.d.status("a")["state"], "ready")


class TestNames(ReloadCase):
    def test_renamed(self):
        b = self.begin("a", idle="1h")
        s = self.visit(b.listen)
        pid = b.starts()[0]
        before = self.d.status("a")
        self.move(("a", "b"))
        self.reload("renamed  a -> b")
        self.assert_alive(s)
        after = self.d.status("b")
        for key in ("state", "connections", "wakes", "last_wake_seconds"):
            self.assertEqual(after[key], before[key], key)
        self.assertGreaterEqual(after["awake_seconds"], before["awake_seconds"])
        self.assertEqual(self.d.odp("why", "a").returncode, 1)
        self.assertEqual(self.bye(b.listen), pid)
        s.close()
        self.assertEqual(self.d.odp("stop", "b").returncode, 0)
        self.assertFalse(is_alive(pid))
        self.assertEqual(self.bye(b.listen), b.starts()[1])
        # The sums are written under the new name alone.
        self.assertEqual(self.d.terminate(), 0)
        names = [line.split()[0] for line in read_file(self.d.path("state/ledger")).splitlines()]
        self.assertEqual(names, ["odp-ledger", "boot", "b", "checksum"])
        self.d.start()
        self.d.await_state("b", "ready")
        self.assertEqual(len(b.starts()), 2)

    def test_logs_follow(self):
        backends = [Backend(self.directory(), "echo.py", "--exit", n) for n in (3, 4)]
        self.d = self.odpd({name: b.file() for name, b in zip("ab", backends)})
        for name in "ab":
            self.assertEqual(self.d.odp("start", name).returncode, 1)
        self.assertIn("status 3", self.d.odp("logs", "a").stdout)
        self.move(("a", "x"), ("b", "a"), ("x", "b"))
        self.reload("renamed  b -> a", "renamed  a -> b")
        logs = [self.d.odp("logs", name).stdout for name in "ba"]
        self.assertEqual([f"status {n}" in text for n, text in zip((3, 4), logs)], [True, True])
        self.assertEqual([f"status {n}" in text for n, text in zip((4, 3), logs)], [False, False])
        self.assertIn("renamed, before: a", logs[0])

    def test_renamed_and_changed(self):
        b = self.begin("a", idle="1h")
        s = self.visit(b.listen)
        self.move(("a", "b"))
        self.edit("b", "timeout = 1h", "timeout = 0")
        self.reload("changed  b", "renamed  a -> b")
        self.assert_alive(s)
        s.close()
        self.d.await_state("b", "stopped")

    def test_renamed_while_clients_wait(self):
        gate = Gate(self)
        backend = Backend(self.directory(), "echo.py", "--gate", gate)
        self.d = self.odpd({"a": backend.file()})
        clients = [self.connect(backend.listen) for _ in range(10)]
        self.d.await_status("a", waiting=10)
        self.move(("a", "b"))
        self.reload("renamed  a -> b")
        self.assertEqual(self.d.status("b")["waiting"], 10)
        gate.open()
        for s in clients:
            self.talk(s)
        self.assertEqual(len(backend.starts()), 1)

    def test_renamed_while_it_stops(self):
        gate = Gate(self)
        backend = Backend(self.directory(), "echo.py", "--stop-gate", gate)
        self.d = self.odpd({"a": backend.file()})
        pid = self.bye(backend.listen)
        self.d.odp("stop", "a", "--no-wait")
        self.d.await_state("a", "stopping")
        late = self.connect(backend.listen)
        self.move(("a", "b"))
        self.reload("renamed  a -> b")
        gate.open()
        self.talk(late)
        self.assertFalse(is_alive(pid))
        self.assertEqual(len(backend.starts()), 2)

    def test_exchanged_names(self):
        a, b = self.begin("a", "b")
        clients = [self.visit(a.listen), self.visit(b.listen)]
        self.move(("a", "x"), ("b", "a"), ("x", "b"))
        self.reload("renamed  b -> a", "renamed  a -> b")
        self.assert_alive(*clients)
        self.assertEqual(self.d.status("a")["listen"], [str(b.listen)])
        self.assertEqual(self.d.odp("stop", "a").returncode, 0)
        self.assertFalse(is_alive(b.starts()[0]))
        self.assertTrue(is_alive(a.starts()[0]))
        self.assertEqual(self.bye(a.listen), a.starts()[0])

    def test_exchanged_addresses(self):
        a, b = self.begin("a", "b")
        clients = [self.visit(a.listen), self.visit(b.listen)]
        pids = [a.starts()[0], b.starts()[0]]
        self.edit("a", f"listen = {a.listen}", f"listen = {b.listen}")
        self.edit("b", f"listen = {b.listen}", f"listen = {a.listen}")
        self.reload("changed  a", "changed  b")
        self.assert_alive(*clients)
        self.assertEqual([self.bye(b.listen), self.bye(a.listen)], pids)
        self.assertEqual(self.d.odp("stop", "a").returncode, 0)
        self.assertEqual([is_alive(pid) for pid in pids], [False, True])

    def test_name_of_a_removed_file_is_taken_over(self):
        a, b = self.begin("a", "b")
        clients = [self.visit(a.listen), self.visit(b.listen)]
        os.unlink(self.path("a"))
        self.move(("b", "a"))
        self.reload("renamed  b -> a", "removed  a")
        self.assert_alive(*clients)
        self.assert_refused(a.listen)
        clients[1].close()
        self.assertEqual(self.d.odp("stop", "a").returncode, 0)
        self.assertEqual([is_alive(x.starts()[0]) for x in (a, b)], [True, False])
        self.assert_alive(clients[0])
        os.kill(a.starts()[0], signal.SIGKILL)

    def test_launcher_is_killed_right_after_a_rename(self):
        a, b = self.begin("a", "b")
        clients = [self.visit(a.listen), self.visit(b.listen)]
        for _ in range(5):
            launcher = self.d.launcher()
            os.kill(launcher, signal.SIGSTOP)  # so that it has not followed
            self.move(("a", "x"), ("b", "a"), ("x", "b"))
            self.reload("renamed  b -> a", "renamed  a -> b")
            os.kill(launcher, signal.SIGKILL)
            until(lambda: self.d.launcher() not in (None, launcher), "a new launcher")
            self.assert_alive(*clients)
            for name in "ab":
                self.d.await_state(name, "ready")
        a, b = b, a
        self.assertEqual(self.d.odp("stop", "a").returncode, 0)
        self.assertEqual([is_alive(x.starts()[0]) for x in (a, b)], [False, True])
        self.assertEqual([len(x.starts()) for x in (a, b)], [1, 1])

    def test_file_renamed_while_odpd_was_not_there(self):
        b = self.begin("a")
        pid = self.bye(b.listen)
        self.d.kill()
        self.move(("a", "b"))
        self.d.start()
        self.d.await_state("b", "ready")
        self.assertEqual(self.bye(b.listen), pid)
        self.assertEqual(self.d.odp("stop", "b").returncode, 0)
        self.assertFalse(is_alive(pid))


class TestComingAndGoing(ReloadCase):
    def test_added(self):
        self.begin("a")
        b = Backend(self.directory())
        self.d.write_service("b", b.file())
        self.reload("added    b")
        self.d.await_state("b", "stopped")
        self.assertEqual(self.bye(b.listen), b.starts()[0])

    def test_added_while_it_runs(self):
        """Removed and back again: what runs is found."""
        b = self.begin("a")
        pid = self.bye(b.listen)
        text = read_file(self.path("a"))
        os.unlink(self.path("a"))
        self.reload("removed  a")
        self.d.write_service("a", text)
        self.reload("added    a")
        status = self.d.await_state("a", "ready")
        self.assertEqual(status["wakes"], 1)
        self.assertEqual(self.bye(b.listen), pid)

    def test_removed(self):
        b = self.begin("a")
        s = self.visit(b.listen)
        pid = b.starts()[0]
        os.unlink(self.path("a"))
        self.reload("removed  a")
        self.assert_refused(b.listen)
        self.assert_alive(s)
        self.assertEqual(self.d.all_status(), [])
        self.assertEqual(self.d.odp("stop", "a").returncode, 1)
        self.assertEqual(exchange(s, b""), b"bye %d\n" % pid)
        self.assertTrue(is_alive(pid))
        # Nothing of it is left in odpd.
        n = self.d.sockets()
        until(lambda: self.d.sockets() <= n, "the connection is closed")
        os.kill(pid, signal.SIGKILL)

    def test_removed_and_back_with_its_connections(self):
        b = self.begin("a")
        s = self.visit(b.listen)
        pid = b.starts()[0]
        text = read_file(self.path("a"))
        for _ in range(3):
            os.unlink(self.path("a"))
            self.reload("removed  a")
            self.assert_alive(s)
            self.d.write_service("a", text)
            self.reload("added    a")
            self.d.await_state("a", "ready")
            self.assertEqual(self.d.status("a")["connections"], 1)
        self.assertEqual(self.bye(b.listen), pid)
        self.assert_alive(s)

    def test_removed_while_clients_wait(self):
        backend = Backend(self.directory(), "echo.py", "--delay", 600)
        self.d = self.odpd({"a": backend.file()})
        start = Background(self.d.odp, "start", "a")
        self.d.await_state("a", "starting")  # it has said so
        http, other = self.connect(backend.listen), self.connect(backend.listen)
        http.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        other.sendall(b"\0")
        self.d.await_status("a", waiting=2)
        until(backend.starts, "it runs")
        os.unlink(self.path("a"))
        self.reload("removed  a")
        page = read_all(http)
        self.assertTrue(page.startswith(b"HTTP/1.1 503"), page)
        self.assertIn(b"a is not served any more", page)
        self.assertIn(b"its file was removed", page)
        self.assert_closed(other)
        done = start.join()
        self.assertEqual((done.returncode, done.stderr), (1, "odp: a: its file was removed\n"))
        until(lambda: self.d.sockets() == 3, f"no client is left: {self.d.sockets()}")
        os.kill(backend.starts()[0], signal.SIGKILL)

    def test_those_in_the_queue_are_answered(self):
        backend = Backend(self.directory(), "echo.py", "--delay", 600)
        self.d = self.odpd({"a": backend.file(wait="max_waiting = 1")})
        clients = [self.connect(backend.listen) for _ in range(4)]
        for s in clients:
            s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        self.d.await_status("a", waiting=1)
        until(backend.starts, "it runs")
        os.unlink(self.path("a"))
        self.reload("removed  a")
        for s in clients:
            self.assertIn(b"its file was removed", read_all(s))
        os.kill(backend.starts()[0], signal.SIGKILL)

    def test_disabled_and_enabled(self):
        b = self.begin("a")
        s = self.visit(b.listen)
        pid = b.starts()[0]
        self.edit("a", "[service]", "[service]\nenabled = no")
        self.reload("changed  a")
        self.assert_refused(b.listen)
        self.assertEqual(self.d.status("a")["state"], "disabled")
        self.assertEqual(self.d.status("a")["connections"], 1)
        self.assert_alive(s)
        self.assertTrue(is_alive(pid))
        self.edit("a", "enabled = no", "enabled = yes")
        self.reload("changed  a")
        self.d.await_state("a", "ready")
        self.assertEqual(self.bye(b.listen), pid)
        self.assert_alive(s)

    def test_idle_window_of_a_removed_service_stops_nothing(self):
        b = self.begin("a", idle="200ms")
        s = self.visit(b.listen)
        os.unlink(self.path("a"))
        self.reload("removed  a")
        s.close()
        other = Backend(self.directory())
        self.d.write_service("b", other.file(idle="300ms"))
        self.reload("added    b")
        self.bye(other.listen)
        self.d.await_state("b", "stopped")  # a longer window is over
        self.assertTrue(is_alive(b.starts()[0]))
        os.kill(b.starts()[0], signal.SIGKILL)

    def test_sums_of_a_removed_service_are_kept(self):
        b = self.begin("a")
        self.bye(b.listen)
        self.assertEqual(self.d.odp("stop", "a").returncode, 0)
        text = read_file(self.path("a"))
        os.unlink(self.path("a"))
        self.reload("removed  a")
        self.assertEqual(self.d.terminate(), 0)
        self.assertIn("\na 1 ", read_file(self.d.path("state/ledger")))
        self.d.start()
        self.d.write_service("a", text)
        self.reload("added    a")
        self.assertEqual(self.d.status("a")["wakes"], 1)


class TestListen(ReloadCase):
    def test_changed(self):
        b = self.begin("a")
        s = self.visit(b.listen)
        old, new = b.listen, free_port()
        self.edit("a", f"listen = {old}", f"listen = {new}")
        self.reload("changed  a")
        self.assert_refused(old)
        self.assertEqual(self.bye(new), b.starts()[0])
        self.assert_alive(s)
        self.assertEqual(self.d.status("a")["listen"], [str(new)])

    def test_one_of_two(self):
        b = self.begin("a")
        first, second, third = b.listen, free_port(), free_port()
        self.edit("a", f"listen = {first}", f"listen = {first}\nlisten = {second}")
        self.reload("changed  a")
        self.assertEqual(self.bye(second), b.starts()[0])
        waiting = self.connect(first)  # in the queue or accepted: the socket is not touched
        self.edit("a", f"listen = {second}", f"listen = {third}")
        self.reload("changed  a")
        self.talk(waiting)
        self.assert_refused(second)
        self.assertEqual(self.bye(third), b.starts()[0])
        self.assertEqual(self.bye(first), b.starts()[0])

    def test_wildcard_and_specific_address(self):
        """They cannot be open at the same time."""
        b = self.begin("a")
        s = self.visit(b.listen)
        for old, new in ((f"{b.listen}", f"{HOST}:{b.listen}"),
                         (f"{HOST}:{b.listen}", f"0.0.0.0:{b.listen}"),
                         (f"0.0.0.0:{b.listen}", f"{b.listen}")):
            self.edit("a", f"listen = {old}", f"listen = {new}")
            self.reload("changed  a")
            self.assertEqual(self.bye(b.listen), b.starts()[0])
            self.assertIsNone(self.d.status("a")["note"])
        self.assert_alive(s)

    def test_address_that_is_taken(self):
        b = self.begin("a")
        foreign = self.closing(listener())
        taken = foreign.getsockname()[1]
        self.edit("a", f"listen = {b.listen}", f"listen = {HOST}:{taken}")
        note = (f"cannot listen on {HOST}:{taken}: Address already in use: another program listens "
                "there (ss -ltnp shows it): it listens where it did")
        self.reload("changed  a", f"a: {note}")
        self.assertEqual(self.d.status("a")["note"], note)
        self.assertEqual(self.bye(b.listen), b.starts()[0])
        self.reload(f"a: {note}")
        foreign.close()
        self.reload("listens  a")
        self.reload()
        self.assertEqual(self.bye(taken), b.starts()[0])
        self.assert_refused(b.listen)
        self.assertIsNone(self.d.status("a")["note"])

    def test_whoever_hoped_for_it_stays_too(self):
        a, b = self.begin("a", "b")
        foreign = self.closing(listener())
        taken = foreign.getsockname()[1]
        self.edit("a", f"listen = {a.listen}", f"listen = {HOST}:{taken}")
        self.edit("b", f"listen = {b.listen}", f"listen = {a.listen}")
        done = self.d.odp("reload")
        self.assertEqual(done.returncode, 0)
        self.assertEqual(self.bye(a.listen), a.starts()[0])
        self.assertEqual(self.bye(b.listen), b.starts()[0])
        self.assertIn("it listens where it did", self.d.status("b")["note"])
        foreign.close()
        self.reload("listens  a", "listens  b")
        self.assertEqual(self.bye(taken), a.starts()[0])
        self.assertEqual(self.bye(a.listen), b.starts()[0])
        self.assert_refused(b.listen)

    def test_new_file_whose_address_is_taken(self):
        self.begin("a")
        foreign = self.closing(listener())
        b = Backend(self.directory(), listen="%s:%d" % foreign.getsockname())
        self.d.write_service("b", b.file())
        done = self.d.odp("reload")
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stdout.splitlines()[0], "added    b")
        self.assertEqual(self.d.status("b")["state"], "invalid")
        foreign.close()
        self.reload("listens  b")
        self.assertEqual(self.bye(int(b.listen.split(":")[1])), b.starts()[0])

    def test_unix_sockets_exchanged(self):
        directory = self.directory()
        paths = [os.path.join(directory, name) for name in "xy"]
        a, b = (Backend(self.directory(), listen=path) for path in paths)
        self.d = self.odpd({"a": a.file(), "b": b.file()})
        inodes = [os.stat(path).st_ino for path in paths]
        self.edit("a", paths[0], paths[1])
        self.edit("b", paths[1], paths[0])
        self.reload("changed  a", "changed  b")
        self.assertEqual([os.stat(path).st_ino for path in paths], inodes)
        self.assertEqual(self.bye(paths[1]), a.starts()[0])
        self.assertEqual(self.bye(paths[0]), b.starts()[0])
        os.unlink(self.path("a"))
        self.reload("removed  a")
        self.assertEqual([os.path.exists(path) for path in paths], [True, False])
        os.kill(a.starts()[0], signal.SIGKILL)

    def test_no_connection_is_refused_while_an_address_changes_hands(self):
        a, b = self.begin("a", "b", idle="1h")
        self.bye(a.listen), self.bye(b.listen)
        failures, done = [], []

        def storm(port):
            while not done:
                try:
                    with connect(port) as s:
                        exchange(s, b"x")
                except OSError as e:
                    failures.append(e)

        storms = [Background(storm, port) for port in (a.listen, b.listen)]
        for _ in range(10):
            text = [read_file(self.path(name)) for name in "ab"]
            self.d.write_service("a", text[0].replace(f"listen = {a.listen}",
                                                      f"listen = {b.listen}"))
            self.d.write_service("b", text[1].replace(f"listen = {b.listen}",
                                                      f"listen = {a.listen}"))
            self.reload("changed  a", "changed  b")
            a.listen, b.listen = b.listen, a.listen
        done.append(True)
        for s in storms:
            s.join()
        self.assertEqual(failures, [])


ACTIVATE = shutil.which("systemd-socket-activate")


@unittest.skipUnless(ACTIVATE, "systemd-socket-activate is missing: apt-get install systemd")
class TestPassed(ReloadCase):
    def activate(self, services, listens, names):
        self.d = d = Odpd(self.directory(), services)
        self.addCleanup(self.finish, d)
        command = [ACTIVATE]
        for address in listens:
            command += ["-l", str(address)]
        command.append("--fdname=" + ":".join(names))
        for name in os.environ:
            if name.startswith(("ASAN_", "UBSAN_", "LSAN_")):
                command += ["-E", name]
        d.start(command, ready=False)
        until(lambda: d.log().count("Listening on") == len(listens), "the sockets listen")

    def test_never_changed(self):
        port, other = free_port(), free_port()
        b = Backend(self.directory(), listen=f"{HOST}:{port}")
        self.activate({"a": b.file()}, [b.listen], ["a"])
        pid = self.bye(port)
        self.edit("a", f"listen = {b.listen}", f"listen = {HOST}:{other}")
        note = "listen changed: run odp enable a"
        self.reload("changed  a", f"a: {note}")
        self.assertIn(note, self.d.status("a")["reason"])
        self.assertEqual(self.bye(port), pid)
        self.assert_refused(other)
        self.edit("a", f"listen = {HOST}:{other}", f"listen = {b.listen}")
        self.reload("changed  a")
        self.assertIsNone(self.d.status("a")["note"])

    def test_renamed(self):
        port = free_port()
        b = Backend(self.directory(), listen=f"{HOST}:{port}")
        self.activate({"a": b.file()}, [b.listen], ["a"])
        s = self.visit(port)
        self.move(("a", "b"))
        self.reload("renamed  a -> b")
        self.assert_alive(s)
        self.assertEqual(self.bye(port), b.starts()[0])

    def test_removed_and_back(self):
        """The service manager still listens: who comes is turned away, not left to wait."""
        port = free_port()
        b = Backend(self.directory(), listen=f"{HOST}:{port}")
        self.activate({"a": b.file()}, [b.listen], ["a"])
        pid = self.bye(port)
        text = read_file(self.path("a"))
        os.unlink(self.path("a"))
        self.reload("removed  a")
        self.assert_closed(self.connect(port))
        self.d.write_service("a", text)
        self.reload("added    a")
        self.d.await_state("a", "ready")
        self.assertEqual(self.bye(port), pid)

    def test_new_file_is_left_to_a_unit(self):
        """Bound beside a socket unit, clients would be parted between the two."""
        port, other = free_port(), free_port()
        b, c = (Backend(self.directory(), listen=f"{HOST}:{p}") for p in (port, other))
        self.activate({"a": b.file()}, [b.listen], ["a"])
        pid = self.bye(port)
        self.d.write_service("c", c.file())
        note = "no socket unit listens for it yet: run odp enable c"
        self.reload("added    c", f"c: {note}")
        self.assertEqual(self.d.state("c"), "invalid")
        self.assertIn(note, self.d.status("c")["reason"])
        self.assert_refused(other)
        self.assertEqual(self.bye(port), pid)
        os.unlink(self.path("c"))
        self.reload("removed  c")

    def test_own_listener_stays_beside_a_unit(self):
        """What odpd bound at its start, without a unit, is not changed either."""
        ports = [free_port() for _ in range(3)]
        b, c = (Backend(self.directory(), listen=f"{HOST}:{p}") for p in ports[:2])
        self.activate({"a": b.file(), "c": c.file()}, [b.listen], ["a"])
        self.bye(ports[0])
        pid = self.bye(ports[1])
        self.edit("c", f"listen = {c.listen}", f"listen = {HOST}:{ports[2]}")
        self.reload("changed  c", "c: listen changed: run odp enable c")
        self.assertEqual(self.bye(ports[1]), pid)
        self.assert_refused(ports[2])

    def test_mended_file_takes_its_socket(self):
        port, other = free_port(), free_port()
        b, c = (Backend(self.directory(), listen=f"{HOST}:{p}") for p in (port, other))
        self.activate({"a": b.file() + FAULT, "c": c.file()}, [b.listen, c.listen], ["a", "c"])
        self.bye(other)
        self.assert_closed(self.connect(port))
        self.d.write_service("a", b.file())
        self.reload("added    a")
        self.assertEqual(self.bye(port), b.starts()[0])


class TestReload(ReloadCase):
    def test_sighup(self):
        b = self.begin("a", idle="1h")
        s = self.visit(b.listen)
        self.move(("a", "b"))
        self.edit("b", "timeout = 1h", "timeout = 2h")
        self.d.write_service("c", FAULT)
        os.kill(self.d.pid, signal.SIGHUP)
        until(lambda: "reload: done" in self.d.log(), "it is done")
        self.assertIn("b: reload: renamed, before: a", self.d.log())
        self.assertIn("b: reload: changed", self.d.log())
        self.assertIn("c.ini:1: `nonsense` stands before any section", self.d.log())
        self.assertIn("reload: done, but for the faulty files", self.d.log())
        self.assert_alive(s)
        self.assertEqual(self.d.state("b"), "ready")

    def test_notifies_the_service_manager(self):
        b = Backend(self.directory())
        self.d = self.odpd({"a": b.file()}, start=False)
        path = os.path.join(self.d.directory, "notify")
        manager = self.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        manager.bind(path)
        manager.settimeout(DEADLINE)
        self.d.start(env={**os.environ, "NOTIFY_SOCKET": path})

        def next_fields():
            """Of what is said of its life; how many services are awake comes between."""
            while True:
                lines = manager.recv(4096).decode().splitlines()
                fields = dict(line.split("=", 1) for line in lines)
                fields.pop("STATUS", None)
                if fields:
                    return fields

        self.assertEqual(next_fields(), {"READY": "1"})
        self.reload()
        fields = next_fields()
        self.assertEqual(fields.pop("RELOADING"), "1")
        since = int(fields.pop("MONOTONIC_USEC")) / 1e6
        self.assertLess(abs(since - time.monotonic()), DEADLINE)
        self.assertEqual(fields, {})
        self.assertEqual(next_fields(), {"READY": "1"})

    def test_busy_service_manager_is_told_again(self):
        b = Backend(self.directory())
        self.d = self.odpd({"a": b.file()}, start=False)
        path = os.path.join(self.d.directory, "notify")
        manager = self.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        manager.bind(path)
        manager.settimeout(DEADLINE)
        others = self.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        others.connect(path)
        n_others = 0
        try:
            while True:
                others.send(b"others", socket.MSG_DONTWAIT)
                n_others += 1
        except BlockingIOError:
            pass
        env = {**os.environ, "NOTIFY_SOCKET": path, "WATCHDOG_USEC": "30000000"}
        self.d.start(env=env)
        self.d.await_state("a", "stopped")
        for _ in range(n_others):
            self.assertEqual(manager.recv(4096), b"others")
        # A watchdog that it does not know to be disarmed would kill odpd in its sleep.
        self.assertEqual(manager.recv(4096).decode().splitlines(),
                         ["READY=1", "WATCHDOG_USEC=0", "STATUS=0 of 1 services awake"])

    def test_only_for_those_who_may(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to be somebody else")
        self.begin("a")
        os.chmod(self.d.directory, 0o755)
        pid = os.fork()
        if pid == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            done = self.d.odp("reload")
            ok = done.returncode == 1 and "only root and members of group odp" in done.stderr
            os._exit(0 if ok else 1)
        self.assertEqual(os.waitpid(pid, 0)[1], 0)
        self.assertNotIn("reload:", self.d.log())

    def test_wrong_usage(self):
        self.begin("a")
        self.assertEqual(self.d.odp("reload", "a").returncode, 2)
        self.assertEqual(self.d.odp("reload", "--now").returncode, 2)
        self.assertEqual(self.d.terminate(), 0)
        self.assertEqual(self.d.odp("reload").returncode, 3)

    def test_while_clients_wait(self):
        gate = Gate(self)
        backend = Backend(self.directory(), "echo.py", "--gate", gate)
        self.d = self.odpd({"a": backend.file()})
        clients = [self.connect(backend.listen) for _ in range(50)]
        for s in clients:
            s.sendall(b"before")
        self.d.await_status("a", waiting=50)
        for i in range(5):
            self.edit("a", "[wait]" if i == 0 else f"timeout = {i}h", f"[wait]\ntimeout = {i + 1}h"
                      if i == 0 else f"timeout = {i + 1}h")
            self.reload("changed  a")
        gate.open()
        for s in clients:
            self.assertEqual(read_exactly(s, 6), b"before")
        self.assertEqual(len(backend.starts()), 1)

    def test_while_it_starts_and_stops(self):
        b = Backend(self.directory(), "echo.py", "--delay", 0.05, "--stop-delay", 0.05)
        self.d = self.odpd({"a": b.file(idle="30ms")})
        end = time.monotonic() + (10 if is_sanitized() else 5)
        reloads, done, n_visits = 0, [], [0, 0]

        def visitor(i):
            while not done:
                with connect(b.listen) as s:
                    self.assertTrue(exchange(s, b"x").startswith(b"xbye "))
                n_visits[i] += 1

        visits = [Background(visitor, i) for i in range(2)]
        names = ["a", "b"]
        while time.monotonic() < end or reloads <= 10 or min(n_visits) <= 3:
            self.edit(names[0], "[wait]", "[wait]\n# more")
            self.append(names[0], f"[wait]\nmax_waiting = {100 + reloads}\n"
                        if reloads == 0 else "")
            if reloads > 0:
                self.edit(names[0], f"max_waiting = {99 + reloads}",
                          f"max_waiting = {100 + reloads}")
            self.move(tuple(names))
            names.reverse()
            self.assertEqual(self.d.odp("reload").returncode, 0)
            reloads += 1
            self.assertFalse([v.error for v in visits if v.error])
        done.append(True)
        for v in visits:
            v.join()

    def test_fifty_in_a_row_leak_nothing(self):
        a, b = self.begin("a", "b", idle="1h")
        c = Backend(self.directory())
        s = self.visit(a.listen)

        def round_trip():
            self.edit("b", f"listen = {b.listen}", f"listen = {c.listen}")
            self.append("a", FAULT)
            self.d.odp("reload")
            self.move(("b", "z"))
            self.d.write_service("n", plain_file(b.listen, c.target))
            self.d.odp("reload")
            os.unlink(self.path("n"))
            self.move(("z", "b"))
            self.edit("b", f"listen = {c.listen}", f"listen = {b.listen}")
            self.edit("a", FAULT, "")
            self.assertEqual(self.d.odp("reload").returncode, 0)

        def held():
            self.d.hang_up()
            self.assert_alive(s)
            counts = [len(os.listdir(f"/proc/{pid}/fd")) for pid in (self.d.pid, launcher)]
            memory = [private_dirty(pid) for pid in (self.d.pid, launcher)]
            return counts, memory

        launcher = self.d.launcher()
        for _ in range(5):
            round_trip()
        before, memory_before = held()
        for _ in range(50):
            round_trip()
        until(lambda: all(now <= was for now, was in zip(held()[0], before)),
              f"no more descriptors than before: {held()} {before}")
        self.assertEqual(self.d.launcher(), launcher)
        after = held()[1]
        print(f"private dirty: {memory_before} -> {after}", flush=True)
        if not is_sanitized():
            for was, now in zip(memory_before, after):
                self.assertLessEqual(now, was + 64 * 1024)
        until(lambda: sorted(os.listdir(os.path.join(self.d.runtime, "launcher"))) ==
              ["a.ini", "a.out", "a.pid", "b.ini", "lock"], "the launcher keeps no more than these")

    def test_five_hundred_services(self):
        n = 500
        first = free_port()
        ports = [free_port() for _ in range(2 * n)]
        self.d = self.odpd({})
        for i in range(n):
            self.d.write_service(f"s{i:03}", plain_file(f"{HOST}:{ports[i]}",
                                                        f"{HOST}:{ports[n + i]}"))
        spans = {}

        def timed(what):
            begin = time.monotonic()
            done = self.d.odp("reload")
            spans[what] = time.monotonic() - begin
            self.assertEqual(done.returncode, 0, done.stderr)
            return len(done.stdout.splitlines())

        self.assertEqual(timed("added"), n)
        self.assertEqual(timed("unchanged"), 1)
        for i in range(n):
            self.append(f"s{i:03}", "[idle]\ntimeout = 1h\n")
        self.assertEqual(timed("changed"), n)
        for i in range(n):
            self.move((f"s{i:03}", f"t{i:03}"))
        self.assertEqual(timed("renamed"), n)
        # The launcher has followed: it knows each of them.
        until(lambda: all(s["state"] != "unknown" for s in self.d.all_status()), "all are known")
        self.assertNotIn("could not be sent", self.d.log())
        for i in range(n):
            os.unlink(self.path(f"t{i:03}"))
        self.assertEqual(timed("removed"), n)
        print({k: f"{v * 1000:.0f} ms" for k, v in spans.items()}, first, flush=True)
        if not is_sanitized():
            self.assertLess(max(spans.values()), 2)


if __name__ == "__main__":
    unittest.main()
