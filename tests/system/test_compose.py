# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Services that are Compose projects, with real engines: a database with a health check, a migration
# that runs once, an application, and a sidecar. Made by docker-compose 1.29 or podman-compose, which
# leave no label that says who waits for whom, and by the API with the labels of docker compose 2.

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import time
import unittest

import engines
import installed
import machine
import test_containers_faults
from harness import read_exactly, until
from test_containers import ContainerCase

PROJECT = "com.docker.compose.project"
DEPENDS = "com.docker.compose.depends_on"
V2 = {"app": "db:service_healthy:false,migrate:service_completed_successfully:false,"
             "side:service_started:false",
      "migrate": "db:service_healthy:false"}

SLEEP = "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"
# Says all back, but listens only after a while: docker-proxy accepts before.
ECHO = "trap 'exit 0' TERM; sleep 0.3; nc -ll -p 80 -e cat & wait"
COMMANDS = {"db": "rm -f /tmp/up; sleep 0.3; echo > /tmp/up; " + SLEEP,
            "migrate": "sleep 0.2; echo it is migrated",
            "app": ECHO,
            "side": SLEEP}

FILE = """
version: "2.4"
x-common: &common
  image: busybox
  network_mode: bridge
  stop_grace_period: 5s
services:
  db:
    <<: *common
    command: ["/bin/sh", "-c", "{db}"]
    healthcheck:
      test: ["CMD", "cat", "/tmp/up"]
      interval: 1s
      timeout: 5s
      retries: 50
  migrate:
    <<: *common
    command: ["/bin/sh", "-c", "{migrate}"]
    depends_on:
      db: {{condition: service_healthy}}
  app:
    <<: *common
    command: ["/bin/sh", "-c", "{app}"]
    ports: ["127.0.0.1:{port}:80"]
    depends_on:
      db: {{condition: service_healthy}}
      migrate: {{condition: service_completed_successfully}}
      side: {{condition: service_started}}
  side:
    <<: *common
    command: ["/bin/sh", "-c", "{side}"]
"""


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class ComposeCase(ContainerCase):
    project = "wiki"
    directory = "/tmp/wiki"
    binds = []  # of all containers that make_v2() makes

    def api(self, method, path, body=None, good=(200, 201, 204, 304)):
        c = UnixConnection(self.machine.path(engines.SOCKETS["docker"]))
        c.request(method, f"/v1.41{path}", json.dumps(body) if body is not None else None,
                  {"Content-Type": "application/json"})
        reply = c.getresponse()
        text = reply.read()
        c.close()
        self.assertIn(reply.status, good, text)
        return json.loads(text) if text else None

    def make(self, service, command, number=1, waits="", **more):
        """One more container of the project."""
        labels = {PROJECT: self.project, "com.docker.compose.service": service, DEPENDS: waits}
        self.api("POST", f"/containers/create?name={self.project}-{service}-{number}",
                 {"Image": engines.IMAGE, "Cmd": ["/bin/sh", "-c", command], "Labels": labels, **more})

    def make_v2(self, number=1, depends=None, **commands):
        """The containers that docker compose 2 would make, by the API."""
        depends = V2 if depends is None else depends
        for service, command in {**COMMANDS, **commands}.items():
            labels = {PROJECT: self.project, "com.docker.compose.service": service,
                      "com.docker.compose.container-number": str(number),
                      "com.docker.compose.oneoff": "False", DEPENDS: depends.get(service, "")}
            body = {"Image": engines.IMAGE, "Cmd": ["/bin/sh", "-c", command], "Labels": labels,
                    "HostConfig": {"Binds": self.binds}}
            if service == "app" and number == 1:
                body["ExposedPorts"] = {"80/tcp": {}}
                body["HostConfig"]["PortBindings"] = {"80/tcp": [
                    {"HostIp": "127.0.0.1", "HostPort": str(self.target("wiki"))}]}
            if service == "db":
                body["Healthcheck"] = {"Test": ["CMD", "cat", "/tmp/up"], "Interval": 1000000000,
                                       "Timeout": 5000000000, "Retries": 50}
            self.api("POST", f"/containers/create?name={self.project}-{service}-{number}", body)

    def write(self, **commands):
        self.machine.write(f"{self.directory}/compose.yaml",
                           FILE.format(port=self.target("wiki"),
                                       **{service: command.replace("$", "$$") for service, command
                                          in {**COMMANDS, **commands}.items()}))

    def compose(self, *args, program="docker-compose", check=True):
        return self.machine.run(program, "-p", self.project, "-f", f"{self.directory}/compose.yaml",
                                *args, check=check)

    def file(self, name, idle="5min", backend="", ready="", units=None):  # pylint: disable=unused-argument
        text = super().file(name, idle, backend, ready, ["odp"])
        return text.replace("container = odp\n", f"project = {self.project}\n")

    def serve(self, **settings):
        return self.odpd({"wiki": self.file("wiki", **settings)})

    def wake(self, name="wiki"):
        with self.connect(self.port(name)) as s:
            self.echo(s)

    def since(self):
        """From here on events are counted."""
        return self.machine.run("date", "+%s.%N").stdout.strip()

    def events(self, since, *actions, until_time=None):
        """The services of the project's containers, in the order in which that happened to them."""
        e = self.engine("docker")
        args = [a for action in actions for a in ("--filter", f"event={action}")]
        text = e.command("events", "--since", since, "--until", until_time or self.since(),
                         "--filter", f"label={PROJECT}={self.project}", *args, "--format",
                         "{{json .}}")
        return [json.loads(line)["Actor"]["Attributes"]["com.docker.compose.service"]
                for line in text.splitlines()]

    def state(self, e, service, what="{{.State.Status}}", name=None):
        return e.inspect(name or f"{self.project}-{service}-1", what)

    def assert_in_order(self, order, *words):
        places = [order.index(w) for w in words]
        self.assertEqual(places, sorted(places), order)


