#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Listening sockets: passed in by the service manager, bound by odpd, taken by others, and what
# happens when descriptors run out.

import os
import random
import shutil
import socket
import stat
import time
import unittest

from harness import (HOST, Backend, Background, Case, Odpd, connect, cpu_seconds, exchange,
                     free_port, is_sanitized, listener, plain_file, read_all, read_exactly, until)

ACTIVATE = shutil.which("systemd-socket-activate")


@unittest.skipUnless(ACTIVATE, "systemd-socket-activate is missing: apt-get install systemd")
class PassedTest(Case):
    def activate(self, services, listens, names=None):
        """odpd is run by the first connection, as under a socket unit."""
        d = Odpd(self.directory(), services)
        self.addCleanup(self.finish, d)
        command = [ACTIVATE]
        for address in listens:
            command += ["-l", str(address)]
        if names:
            command.append("--fdname=" + ":".join(names))
        for name in os.environ:
            if name.startswith(("ASAN_", "UBSAN_", "LSAN_")):
                command += ["-E", name]
        d.start(command, ready=False)
        until(lambda: "Listening on" in d.log() and d.log().count("Listening on") == len(listens),
              "the sockets listen")
        self.assertFalse(os.path.exists(os.path.join(d.runtime, "control.sock")))
        return d

    def check(self, listen, address, names, visit):
        backend = Backend(self.directory(), "echo.py", "--delay", 0.3, listen=listen)
        d = self.activate({"web": backend.file()}, [address], names)
        for _ in range(2):
            s = self.connect(visit)
            self.assertEqual(exchange(s, b"hello"), b"hellobye %d\n" % backend.starts()[0])
        # Had it bound a socket of its own, it would have found the address taken.
        self.assertEqual(d.state("web"), "ready")
        d.await_status("web", connections=0)
        return d

    def test_by_name(self):
        for name in ("web", "odp-web.socket"):
            with self.subTest(name=name):
                port = free_port()
                self.check(f"{HOST}:{port}", f"{HOST}:{port}", [name], port)

    def test_by_address(self):
        port = free_port()
        self.check(f"{HOST}:{port}", f"{HOST}:{port}", None, port)

    def test_wildcard_for_a_bare_port(self):
        port = free_port()
        self.check(port, f"[::]:{port}", ["web"], ("::1", port))

    def test_unix_socket_is_left_alone(self):
        path = os.path.join(self.directory(), "web.sock")
        d = self.check(path, path, ["web"], path)
        self.assertEqual(d.finish(), "")
        self.assertTrue(os.path.exists(path), "the file is the manager's, not odpd's")

    def test_two_services_in_the_other_order(self):
        directory = self.directory()
        a, b = Backend(directory, "greeter.py"), Backend(directory)
        d = self.activate({"a": a.file(), "b": b.file()},
                          [f"{HOST}:{b.listen}", f"{HOST}:{a.listen}"], ["b", "a"])
        with connect(b.listen) as s:
            self.assertEqual(exchange(s, b"x"), b"xbye %d\n" % b.starts()[0])
        with connect(a.listen) as s:
            self.assertEqual(exchange(s, b"x"),
                             b"220 at your service\nxbye %d\n" % a.starts()[0])
        d.await_status("b", connections=0)

    def test_socket_of_no_service(self):
        backend, stray = Backend(self.directory()), free_port()
        d = self.activate({"web": backend.file(), "broken": "[service]\nlisten = nonsense\n"},
                          [f"{HOST}:{backend.listen}", f"{HOST}:{stray}"], ["web", "broken"])
        for _ in range(3):
            s = self.connect(stray)
            self.assert_closed(s)
        self.assertIn("no sound service", d.log())
        with connect(backend.listen) as s:
            self.assertEqual(exchange(s, b"x"), b"xbye %d\n" % backend.starts()[0])
        self.assertEqual(d.state("broken"), "invalid")
        self.assert_closed(self.connect(stray))

    def test_who_speaks_http_on_a_socket_of_no_service_is_told_why(self):
        names = ["broken", "gone", "off", "odp-late.socket", "unknown"]
        ports = {name: free_port() for name in names}
        d = self.activate({"broken": f"[service]\nlisten = the secret\ntarget = {HOST}:1\n"
                                     "[backend]\ntype = none\n",
                           "off": plain_file(ports["off"], f"{HOST}:{free_port()}", "enabled = no"),
                           "late": "[service]\n[idle]\ntimeout = x\n"},
                          [f"{HOST}:{port}" for port in ports.values()], names)
        for name, words in (("broken", "broken is not served|its file has a fault in line 2"),
                            ("gone", "gone is not served|there is no file gone.ini"),
                            ("off", "off is not served|it is disabled"),
                            ("odp-late.socket", "late is not served|a fault in line 1"),
                            ("unknown", "this address is not served|no service has this address")):
            s = self.connect(ports[name])
            s.sendall(b"GET / HTTP/1.1\r\n")
            s.sendall(b"Host: x\r\n\r\n")
            answer = read_all(s).decode()
            self.assertTrue(answer.startswith("HTTP/1.1 503 "), answer)
            for part in words.split("|"):
                self.assertIn(part, answer)
            self.assertNotIn("secret", answer)
        # Who speaks something else, or nothing, is closed, as are those beyond the bound.
        s = self.connect(ports["gone"])
        s.sendall(b"\x16\x03\x01")
        self.assert_closed(s)
        crowd = [self.connect(ports["gone"]) for _ in range(100)]
        for s in crowd:
            self.assert_closed(s)
        self.assertEqual(d.finish(), "")



