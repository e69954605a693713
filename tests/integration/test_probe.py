#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The http probe: who is well and who is not, and what becomes of the clients meanwhile. The exec
# probe is in test_probe_exec.py.

import os
import random
import signal
import socket
import time
import unittest

from harness import (HOST, Backend, Background, Case, accepts, connect, exchange, free_port,
                     is_alive, listener, plain_file, read_all, read_file, until)

GET = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n"
PATH = "probe = http\npath = /health"


class Probed(Backend):
    """A service behind servers/probed.py."""

    def __init__(self, directory, *args, **options):
        self.probes_path = os.path.join(directory, f"probes-{free_port()}")
        self.early_path = self.probes_path + "-early"
        super().__init__(directory, "probed.py", "--probes", self.probes_path, "--early",
                         self.early_path, *args, **options)

    def file(self, ready="", **options):
        return super().file(ready=f"{PATH}\n{ready}", **options)

    def probes(self):
        return read_file(self.probes_path).splitlines()

    def early(self):
        """How many clients got through before it was well."""
        return len(read_file(self.early_path).splitlines())


class ProbeCase(Case):
    def probed(self, *args, **options):
        return Probed(self.directory(), *args, **options)

    def assert_echo(self, backend, data=b"hello"):
        with connect(backend.listen) as s:
            reply = exchange(s, data)
        self.assert_same(reply[:len(data)], data)
        return int(reply[len(data):].split()[1])