class TestLabels(ComposeCase):
    """With the labels of docker compose 2."""

    def begin(self, depends=None, backend="", idle="5min", **commands):
        e = self.engine("docker")
        self.make_v2(depends=depends, **commands)
        return e, self.serve(backend=backend, idle=idle)

    def test_wakes_in_order_and_sleeps_in_reverse(self):
        e, d = self.begin(idle="500ms")
        self.assertEqual(d.state("wiki"), "stopped")
        since = self.since()
        self.wake()
        d.await_state("wiki", "stopped")
        started = self.events(since, "start")
        self.assertEqual(sorted(started), ["app", "db", "migrate", "side"])
        self.assert_in_order(started, "db", "migrate", "app")
        self.assert_in_order(started, "side", "app")
        healthy = self.events(since, "health_status", "start")
        self.assert_in_order(healthy[1:], "db", "migrate")  # its start, then its health
        died = self.events(since, "die")
        self.assert_in_order(died, "migrate", "app", "db")
        self.assert_in_order(died, "app", "side")
        # Again: what has run to its end is not run again.
        ended = self.state(e, "migrate", "{{.State.FinishedAt}}")
        since = self.since()
        self.wake()
        self.assertEqual(sorted(self.events(since, "start")), ["app", "db", "side"])
        self.assertEqual(self.state(e, "migrate", "{{.State.FinishedAt}}"), ended)

    def test_a_migration_that_fails(self):
        e, d = self.begin(migrate="echo no such table >&2; exit 4")
        self.assertNotEqual(d.odp("start", "wiki").returncode, 0)
        self.assertIn("container wiki-migrate-1: has exited with status 4: no such table",
                      self.why(d))
        self.assertEqual(self.state(e, "app"), "created")
        # All of it is told, though the file names none.
        told = {c["name"]: c for c in json.loads(self.odp(d, "why", "wiki", "--json").stdout)["containers"]}
        self.assertEqual(list(told), [f"wiki-{c}-1" for c in ("app", "db", "migrate", "side")])
        self.assertEqual([told["wiki-app-1"][k] for k in ("engine", "user", "status", "exit_code")],
                         ["docker", False, "created", None])
        c = told["wiki-migrate-1"]
        self.assertEqual((c["exit_code"], c["last_line"]), (4, "no such table"))
        self.assertRegex(self.odp(d, "why", "wiki").stdout,
                         r"\n  runs as  container wiki-migrate-1 of image \S*busybox\S*: "
                         r"has exited with status 4 at 20[-0-9: ]+: no such table\n")
        done = self.odp(d, "logs", "wiki")
        self.assertRegex(done.stdout, r"(?s)stopped -> starting.*-- container wiki-app-1\n"
                                      r".*-- container wiki-migrate-1\n")
        self.assertIn("no such table", done.stdout + done.stderr)
        self.machine.run("chmod", "-R", "a+rX", d.inside)
        self.assertIn("runs as  project wiki: docker may not be asked: try as root or as a member",
                      self.odp(d, "why", "wiki", user=machine.USER).stdout)
        done = self.odp(d, "logs", "wiki", user=machine.USER)
        self.assertEqual(done.returncode, 1)
        self.assertIn("odp: the lines of project wiki cannot be read: docker may not be asked: try "
                      "as root or as a member of group docker", done.stderr)

    def test_a_database_that_crashes(self):
        e, d = self.begin(db="echo no disk >&2; exit 3")
        s = self.connect(self.port("wiki"))
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        self.assertIn(b"503", s.recv(4096))
        self.assertIn("container wiki-db-1: has exited with status 3: no disk", self.why(d))
        self.assertEqual([self.state(e, c) for c in ("app", "migrate")], ["created", "created"])

    def test_a_migration_that_is_started_again(self):
        """By a restart policy, for ever: nobody waits for that."""
        e, d = self.begin()
        for policy, status, reason in (
                ("on-failure", 4, r"docker starts it again and again, \d+ times already "
                                  r"\(last status 4\)"),
                ("unless-stopped", 0, "has run to its end, and docker starts it again, while "
                                      "wiki-app-1 waits for its end: write `restart: \"no\"` for")):
            e.remove("wiki-migrate-1")
            self.make("migrate", f"sleep 0.1; exit {status}",
                      HostConfig={"RestartPolicy": {"Name": policy}})
            self.assertNotEqual(d.odp("start", "wiki").returncode, 0)
            self.assertRegex(self.why(d), f"container wiki-migrate-1: {reason}")
            self.assertEqual(self.state(e, "app"), "created")

    def test_what_cannot_be_started(self):
        e, d = self.begin(depends={"app": "db:service_healthy:false,cache:service_started:false"})
        self.assertNotEqual(d.odp("start", "wiki").returncode, 0)
        self.assertIn("container wiki-app-1: waits for the service cache of its project", self.why(d))
        e.remove_all()
        self.make_v2(depends={"app": "side:service_started:false",
                              "side": "app:service_healthy:false"})
        self.assertNotEqual(d.odp("start", "wiki").returncode, 0)
        self.assertIn("waits, by others, for itself", self.why(d))
        e.remove_all()
        self.make_v2(depends={"app": "side:service_healthy:false"})
        self.assertNotEqual(d.odp("start", "wiki").returncode, 0)
        self.assertIn("container wiki-side-1: has no health check, and wiki-app-1 waits for it",
                      self.why(d))
        e.remove_all()
        self.assertNotEqual(d.odp("start", "wiki").returncode, 0)
        self.assertIn("docker has no containers of the project wiki: make them with", self.why(d))
        self.assertIn("runs as  project wiki: docker has no container of it\n",
                      self.odp(d, "why", "wiki").stdout)

    def test_what_is_not_required(self):
        """depends_on with `required: false`, of which the label says nothing: only the compose program
        knows, which would fail."""
        d = self.begin_with("")
        for _ in range(2):
            self.wake()
            self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        self.assertEqual(self.machine.read("/tmp/program/calls"), "up\n")

    def begin_with(self, script):
        """The compose program is this one, and wanted since the label names what is not there."""
        self.engine("docker")
        self.make_v2(depends={"app": "db:service_healthy:false,cache:service_started:false"})
        self.machine.write("/tmp/program/docker-compose",
                           f"#!/bin/sh\necho up >>/tmp/program/calls\n{script}", mode=0o755)
        self.addCleanup(self.machine.run, "rm", "-r", "/tmp/program")
        return self.odpd({"wiki": self.file("wiki", backend="file = /srv/wiki/compose.yaml")},
                         properties=["Environment=PATH=/tmp/program:/usr/bin:/bin"])

    def test_made_by_two(self):
        """As while somebody runs it by hand: that one has made what is to be made."""
        clash = "echo 'Conflict. The container name \"/wiki-db-1\" is already in use by' >&2; exit 1\n"
        self.begin_with(f"mkdir /tmp/program/other || exit 0; {clash}")
        self.wake()
        self.assertEqual(self.machine.read("/tmp/program/calls"), "up\nup\n")

    def test_the_name_is_taken(self):
        d = self.begin_with("echo 'The container name \"/db\" is already in use' >&2; exit 1")
        self.assertNotEqual(d.odp("start", "wiki").returncode, 0)
        self.assertIn('docker-compose up exited with status 1, last words: The container name "/db" '
                      'is already in use', self.why(d))
        self.assertEqual(self.machine.read("/tmp/program/calls"), "up\nup\n")

    def test_a_network_that_was_pruned(self):
        """It is no use to make it anew: containers have its id."""
        e = self.engine("docker")
        e.command("network", "create", "wiki_default")
        self.addCleanup(e.command, "network", "rm", "wiki_default")
        self.addCleanup(e.remove_all)
        self.make("app", ECHO, HostConfig={"NetworkMode": "wiki_default"})
        e.command("start", "wiki-app-1")
        e.command("stop", "wiki-app-1")
        d = self.serve()
        self.assertEqual(e.command("network", "prune", "--force").split()[-1], "wiki_default")
        e.command("network", "create", "wiki_default")
        self.assertNotEqual(d.odp("start", "wiki").returncode, 0)
        self.assertIn("container wiki-app-1: its network is gone: create it anew, as one of a Compose "
                      "project by up -d --force-recreate (network ", self.why(d))

    def test_in_the_network_of_another(self):
        """network_mode: service:side, of which not all compose programs leave a label. Docker starts
        nothing in the network of what does not run, and side waits for the database."""
        e, d = self.begin(depends={})
        e.remove("wiki-app-1", "wiki-side-1")
        published = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(self.target("wiki"))}]}
        for service, command, waits, more in (
                ("side", SLEEP, "db:service_healthy:false",
                 {"ExposedPorts": {"80/tcp": {}}, "HostConfig": {"PortBindings": published}}),
                ("app", ECHO, "", {"HostConfig": {"NetworkMode": "container:wiki-side-1"}})):
            labels = {PROJECT: "wiki", "com.docker.compose.service": service, DEPENDS: waits}
            self.api("POST", f"/containers/create?name=wiki-{service}-1",
                     {"Image": engines.IMAGE, "Cmd": ["/bin/sh", "-c", command], "Labels": labels,
                      **more})
        since = self.since()
        self.wake()
        self.assert_in_order(self.events(since, "start"), "db", "side", "app")
        since = self.since()
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        self.assert_in_order(self.events(since, "die"), "app", "side", "db")

    def test_what_people_do(self):
        e, d = self.begin()
        self.make_v2(number=2, db="exit 1", migrate="exit 0")
        e.remove("wiki-db-2", "wiki-migrate-2")
        self.wake()
        # A service of two: both are to run.
        self.assertEqual(self.state(e, "app", name="wiki-app-2"), "running")
        e.command("kill", "wiki-app-2")
        d.await_state("wiki", "stopped")
        self.wake()
        # Made anew under its name, as `docker compose up --no-start` does. Logs are followed there.
        lines = self.follow(d)
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        e.remove("wiki-app-2", "wiki-side-2", "wiki-side-1")
        labels = {PROJECT: "wiki", "com.docker.compose.service": "side", DEPENDS: ""}
        self.api("POST", "/containers/create?name=wiki-side-1",
                 {"Image": engines.IMAGE, "Cmd": ["/bin/sh", "-c", "echo anew; " + SLEEP],
                  "Labels": labels})
        self.wake()
        self.assertIn("anew", lines)
        self.assertEqual(self.state(e, "side"), "running")
        # What `docker compose run` has made is not the service's.
        labels["com.docker.compose.oneoff"] = "True"
        self.api("POST", "/containers/create?name=wiki-run",
                 {"Image": engines.IMAGE, "Cmd": ["/bin/sh", "-c", SLEEP], "Labels": labels})
        e.command("start", "wiki-run")
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        self.assertEqual(self.state(e, "", name="wiki-run"), "running")
        self.assertEqual(self.state(e, "side"), "exited")


