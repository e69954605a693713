# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Services that are containers, while dockerd is killed, hung, replaced or gone at the worst moments:
# who waits is answered or told why, nothing is stopped for want of an answer, nothing spins, and the
# next connection works.

import time

import test_containers
from harness import Background, until

REQUEST = b"GET / HTTP/1.0\r\nHost: x\r\n\r\n"
# Answers once it is let.
GATED = ("/bin/sh", "-c", "trap 'exit 0' TERM; while test ! -e /gate/open; do sleep 0.1; done;"
                          "httpd -f -p 80 -h /www & wait")


def cpu_seconds(pid):
    """What the process has used so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        return sum(map(int, f.read().rpartition(")")[2].split()[11:13])) / 100


class FaultCase(test_containers.ContainerCase):
    engine_name = "docker"
    engine_units = ("docker.socket", "docker.service")

    def begin(self, command=GATED, name="wiki", **settings):
        e = self.engine(self.engine_name)
        self.machine.run("sh", "-c", "mkdir -p /tmp/gate; rm -f /tmp/gate/*")
        self.create(e, name, command, ["--volume=/tmp/gate:/gate"])
        d = self.odpd({name: self.file(name, backend=f"type = {self.engine_name}", **settings)})
        self.addCleanup(self.machine.systemctl, "start", *self.engine_units)
        return e, d

    def let(self):
        self.machine.write("/tmp/gate/open", "")

    def kill_engine(self, signal="KILL"):
        self.machine.systemctl("kill", f"--signal={signal}", self.engine_units[1])

    def hold(self, name, n):
        """That many who have asked and wait for their page."""
        clients = [self.connect(self.port(name)) for _ in range(n)]
        for s in clients:
            s.sendall(REQUEST)
        return clients

    def answers(self, clients):
        """What each is told in the end, the head alone."""
        def read(s):
            reply = b""
            while part := s.recv(65536):
                reply += part
            return reply.decode()
        return [read(s) for s in clients]

    def cpu(self, d):
        return cpu_seconds(d.pid) + cpu_seconds(d.launcher())


class TestDocker(FaultCase):
    def test_killed_while_fifty_are_held(self):
        _, d = self.begin()
        clients = self.hold("wiki", 50)
        until(lambda: "starting -> probing" in d.log(), "it runs, and does not answer yet")
        before, began = self.cpu(d), time.monotonic()
        self.kill_engine()
        told = self.answers(clients)
        print([t[:400] for t in told][:1], time.monotonic() - began, self.cpu(d) - before)
        print(d.log())
        self.let()
        t=self.get(self.port("wiki"))
        print(d.log())
        self.assertEqual(t, "x")
