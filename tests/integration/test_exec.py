#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A service that odp does not hold: commands of its file start and stop a daemon.

import os
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
            pid = int(read_file(pid_file))
            self.assertEqual(reply, f"hellobye {pid}\n".encode())
            self.assertEqual(len(backend.starts()), n)
            self.assertEqual(d.await_state("web", "stopped")["reason"], "quiet for 1s")
            self.assertFalse(os.path.exists(pid_file))
        d.await_status("web", wakes=2, backend="exec")
        until(lambda: not any(is_alive(p) for p in backend.starts()), "what was killed has ended")

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
        self.assertIn("stop: exited with status 1, last words: busy", done.stderr)
        self.assertEqual(d.await_state("web", "ready")["failed_wakes"], 0)
        with open(f"{directory}/may", "w", encoding="utf-8"):
            pass
        self.assertEqual(d.odp("stop", "web").returncode, 0)
        self.assertEqual([p for p in backend.starts() if is_alive(p)], [])


if __name__ == "__main__":
    unittest.main()