class TestKilled(ComposeCase, test_containers_faults.FaultCase):
    """dockerd, in the middle."""

    binds = ["/tmp/gate:/gate"]

    def begin(self):  # pylint: disable=arguments-differ
        e = self.gated()
        # Healthy once it is let; the application does not end while it is kept.
        self.make_v2(db="trap 'exit 0' TERM; rm -f /tmp/up; until test -e /gate/open; do sleep 0.1; done; "
                        "echo > /tmp/up; " + SLEEP,
                     app="trap 'while test -e /gate/keep; do sleep 0.1; done; exit 0' TERM;"
                         "nc -ll -p 80 -e cat & wait")
        return e, self.serve()

    def hold(self, n):  # pylint: disable=arguments-differ
        clients = [self.connect(self.port("wiki")) for _ in range(n)]
        for s in clients:
            s.sendall(b"first words\n")
        return clients

    def is_woken(self):
        with contextlib.suppress(OSError, AssertionError):
            self.wake()
            return True
        return False

    def test_f9_during_a_start(self):
        e, d = self.begin()
        clients = self.hold(10)
        until(lambda: self.state(e, "db") == "running", "it waits for the database")
        before, began = self.cpu(d), time.monotonic()
        self.signal_engine()
        self.await_reached(d, 2)
        self.let("open")
        # The start goes on, or has failed; whoever waits is answered.
        for s in clients:
            with contextlib.suppress(ConnectionResetError):
                self.assertIn(s.recv(100), (b"first words\n", b""))
        self.assertLess(self.cpu(d) - before, 0.1 * (time.monotonic() - began) + 0.2)
        # As Docker is after that, now and then: nothing else helps.
        cure = "containerd still has it: create it anew"
        until(lambda: self.is_woken() or cure in self.why(d), "it is answered or told why")
        if d.state("wiki") == "failed":
            return
        self.assertEqual([self.state(e, c) for c in ("db", "migrate", "app", "side")],
                         ["running", "exited", "running", "running"])

    def test_f9_during_a_stop(self):
        e, d = self.begin()
        self.let("open")
        self.wake()
        self.let("keep")
        self.assertEqual(d.odp("stop", "--no-wait", "wiki").returncode, 0)
        d.await_state("wiki", "stopping")
        before, began = self.cpu(d), time.monotonic()
        self.signal_engine()
        self.await_lost(d)
        held = self.hold(1)[0]  # it is started again after the stop
        self.machine.run("rm", "/tmp/gate/keep")
        self.assertEqual(held.recv(100), b"first words\n")
        self.assertLess(self.cpu(d) - before, 0.1 * (time.monotonic() - began) + 0.2)
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        self.assertEqual([self.state(e, c) for c in ("db", "app", "side")], ["exited"] * 3)

    @unittest.skipUnless(shutil.which("docker-compose"), "docker-compose is not installed")
    def test_f9_while_its_compose_program_works(self):
        self.gated()
        self.write()
        d = self.serve(backend=f"file = {self.directory}/compose.yaml")
        self.addCleanup(self.compose, "down", check=False)
        clients = self.hold(5)
        until(lambda: "Creating wiki" in d.log(), "docker-compose is at work")
        before, began = self.cpu(d), time.monotonic()
        self.signal_engine()
        # It has failed, and is begun anew with the next one.
        told = []
        for s in clients:
            with contextlib.suppress(ConnectionResetError):
                told.append(s.recv(100))
        self.assertLess(self.cpu(d) - before, 0.1 * (time.monotonic() - began) + 0.2)
        cure = f"cd {self.directory}/ && docker-compose -p wiki up -d --force-recreate"
        if cure in self.why(d):  # as Docker is after that, now and then
            self.machine.run("sh", "-c", cure)
        else:
            self.assertEqual(told, [b"first words\n"] * 5)
            self.assertNotIn("-> failed", d.log())


