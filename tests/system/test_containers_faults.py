# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Services that are containers, while dockerd is killed, hung, replaced or gone at the worst moments:
# who waits is answered or told why, nothing is stopped for want of an answer, nothing spins, and the
# next connection works.

import contextlib
import re
import time

import engines
import test_containers
from harness import read_file, until

REQUEST = b"GET / HTTP/1.0\r\nHost: x\r\n\r\n"
# Answers once it is let; does not end while it is kept.
GATED = ("/bin/sh", "-c", "trap 'while test -e /gate/keep; do sleep 0.1; done; exit 0' TERM;"
                          "until test -e /gate/open; do sleep 0.1; done; httpd -f -p 80 -h /www & "
                          "wait")


def cpu_seconds(pid):
    """What the process has used so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        return sum(map(int, f.read().rpartition(")")[2].split()[11:13])) / 100


def n_wakes(pid):
    """How often it has waited for something to happen."""
    return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", read_file(f"/proc/{pid}/status"),
                         re.M)[1])


def read_answer(s):
    """What a client is told in the end; '' for no byte, or for a reset."""
    reply = b""
    with contextlib.suppress(ConnectionResetError):
        while part := s.recv(65536):
            reply += part
    return reply.decode()


class FaultCase(test_containers.ContainerCase):
    engine_name = "docker"
    engine_unit = "docker.service"
    engine_units = ("docker.socket", "docker.service")

    def begin(self, names=("wiki",), command=GATED, **settings):
        e = self.engine(self.engine_name)
        self.machine.run("sh", "-c", "mkdir -p /tmp/gate; rm -f /tmp/gate/*")
        for name in names:
            self.create(e, name, command, ["--volume=/tmp/gate:/gate"])
        d = self.odpd({n: self.file(n, backend=f"type = {self.engine_name}", **settings)
                       for n in names})
        self.addCleanup(self.machine.systemctl, "start", *self.engine_units)
        return e, d

    def let(self, what):
        self.machine.write(f"/tmp/gate/{what}", "")

    def signal_engine(self, name="KILL"):
        """Sent to all of its processes, docker-proxy with it; what stops it, to the engine alone."""
        whom = "all" if name == "KILL" else "main"
        self.machine.systemctl("kill", f"--signal={name}", f"--kill-whom={whom}", self.engine_unit)

    def hold(self, name, n):
        """That many who have asked and wait for their page."""
        clients = [self.connect(self.port(name)) for _ in range(n)]
        for s in clients:
            s.sendall(REQUEST)
        return clients

    def cpu(self, d):
        return cpu_seconds(d.pid) + cpu_seconds(d.launcher())

    def await_lost(self, d, n=1):
        until(lambda: d.log().count(" is lost: ") == n, "the engine is lost")

    def await_reached(self, d, n=1):
        until(lambda: d.log().count(" is reached") == n, "the engine is reached")

    def await_probing(self, d):
        until(lambda: "starting -> probing" in d.log(), "it runs, and does not answer yet")


class TestDocker(FaultCase):
    def test_f9_killed_while_fifty_are_held(self):
        _, d = self.begin()
        clients = self.hold("wiki", 50)
        self.await_probing(d)
        before, began = self.cpu(d), time.monotonic()
        self.signal_engine()
        told = [read_answer(s) for s in clients]
        for answer in told:
            self.assertRegex(answer, r"(?s)^HTTP/1\.[01] (200|503 .*has ended together with docker)")
        self.assertLess(self.cpu(d) - before, 0.1 * (time.monotonic() - began))
        self.let("open")
        self.wake("wiki")

    def test_f9_hung(self):
        _, d = self.begin(["wiki", "memo"])
        self.let("open")
        self.wake("wiki")
        with self.connect(self.port("wiki")) as s:
            self.signal_engine("STOP")
            self.addCleanup(self.signal_engine, "CONT")
            status, text = self.get(self.port("memo"))
                self.assertEqual(status, 503)
            self.assertIn("cannot reach docker at /run/docker.sock: it does not answer", text)
            s.sendall(REQUEST)
            self.assertIn(engines.PAGE, read_answer(s))
            self.signal_engine("CONT")
        self.await_reached(d, 2)
        self.assertEqual(d.state("wiki"), "ready")
        until(lambda: self.get(self.port("memo"))[0] == 200, "it is woken")
