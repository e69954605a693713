# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Services that are ready when their containers' health checks say so, with real engines.

import engines
import units
from harness import Background, until
from test_containers import ContainerCase

# Its port is open at once; it is healthy when somebody says so.
CHECKED = ("/bin/sh", "-c", "trap 'exit 0' TERM; httpd -p 80 -h /www; "
                            "while :; do sleep 0.1; done")
CHECK = "echo no such file; test -e /tmp/ok"


def check(command=CHECK, interval="500ms", retries=2):
    return [f"--health-cmd={command}", f"--health-interval={interval}",
            f"--health-retries={retries}", "--health-timeout=5s"]


class HealthCase(ContainerCase):
    engine_name = "docker"

    def begin(self, options, ready="", command=CHECKED, **settings):
        e = self.engine(self.engine_name)
        self.create(e, "wiki", command, options)
        return e, self.odpd({"wiki": self.file("wiki", ready=ready,
                                               backend=f"type = {self.engine_name}", **settings)})

    def heal(self, e, name="wiki"):
        e.command("exec", name, "sh", "-c", ": >/tmp/ok")

    def await_health(self, e, word, name="wiki"):
        until(lambda: e.inspect(name, "{{.State.Health.Status}}") == word, f"{name} is {word}")


class TestDocker(HealthCase):
    def test_held_until_it_is_healthy(self):
        # Without a `probe` line, as most people leave it.
        e, d = self.begin(check())
        client = Background(self.wake, "wiki")
        self.await_health(e, "unhealthy")
        # The port answers all this time.
        self.assertEqual(self.get(self.target("wiki"))[0], 200)
        self.assertEqual(d.state("wiki"), "starting")
        self.heal(e)
        client.join()
        self.assertIn("answers: probing -> ready", d.log())

    def test_unhealthy_to_the_end(self):
        e, d = self.begin(check(), "timeout = 3s")
        self.assertEqual(self.get(self.port("wiki"))[0], 503)
        self.assertIn("runs, but did not answer within 3s ([ready] timeout): container wiki: ",
                      self.why(d))
        self.assertIn("no such file", self.why(d))
        # What is healthy late is ready late, and sleeps by its window.
        self.heal(e)
        d.await_state("wiki", "ready")
        # What falls ill again is served on.
        e.command("exec", "wiki", "busybox", "rm", "/tmp/ok")
        self.await_health(e, "unhealthy")
        self.wake("wiki")
        self.assertEqual(d.state("wiki"), "ready")

    def test_a_check_that_is_not_there(self):
        _, d = self.begin([], "probe = health")
        self.assertEqual(self.get(self.port("wiki"))[0], 503)
        self.assertIn("wiki is failed: no container of it has a health check: give one a "
                      "HEALTHCHECK, or write `probe = tcp` in [ready]", self.why(d))

    def test_found_healthy(self):
        e = self.engine(self.engine_name)
        e.run("wiki", f"--publish=127.0.0.1:{self.target('wiki')}:80", *check("true"))
        self.await_health(e, "healthy")
        d = self.odpd({"wiki": self.file("wiki", backend=f"type = {self.engine_name}")})
        d.await_state("wiki", "ready")

    def test_several(self):
        # The one with a check decides, also where another one is published.
        e = self.engine(self.engine_name)
        e.command("create", "--name", "data", *check(), engines.IMAGE, *CHECKED)
        self.create(e, "wiki")
        d = self.odpd({"wiki": self.file("wiki", units=["data", "wiki"],
                                         backend=f"type = {self.engine_name}")})
        client = Background(self.wake, "wiki")
        until(lambda: e.is_running("wiki") and d.state("wiki") == "starting", "both are started")
        self.await_health(e, "unhealthy", "data")
        self.assertEqual(d.state("wiki"), "starting")
        self.heal(e, "data")
        client.join()

    def test_a_unit_that_runs_it(self):
        unit = self.docker_unit("wiki", [f"127.0.0.1:{self.target('wiki')}:80"],
                                map(engines.quote, check()), command=CHECKED, engine=self.engine_name)
        e = self.engine(self.engine_name)
        d = self.odpd({"wiki": units.UnitCase.file(
            self, "wiki", units=[unit], backend=f"container = wiki\nengine = {self.engine_name}")})
        client = Background(self.wake, "wiki")
        self.await_health(e, "unhealthy")
        self.assertEqual(d.state("wiki"), "starting")
        self.heal(e)
        client.join()


class TestDockerAlone(HealthCase):
    def test_made_anew_with_a_check_and_without(self):
        """Each start goes by the container that there is, where no `probe` line says how."""
        e, d = self.begin([])
        for options in (check(), [], check()):
            e.remove("wiki")
            self.create(e, "wiki", CHECKED, options)
            client = Background(self.wake, "wiki")
            if options:
                self.await_health(e, "unhealthy")
                self.assertEqual(d.state("wiki"), "starting")
                self.heal(e)
            client.join()
            self.assertEqual(d.odp("stop", "wiki").returncode, 0)

    def test_the_daemon_goes_meanwhile(self):
        e, d = self.begin(check())
        client = Background(self.wake, "wiki")
        self.await_health(e, "unhealthy")
        self.machine.systemctl("restart", "docker.service")
        until(lambda: d.state("wiki") != "starting", "it is noticed")
        self.assertEqual(d.odp("why", "wiki").returncode, 0)

    def test_a_unit_whose_container_has_another_name(self):
        unit = self.docker_unit("wiki", [f"127.0.0.1:{self.target('wiki')}:80"])
        d = self.odpd({"wiki": units.UnitCase.file(self, "wiki", units=[unit],
                                                   backend="container = wikki")})
        self.wake("wiki")
        self.assertIn("its health checks are not known: docker has no container wikki", d.log())


class TestPodman(TestDocker):
    engine_name = "podman"
