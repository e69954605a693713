#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A service that odp does not hold: commands of its file start and stop a daemon.

import os
import signal
import socket
import unittest

from harness import Backend, Case, connect, exchange, is_alive, read_file, until


class ExecTest(Case):
    def script(self, path, text):
        with open(path, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)
        return path

    def test_daemon_is_woken_and_stopped(self):
        directory = self.directory()
        backend = Backend(directory)
        pid_file = f"{directory}/pid"
        start = self.script(f"{directory}/start", f"setsid {backend.command} >/dev/null 2>&1 &\n"
                                                  f"echo $! >{pid_file}\n")
        stop = self.script(f"{directory}/stop", f"kill $(cat {pid_file}) && rm {pid_file}\n")
        text = backend.file(idle="1s").replace("type = process", f"type = exec\nstop = {stop}")
        d = self.odpd({"web": text.replace(f"command = {backend.command}", f"start = {start}")})
        self.assertEqual(d.state("web"), "stopped")

        for n in 1, 2:
            with connect(backend.listen) as s:
                reply = exchange(s, b"hello")
            pid = backend.starts()[-1]
            self.assertEqual(reply, f"hellobye {pid}\n".encode())
            self.assertEqual(len(backend.starts()), n)
            self.assertEqual(d.await_state("web", "stopped")["reason"], "quiet for 1s")
            self.assertFalse(os.path.exists(pid_file))
            # Until then it may still take a connection, and end it with itself.
            until(lambda p=pid: not is_alive(p), "what was killed has ended")
        d.await_status("web", wakes=2, backend="exec")

    def test_ready_before_its_start_ends(self):
        # A launcher that dies meanwhile changes nothing: the next one takes the start over.
        directory = self.directory()
        backend = Backend(directory)
        start = self.script(f"{directory}/start",
                            f"echo >>{directory}/started; setsid {backend.command} >/dev/null "
                            f"2>&1 &\nwhile ! [ -e {directory}/go ]; do sleep 0.02; done\n"
                            f"exit $(cat {directory}/go)\n")
        stop = self.script(f"{directory}/stop", f"kill $(cat {backend.starts_path})\n")
        text = backend.file().replace("type = process", f"type = exec\nstop = {stop}")
        d = self.odpd({"web": text.replace(f"command = {backend.command}", f"start = {start}")})
        with connect(backend.listen) as s:
            s.sendall(b"one ")
            self.assertEqual(s.recv(4, socket.MSG_WAITALL), b"one ")
            self.assertEqual(d.state("web"), "ready")
            launcher = d.launcher()
            os.kill(launcher, signal.SIGKILL)
            until(lambda: "its start command runs since before" in d.log(), "it is taken over")
            self.assertEqual(exchange(s, b"two"), b"twobye %d\n" % backend.starts()[0])
        self.assertEqual(d.state("web"), "ready")
        self.assertNotIn("-> stopped", d.log().partition("probing -> ready")[2])
        with open(f"{directory}/go", "w", encoding="utf-8") as f:
            f.write("0")
        # What asks for a look is answered behind the start's end, as all requests are.
        self.assertEqual(d.odp("stop", "web").returncode, 0)
        self.assertEqual(read_file(f"{directory}/started"), "\n")
        d.await_status("web", state="stopped", wakes=1, failed_wakes=0)

    def test_odp_stop_says_that_it_could_not_be_stopped(self):
        directory = self.directory()
        backend = Backend(directory)
        stop = self.script(f"{directory}/stop", f"test -e {directory}/may && kill "
                                                f"$(cat {backend.starts_path}) || {{ echo busy; "
                                                f"exit 1; }}\n")
        start = self.script(f"{directory}/start", f"setsid {backend.command} >/dev/null 2>&1 &\n")
        text = backend.file().replace("type = process", f"type = exec\nstop = {stop}")
        d = self.odpd({"web": text.replace(f"command = {backend.command}", f"start = {start}")})
        self.assertEqual(d.odp("start", "web").returncode, 0)
        done = d.odp("stop", "web")
        self.assertEqual(done.returncode, 1)
        self.assertIn("could not be stopped: ", done.stderr)
        self.assertIn("stop: exited with status 1, last words: busy", done.stderr)
        self.assertEqual(d.await_state("web", "ready")["failed_wakes"], 0)
        self.assertIn(" by odp start\n", d.odp("why", "web").stdout)
        with open(f"{directory}/may", "w", encoding="utf-8"):
            pass
        self.assertEqual(d.odp("stop", "web").returncode, 0)
        until(lambda: not any(is_alive(p) for p in backend.starts()), "what was killed has ended")


if __name__ == "__main__":
    unittest.main()