@unittest.skipUnless(shutil.which("docker-compose"), "docker-compose is not installed")
class TestDockerCompose(ComposeCase):
    """With docker-compose 1.29."""

    def test_by_hand(self):
        e = self.engine("docker")
        self.write()
        d = self.serve()
        self.compose("up", "-d")
        self.addCleanup(self.compose, "down", check=False)
        d.await_state("wiki", "ready")
        self.compose("stop")
        d.await_state("wiki", "stopped")
        since = self.since()
        self.wake()
        # All at once, but for what has run to its end.
        self.assertEqual(sorted(self.events(since, "start")), ["app", "db", "side"])
        self.assertIn("wiki: probe: container wiki_db_1: ", d.log())
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        self.assertEqual(self.state(e, "", name="wiki_app_1"), "exited")
        # In the order that the file gives, and stopped in reverse.
        lines = "\n".join(f"container = wiki_{c}_1" for c in ("side", "db", "app"))
        d.write_service("wiki", self.file("wiki", backend=lines))
        self.assertEqual(d.odp("reload").returncode, 0)
        since = self.since()
        self.wake()
        self.assertEqual(self.events(since, "start"), ["side", "db", "app"])
        since = self.since()
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        self.assertEqual(self.events(since, "die"), ["app", "db", "side"])

    def test_made_by_its_file(self):
        e = self.engine("docker")
        self.write()
        d = self.serve(backend=f"file = {self.directory}/compose.yaml", idle="500ms")
        self.addCleanup(self.compose, "down", check=False)
        since = self.since()
        self.wake()
        self.assert_in_order(self.events(since, "start"), "db", "migrate", "app")
        d.await_state("wiki", "stopped")
        # Some are removed: no label says who misses them, but they were there.
        e.remove("wiki_app_1", "wiki_side_1")
        self.wake()
        self.assertRegex(d.log(), "container wiki_(app|side)_1 is gone, and no other of its service is "
                                  "there")
        d.await_state("wiki", "stopped")
        self.compose("down")
        self.assertEqual(e.command("ps", "--all", "--quiet"), "")
        self.wake()
        d.await_state("wiki", "stopped")
        # The program's own last words.
        self.compose("down")
        path = f"{self.directory}/compose.yaml"
        self.machine.write(path, self.machine.read(path).replace("mode: bridge", "mode: nowhere"))
        self.assertNotEqual(d.odp("start", "wiki").returncode, 0)
        self.assertRegex(self.why(d), "docker-compose up exited with status 1, .*nowhere not found")
        # What it has made before it failed is no reason not to try again.
        self.assertNotEqual(e.command("ps", "--all", "--quiet"), "")
        self.write()
        self.assertEqual(d.odp("start", "wiki").returncode, 0)
        self.wake()

    def test_several_files(self):
        """Its override, as by hand, and those that are named."""
        e = self.engine("docker")
        self.write()
        for name in ("compose.override.yaml", "pi.yaml"):
            self.machine.write(f"{self.directory}/{name}",
                               f'version: "2.4"\nservices: {{app: {{environment: ["BY={name}"]}}}}\n')
            self.addCleanup(self.machine.run, "rm", f"{self.directory}/{name}")
        file = f"file = {self.directory}/"
        d = self.serve(backend=f"{file}compose.yaml")
        self.addCleanup(self.compose, "down", check=False)
        self.wake()
        self.assertIn("BY=compose.override.yaml", e.inspect("wiki_app_1", "{{.Config.Env}}"))
        self.assertIn(f"wiki: with {self.directory}/compose.override.yaml\n", d.log())
        self.compose("down")
        d.await_state("wiki", "stopped")
        d.write_service("wiki", self.file("wiki", backend=f"{file}compose.yaml\n{file}pi.yaml"))
        self.assertEqual(d.odp("reload").returncode, 0)
        self.wake()
        self.assertIn("BY=pi.yaml", e.inspect("wiki_app_1", "{{.Config.Env}}"))

    def test_launcher_killed_while_it_is_made(self):
        self.engine("docker")
        self.write(db="sleep 3; echo > /tmp/up; " + SLEEP)
        d = self.serve(backend=f"file = {self.directory}/compose.yaml")
        self.addCleanup(self.compose, "down", check=False)
        with self.connect(self.port("wiki")) as s:
            s.sendall(b"first words\n")
            until(lambda: "Creating" in d.log(), "docker-compose is at work")
            os.kill(d.launcher(), signal.SIGKILL)
            until(lambda: "its compose program runs since before; taken over" in d.log(),
                  "the next launcher waits for it")
            self.assertEqual(read_exactly(s, 12), b"first words\n")
        self.assertEqual(d.log().count("makes its containers"), 1)

    def test_without_a_compose_program(self):
        self.engine("docker")
        self.write()
        self.machine.run("mkdir", "-p", "/tmp/empty")
        d = self.odpd({"wiki": self.file("wiki", backend=f"file = {self.directory}/compose.yaml")},
                      properties=["Environment=PATH=/tmp/empty"])
        self.assertNotEqual(d.odp("start", "wiki").returncode, 0)
        self.assertIn("there is no compose program to make its containers: install", self.why(d))


