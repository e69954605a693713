# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Services that are containers, while dockerd is stopped, restarted and killed.

import contextlib

import test_containers
from harness import until

SLOW = ("/bin/sh", "-c", "trap 'exit 0' TERM; sleep 3; httpd -f -p 80 -h /www & wait")


class TestDaemon(test_containers.ContainerCase):
    """dockerd at its worst. With its socket unit stopped nobody starts it by connecting."""

    def begin(self, **settings):
        e = self.engine("docker")
        self.create(e, "wiki", **settings)
        d = self.odpd({"wiki": self.file("wiki", backend="type = docker")})
        self.addCleanup(self.machine.systemctl, "start", "docker.socket", "docker.service")
        return e, d

    def stop_docker(self):
        self.machine.systemctl("stop", "docker.socket", "docker.service")

    def start_docker(self):
        self.machine.systemctl("start", "docker.socket", "docker.service")

    def test_restarted_while_relayed(self):
        _, d = self.begin(command=test_containers.ECHO)
        with self.connect(self.port("wiki")) as s:
            self.echo(s)
            self.stop_docker()
            with contextlib.suppress(ConnectionResetError):
                self.assertEqual(s.recv(1), b"")
        until(lambda: self.losses(d) == 1, "the engine is lost")
        self.start_docker()
        with self.connect(self.port("wiki")) as s:
            self.echo(s)
        self.assertNotIn("-> failed", d.log())

    def test_killed_while_held(self):
        _, d = self.begin(command=SLOW)
        s = self.connect(self.port("wiki"))
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        until(lambda: "starting -> probing" in d.log() and d.state("wiki") != "ready",
              "it runs, and does not answer yet")
        self.machine.systemctl("kill", "--signal=KILL", "docker.service")
        self.assertRegex(s.recv(65536).decode(), r"^HTTP/1\.[01] (200|503) ")
        self.start_docker()
        until(lambda: d.odp("start", "wiki").returncode == 0, "it can be started")
        self.wake("wiki")

    def test_gone(self):
        _, d = self.begin()
        self.stop_docker()
        until(lambda: self.losses(d) == 1, "the engine is lost")
        before = self.ticks(d)
        status, text = self.get(self.port("wiki"))
        self.assertEqual(status, 503)
        self.assertIn("cannot reach docker at /run/docker.sock", text)
        self.assertLess(self.ticks(d) - before, 10)  # in the five seconds of its patience
        self.start_docker()
        self.assertEqual(d.odp("start", "wiki").returncode, 0)
        self.wake("wiki")

    def losses(self, d):
        return d.log().count(" is lost: ")

    def ticks(self, d):
        """CPU time of the launcher, in 10 ms."""
        with open(f"/proc/{d.launcher()}/stat", encoding="ascii") as f:
            return sum(map(int, f.read().rpartition(")")[2].split()[11:13]))
