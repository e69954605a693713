#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# `odp why`: who woke a service, what keeps it awake, when it will sleep, why it last stopped or
# failed. Addresses of clients are for those alone who may change things. And `odp status --watch`.

import json
import os
import subprocess
import time
import unittest

import test_launcher_container as engines
from harness import HOST, Backend, Case, connect, exchange, free_port, program, read_exactly


class WhyTest(Case):
    def why(self, d, name="web"):
        done = d.odp("why", name, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def begin(self, *args, **options):
        backend = Backend(self.directory(), "echo.py", *args)
        return self.odpd({"web": backend.file(**options)}), backend

    def test_woken_by_a_client_and_kept_awake(self):
        d, backend = self.begin(idle="10s")
        before = time.time()
        with connect(backend.listen) as s:
            s.sendall(b"hello")
            read_exactly(s, 5)
            why = self.why(d)
            self.assertEqual((why["state"], why["woken_by"], why["woken_from"]),
                             ("ready", "a client", HOST))
            self.assertTrue(before - 1 <= why["woken_at"] <= time.time() + 1, why)
            self.assertEqual((why["connections"], len(why["clients"])), (1, 1))
            client = why["clients"][0]
            self.assertEqual((client["from"], client["state"], client["bytes_in"]),
                             (HOST, "relayed", 5))
            self.assertIsNone(why["sleeps_in_seconds"])
            text = d.odp("why", "web").stdout
            self.assertIn("10s after the last connection has closed", text)
            self.assertIn(f"by a client at {HOST}", text)
        d.await_status("web", connections=0)
        why = self.why(d)
        self.assertTrue(0 < why["sleeps_in_seconds"] <= 10, why)
        self.assertEqual(why["window_seconds"], 10)

    def test_idle_stop(self):
        d, backend = self.begin(idle="300ms")
        with connect(backend.listen) as s:
            exchange(s, b"x")
        d.await_state("web", "stopped")
        why = self.why(d)
        self.assertEqual((why["stopped_reason"], why["woken_by"]), ("quiet for 300ms", "a client"))
        self.assertGreaterEqual(why["stopped_at"], why["woken_at"])

    def test_the_end_of_a_container_that_podman_has_not_tidied_up_yet(self):
        path = os.path.join(self.directory(), "e.sock")
        engine = engines.Engine(path, "wiki")
        self.addCleanup(engine.end)
        stopped = engines.body(engines.state(False, Status="stopped", ExitCode=3,
                                             StartedAt="2026-01-02T03:04:05.6Z"))
        engine.odd["GET json"] = lambda connection, *_: connection.sendall(stopped.encode())
        d = self.odpd({"web": f"""
            [service]
            listen = {free_port()}
            target = {HOST}:{free_port()}
            [backend]
            type = podman
            container = wiki
            socket = {path}
            """})
        container = self.why(d)["containers"][0]
        self.assertEqual((container["status"], container["exit_code"]), ("exited", 3))

    def test_the_backend_is_a_type_that_a_file_may_have(self):
        rows = {"bare": ("container = bare", ("docker", "podman")),
                "docker": ("type = docker\ncontainer = one", ("docker",)),
                "podman": ("type = podman\ncontainer = two", ("podman",)),
                "engine": ("engine = podman\ncontainer = three", ("podman",)),
                "wiki": ("project = wiki", ("compose",))}
        d = self.odpd({name: f"[service]\nlisten = {free_port()}\ntarget = {HOST}:{free_port()}\n"
                             f"[backend]\n{backend}\n" for name, (backend, _) in rows.items()})
        for name, (_, types) in rows.items():
            self.assertIn(d.status(name)["backend"], types)
            self.assertIn(self.why(d, name)["backend"], types)

    def test_by_hand(self):
        d, _ = self.begin()
        self.assertEqual(d.odp("start", "web").returncode, 0)
        why = self.why(d)
        self.assertEqual((why["woken_by"], why["woken_from"]), ("odp start", None))
        self.assertEqual(d.odp("stop", "web").returncode, 0)
        self.assertEqual(self.why(d)["stopped_reason"], "stopped by odp stop")
        self.assertIn("stopped by odp stop", d.odp("why", "web").stdout)

    def test_failed_start(self):
        d = self.odpd({"web": f"""
            [service]
            listen = {free_port()}
            target = {HOST}:{free_port()}
            [backend]
            command = /bin/sh -c 'echo no such disk; exit 3'
        """})
        self.assertEqual(d.odp("start", "web").returncode, 1)
        why = self.why(d)
        self.assertEqual(why["state"], "failed")
        self.assertEqual(why["failed_reason"], "exited with status 3, last words: no such disk")
        self.assertEqual(why["retry_in_seconds"], 0)
        self.assertIn("retries  with the next visitor", d.odp("why", "web").stdout)

    def test_found_running(self):
        d, backend = self.begin()
        with connect(backend.listen) as s:
            exchange(s, b"x")
        d.kill()
        d.start()
        d.await_state("web", "ready")
        self.assertIn("found it running", self.why(d)["woken_by"])

    def test_invalid_and_unknown(self):
        d, _ = self.begin()
        d.terminate()
        d.write_service("bad", "[service]\nlisten = x")
        d.start()
        why = self.why(d, "bad")
        self.assertEqual(why["state"], "invalid")
        self.assertIn("line 1: [service] has no target", why["reason"])
        unknown = d.odp("why", "wbe")
        self.assertEqual(unknown.returncode, 1)
        self.assertIn("wbe", unknown.stderr)
        self.assertEqual(d.odp("why").returncode, 2)

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to ask as somebody else")
    def test_addresses_are_not_for_everyone(self):
        d, backend = self.begin()
        os.chmod(d.directory, 0o755)
        with connect(backend.listen) as s:
            s.sendall(b"x")
            read_exactly(s, 1)
            code = ("import socket,sys\n"
                    "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
                    "s.sendall(b'{\"method\":\"io.odp.Control.Why\","
                    "\"parameters\":{\"name\":\"web\"}}\\0')\n"
                    "print(s.recv(65536)[:-1].decode())")
            reply = subprocess.run(
                ["/usr/bin/python3", "-c", code, os.path.join(d.runtime, "control.sock")],
                user=65534, group=65534, extra_groups=[], capture_output=True, text=True,
                timeout=30, check=True)
            why = json.loads(reply.stdout)["parameters"]
        self.assertEqual(why["connections"], 1)
        self.assertIsNone(why["woken_from"])
        self.assertIsNone(why["clients"][0]["from"])


class WatchTest(Case):
    def await_line(self, watch, word):
        # The pipe ends if nothing comes: the test's own deadline is ctest's.
        for line in watch.stdout:
            if word in line.split():
                return
        self.fail(f"odp ended before it showed {word}")

    def test_watch_shows_each_change(self):
        backend = Backend(self.directory(), "echo.py")
        d = self.odpd({"web": backend.file(idle="5s")})
        watch = subprocess.Popen([program("odp"), "--runtime", d.runtime, "status", "--watch"],
                                 stdout=subprocess.PIPE, text=True)
        self.addCleanup(watch.stdout.close)
        self.addCleanup(watch.wait)
        self.addCleanup(watch.kill)
        self.await_line(watch, "stopped")
        with connect(backend.listen) as s:
            exchange(s, b"x")
        self.await_line(watch, "ready")
        # Being watched keeps nothing awake.
        self.await_line(watch, "stopped")


if __name__ == "__main__":
    unittest.main()
