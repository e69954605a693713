# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Podman, which has no daemon: containers go on while its service is gone. Rootful and rootless.

import time

import engines
import machine
import test_containers
import test_containers_faults
import test_health
from test_containers_faults import REQUEST, n_wakes, read_answer
from harness import Background, until


class TestPodman(test_containers_faults.FaultCase):
    engine_name = "podman"
    engine_unit = "podman.service"
    engine_units = ("podman.socket",)

    def test_f9_killed_while_fifty_are_held(self):
        _, d = self.begin()
        clients = self.hold("wiki", 50)
        self.await_probing(d)
        before, began = self.cpu(d), time.monotonic()
        self.signal_engine()
        self.await_reached(d, 2)
        self.let("open")
        for s in clients:
            self.assertIn(engines.PAGE, read_answer(s))
        self.assertLess(self.cpu(d) - before, 0.1 * (time.monotonic() - began) + 0.1)
        self.assertEqual(d.state("wiki"), "ready")

    def test_f9_gone_and_back(self):
        e, d = self.begin(["wiki", "memo"], test_containers.ECHO)
        with self.connect(self.port("wiki")) as s:
            self.echo(s)
            self.machine.systemctl("stop", "podman.socket", "podman.service")
            self.await_lost(d)
            launcher = d.launcher()
            before = n_wakes(launcher)
            with self.connect(self.port("memo")) as other:
                other.sendall(REQUEST)
                self.assertRegex(read_answer(other), r"503 .*(?s:.*)cannot reach podman at /run/podman")
            self.assertLess(n_wakes(launcher) - before, 40)
            self.echo(s)
        self.machine.systemctl("start", *self.engine_units)
        self.await_reached(d, 2)
        with self.connect(self.port("wiki")) as s:
            self.echo(s)
        self.assertEqual(d.log().count("wiki: demand"), 1)
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        self.assertFalse(e.is_running("wiki"))

    def test_f9_a_stop_without_it(self):
        """What could not be stopped is served on."""
        _, d = self.begin(command=engines.SERVE)
        self.wake("wiki")
        self.machine.systemctl("stop", "podman.socket", "podman.service")
        self.await_lost(d)
        done = d.odp("stop", "wiki")
        self.assertEqual(done.returncode, 1)
        self.assertIn("wiki: could not be stopped: cannot reach podman at /run/podman", done.stderr)
        self.wake("wiki")

    def test_f3_odpd_killed_during_a_stop(self):
        """Podman calls a container that is being stopped not running, and does not start it."""
        e, d = self.begin()
        self.let("open")
        self.wake("wiki")
        self.let("keep")
        self.assertEqual(d.odp("stop", "--no-wait", "wiki").returncode, 0)
        until(lambda: e.inspect("wiki", "{{.State.Status}}") == "stopping", "it is being stopped")
        d.kill()
        d.start()
        self.assertEqual(d.odp("stop", "--no-wait", "wiki").returncode, 0)
        held = self.hold("wiki", 1)[0]
        self.machine.run("rm", "/tmp/gate/keep")
        self.assertIn(engines.PAGE, read_answer(held))
        self.assertNotIn("-> failed", d.log())

    def test_one_that_podman_cannot_tell_of(self):
        """Its layer is lost, as after a power cut: status 500 for each question about it."""
        _, d = self.begin(command=engines.SERVE)
        layers = "/var/lib/containers/storage/overlay-layers/layers.json"
        kept = self.machine.read(layers)
        self.addCleanup(self.machine.write, layers, kept)
        self.machine.write(layers, "[]")
        self.machine.systemctl("restart", "podman.service")
        status, text = self.get(self.port("wiki"))
        self.assertEqual(status, 503)
        self.assertIn("container wiki: its image is gone: create it anew", text)
        self.assertRegex(self.why(d), "container wiki: podman cannot tell how it is: .*not known")
        self.machine.write(layers, kept)
        self.machine.systemctl("restart", "podman.service")
        until(lambda: self.get(self.port("wiki"))[0] == 200, "it is woken")

    def test_restarted_by_hand(self):
        e, d = self.begin(command=engines.SERVE)
        self.wake("wiki")
        began = e.inspect("wiki", "{{.State.StartedAt}}")
        e.command("restart", "--time", "5", "wiki")
        self.assertNotEqual(e.inspect("wiki", "{{.State.StartedAt}}"), began)
        self.wake("wiki")
        d.await_state("wiki", "ready")
        self.assertNotIn("-> failed", d.log())


class TestRootless(test_containers.ContainerCase):
    """As the user who runs odp; and the system's odp with that user's Podman."""

    def begin(self, user, backend, **settings):
        e = self.engine("rootless podman")
        self.create(e, "wiki", **settings)
        return e, self.odpd({"wiki": self.file("wiki", "1s", backend)}, user=user)

    def check(self, e, d):
        with self.connect(self.port("wiki")):  # which keeps it awake
            self.wake("wiki")
            self.assertTrue(e.is_running("wiki"))
        self.await_down(d)
        self.assertFalse(e.is_running("wiki"))
        with self.connect(self.port("wiki")) as s:  # which keeps it awake
            s.sendall(b"GET ")
            d.await_status("wiki", state="ready", connections=1)
            e.command("kill", "wiki")
            self.await_down(d)
        self.assertNotIn("-> failed", d.log())

    def test_of_the_user(self):
        e, d = self.begin(machine.USER, "type = podman")
        self.check(e, d)
        group = until(lambda: [line for line in d.log().splitlines() if "wiki: runs in /" in line],
                      "it is told where it runs")[0]
        self.assertIn(e.inspect("wiki", "{{.Id}}"), group)
        self.machine.systemctl("kill", "--signal=KILL", "podman.service", user=machine.USER)
        until(lambda: d.log().count(" is reached") == 2, "the engine is reached again")
        self.wake("wiki")
        e.remove("wiki")
        self.await_down(d)
        self.assertEqual(self.get(self.port("wiki"))[0], 503)
        self.assertIn("podman has no container wiki", self.why(d))

    def test_health(self):
        # No `probe` line, as most people leave it. The port answers all the time.
        e, d = self.begin(machine.USER, "type = podman", command=test_health.CHECKED,
                          options=test_health.check())
        client = Background(self.wake, "wiki")
        until(lambda: e.inspect("wiki", "{{.State.Health.Status}}") == "unhealthy",
              "a check has failed")
        self.assertEqual(d.state("wiki"), "starting")
        e.command("exec", "wiki", "sh", "-c", ": >/tmp/ok")
        client.join()
        self.assertIn("answers: probing -> ready", d.log())
        self.await_down(d)

    def test_from_the_system(self):
        uid = self.machine.enable_user(machine.USER)
        e, d = self.begin(None, f"type = podman\nsocket = /run/user/{uid}/podman/podman.sock")
        self.check(e, d)
