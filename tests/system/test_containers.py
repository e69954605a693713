# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Services that are containers, with real engines: woken, put to sleep, and what people and daemons
# do to them meanwhile.

import engines
from harness import read_exactly, until

# Says all back, but listens only after a while: docker-proxy accepts before.
ECHO = ("/bin/sh", "-c", "trap 'exit 0' TERM; sleep 0.5; nc -ll -p 80 -e cat & wait")


class ContainerCase(engines.EngineCase):
    def create(self, e, name, command=engines.SERVE, options=(), port=None):
        """A container that does not run yet, as people leave it to odp."""
        port = port or self.target(name)
        e.command("create", "--name", name, f"--publish=127.0.0.1:{port}:80", *options,
                  engines.IMAGE, *command)

    def file(self, name, idle="5min", backend="", ready="", units=None):
        containers = "\n".join(f"container = {c}" for c in units or [name])
        text = super().file(name, idle, f"{containers}\n{backend}", ready, ["odp"])
        return text.replace("unit = odp\n", "\n")

    def wake(self, name):
        self.assertEqual(self.get(self.port(name)), (200, engines.PAGE))

    def await_down(self, d, name="wiki"):
        d.await_state(name, "stopped")

    def why(self, d, name="wiki"):
        return d.odp("why", name).stdout

    def odp(self, d, *args, user=None):
        """As somebody in the machine would run it."""
        return self.machine.run("/odp/build/odp", "--runtime", f"{d.inside}/run", *args, user=user,
                                check=False)

    def follow(self, d, name="wiki"):
        """What containers print on their outputs, line by line, by `odp logs -f`."""
        follow = self.machine.spawn("/odp/build/odp", "--runtime", f"{d.inside}/run", "logs", "-f",
                                    name)
        self.addCleanup(follow.communicate)
        self.addCleanup(follow.kill)
        # odp's own lines, in between, are of several words.
        return (words[1] for line in iter(follow.stdout.readline, "")
                if len(words := line.split()) == 2)

    def echo(self, s, words=b"first words\n"):
        s.sendall(words)
        self.assertEqual(read_exactly(s, len(words)), words)