@unittest.skipUnless(shutil.which("docker-compose"), "docker-compose is not installed")
class TestInstalled(installed.InstalledCase, ComposeCase):
    """odp as units of the system: the compose program runs outside of its sandbox."""

    def test_made_in_a_unit(self):
        self.engine("docker")
        self.write()
        self.put("wiki", self.file("wiki", backend=f"file = {self.directory}/compose.yaml"))
        self.reload()
        self.addCleanup(self.compose, "down", check=False)
        self.wake()
        unit = "odp-compose-wiki.service"
        self.assertEqual(self.machine.show(unit, "LoadState"), "not-found")
        self.assertIn("wiki (odp, makes its containers)", self.machine.journal("--unit", unit))
        # Nothing of it is in the way of the next time.
        self.compose("down")
        self.wake()


@unittest.skipUnless(shutil.which("podman-compose"), "podman-compose is not installed")
class TestInstalledPodman(installed.InstalledCase, ComposeCase):
    def n_lists(self):
        return self.machine.journal("--unit=podman.service").count("/containers/json?all=1")

    def test_made_in_a_unit(self):
        """None of Podman's own stays in there: it is free while the containers run."""
        e = self.engine("podman")
        self.write()
        self.put("wiki", self.file("wiki", backend=f"file = {self.directory}/compose.yaml\n"
                                   "engine = podman"))
        self.reload()
        self.addCleanup(self.compose, "down", program="podman-compose", check=False)
        self.wake()
        self.assertEqual(self.machine.show("odp-compose-wiki.service", "LoadState"), "not-found")
        n_lists = self.n_lists()
        e.command("rm", "--force", "--time=0", "wiki_app_1")
        until(lambda: self.n_lists() > n_lists, "it is asked what is left")
        # That runs, and is not taken for the project.
        self.assertTrue(e.is_running("wiki_db_1"))
        self.assertIn(" stopped ", installed.InstalledCase.odp(self, "status").stdout)
        self.wake()
        self.assertTrue(e.is_running("wiki_db_1"))
        self.compose("down", program="podman-compose")
        self.wake()


