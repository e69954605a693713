#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The exec probe through odpd and odp-launcher; the launcher's own part is in
# test_launcher_probe.py.

import os
import signal
import time
import unittest

from harness import (HOST, Backend, Background, Case, accepts, connect, exchange, free_port,
                     is_alive, plain_file, processes_about, read_all, read_file, until)


class ExecTest(Case):
    def setUp(self):
        self.dir = self.directory()
        self.backend = Backend(self.dir)

    def path(self, name):
        return os.path.join(self.dir, name)

    def script(self, text):
        """A probe command; each run leaves its pid in `runs`."""
        with open(self.path("probe"), "w", encoding="utf-8") as f:
            f.write(f"#!/bin/sh\necho $$ >>{self.path('runs')}\n{text}\n")
        os.chmod(self.path("probe"), 0o755)
        return self.path("probe")

    def runs(self):
        return [int(word) for word in read_file(self.path("runs")).split()]

    def touch(self, name):
        with open(self.path(name), "w", encoding="utf-8"):
            pass

    def begin(self, text, ready="", **options):
        ready = f"probe = exec\ncommand = {self.script(text)}\n{ready}"
        return self.odpd({"web": self.backend.file(ready=ready, **options)})

    def visit(self):
        with connect(self.backend.listen) as s:
            return exchange(s, b"hello")

    def assert_served(self, reply):
        self.assertEqual(reply, f"hellobye {self.backend.starts()[-1]}\n".encode())

    def test_passes_at_the_third_time(self):
        # Passed before the service listens it would be asked once more.
        d = self.begin(f"[ $(wc -l <{self.path('runs')}) -ge 3 ] && "
                       f"until [ -e {self.path('up')} ]; do sleep 0.02; done", "interval = 300ms")
        begin = time.monotonic()
        reply = Background(self.visit)
        d.await_status("web", state="starting", waiting=1)
        until(lambda: accepts(self.backend.target), "it listens")
        self.touch("up")
        self.assert_served(reply.join())
        self.assertGreater(time.monotonic() - begin, 0.6)
        self.assertEqual(len(self.runs()), 3)
        status = d.status("web")
        self.assertEqual((status["wakes"], status["failed_wakes"]), (1, 0))
        self.assert_served(self.visit())
        self.assertEqual((len(self.runs()), len(self.backend.starts())), (3, 1))

    def test_start_without_clients(self):
        d = self.begin(f"[ -e {self.path('well')} ]")
        done = Background(d.odp, "start", "web")
        until(lambda: len(self.runs()) > 1, "it is probed")
        self.assertEqual(d.state("web"), "starting")
        self.touch("well")
        self.assertEqual(done.join().returncode, 0)
        self.assertEqual(d.state("web"), "ready")

    def test_never(self):
        d = self.begin("echo one; echo not yet, Grüße; exit 2", "timeout = 1s\ninterval = 200ms")
        with connect(self.backend.listen) as s:
            s.sendall(b"GET / HTTP/1.1\r\n\r\n")
            page = read_all(s).decode()
        reason = ("runs, but did not answer within 1s ([ready] timeout): "
                  "exit status 2: not yet, Grüße")
        self.assertIn(reason, page)
        self.assertEqual(d.await_state("web", "failed")["reason"], reason)
        self.assertIn(reason, d.odp("why", "web").stdout)
        n_runs = len(self.runs())
        self.assertTrue(2 <= n_runs <= 5, n_runs)
        time.sleep(0.5)
        self.assertEqual(len(self.runs()), n_runs)  # failed, it is not asked any more
        self.assertTrue(is_alive(until(self.backend.starts, "it has begun")[0]))

    def test_cannot_be_run(self):
        d = self.odpd({"web": self.backend.file(ready="probe = exec\ncommand = /nonexistent/x\n"
                                                "timeout = 500ms")})
        self.assertIn("cannot run /nonexistent/x: No such file or directory",
                      d.odp("start", "web").stderr)

    def test_hangs(self):
        d = self.begin("exec sleep 1000", "timeout = 1500ms")
        self.assertIn("[ready] timeout): its probe command has not ended so far",
                      d.odp("start", "web").stderr)
        self.assertTrue(is_alive(self.runs()[0]))
        # The service's stop is its end; otherwise it would be that of its 10 s.
        self.assertEqual(d.odp("stop", "web").returncode, 0)
        until(lambda: not is_alive(self.runs()[0]), "it is ended", 5)

    def test_stop_while_it_runs(self):
        d = self.begin("exec sleep 1000")
        s = self.connect(self.backend.listen)
        until(self.runs, "it is probed")
        self.assertEqual(d.odp("stop", "web").returncode, 0)
        self.assert_closed(s)
        until(lambda: not is_alive(self.runs()[0]), "it is ended", 5)
        self.assertEqual(d.state("web"), "stopped")

    def test_answer_under_way_at_the_timeout_counts(self):
        d = self.begin(f"while [ ! -e {self.path('well')} ]; do sleep 0.02; done",
                       "timeout = 500ms")
        self.assertEqual(d.odp("start", "web").returncode, 1)
        self.assertEqual(d.state("web"), "failed")
        self.touch("well")
        status = d.await_state("web", "ready", deadline=8)
        self.assertEqual(status["reason"], "answered late, after its start had failed")
        until(self.backend.starts, "it has begun")
        self.assertEqual((len(self.runs()), len(self.backend.starts())), (1, 1))

    def test_answer_under_way_of_one_that_ended_does_not(self):
        d = self.begin(f"while [ ! -e {self.path('well')} ]; do sleep 0.02; done\n"
                       f"touch {self.path('ended')}", "timeout = 500ms")
        self.assertEqual(d.odp("start", "web").returncode, 1)
        os.kill(until(self.backend.starts, "it has begun")[0], signal.SIGKILL)
        self.touch("well")
        until(lambda: os.path.exists(self.path("ended")) and not is_alive(self.runs()[0]),
              "the probe has passed")
        self.assertEqual(d.odp("stop", "web").returncode, 0)  # behind its answer
        self.assertNotIn("failed -> ready", d.log())

    def test_late_is_adopted_by_the_next_visit(self):
        d = self.begin(f"[ -e {self.path('well')} ]", "timeout = 500ms\ninterval = 100ms")
        self.assertEqual(d.odp("start", "web").returncode, 1)
        until(lambda: accepts(self.backend.target), "it listens")
        self.touch("well")
        self.assert_served(self.visit())
        self.assertEqual(len(self.backend.starts()), 1)
        self.assertEqual(d.state("web"), "ready")

    def test_next_visit_ends_one_that_hangs(self):
        d = self.begin(f"[ -e {self.path('well')} ] || exec sleep 1000", "timeout = 500ms")
        self.assertEqual(d.odp("start", "web").returncode, 1)
        until(lambda: accepts(self.backend.target), "it listens")
        self.touch("well")
        self.assert_served(self.visit())
        self.assertEqual(len(self.runs()), 2)
        until(lambda: not is_alive(self.runs()[0]), "the first is ended", 5)

    def test_found_running_it_is_probed_before_it_is_ready(self):
        d = self.begin(f"[ -e {self.path('well')} ]")
        self.touch("well")
        self.assert_served(self.visit())
        os.unlink(self.path("well"))
        d.kill()
        n_runs = len(self.runs())
        d.start()
        reply = Background(self.visit)
        status = d.await_status("web", state="starting", waiting=1)
        self.assertEqual(status["reason"], "found running")
        until(lambda: len(self.runs()) > n_runs, "it is probed")
        self.touch("well")
        self.assert_served(reply.join())
        self.assertEqual(len(self.backend.starts()), 1)

    def test_launcher_killed_while_it_runs(self):
        d = self.begin(f"[ -e {self.path('well')} ] || exec sleep 1000")
        reply = Background(self.visit)
        until(self.runs, "it is probed")
        self.touch("well")
        os.kill(d.launcher(), signal.SIGKILL)
        self.assert_served(reply.join())
        until(lambda: not is_alive(self.runs()[0]), "it is ended")
        self.assertEqual(len(self.backend.starts()), 1)

    def test_odpd_killed_while_it_runs(self):
        d = self.begin("exec sleep 1000")
        self.assertEqual(d.odp("start", "--no-wait", "web").returncode, 0)
        until(self.runs, "it is probed")
        d.kill()
        until(lambda: not is_alive(self.runs()[0]), "its end is the launcher's, and the probe's")
        d.start()

    def test_plain_proxy(self):
        web, target = free_port(), free_port()
        text = plain_file(web, f"{HOST}:{target}") + f"""
            [ready]
            probe = exec
            command = {self.script(f"[ -e {self.path('well')} ]")}
            interval = 50ms"""
        d = self.odpd({"web": text})
        until(lambda: len(self.runs()) > 1, "it is probed")
        self.assertEqual(d.state("web"), "starting")
        self.touch("well")
        d.await_state("web", "ready")

    def test_well_but_refusing_does_not_spin(self):
        # The command is content at once, but nobody listens.
        web = free_port()
        text = plain_file(web, f"{HOST}:{free_port()}") + f"""
            [ready]
            probe = exec
            command = {self.script("exit 0")}
            interval = 200ms"""
        d = self.odpd({"web": text})
        d.await_state("web", "ready")
        began = time.monotonic()
        with connect(web):
            time.sleep(1.5)
            n_refused, n_runs = d.log().count("refused: ready -> probing"), len(self.runs())
            n_intervals = (time.monotonic() - began) / 0.2
            self.assertTrue(2 <= n_refused <= n_intervals + 2, d.log())
            self.assertLessEqual(n_runs, n_intervals + 3)

    def test_asleep_nothing_is_asked(self):
        d = self.begin("exit 0", idle="300ms")
        self.assert_served(self.visit())
        d.await_state("web", "stopped")
        n_runs = len(self.runs())
        time.sleep(0.5)
        self.assertEqual(len(self.runs()), n_runs)
        self.assertEqual(processes_about(self.path("probe")), [])


if __name__ == "__main__":
    unittest.main()