class BoundTest(Case):
    def test_port_that_is_taken(self):
        taken = self.closing(listener((HOST, free_port())))
        port = taken.getsockname()[1]
        backend = Backend(self.directory())
        d = self.odpd({"mine": plain_file(f"{HOST}:{port}", f"{HOST}:{free_port()}"),
                       "web": backend.file()})
        status = d.status("mine")
        self.assertEqual(status["state"], "invalid")
        self.assertIn(f"{HOST}:{port}", status["reason"])
        self.assertIn("another program", status["reason"])
        with connect(backend.listen) as s:
            self.assertEqual(exchange(s, b"x"), b"xbye %d\n" % backend.starts()[0])
        done = d.odp("start", "mine")
        self.assertEqual(done.returncode, 1)
        self.assertIn("another program", done.stderr)

    def test_bare_port_that_is_taken_in_ipv4_only(self):
        taken = self.closing(listener((HOST, free_port())))
        port = taken.getsockname()[1]
        d = self.odpd({"mine": plain_file(port, f"{HOST}:{free_port()}")})
        self.assertEqual(d.state("mine"), "invalid")
        self.assertIn(str(port), d.status("mine")["reason"])

    def test_faulty_file(self):
        backend = Backend(self.directory())
        d = self.odpd({"broken": "[service]\nlisten = 80\ntraget = 127.0.0.1:1\n"
                                 "[backend]\ntype = none\n",
                       "web": backend.file()})
        status = d.status("broken")
        self.assertEqual(status["state"], "invalid")
        self.assertIn("target", status["reason"])
        self.assertEqual([t["name"] for t in d.all_status()], ["broken", "web"])
        with connect(backend.listen) as s:
            self.assertEqual(exchange(s, b"x"), b"xbye %d\n" % backend.starts()[0])

    def test_disabled_service(self):
        port = free_port()
        d = self.odpd({"web": plain_file(port, f"{HOST}:{free_port()}", "enabled = no")})
        self.assertEqual(d.state("web"), "disabled")
        with self.assertRaises(ConnectionRefusedError):
            connect(port)

    def unix_service(self, path, extra=""):
        return Backend(self.directory(), listen=path).file(service=extra)

    def test_stale_unix_socket(self):
        path = os.path.join(self.directory(), "web.sock")
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(path)
        stale.listen()
        stale.close()
        with self.assertRaises(ConnectionRefusedError):
            connect(path)
        self.odpd({"web": self.unix_service(path)})
        with connect(path) as s:
            self.assertTrue(exchange(s, b"x").startswith(b"xbye "))

    def test_unix_socket_of_another_program(self):
        path = os.path.join(self.directory(), "web.sock")
        owner = self.closing(listener(path))
        d = self.odpd({"web": self.unix_service(path)})
        self.assertEqual(d.state("web"), "invalid")
        self.assertIn(path, d.status("web")["reason"])
        client = self.connect(path)
        client.sendall(b"still mine")
        while True:  # odpd has knocked to find out
            s = self.closing(owner.accept()[0])
            if s.recv(100) == b"still mine":
                break
        self.assertEqual(d.finish(), "")
        self.assertTrue(os.path.exists(path))

    def test_path_that_is_a_file(self):
        path = os.path.join(self.directory(), "web.sock")
        with open(path, "w", encoding="utf-8") as f:
            f.write("precious")
        d = self.odpd({"web": self.unix_service(path)})
        self.assertEqual(d.state("web"), "invalid")
        with open(path, encoding="utf-8") as f:
            self.assertEqual(f.read(), "precious")

    def test_mode_and_removal(self):
        directory = self.directory()
        a, b = os.path.join(directory, "a.sock"), os.path.join(directory, "b.sock")
        d = self.odpd({"a": self.unix_service(a, "socket_mode = 0606"),
                       "b": self.unix_service(b)})
        self.assertEqual(stat.S_IMODE(os.stat(a).st_mode), 0o606)
        self.assertEqual(stat.S_IMODE(os.stat(b).st_mode), 0o660)
        self.assertEqual(d.finish(), "")
        self.assertFalse(os.path.exists(a))
        self.assertFalse(os.path.exists(b))