class HttpTest(ProbeCase):
    def test_clients_are_held_until_it_passes(self):
        sick = os.path.join(self.directory(), "sick")
        with open(sick, "wb"):
            backend = self.probed("--sick", sick)
        d = self.odpd({"web": backend.file()})
        begin = time.monotonic()
        payloads = [random.Random(i).randbytes(200_000 if i < 3 else 10) for i in range(20)]
        clients = [connect(backend.listen) for _ in payloads]
        half_closed = self.connect(backend.listen)
        half_closed.sendall(b"that was all")
        half_closed.shutdown(socket.SHUT_WR)
        replies = [Background(exchange, s, data) for s, data in zip(clients, payloads)]
        d.await_status("web", state="starting", waiting=21)
        until(lambda: len(backend.probes()) >= 3, "it is probed again and again")
        self.assertEqual(d.status("web")["waiting"], 21)
        os.unlink(sick)
        for reply, data in zip(replies, payloads):
            self.assert_same(reply.join()[:len(data)], data)
        self.assertEqual(read_all(half_closed)[:12], b"that was all")
        took = time.monotonic() - begin
        for s in clients:
            s.close()
        self.assertEqual(backend.early(), 0)
        self.assertEqual(len(backend.starts()), 1)
        # At 1, 2, 6, 14, 30 ... ms of its life, then every 250 ms, one at a time.
        probes = backend.probes()
        self.assertLessEqual(len(probes), 8 + took / 0.25, probes)
        self.assertEqual({p[:2] for p in probes}, {"1 "})
        request = (f"GET /health HTTP/1.1\r\nHost: {backend.target}\r\nUser-Agent: odp/")
        self.assertTrue(probes[0].startswith(f"1 {request.encode()!r}"[:-1]), probes[0])
        self.assertIn(r"\r\nConnection: close\r\n\r\n'", probes[0])
        status = d.await_status("web", connections=0)
        # Of what was asked and answered nothing is the clients'.
        n_sent = sum(map(len, payloads)) + 12
        n_bye = len(f"bye {backend.starts()[0]}\n") * 21
        self.assertEqual((status["bytes_in"], status["bytes_out"]), (n_sent, n_sent + n_bye))
        self.assertEqual((status["wakes"], status["failed_wakes"]), (1, 0))
        self.assert_echo(backend)
        self.assertEqual(len(backend.probes()), len(probes))  # ready, it is asked no more

    def test_quick_service_is_not_made_to_wait_for_the_interval(self):
        backend = self.probed()
        d = self.odpd({"web": backend.file("interval = 20s")})
        begin = time.monotonic()
        self.assertEqual(d.odp("start", "web").returncode, 0)
        self.assertLess(time.monotonic() - begin, 10)
        self.assertEqual(len(backend.probes()), 1)

    def test_what_counts_as_well(self):
        rows = [("", "200"), ("", "302"), ("", "401"), ("expect = 503", "503"),
                ("expect = 404-405, 418", "418"), ("expect = 404-405, 418", "404")]
        rows += [("", odd) for odd in ("slow", "interim", "http10", "body")]
        backends = [self.probed("--after", answer) for _, answer in rows]
        d = self.odpd({f"s{i}": backend.file(ready)
                       for i, (backend, (ready, _)) in enumerate(zip(backends, rows))})
        for i, row in enumerate(rows):
            with self.subTest(row=row):
                done = d.odp("start", f"s{i}")
                self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual({s["waiting"] for s in d.all_status()}, {0})

    def test_what_does_not(self):
        said = "GET /health said "
        not_http = "GET /health: what came is not HTTP/1.x"
        endless = "GET /health: its head has no end within 16 KiB"
        cut = "GET /health: ended before its answer was whole"
        rows = [("", "503", said + "503"), ("", "404", said + "404"), ("", "500", said + "500"),
                ("", "101", said + "101"), ("expect = 204", "200", said + "200"),
                ("expect = 200", "401", said + "401"), ("", "garbage", not_http),
                ("", "ssh", not_http), ("", "endless", endless), ("", "interims", endless),
                ("", "close", cut), ("", "half", cut),
                ("", "reset", "GET /health: connection reset"),
                ("", "hang", "GET /health has no answer so far")]
        backends = [self.probed("--after", answer) for _, answer, _ in rows]
        files = {f"s{i}": backend.file(ready + "\ntimeout = 8s\ninterval = 100ms")
                 for i, (backend, (ready, _, _)) in enumerate(zip(backends, rows))}
        deaf = self.probed("--delay", 1000)
        files["deaf"] = deaf.file("timeout = 700ms")
        d = self.odpd(files)
        for name in files:
            self.assertEqual(d.odp("start", "--no-wait", name).returncode, 0)
        begin = "runs, but did not answer within "
        for i, (_, answer, last) in enumerate(rows):
            with self.subTest(answer=answer):
                status = d.await_state(f"s{i}", "failed")
                self.assertEqual(status["reason"], f"{begin}8s ([ready] timeout): {last}")
        self.assertEqual(d.await_state("deaf", "failed")["reason"],
                         f"{begin}700ms ([ready] timeout): GET /health: connection refused")
        # Nothing was stopped, and nothing is left of the probes.
        self.assertEqual([b for b in backends if not is_alive(b.starts()[0])], [])
        until(lambda: d.sockets() <= self.idle_sockets(files), "all probes have hung up", 10)

    def idle_sockets(self, files):
        d = self.odpd({"other": plain_file(free_port(), f"{HOST}:{free_port()}")})
        return d.sockets() + 2 * len(files)  # a bare port may be two listeners

    def test_pace(self):
        backend = self.probed("--after", "503")
        d = self.odpd({"web": backend.file("timeout = 2s\ninterval = 100ms")})
        self.assertEqual(d.odp("start", "web").returncode, 1)
        # Again, of what has had time to listen by now.
        until(lambda: accepts(backend.target), "it listens")
        n_before = len(backend.probes())
        self.assertEqual(d.odp("start", "web").returncode, 1)
        n_probes = len(backend.probes()) - n_before
        # 20 of the interval and the quick ones of the beginning; much fewer on a loaded machine.
        self.assertTrue(5 <= n_probes <= 28, n_probes)

    def test_one_that_hangs_does_not_block_the_next_for_ever(self):
        backend = self.probed("--before", "hang", "--first", 1)
        d = self.odpd({"web": backend.file()})
        begin = time.monotonic()
        self.assertEqual(d.odp("start", "web").returncode, 0)
        self.assertTrue(5 <= time.monotonic() - begin < 25)
        self.assertEqual(len(backend.probes()), 2)
        self.assertIn("probe: GET /health: no answer within 5s", d.log())

    def test_targets(self):
        path = os.path.join(self.directory(), "s")
        unix = self.probed(target=path)
        files = {"unix": unix.file()}
        backends = {"unix": (unix, "localhost")}
        name = Probed(self.directory())
        name.target = name.target.replace(HOST, "localhost")
        files["name"] = name.file()
        backends["name"] = (name, name.target)
        try:
            port = free_port()
            listener(("::1", port)).close()
            v6 = self.probed(target=f"[::1]:{port}")
            files["v6"] = v6.file()
            backends["v6"] = (v6, v6.target)
        except OSError:
            pass  # no IPv6 here
        d = self.odpd(files)
        for name, (backend, host) in backends.items():
            with self.subTest(target=backend.target):
                self.assert_echo(backend)
                self.assertIn(rf"\r\nHost: {host}\r\n", backend.probes()[0])
                self.assertEqual(d.state(name), "ready")

    def test_unix_target_that_is_not_there(self):
        backend = self.probed("--delay", 1000, target=os.path.join(self.directory(), "s"))
        d = self.odpd({"web": backend.file("timeout = 500ms")})
        done = d.odp("start", "web")
        self.assertIn("[ready] timeout): GET /health: No such file or directory", done.stderr)

    def test_forwarder_that_accepts_before_its_service_listens(self):
        directory = self.directory()
        resets = f"{directory}/resets"
        backend = Backend(directory, "forwarder.py", "--ready", 1, "--http", "--resets", resets)
        d = self.odpd({"web": backend.file(ready="probe = http")})
        data = random.Random(3).randbytes(100_000)
        self.assert_echo(backend, data)
        # All that it swallowed was probes.
        swallowed = read_file(resets).split()
        self.assertGreater(len(swallowed), 1)
        self.assertEqual({int(n) < 200 for n in swallowed}, {True}, swallowed)
        self.assertEqual(d.status("web")["bytes_in"], len(data))

    def test_service_that_dies_while_probed(self):
        backend = self.probed("--after", "503")
        d = self.odpd({"web": backend.file()})
        s = self.connect(backend.listen)
        s.sendall(GET)
        pid = int(until(backend.starts, "it is started")[0])
        until(backend.probes, "it is probed")
        os.kill(pid, signal.SIGKILL)
        self.assertIn(b"killed by signal 9", read_all(s))
        d.await_state("web", "failed")

    def test_stop_while_probed(self):
        for answer in "503", "hang":
            backend = self.probed("--after", answer)
            d = self.odpd({"web": backend.file()})
            s = self.connect(backend.listen)
            until(backend.probes, "it is probed")
            self.assertEqual(d.odp("stop", "web").returncode, 0)
            self.assert_closed(s)
            n_probes = len(backend.probes())
            self.assertEqual(d.state("web"), "stopped")
            time.sleep(0.5)  # nothing may happen
            self.assertEqual(len(backend.probes()), n_probes)

    def test_client_leaves_while_it_is_probed(self):
        backend = self.probed("--ready", 1)
        d = self.odpd({"web": backend.file()})
        connect(backend.listen).close()
        d.await_status("web", waiting=0, state="starting")
        d.await_state("web", "ready")
        self.assertEqual(d.status("web")["connections"], 0)

    def test_probing_is_no_activity(self):
        backend = self.probed("--ready", 0.5)
        d = self.odpd({"web": backend.file(idle="300ms")})
        self.assertEqual(d.odp("start", "web").returncode, 0)
        self.assertEqual(d.await_state("web", "stopped")["reason"], "quiet for 300ms")

    def test_page_for_visitors_meanwhile(self):
        backend = self.probed("--ready", 1)
        d = self.odpd({"web": backend.file(wait="mode = page")})
        with connect(backend.listen) as s:
            s.sendall(GET)
            self.assertIn(b"web is starting", read_all(s))
        d.await_state("web", "ready")
        self.assertEqual(backend.early(), 0)

    def test_odpd_ends_while_it_probes(self):
        backend = self.probed("--after", "hang")
        d = self.odpd({"web": backend.file()})
        self.assertEqual(d.odp("start", "--no-wait", "web").returncode, 0)
        until(backend.probes, "it is probed")
        self.assertEqual(d.terminate(), 0)
        d.start()
        self.assertEqual(d.odp("stop", "web").returncode, 0)