@unittest.skipUnless(shutil.which("podman-compose"), "podman-compose is not installed")
class TestPodmanCompose(ComposeCase):
    def begin(self):
        e = self.engine("podman")
        self.write()
        self.compose("up", "-d", program="podman-compose")
        self.addCleanup(self.compose, "down", program="podman-compose", check=False)
        d = self.serve(backend="engine = podman")
        d.await_state("wiki", "ready")
        return e, d

    def test_by_its_labels(self):
        e, d = self.begin()
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        self.assertEqual(self.state(e, "", name="wiki_app_1"), "exited")
        self.wake()
        e.command("stop", "--time", "5", "wiki_app_1")
        d.await_state("wiki", "stopped")
        self.wake()

    def test_stopped_by_hand(self):
        """With status 0, as what runs once ends; Podman says nothing of a signal."""
        e, d = self.begin()
        self.assertEqual(self.state(e, "", name="wiki_migrate_1"), "exited")
        e.command("stop", "--time", "5", "wiki_side_1")
        d.await_state("wiki", "stopped")
        ended = self.state(e, "", name="wiki_migrate_1", what="{{.State.FinishedAt}}")
        self.wake()
        self.assertTrue(e.is_running("wiki_side_1"))
        self.assertEqual(self.state(e, "", name="wiki_migrate_1", what="{{.State.FinishedAt}}"), ended)