@unittest.skipUnless(shutil.which("prlimit"), "prlimit is missing: apt-get install util-linux")
class ExhaustedTest(Case):
    LIMIT = 64

    def begin(self, idle="5min"):
        self.backend = Backend(self.directory())
        d = self.odpd({"web": self.backend.file(idle=idle)},
                      before=["prlimit", f"--nofile={self.LIMIT}:{self.LIMIT}"])
        self.assertEqual(d.odp("start", "web").returncode, 0)
        return d

    def live(self):
        s = self.connect(self.backend.listen)
        s.sendall(b"x")
        self.assertEqual(read_exactly(s, 1), b"x")
        return s

    def exhaust(self, d):
        clients = [self.connect(self.backend.listen) for _ in range(self.LIMIT)]
        until(lambda: "accepting pauses" in d.log(), "accepting pauses")
        return clients

    def test_pauses_and_resumes(self):
        d = self.begin()
        live = [self.live() for _ in range(5)]
        clients = self.exhaust(d)
        for i, s in enumerate(live):
            s.sendall(b"still here %d" % i)
            self.assertEqual(read_exactly(s, 12), b"still here %d" % i)
        # Waiting for a descriptor is no reason to spin.
        before, begin = cpu_seconds(d.pid), time.monotonic()
        until(lambda: time.monotonic() - begin > 2, "two seconds have passed")
        if not is_sanitized():
            self.assertLess(cpu_seconds(d.pid) - before, 0.7)
        # Each one that leaves makes room; in the end all are answered, in whatever order.
        for s in live:
            self.assertEqual(exchange(s, b"end"), b"endbye %d\n" % self.backend.starts()[0])
            s.close()
        echoes = [Background(self.visit, s, b"client %d" % i) for i, s in enumerate(clients)]
        for i, echo in enumerate(echoes):
            self.assertEqual(echo.join(), b"client %dbye %d\n" % (i, self.backend.starts()[0]))
        d.await_status("web", connections=0, waiting=0, state="ready")
        self.assertIn("accepting resumes", d.log())
        with connect(self.backend.listen) as s:
            self.assertTrue(exchange(s, b"after").startswith(b"afterbye"))

    def visit(self, s, data):
        reply = exchange(s, data)
        s.close()
        return reply

    def test_live_streams_are_unharmed(self):
        # Bytes on their way need a pipe where they do not fit at once, and there is none left.
        d = self.begin()
        live = [self.live() for _ in range(4)]
        clients = self.exhaust(d)
        data = random.Random(1).randbytes(24 << 20)
        echoes = [Background(exchange, s, data) for s in live]
        for echo in echoes:
            self.assert_same(echo.join(), data + b"bye %d\n" % self.backend.starts()[0])
        for s in clients:
            s.close()

    def test_held_clients_of_an_exhausted_odpd(self):
        # They fill all descriptors before the service is even started.
        self.backend = Backend(self.directory(), "echo.py", "--delay", 1)
        d = self.odpd({"web": self.backend.file()},
                      before=["prlimit", f"--nofile={self.LIMIT}:{self.LIMIT}"])
        clients = self.exhaust(d)
        half = len(clients) // 2
        for s in clients[:half]:
            s.close()
        echoes = [Background(self.visit, s, b"client %d" % i)
                  for i, s in enumerate(clients[half:])]
        for i, echo in enumerate(echoes):
            self.assertEqual(echo.join(), b"client %dbye %d\n" % (i, self.backend.starts()[-1]))
        d.await_status("web", connections=0, waiting=0)

    def test_services_get_the_limit_that_odpd_was_given(self):
        directory = self.directory()
        path = os.path.join(directory, "limit")
        script = os.path.join(directory, "run.sh")
        backend = Backend(directory)
        with open(script, "w", encoding="utf-8") as f:
            f.write(f"ulimit -Sn > {path}\nexec {backend.command}\n")
        backend.command = f"sh {script}"
        d = self.odpd({"web": backend.file()}, before=["prlimit", "--nofile=200:900"])
        self.assertEqual(d.odp("start", "web").returncode, 0)
        with open(path, encoding="utf-8") as f:
            self.assertEqual(f.read(), "200\n")
        with open(f"/proc/{d.pid}/limits", encoding="utf-8") as f:
            self.assertRegex(f.read(), r"Max open files +900 +900 ")


if __name__ == "__main__":
    unittest.main()
