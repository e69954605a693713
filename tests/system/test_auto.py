# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Targets of auto:PORT: odpd connects to a container's own address, which is another one at each
# start.

import engines
from harness import read_exactly, until
from installed import InstalledCase
from test_compose import COMMANDS, ComposeCase
from test_containers import ECHO, ContainerCase

# Does nothing, and ends when it is told to.
WAIT = ("/bin/sh", "-c", "trap 'exit 0' TERM; sleep 100 & wait")
WORDS = b"words that came before anybody listened\n" * 1000


class AutoCase(ContainerCase):
    def create(self, e, name, command=engines.SERVE, options=(), port=None):
        e.command("create", "--name", name, *options, engines.IMAGE, *command)

    def file(self, name, idle="5min", backend="", ready="", units=None, target="auto:80"):
        text = super().file(name, idle, backend, ready, units)
        return text.replace(f"target = 127.0.0.1:{self.target(name)}", f"target = {target}")

    def begin(self, command=engines.SERVE, options=(), create=True, **settings):
        e = self.engine(self.engine_name)
        if create:
            self.create(e, "wiki", command, options)
        backend = settings.pop("backend", f"type = {self.engine_name}")
        return e, self.odpd({"wiki": self.file("wiki", backend=backend, **settings)})

    def addresses(self, e, name="wiki"):
        return e.inspect(name, "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}").split()

    def network(self, e, name, *options):
        e.command("network", "create", *options, name)
        self.addCleanup(lambda: (e.remove_all(), e.command("network", "rm", name)))

    def where(self, d, name="wiki"):
        return d.call("Why", name=name)["parameters"]["address"]

    def assert_at(self, e, d, name="wiki"):
        self.assertEqual(self.where(d), f"{self.addresses(e, name)[0]}:80")

    def fails(self, d, *words):
        self.assertEqual(self.get(self.port("wiki"))[0], 503)
        for w in words:
            self.assertIn(w, self.why(d))
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)


class TestDocker(AutoCase):
    engine_name = "docker"

    def test_wakes_where_it_is(self):
        e, d = self.begin()
        self.wake("wiki")
        first = self.addresses(e)
        self.assert_at(e, d)
        self.assertIn(f"target   auto:80, which is {first[0]}:80", self.why(d))
        self.assertEqual(d.status("wiki")["target"], "auto:80")
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        self.assertIsNone(self.where(d))
        e.run("other")  # takes the address that is free
        self.wake("wiki")
        self.assertNotEqual(self.addresses(e), first)
        self.assert_at(e, d)

    def test_no_byte_is_lost(self):
        _, d = self.begin(ECHO)
        with self.connect(self.port("wiki")) as s:
            s.sendall(WORDS)
            self.assertEqual(read_exactly(s, len(WORDS)), WORDS)
        self.assertNotIn("-> failed", d.log())

    def test_http_probe(self):
        _, d = self.begin(("/bin/sh", "-c", "sleep 0.3; httpd -f -p 80 -h /www"),
                          ready="probe = http")
        self.wake("wiki")
        self.assertNotIn("-> failed", d.log())

    def test_what_people_do(self):
        e = self.engine(self.engine_name)
        e.run("wiki")
        _, d = self.begin(create=False)
        d.await_state("wiki", "ready")
        self.wake("wiki")
        e.command("stop", "--time", "5", "wiki")
        self.await_down(d)
        e.run("other")
        e.command("start", "wiki")
        d.await_state("wiki", "ready")
        self.assert_at(e, d)
        self.wake("wiki")
        e.command("restart", "--time", "5", "wiki")
        self.wake("wiki")
        self.assert_at(e, d)

    def test_in_the_network_of_one_that_is_gone(self):
        e = self.engine(self.engine_name)
        e.run("vpn", command=WAIT)
        _, d = self.begin(options=["--network=container:vpn"])
        self.wake("wiki")
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        e.command("stop", "--time=5", "vpn")
        self.fails(d, "the container in whose network it is does not run: start it")
        e.remove("vpn")
        self.fails(d, "container wiki: the container in whose network it is has gone: create it anew")

    def test_two_networks(self):
        e = self.engine(self.engine_name)
        self.network(e, "beta")
        self.network(e, "alpha")
        self.create(e, "wiki", options=["--network=beta"])
        e.command("network", "connect", "alpha", "wiki")
        _, d = self.begin(create=False)
        self.wake("wiki")
        self.assertEqual(self.where(d).split(":")[0], self.addresses(e)[0])
        # Taken from it while it runs, it is found in the other one.
        e.command("network", "disconnect", "alpha", "wiki")
        self.wake("wiki")
        self.assert_at(e, d)

    def test_listens_on_ipv6_alone(self):
        e = self.engine(self.engine_name)
        self.network(e, "six", "--ipv6", f"--subnet=fd00:{len(self.engine_name)}::/64")
        self.create(e, "wiki", ("/bin/sh", "-c", "trap 'exit 0' TERM; "
                                f"httpd -f -p [fd00:{len(self.engine_name)}::2]:80 -h /www & wait"),
                    ["--network=six"])
        _, d = self.begin(create=False)
        self.wake("wiki")

    def test_host_network(self):
        _, d = self.begin(options=["--network=host"])
        self.wake("wiki")
        self.assertEqual(self.where(d), "127.0.0.1:80")

    def test_host_network_where_odp_listens(self):
        self.ports["wiki"] = 80
        _, d = self.begin(WAIT, ["--network=host"])
        self.fails(d, "where odp itself listens on port 80")

    def test_no_network(self):
        _, d = self.begin(options=["--network=none"])
        self.fails(d, "container wiki is in no network: create it with one, for instance --network")

    def test_which_one(self):
        e = self.engine(self.engine_name)
        self.create(e, "wiki", options=["--expose=80"])
        self.create(e, "data", WAIT)
        _, d = self.begin(create=False, units=["wiki", "data"])
        self.wake("wiki")
        self.assert_at(e, d)

    def test_in_the_network_of_another(self):
        e = self.engine(self.engine_name)
        self.create(e, "vpn", WAIT)
        self.create(e, "wiki", options=["--network=container:vpn"])
        _, d = self.begin(create=False, units=["vpn", "wiki"])
        self.wake("wiki")
        self.assert_at(e, d, "vpn")

    def test_unit(self):
        e = self.engine(self.engine_name)
        unit = self.docker_unit("wiki", engine=self.engine_name)
        text = engines.EngineCase.file(self, "wiki", units=[unit], backend="container = wiki\n"
                                       f"engine = {self.engine_name}")
        d = self.odpd({"wiki": text.replace(f"127.0.0.1:{self.target('wiki')}", "auto:80")})
        self.wake("wiki")
        self.assert_at(e, d)
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        self.wake("wiki")

    def test_a_container_that_is_not_there(self):
        self.engine(self.engine_name)
        _, d = self.begin(create=False)
        self.fails(d, f"{self.engine_name} has no container wiki")

    def test_reload(self):
        port = self.target("wiki")
        e, d = self.begin(ECHO, [f"--publish=127.0.0.1:{port}:80"], target=f"127.0.0.1:{port}")
        with self.connect(self.port("wiki")) as s:
            self.echo(s)
            d.write_service("wiki", self.file("wiki", backend=f"type = {self.engine_name}"))
            self.assertEqual(d.odp("reload").returncode, 0)
            until(lambda: self.where(d), "its address is known")
            self.assert_at(e, d)
            self.echo(s)
            with self.connect(self.port("wiki")) as other:
                self.echo(other)

    def test_launcher_killed(self):
        e, d = self.begin(ECHO)
        with self.connect(self.port("wiki")) as s:
            self.echo(s)
            self.machine.run("kill", "-KILL", str(d.launcher()), check=False)
            self.echo(s)
            with self.connect(self.port("wiki")) as other:
                self.echo(other)
        e.command("kill", "wiki")
        self.await_down(d)
        with self.connect(self.port("wiki")) as s:
            self.echo(s)

    def test_direct_connections(self):
        e, d = self.begin(ECHO, idle="300ms")
        with self.connect(self.port("wiki")) as s:
            self.echo(s)
            direct = self.connect((self.addresses(e)[0], 80))
            self.echo(direct)
        until(lambda: f"1 direct connection to {self.where(d)} keeps it awake" in self.why(d),
              "the connection is seen")
        direct.close()
        self.await_down(d)


