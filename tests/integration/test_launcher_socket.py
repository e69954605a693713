#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# odpd with --launcher: it forks no launcher, but connects to a socket by which a service manager
# starts one. That part is played here.

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import unittest

import harness
from harness import Backend, connect, exchange, is_alive, program, read_file, until

NOBODY = 65534


class Activator:
    """Starts a launcher whenever somebody is waiting at its socket and none runs."""

    def __init__(self, directory):
        self.directory = directory
        self.path, self.log_path = f"{directory}/launcher.socket", f"{directory}/launcher.log"
        self.n_starts, self.process = 0, None
        os.mkdir(f"{directory}/launcher")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o660)
        self.socket.listen(16)
        self.end_read, self.end_write = os.pipe()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def launch(self):
        # LISTEN_PID has to be that of the program itself.
        script = f'unset INVOCATION_ID; exec 3<&{self.socket.fileno()}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'
        with open(self.log_path, "a", encoding="utf-8") as log:
            return subprocess.Popen(
                ["bash", "-c", script, "bash", program("odp-launcher"), "--config",
                 f"{self.directory}/config", "--runtime", f"{self.directory}/launcher",
                 "--log-level", "debug"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[self.socket.fileno()])

    def serve(self):
        while True:
            ready, _, _ = select.select([self.end_read, self.socket], [], [])
            if self.end_read in ready:
                return
            if ready:
                self.process = self.launch()
                self.n_starts += 1
                self.process.wait()

    def pid(self):
        return self.process.pid if self.process and self.process.poll() is None else None

    def log(self):
        return read_file(self.log_path)

    def end(self):
        os.write(self.end_write, b"x")
        if self.pid():
            self.process.kill()
        self.thread.join()
        self.socket.close()
        os.close(self.end_read)
        os.close(self.end_write)


class Odpd(harness.Odpd):
    def arguments(self):
        return [*super().arguments(), "--launcher", f"{self.directory}/launcher.socket"]


class LauncherSocketTest(harness.Case):
    def odpd(self, services, start=True, **options):
        directory = self.directory()
        self.activator = Activator(directory)
        self.addCleanup(self.activator.end)
        d = Odpd(directory, services)
        self.addCleanup(self.finish, d)
        if start:
            d.start(**options)
        return d

    def await_starts(self, n):
        """The launcher may be up before the activator's thread comes to count it."""
        until(lambda: self.activator.n_starts == n, f"{n} launchers")

    def talk(self, backend):
        with connect(backend.listen) as s:
            return exchange(s, b"hello")

    def test_first_request_starts_the_launcher(self):
        backend = Backend(self.directory())
        d = self.odpd({"echo": backend.file()})
        self.await_starts(1)
        self.assertIsNone(d.launcher())
        self.assertIn(b"hello", self.talk(backend))
        self.assertEqual(d.odp("stop", "echo").returncode, 0)
        until(lambda: not any(is_alive(p) for p in backend.starts()), "it has been stopped")

    def test_killed_launcher_is_had_again_and_nothing_is_started_twice(self):
        backend = Backend(self.directory())
        d = self.odpd({"echo": backend.file()})
        s = self.closing(connect(backend.listen))
        s.sendall(b"a")
        self.assertEqual(s.recv(1), b"a")
        for n in 2, 3:
            os.kill(self.activator.pid(), signal.SIGKILL)
            until(lambda n=n: self.activator.n_starts == n, "the next launcher")
            self.assertIn(b"hello", self.talk(backend))
        s.sendall(b"b")
        self.assertEqual(s.recv(1), b"b")
        s.close()
        self.assertEqual(len(backend.starts()), 1)
        self.assertEqual(d.odp("stop", "echo").returncode, 0)

    def test_leaves_without_anything_to_observe_and_returns_for_a_visitor(self):
        backend = Backend(self.directory())
        d = self.odpd({"echo": backend.file()})
        for n in 1, 2:
            until(lambda n=n: self.activator.n_starts == n and not self.activator.pid(),
                  "the launcher has left")
            self.assertIn(b"hello", self.talk(backend))
            self.await_starts(n + 1)
            self.assertEqual(d.odp("stop", "echo").returncode, 0)
        self.assertNotIn("cannot reach", d.log())

    def test_next_odpd_waits_for_the_end_of_the_first(self):
        backend = Backend(self.directory())
        d = self.odpd({"echo": backend.file()})
        self.assertIn(b"hello", self.talk(backend))
        second = self.closing(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        second.connect(self.activator.path)
        d.kill()
        until(lambda: self.activator.n_starts == 2, "the launcher of the second")
        second.close()
        d.start()
        self.assertIn(b"hello", self.talk(backend))
        self.assertEqual(len(backend.starts()), 1)

    def test_strangers_give_no_orders(self):
        d = self.odpd({"echo": Backend(self.directory()).file()}, start=False)
        if os.geteuid() != 0:
            self.skipTest("needs another user")
        os.chmod(self.activator.path, 0o666)
        script = ("import os, socket, sys\n"
                  f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
                  "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
                  "s.connect(sys.argv[1]); s.settimeout(20); print(len(s.recv(100)))\n")
        done = subprocess.run([sys.executable, "-c", script, self.activator.path],
                              capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, "0\n")
        self.assertIn(f"user {NOBODY} may not give orders", self.activator.log())
        d.start()  # the same launcher has waited for it
        self.await_starts(1)

    @unittest.skipUnless(shutil.which("strace"), "strace is missing: apt-get install strace")
    def test_launcher_that_cannot_accept_does_not_spin(self):
        directory = self.directory()
        listener = self.closing(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        listener.bind(f"{directory}/socket")
        listener.listen(1)
        odpd = self.closing(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        odpd.connect(f"{directory}/socket")
        script = (f'exec 3<&{listener.fileno()}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"')
        trace = f"{directory}/trace"
        done = subprocess.run(
            ["strace", "-D", "-o", trace, "-e", "trace=accept4", "-e", "inject=accept4:error=ENFILE",
             "bash", "-c", script, "bash", program("odp-launcher"), "--config", directory,
             "--runtime", directory],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            pass_fds=[listener.fileno()], timeout=harness.DEADLINE, check=False)
        if "accept4" not in read_file(trace):
            self.skipTest(f"no permission to trace: {done.stderr}")
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot meet odpd: Too many open files in system", done.stderr)
        self.assertEqual(read_file(trace).count("accept4"), 1)

    def test_members_of_the_sockets_group_give_orders(self):
        self.odpd({"echo": Backend(self.directory()).file()}, start=False)
        if os.geteuid() != 0:
            self.skipTest("needs another user")
        os.chown(self.activator.path, 0, 4711)
        script = ("import os, socket, sys\n"
                  f"os.setgroups([4711]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
                  "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
                  "s.connect(sys.argv[1]); s.send(b'x'); sys.stdin.read()\n")
        with subprocess.Popen([sys.executable, "-c", script, self.activator.path],
                              stdin=subprocess.PIPE) as member:
            until(lambda: "a record of 1 bytes from odpd" in self.activator.log(), "it listens to him")
            member.stdin.close()
        self.assertNotIn("may not give orders", self.activator.log())

    def test_unreachable_launcher_is_one_line_and_tried_again(self):
        backend = Backend(self.directory())
        d = self.odpd({"echo": backend.file()}, start=False)
        os.rename(self.activator.path, f"{self.activator.path}.away")
        d.start(ready=False)
        until(lambda: "odp-launcher.socket active?" in d.log(), "it says so")
        s = self.closing(connect(backend.listen))
        s.sendall(b"hello")
        os.rename(f"{self.activator.path}.away", self.activator.path)
        self.assertEqual(s.recv(5), b"hello")
        self.assertEqual(d.log().count("cannot reach"), 1)
        self.assertIn("can be reached again", d.log())

    def test_wrong_socket_names_are_refused(self):
        for name in "relative", "", "/" + "x" * 108:
            done = subprocess.run([program("odpd"), "--launcher", name], capture_output=True,
                                  text=True, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertIn("--launcher takes the absolute path", done.stderr)

    def test_without_a_passed_socket_it_says_what_to_do(self):
        done = subprocess.run([program("odp-launcher"), "--config", "/nowhere", "--runtime",
                               "/nowhere"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("start odp-launcher.socket", done.stderr)


if __name__ == "__main__":
    unittest.main()