class AdoptionTest(ProbeCase):
    def sick(self):
        """A service that is well while a file is not there."""
        path = os.path.join(self.directory(), "sick")
        return self.probed("--sick", path), path

    def touch(self, path):
        with open(path, "w", encoding="utf-8"):
            pass

    def test_found_running_it_is_probed_before_it_is_ready(self):
        backend, sick = self.sick()
        d = self.odpd({"web": backend.file()})
        pid = self.assert_echo(backend)
        self.touch(sick)
        d.kill()
        d.start()
        reply = Background(self.assert_echo, backend)
        status = d.await_status("web", state="starting", waiting=1)
        self.assertEqual(status["reason"], "found running")
        n_probes = len(backend.probes())
        until(lambda: len(backend.probes()) > n_probes + 1, "it is probed")
        self.assertEqual(d.state("web"), "starting")
        os.unlink(sick)
        self.assertEqual(reply.join(), pid)
        self.assertEqual((backend.early(), len(backend.starts())), (0, 1))

    def test_lost_launcher(self):
        backend, sick = self.sick()
        self.touch(sick)
        d = self.odpd({"web": backend.file()})
        reply = Background(self.assert_echo, backend)
        until(backend.probes, "it is probed")
        os.kill(d.launcher(), signal.SIGKILL)
        until(lambda: "unknown -> probing" in d.log(), "the new launcher has found it")
        os.unlink(sick)
        self.assertEqual(reply.join(), backend.starts()[0])
        self.assertEqual((backend.early(), len(backend.starts())), (0, 1))

    def test_late_is_adopted_by_the_next_visit(self):
        sick = os.path.join(self.directory(), "sick")
        with open(sick, "wb"):
            backend = self.probed("--sick", sick)
        d = self.odpd({"web": backend.file("timeout = 5s")})
        reason = ("runs, but did not answer within 5s ([ready] timeout): "
                  "GET /health said 503")
        with connect(backend.listen) as s:
            s.sendall(GET)
            page = read_all(s).decode()
        self.assertIn(reason, page)
        status = d.await_state("web", "failed")
        self.assertEqual(status["reason"], reason)
        self.assertIn(reason, d.odp("why", "web").stdout)
        os.unlink(sick)
        n_probes = len(backend.probes())
        time.sleep(1.7)  # well by now, but nobody has asked
        self.assertEqual((d.state("web"), len(backend.probes())), ("failed", n_probes))
        pid = self.assert_echo(backend)
        self.assertEqual(backend.starts(), [pid])
        self.assertEqual((d.state("web"), backend.early()), ("ready", 0))

    def test_answer_under_way_at_the_timeout_counts(self):
        backend = self.probed("--after", "4s")
        d = self.odpd({"web": backend.file("timeout = 3s")})
        self.assertEqual(d.odp("start", "web").returncode, 1)
        status = d.await_state("web", "ready")
        self.assertEqual(status["reason"], "answered late, after its start had failed")
        self.assertEqual(len(backend.probes()), 1)
        self.assert_echo(backend)

    def test_refused_once_ready(self):
        # It goes and comes back by other hands; what it answers in between is not for clients.
        port = free_port()
        server = listener(port)
        served = Background(self.answer, server, b"200", 1)
        web = free_port()
        d = self.odpd({"web": plain_file(web, f"{HOST}:{port}") + f"\n[ready]\n{PATH}\n"})
        served.join()
        d.await_state("web", "ready")
        server.close()
        s = self.connect(web)
        s.sendall(b"hello")
        d.await_status("web", state="starting", waiting=1)
        server = self.closing(listener(port))
        self.answer(server, b"503", 2)
        self.assertEqual(d.state("web"), "starting")
        self.answer(server, b"200", 1)
        server.settimeout(30)
        with server.accept()[0] as upstream:
            self.assertEqual(upstream.recv(100), b"hello")
            upstream.sendall(b"back again")
        self.assertEqual(read_all(s), b"back again")

    def answer(self, server, status, n):
        server.settimeout(30)
        for _ in range(n):
            with server.accept()[0] as s:
                s.settimeout(30)
                self.assertIn(b"User-Agent: odp/", s.recv(10000))
                s.sendall(b"HTTP/1.1 " + status + b"\r\n\r\n")