class TestPodman(TestDocker):
    engine_name = "podman"

    # The same as Docker's.
    test_no_byte_is_lost = test_http_probe = test_host_network_where_odp_listens = None
    test_which_one = test_a_container_that_is_not_there = test_reload = None
    test_launcher_killed = test_direct_connections = None
    test_in_the_network_of_one_that_is_gone = None  # it starts that one, and does not remove it


class TestCompose(ComposeCase):
    target_port = 80

    def file(self, name, **settings):  # pylint: disable=arguments-differ
        text = super().file(name, **settings)
        return text.replace(f"127.0.0.1:{self.target(name)}", f"auto:{self.target_port}")

    def address(self, e, name):
        return e.inspect(name, "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}") + ":80"

    def where(self, d):
        return d.call("Why", name="wiki")["parameters"]["address"]

    def test_the_one_that_exposes_it(self):
        e = self.engine("docker")
        self.make_v2()
        d = self.serve()
        for _ in range(2):
            self.wake()
            self.assertEqual(self.where(d), self.address(e, "wiki-app-1"))
            self.assertEqual(d.odp("stop", "wiki").returncode, 0)

    def test_made_by_its_file(self):
        e = self.engine("docker")
        self.write()
        d = self.serve(backend=f"file = {self.directory}/compose.yaml")
        self.addCleanup(self.compose, "down", check=False)
        self.wake()
        self.assertEqual(self.where(d), self.address(e, "wiki_app_1"))
        self.compose("down")
        d.await_state("wiki", "stopped")
        self.wake()

    def test_scaled(self):
        """Each of the application's containers is as good as the other; the first is taken."""
        e = self.engine("docker")
        for exposed in ({}, {"80/tcp": {}}):
            for number in (10, 1, 2):
                self.make("app", COMMANDS["app"], number, "db:service_started:false", ExposedPorts=exposed)
            self.make("db", COMMANDS["side"])
            d = self.serve()
            self.wake()
            self.assertEqual(self.where(d), self.address(e, "wiki-app-1"))
            self.assertEqual(d.odp("stop", "wiki").returncode, 0)
            d.finish()
            e.remove_all()

    def test_one_of_many(self):
        self.engine("docker")
        self.target_port = 81
        self.make_v2(depends={})
        d = self.serve()
        self.assertNotEqual(d.odp("start", "wiki").returncode, 0)
        self.assertIn('which of its containers has port 81? Write `expose: ["81"]`',
                      d.odp("why", "wiki").stdout)
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)


class TestInstalled(InstalledCase, AutoCase):
    engine_name = "docker"

    def test_odpd_is_restarted(self):
        e = self.engine("docker")
        self.create(e, "wiki", ECHO)
        self.put("wiki", AutoCase.file(self, "wiki"))
        self.reload()
        with self.connect(self.port("wiki")) as s:
            self.echo(s)
            self.machine.systemctl("restart", "odpd.service")
            self.echo(s)
            with self.connect(self.port("wiki")) as other:
                self.echo(other)
        self.assertIn("auto:80, which is", self.odp("why", "wiki").stdout)
