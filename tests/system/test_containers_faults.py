# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Services that are containers, while dockerd is killed, hung, replaced or gone at the worst moments:
# who waits is answered or told why, nothing is stopped for want of an answer, nothing spins, and the
# next connection works.

import contextlib
import os
import re
import signal
import time

import engines
import test_containers
from harness import Background, read_file, until

REQUEST = b"GET / HTTP/1.0\r\nHost: x\r\n\r\n"
# Answers once it is let; does not end while it is kept.
GATED = ("/bin/sh", "-c", "trap 'while test -e /gate/keep; do sleep 0.1; done; exit 0' TERM;"
                          "until test -e /gate/open; do sleep 0.1; done; httpd -f -p 80 -h /www & "
                          "wait")
LINK = "/tmp/engine.sock"


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

    def gated(self):
        """The engine, which is there again when the test has ended."""
        e = self.engine(self.engine_name)
        self.machine.run("sh", "-c", "mkdir -p /tmp/gate; rm -f /tmp/gate/*")
        self.addCleanup(self.machine.systemctl, "start", *self.engine_units)
        return e

    def begin(self, names=("wiki",), command=GATED, **settings):
        e = self.gated()
        for name in names:
            self.create(e, name, command, ["--volume=/tmp/gate:/gate"])
        d = self.odpd({n: self.file(n, backend=f"type = {self.engine_name}", **settings)
                       for n in names})
        return e, d

    def let(self, what):
        self.machine.write(f"/tmp/gate/{what}", "")

    def signal_engine(self, name="KILL"):
        """Sent to all of its processes, docker-proxy with it; what stops it, to the engine alone."""
        whom = "all" if name == "KILL" else "main"
        self.machine.systemctl("kill", f"--signal={name}", f"--kill-whom={whom}", self.engine_unit)

    def lead(self, engine):
        """What stands at LINK is this engine's socket from now on."""
        self.machine.run("sh", "-ec", f"ln -sf {engines.SOCKETS[engine]} {LINK}.new; "
                                      f"mv -T {LINK}.new {LINK}")

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
        """It accepts, and says nothing any more."""
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
            self.assertEqual(d.state("wiki"), "ready")
            self.signal_engine("CONT")
        self.await_reached(d, 2)
        self.assertEqual(d.state("wiki"), "ready")
        until(lambda: self.get(self.port("memo"))[0] == 200, "it is woken")

    def test_f9_gone_and_back(self):
        """Its socket unit is stopped, too: nobody starts it by connecting."""
        _, d = self.begin(["wiki", "memo"], test_containers.ECHO)
        with self.connect(self.port("wiki")) as s:
            self.echo(s)
            self.machine.systemctl("stop", *self.engine_units)
            self.assertEqual(read_answer(s), "")
        self.await_lost(d)
        launcher, began = d.launcher(), time.monotonic()
        wakes = [n_wakes(d.pid), n_wakes(launcher)]
        with self.connect(self.port("memo")) as s:
            s.sendall(REQUEST)
            self.assertRegex(read_answer(s), r"503 .*(?s:.*)cannot reach docker at /run/docker.sock")
        # What ended with it is not called stopped as long as nobody can be asked.
        self.assertEqual(d.state("wiki"), "ready")
        until(lambda: time.monotonic() - began > 8, "it tries again by and by")
        wakes = [n_wakes(d.pid) - wakes[0], n_wakes(launcher) - wakes[1]]
        self.assertLess(wakes[0], 40, "odpd: its status was asked for meanwhile")
        self.assertLess(wakes[1], 40, "the launcher: an attempt after 50 ms, 100 ms ... 5 s")
        self.machine.systemctl("start", *self.engine_units)
        d.await_state("wiki", "stopped")
        self.assertIn("has ended together with docker, which was restarted", self.why(d))
        for name in ("wiki", "memo"):
            with self.connect(self.port(name)) as s:
                self.echo(s)
        self.assertNotIn("wiki: failed", d.log())

    def test_f9_gone_with_a_ready_one(self):
        """It counts as ready as long as nobody can be asked; who comes is not held for that."""
        _, d = self.begin(command=engines.SERVE)
        self.wake("wiki")
        self.machine.systemctl("stop", *self.engine_units)
        self.await_lost(d)
        self.assertEqual(d.state("wiki"), "ready")
        began = time.monotonic()
        status, text = self.get(self.port("wiki"))
        self.assertEqual(status, 503)
        self.assertIn("cannot reach docker at /run/docker.sock: connection refused: see odp doctor", text)
        self.assertLess(time.monotonic() - began, 30)  # not [ready] timeout
        self.machine.systemctl("start", *self.engine_units)
        self.await_reached(d, 2)
        until(lambda: self.get(self.port("wiki"))[0] == 200, "it is woken")

    def test_f9_killed_during_a_stop(self):
        e, d = self.begin()
        self.let("open")
        self.wake("wiki")
        self.let("keep")
        self.assertEqual(d.odp("stop", "--no-wait", "wiki").returncode, 0)
        d.await_state("wiki", "stopping")
        self.signal_engine()
        self.await_lost(d)
        held = self.hold("wiki", 1)[0]  # it is started again after the stop
        self.machine.run("rm", "/tmp/gate/keep")
        self.assertIn(engines.PAGE, read_answer(held))
        self.assertTrue(e.is_running("wiki"))
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        self.assertFalse(e.is_running("wiki"))

    def test_f9_killed_as_a_container_ends(self):
        """Of what has just ended containerd may keep the task, which Docker does not know any more:
        no restart of it helps."""
        _, d = self.begin()
        self.let("open")
        for ms in range(5, 50, 5):  # not each time, nor at the same moment everywhere
            self.wake("wiki")
            engine = self.machine.main_pid(self.engine_unit)
            self.assertEqual(d.odp("stop", "--no-wait", "wiki").returncode, 0)
            time.sleep(ms / 1000)
            os.kill(engine, signal.SIGKILL)
            until(lambda: self.get(self.port("wiki"))[0] == 200, "it is woken")

    def test_f9_killed_during_a_start(self):
        """When docker-proxy is there already, dockerd keeps the port for nobody, until it is
        restarted once more."""
        _, d = self.begin()
        self.let("open")
        clients = self.hold("wiki", 5)
        until(lambda: self.machine.run("pgrep", "docker-proxy", check=False).stdout,
              "the start is half done")
        self.signal_engine()
        for s in clients:
            self.assertRegex(read_answer(s), "^$|^HTTP/1.[01] (200|503) ")
        until(lambda: self.get(self.port("wiki"))[0] == 200, "it is woken")
        self.assertLess(d.log().count("docker.service is restarted"), 2)

    def test_f9_containerd_killed_during_a_start(self):
        """Docker is there all the time. What containerd keeps of the container is ended."""
        _, d = self.begin()
        self.let("open")
        for ms in range(50, 300, 50):
            clients = self.hold("wiki", 5)
            time.sleep(ms / 1000)
            os.kill(self.machine.main_pid("containerd.service"), signal.SIGKILL)
            for s in clients:
                self.assertRegex(read_answer(s), r"(?s)^$|^HTTP/1\.[01] (200|503 .*(containerd does not "
                                                 r"answer, by which docker runs it|has exited))")
            until(lambda: self.machine.main_pid("containerd.service"), "systemd starts it again")
            until(lambda: self.get(self.port("wiki"))[0] == 200, "it is woken")
            until(lambda: d.odp("stop", "wiki").returncode == 0, "it is stopped")

    def test_f9_what_containerd_does_not_clear_away(self):
        """It does so when it begins; a container that runs goes on meanwhile."""
        e, d = self.begin(command=engines.SERVE)
        e.run("other")
        self.machine.systemctl("stop", "containerd.service")
        self.addCleanup(self.machine.systemctl, "start", "containerd.service")
        self.assertIn("containerd does not answer, by which docker", self.get(self.port("wiki"))[1])
        self.machine.systemctl("start", "containerd.service")
        self.machine.run("mkdir", "/run/containerd/io.containerd.runtime.v2.task/moby/" +
                         e.inspect("wiki", "{{.Id}}"))
        until(lambda: self.get(self.port("wiki"))[0] == 200, "it is woken")
        self.assertEqual(d.log().count("containerd.service is restarted"), 1)
        self.assertTrue(e.is_running("other"))

    def test_f19_not_restarted_under_others(self):
        """It might help to restart dockerd, but what is not odp's would be stopped."""
        e, d = self.begin()
        e.run("other", "--restart=always", f"--publish=127.0.0.1:{self.target('wiki')}:80")
        self.signal_engine("STOP")
        clients = self.hold("wiki", 2)
        d.await_state("wiki", "starting")
        self.signal_engine()
        for s in clients:
            self.assertRegex(read_answer(s), r"(?s)503 .*already allocated|503 .*cannot reach")
        self.get(self.port("wiki"))  # where the engine was away for too long, it is started only now
        until(lambda: "docker cannot be mended: other containers run" in d.log(), "it says so")
        self.assertTrue(e.is_running("other"))
        self.assertNotIn("docker.service is restarted", d.log())

    def is_kept(self, e, d):
        """dockerd is killed in the middle of a start; does it keep the port for nobody now?"""
        clients = self.hold("wiki", 2)
        until(lambda: self.machine.run("pgrep", "docker-proxy", check=False).stdout or
              d.state("wiki") == "ready", "the start is half done")
        self.signal_engine()
        told = [read_answer(s) for s in clients]
        until(lambda: e.is_running("other"), "docker is there again")
        if "already allocated" in told[0]:
            return True
        d.odp("stop", "wiki")
        return False

    def test_a_port_that_is_kept_beside_others(self):
        """With live-restore Docker can be restarted without them, as docs/CONTAINERS.md says."""
        e, d = self.begin()
        self.let("open")
        e.run("other", "--restart=always")
        until(lambda: self.is_kept(e, d), "the port is kept")
        self.assertIn("docker cannot be mended: other containers run", d.log())
        self.live_restore()
        until(lambda: e.ask("/info")["LiveRestoreEnabled"], "it is reloaded")
        began = e.inspect("other", "{{.State.StartedAt}}")
        with self.connect((e.inspect("other", "{{.NetworkSettings.IPAddress}}"), 80)) as s:
            s.sendall(REQUEST[:-2])
            self.machine.systemctl("restart", self.engine_unit)
            s.sendall(REQUEST[-2:])
            self.assertIn(engines.PAGE, read_answer(s))
        until(lambda: self.get(self.port("wiki"))[0] == 200, "it is woken")
        self.assertEqual(e.inspect("other", "{{.State.StartedAt}}"), began)

    def live_restore(self):
        config = self.machine.path("/etc/docker/daemon.json")
        self.machine.write("/etc/docker/daemon.json", '{"live-restore": true}')
        self.addCleanup(self.machine.systemctl, "reload", self.engine_unit)
        self.addCleanup(os.unlink, config)
        self.machine.systemctl("reload", self.engine_unit)

    def test_f9_upgraded_with_live_restore(self):
        e, d = self.begin(command=test_containers.ECHO)
        self.live_restore()
        with self.connect(self.port("wiki")) as s:
            self.echo(s)
        began = e.inspect("wiki", "{{.State.StartedAt}}")
        self.machine.run("sh", "-ec", "cd /usr/sbin; cp dockerd dockerd.new; mv dockerd.new dockerd")
        self.machine.systemctl("restart", self.engine_unit)
        self.await_reached(d, 2)
        with self.connect(self.port("wiki")) as s:
            self.echo(s)
        self.assertEqual(d.state("wiki"), "ready")
        self.assertEqual(e.inspect("wiki", "{{.State.StartedAt}}"), began)
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        self.assertFalse(e.is_running("wiki"))

    def test_f9_restarted(self):
        """In order, as an upgrade does it: while some are held, and during a stop."""
        e, d = self.begin()
        clients = self.hold("wiki", 5)
        self.await_probing(d)
        before, began = self.cpu(d), time.monotonic()
        self.machine.systemctl("restart", self.engine_unit)
        for s in clients:
            self.assertRegex(read_answer(s), r"(?s)^HTTP/1\.[01] (200|503 .*has ended together with "
                                             r"docker, which was restarted)")
        self.assertLess(self.cpu(d) - before, 0.1 * (time.monotonic() - began))
        self.let("open")
        self.wake("wiki")
        self.let("keep")
        self.assertEqual(d.odp("stop", "--no-wait", "wiki").returncode, 0)
        d.await_state("wiki", "stopping")
        restart = Background(self.machine.systemctl, "restart", self.engine_unit)
        until(lambda: self.machine.show(self.engine_unit, "ActiveState") == "deactivating",
              "it goes, and waits for the container")
        held = self.hold("wiki", 1)[0]
        self.machine.run("rm", "/tmp/gate/keep")
        restart.join()
        with held:
            self.assertIn(engines.PAGE, read_answer(held))
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        self.assertFalse(e.is_running("wiki"))

    def test_f9_another_engine_at_its_socket(self):
        """As where docker is removed, and podman-docker put in its place."""
        self.engine("podman")
        e = self.gated()
        self.create(e, "wiki")
        self.lead("docker")
        d = self.odpd({"wiki": self.file("wiki", backend=f"type = docker\nsocket = {LINK}")})
        self.wake("wiki")
        self.machine.systemctl("stop", *self.engine_units)
        self.lead("podman")
        d.await_state("wiki", "stopped")
        launcher, began = d.launcher(), time.monotonic()
        wakes = n_wakes(launcher)
        until(lambda: time.monotonic() - began > 1, "some time has passed")
        self.assertLess(n_wakes(launcher) - wakes, 10)
        status, text = self.get(self.port("wiki"))
        self.assertEqual(status, 503)
        self.assertIn("docker has no container wiki: create it", text)
        # Podman runs on, and is not to be heard any more.
        self.machine.systemctl("start", *self.engine_units)
        self.lead("docker")
        until(lambda: self.get(self.port("wiki"))[0] == 200, "it is woken")
        e.command("kill", "wiki")
        d.await_state("wiki", "stopped")
        self.wake("wiki")

    def test_twenty_at_once(self):
        names = [f"wiki{i}" for i in range(20)]
        e, d = self.begin(names, engines.SERVE)
        began = time.time()
        clients = [s for name in names for s in self.hold(name, 10)]
        for s in clients:
            self.assertIn(engines.PAGE, read_answer(s))
        started = e.command("events", f"--since={began:.3f}", f"--until={time.time():.3f}",
                            "--filter=event=start", "--format={{.Actor.Attributes.name}}")
        self.assertEqual(sorted(started.split()), sorted(names))
        self.assertNotIn("-> failed", d.log())