class TestDocker(ContainerCase):
    engine_name = "docker"

    def begin(self, command=engines.SERVE, options=(), create=True, **settings):
        e = self.engine(self.engine_name)
        if create:
            self.create(e, "wiki", command, options)
        backend = settings.pop("backend", f"type = {self.engine_name}")
        return e, self.odpd({"wiki": self.file("wiki", backend=backend, **settings)})

    def test_wakes_and_sleeps(self):
        e, d = self.begin(idle="500ms")
        self.assertEqual(d.state("wiki"), "stopped")
        with self.connect(self.port("wiki")):  # which keeps it awake
            self.wake("wiki")
            self.assertTrue(e.is_running("wiki"))
        group = until(lambda: [line for line in d.log().splitlines() if "wiki: runs in /" in line],
                      "it is told where it runs")[0]
        self.assertIn(e.inspect("wiki", "{{.Id}}"), group)
        self.await_down(d)
        self.assertFalse(e.is_running("wiki"))
        self.wake("wiki")

    def test_no_byte_is_lost_to_a_proxy_that_accepts_early(self):
        _, d = self.begin(ECHO)
        with self.connect(self.port("wiki")) as s:
            self.echo(s)

    def test_several_in_order(self):
        e = self.engine(self.engine_name)
        self.create(e, "wiki")
        self.create(e, "data", options=["--stop-timeout=1"])
        d = self.odpd({"wiki": self.file("wiki", units=["data", "wiki"],
                                         backend=f"type = {self.engine_name}")})
        self.wake("wiki")
        started = [e.inspect(n, "{{.State.StartedAt}}") for n in ("data", "wiki")]
        self.assertEqual(started, sorted(started))
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        ended = [e.inspect(n, "{{.State.FinishedAt}}") for n in ("wiki", "data")]
        self.assertEqual(ended, sorted(ended))
        self.assertEqual([e.is_running(n) for n in ("wiki", "data")], [False, False])

    def test_what_is_left_of_several(self):
        """One ends, the other runs on: what is missing is started by the next visitor, what is left
        is put to sleep without one."""
        e = self.engine(self.engine_name)
        self.create(e, "wiki")
        self.create(e, "data", options=["--restart=always"])
        backend = f"type = {self.engine_name}"
        units = ["data", "wiki"]
        d = self.odpd({"wiki": self.file("wiki", units=units, backend=backend)})
        self.assertIsNone(d.status("wiki")["sleeps_in_seconds"])
        self.wake("wiki")
        e.command("kill", "wiki")
        d.await_state("wiki", "stopped")
        # It has one as soon as the last connection has closed.
        self.assertGreater(until(lambda: d.status("wiki")["sleeps_in_seconds"], "a window"), 100)
        self.assertRegex(self.why(d), r"\n  sleeps   in [45]min.*: a part of it still runs\n")
        self.wake("wiki")
        e.command("kill", "wiki")
        d.await_state("wiki", "stopped")
        self.assertTrue(e.is_running("data"))
        # At least as long as a start may take.
        d.write_service("wiki", self.file("wiki", idle="100ms", units=units,
                                          backend=f"{backend}\nstart_timeout = 300ms"))
        self.assertEqual(d.odp("reload").returncode, 0)
        until(lambda: not e.is_running("data"), "the other one is stopped")
        status = d.await_status("wiki", state="stopped", sleeps_in_seconds=None)
        self.assertRegex(status["reason"], "container wiki: .*; the rest was quiet for 100ms")
        # Found so by an odpd that begins, and ended by a command.
        d.write_service("wiki", self.file("wiki", units=units, backend=backend))
        e.command("start", "data")
        self.assertEqual(d.odp("reload").returncode, 0)
        self.assertEqual(d.finish(), "")
        d.start()
        until(lambda: d.status("wiki")["sleeps_in_seconds"], "it has a window")
        self.assertIn("container wiki: ", d.status("wiki")["reason"])
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        self.assertFalse(e.is_running("data"))

    def test_what_people_do(self):
        e, d = self.begin()
        # Running already, and stopped, killed, started and removed by hand.
        e.command("start", "wiki")
        d.await_state("wiki", "ready")
        e.command("stop", "--time", "5", "wiki")
        self.await_down(d)
        self.wake("wiki")
        e.command("kill", "wiki")
        self.await_down(d)
        self.assertNotIn("-> failed", d.log())
        self.wake("wiki")
        e.remove("wiki")
        self.await_down(d)
        self.assertEqual(self.get(self.port("wiki"))[0], 503)
        self.assertIn(f"{self.engine_name} has no container wiki", self.why(d))
        self.create(e, "wiki")
        self.assertEqual(d.odp("start", "wiki").returncode, 0)
        self.wake("wiki")

    def test_paused(self):
        e, d = self.begin(backend=f"socket = {engines.SOCKETS[self.engine_name]}")
        self.wake("wiki")
        e.command("pause", "wiki")
        until(lambda: d.state("wiki") != "ready", "the pause is noticed")
        self.assertIn("wiki is frozen: frozen by somebody else\n", self.why(d))
        self.wake("wiki")
        self.assertEqual(e.inspect("wiki", "{{.State.Paused}}"), "false")
        # And stopped while it is paused.
        e.command("pause", "wiki")
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        self.assertEqual(e.inspect("wiki", "{{.State.Running}} {{.State.Paused}}"), "false false")

    def test_crash_at_start(self):
        _, d = self.begin(("/bin/sh", "-c", "echo no disk >&2; exit 3"))
        status, text = self.get(self.port("wiki"))
        self.assertEqual(status, 503)
        for told in (text, self.why(d)):
            self.assertIn("container wiki: has exited with status 3: no disk", told)

    def test_crash_later(self):
        _, d = self.begin(("/bin/sh", "-c", "httpd -p 80 -h /www; while test ! -e /tmp/end; do "
                                            "sleep 0.1; done; exit 7"))
        self.wake("wiki")
        self.engine(self.engine_name).command("exec", "wiki", "/bin/sh", "-c", "echo > /tmp/end")
        self.await_down(d)
        self.assertIn("wiki: failed: ready -> stopped: container wiki: has exited with status 7",
                      d.log())

    def test_a_port_that_is_taken(self):
        e, d = self.begin()
        e.run("other", f"--publish=127.0.0.1:{self.target('wiki')}:80")
        # Somebody answers there, who is not to be taken for it.
        self.assertNotEqual(d.odp("start", "wiki").returncode, 0)
        self.assertIn("a port that it publishes is taken", self.why(d))

    def test_a_restart_policy_that_goes_round(self):
        _, d = self.begin(("/bin/sh", "-c", "exit 5"), ["--restart=always"])
        self.assertEqual(self.get(self.port("wiki"))[0], 503)
        self.assertRegex(self.why(d), r"starts it again and again, \d+ times already \(last status 5\)")


class TestPodman(TestDocker):
    engine_name = "podman"

    # The same as Docker's.
    test_several_in_order = test_crash_later = test_a_restart_policy_that_goes_round = None