class TimeoutTest(ProbeCase):
    """Three timeouts, and three reasons. None of them stops anything."""

    def page(self, address):
        with connect(address) as s:
            s.sendall(GET)
            return read_all(s).decode()

    def test_start_timeout(self):
        backend = self.probed()
        d = self.odpd({"web": backend.file(backend="start_timeout = 700ms", ready="interval = 1h")})
        os.kill(d.launcher(), signal.SIGSTOP)
        reason = "did not start within 700ms ([backend] start_timeout)"
        self.assertIn(reason, self.page(backend.listen))
        self.assertEqual(d.await_state("web", "failed")["reason"], reason)
        self.assertIn(reason, d.odp("why", "web").stdout)
        os.kill(d.launcher(), signal.SIGCONT)
        # It starts after all, and is adopted.
        d.await_state("web", "ready")
        self.assertEqual(self.assert_echo(backend), backend.starts()[0])
        self.assertEqual(len(backend.starts()), 1)

    def test_ready_timeout_runs_from_running(self):
        # A start that takes longer than the whole ready timeout does not eat it up.
        backend = self.probed("--ready", 0.5)
        directory = self.directory()
        start = f"{directory}/start"
        with open(start, "w", encoding="utf-8") as f:
            f.write(f"#!/bin/sh\nsleep 4\nsetsid {backend.command} >/dev/null 2>&1 &\n"
                    f"echo $! >{directory}/pid\n")
        os.chmod(start, 0o755)
        text = backend.file("timeout = 3500ms", backend=f"stop = sh -c 'kill $(cat {directory}/pid)'")
        text = text.replace("type = process", "type = exec").replace(
            f"command = {backend.command}", f"start = {start}")
        d = self.odpd({"web": text})
        self.assertEqual(self.assert_echo(backend), backend.starts()[0])
        self.assertEqual(d.odp("stop", "web").returncode, 0)

    def test_wait_timeout(self):
        # One client has had enough; the service starts on, for the others.
        sick = os.path.join(self.directory(), "sick")
        with open(sick, "wb"):
            backend = self.probed("--sick", sick)
        d = self.odpd({"web": backend.file(wait="timeout = 500ms")})
        page = self.page(backend.listen)
        self.assertIn("web is not ready yet", page)
        self.assertIn("It did not answer within 500ms ([wait] timeout).", page)
        status = d.status("web")
        self.assertEqual((status["state"], status["reason"]), ("starting", "woken by a connection"))
        os.unlink(sick)
        d.await_state("web", "ready")
        self.assertEqual(self.assert_echo(backend), backend.starts()[0])
        self.assertEqual(d.status("web")["failed_wakes"], 0)


if __name__ == "__main__":
    unittest.main()
