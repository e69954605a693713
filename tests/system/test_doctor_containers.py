# SPDX-License-Identifier: LGPL-2.1-or-later
#
# odp doctor on services that are containers, with real engines: what it says is true, and what it
# prints mends it.

import os
import time
import unittest

import engines
import test_containers
from doctor import Doctor
from harness import until
from machine import USER


class ContainerDoctorCase(Doctor, test_containers.ContainerCase):
    def begin(self, *options, name="docker", create=True, **settings):
        """A service wiki whose container was created with these options."""
        e = self.engine(name)
        if create:
            self.create(e, "wiki", options=options)
        d = self.odpd({"wiki": self.file("wiki", backend=f"type = {name}", **settings)})
        return e, d

    def file(self, name, **settings):
        # What a docker-proxy says by itself is no answer.
        return super().file(name, **{"ready": "probe = http\ninterval = 20ms", **settings})

    def recreate(self, e, *options, ports=()):
        e.remove("wiki")
        e.command("create", "--name", "wiki", *(f"--publish={p}" for p in ports), *options,
                  engines.IMAGE, *engines.SERVE)

    def start_fails(self, d):
        """Returns what is said."""
        done = d.odp("start", "wiki")
        self.assertEqual(done.returncode, 1)
        return done.stderr


class TestDocker(ContainerDoctorCase):
    def test_healthy(self):
        e, d = self.begin()
        self.assert_healthy(d)
        self.wake("wiki")
        self.assert_healthy(d)
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        self.assertFalse(e.is_running("wiki"))
        self.assert_healthy(d)

    def test_missing(self):
        e, d = self.begin(create=False)
        self.start_fails(d)
        command = self.find(d, "container-missing", "wiki", "docker has no container wiki")
        self.assertTrue(command.startswith("docker ps --all"))

    def test_started_with_docker(self):
        e, d = self.begin("--restart=always")
        self.wake("wiki")
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        self.assertFalse(e.is_running("wiki"))
        command = self.find(d, "container-restarts", "wiki", "wiki has the restart policy always")
        # It is true.
        self.machine.systemctl("restart", "docker.service")
        until(lambda: e.is_running("wiki"), "docker has started it by itself")
        self.assertEqual(command, "docker update --restart=no wiki")
        self.mend(d, command)
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        self.machine.systemctl("restart", "docker.service")
        e.command("ps")
        self.assertFalse(e.is_running("wiki"))

    def test_unless_stopped_stays_asleep(self):
        e, d = self.begin("--restart=unless-stopped")
        self.wake("wiki")
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        self.assert_healthy(d)
        self.machine.systemctl("restart", "docker.service")
        e.command("ps")
        self.assertFalse(e.is_running("wiki"))

    def test_ends_again_and_again(self):
        e, d = self.begin(create=False)
        e.command("create", "--name=wiki", "--restart=on-failure",
                  f"--publish=127.0.0.1:{self.target('wiki')}:80", engines.IMAGE, "/bin/sh", "-c",
                  "echo no disk; exit 3")
        e.command("start", "wiki")
        until(lambda: int(e.inspect("wiki", "{{.RestartCount}}")) >= 3, "it goes round")
        command = self.find(d, "container-loops", "wiki", "over and over")
        self.assertIn("no disk", self.machine.run("sh", "-c", command).stdout)
        self.assertEqual(e.inspect("wiki", "{{.State.Restarting}}"), "false")

    def test_removed_when_it_is_stopped(self):
        e, d = self.begin("--rm")
        command = self.find(d, "container-removed", "wiki", "wiki was made with --rm")
        self.assertEqual(command, "docker inspect wiki (and create it anew without --rm)")
        self.wake("wiki")
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        until(lambda: e.inspect("wiki", "{{.Id}}") == "", "it is gone")

    def test_ports(self):
        e, d = self.begin()
        port, target = self.port("wiki"), self.target("wiki")
        self.recreate(e, ports=[f"{port}:80"])
        self.start_fails(d)
        found = {f["kind"]: f for f in self.doctor(d)}
        # It publishes the port of odp, and not the one that odp asks.
        self.assertEqual(sorted(found), ["port-published", "target-unpublished"])
        self.assertIn(f"wiki publishes port {port} itself", found["port-published"]["what"])
        self.assertEqual(found["port-published"]["command"],
                         f"docker inspect wiki (and create it anew with the port "
                         f"127.0.0.1:{target}:80)")
        self.recreate(e, ports=[f"{target}:80"])
        command = self.find(d, "target-open", "wiki", "on all addresses")
        self.wake("wiki")
        self.assertEqual(self.find(d, "target-open", "wiki", "on all addresses"), command)
        d.odp("stop", "wiki")
        self.recreate(e, ports=["127.0.0.1::80"])
        self.find(d, "target-unpublished", "wiki", "a port of the engine's choice at 127.0.0.1:0")
        self.recreate(e, ports=[f"127.0.0.1:{port + 1000}:80"])
        command = self.find(d, "target-unpublished", "wiki", f"(127.0.0.1:{port + 1000})")
        self.assertIn(str(port + 1000), self.machine.run("sh", "-c", command.split(" (")[0]).stdout)
        self.recreate(e, "--network=host")
        self.assert_healthy(d)

    def test_slow_health_check(self):
        check = ["--health-cmd=true", "--health-interval=6s"]
        e, d = self.begin(*check, ready="")
        command = self.find(d, "health-slow", "wiki", "the health check of wiki is first made after "
                            "6s: so long takes each wake")
        began = time.monotonic()
        self.wake("wiki")
        self.assertGreaterEqual(time.monotonic() - began, 6)  # it is true
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        self.assertEqual(command, "docker inspect wiki (and create it anew with --health-interval=2s, "
                         f"or write probe = http below [ready] in {d.inside}/config/services/wiki.ini)")
        target = f"127.0.0.1:{self.target('wiki')}:80"
        self.recreate(e, check[0], "--health-interval=2s", ports=[target])
        self.assert_healthy(d)
        self.recreate(e, check[0], "--health-interval=2m", ports=[target])
        self.find(d, "health-slow", "wiki", "first made after 2min, when its wake has been given up: "
                  "[ready] timeout is 1min")
        d.write_service("wiki", self.file("wiki", backend="type = docker"))
        self.assertEqual(d.odp("reload").returncode, 0)
        self.assert_healthy(d)
        self.wake("wiki")

    def test_target_of_another_container(self):
        e, d = self.begin()
        e.run("other", f"--publish=127.0.0.1:{self.target('wiki')}:80")
        command = self.find(d, "target-taken", "wiki", "docker-proxy")
        self.assertIn("other", self.machine.run("sh", "-c", command).stdout)

    def test_a_proxy_that_docker_has_left(self):
        e, d = self.begin()
        # As it runs it: the third descriptor is where the proxy says that it listens.
        self.unit("orphan.service", f"""
            [Service]
            ExecStart=/bin/sh -c 'exec /usr/sbin/docker-proxy -proto tcp -host-ip 127.0.0.1 \
              -host-port {self.target('wiki')} -container-ip 172.17.0.9 -container-port 80 3>/dev/null'
            """)
        self.machine.systemctl("start", "orphan.service")
        until(lambda: f":{self.target('wiki')} " in self.machine.run("ss", "-Hltn").stdout,
              "it listens")
        self.start_fails(d)
        self.find_and_mend(d, "proxy-orphan", "wiki", "that docker has left behind")
        self.wake("wiki")

    def test_image_and_network(self):
        e, d = self.begin(create=False)
        e.command("network", "create", "attic")
        self.addCleanup(e.command, "network", "rm", "attic", check=False)
        e.command("tag", engines.IMAGE, "attic:1")
        self.create(e, "wiki", options=["--network=attic"])
        self.assert_healthy(d)
        e.command("network", "prune", "--force")
        self.start_fails(d)
        self.find_and_mend(d, "network-missing", "wiki", "the network of wiki, attic, was removed",
                           command="docker network create attic")
        self.wake("wiki")
        d.odp("stop", "wiki")
        # It has an address there now, and looks for the very same network.
        e.command("network", "prune", "--force")
        e.command("network", "create", "attic")
        self.start_fails(d)
        self.find_and_mend(d, "network-missing", "wiki", "the network of wiki, attic, was removed")
        # In spite of the backoff after a second failure.
        self.assertEqual(d.odp("start", "wiki").returncode, 0)
        self.wake("wiki")
        d.odp("stop", "wiki")
        self.addCleanup(e.make_image)
        e.command("rmi", "--force", engines.IMAGE, "attic:1")
        command = self.find(d, "image-gone", "wiki", f"the image of wiki, {engines.IMAGE}, was")
        self.assertEqual(command, f"docker pull {engines.IMAGE}")
        self.wake("wiki")  # what it needs docker has kept

    def test_pruned_by_the_clock(self):
        e, d = self.begin("--label=keep=yes", "--network=bridge")
        self.unit("prune.service", "[Service]\nType=oneshot\n"
                  "ExecStart=/usr/bin/docker system prune --force")
        self.unit("prune.timer", "[Timer]\nOnCalendar=monthly")
        self.assert_healthy(d)  # nobody runs it
        self.machine.systemctl("start", "prune.timer")
        command = self.find(d, "prune-scheduled", "odp", "prune.service runs docker system prune",
                            "wiki")
        self.assertTrue(command.startswith("systemctl edit --full prune.service"))
        self.machine.run("sed", "-i", "s/--force/& --filter label!=keep/",
                         "/etc/systemd/system/prune.service")
        self.machine.systemctl("daemon-reload")
        self.assert_healthy(d)
        self.machine.systemctl("start", "prune.service")
        self.assertNotEqual(e.inspect("wiki", "{{.Id}}"), "")  # it is true
        self.machine.systemctl("stop", "prune.timer")
        path = "/etc/cron.weekly/tidy"
        self.machine.write(path, "#!/bin/sh\n# docker container prune -f\ndocker image prune -af &&"
                           " docker container prune -f\n", 0o755)
        self.addCleanup(os.unlink, self.machine.path(path))
        command = self.find(d, "prune-scheduled", "odp", f"{path} runs docker container prune")
        self.assertIn("prune -f", self.machine.run("sh", "-c", command.split(" (")[0]).stdout)
        self.machine.run(path)
        self.assertEqual(e.inspect("wiki", "{{.Id}}"), "")

    def test_what_sleeps_may_be_pruned(self):
        _, d = self.begin()
        self.assertIn("docker system prune", d.odp("doctor").stderr)
        self.wake("wiki")
        self.assertNotIn("prune", d.odp("doctor").stderr)

    def test_docker_is_down(self):
        _, d = self.begin()
        self.machine.systemctl("stop", "docker.socket", "docker.service")
        self.addCleanup(self.machine.systemctl, "start", "docker.socket", "docker.service")
        self.find_and_mend(d, "engine-down", "odp", "docker does not answer at /run/docker.sock",
                           command="systemctl enable --now docker.socket")
        self.wake("wiki")

    def test_docker_of_a_user(self):
        e = self.engine("docker")
        self.create(e, "wiki")
        d = self.odpd({"wiki": self.file("wiki", backend="type = docker")}, user=USER)
        self.start_fails(d)
        command = self.find(d, "engine-denied", "odp", f"{USER} may not use /run/docker.sock")
        self.addCleanup(self.machine.run, "gpasswd", "-d", USER, "docker")
        self.machine.run("sh", "-c", command.replace("sudo ", ""))
        # The service manager's end was odpd's, too.
        d.hang_up()
        d.start()
        self.assert_healthy(d)
        self.wake("wiki")


class TestFights(ContainerDoctorCase):
    """A container that docker starts by itself, and odp."""

    def test_it_comes_back_with_docker_and_is_put_to_sleep(self):
        e, d = self.begin("--restart=always", idle="2s")
        self.wake("wiki")
        self.await_down(d)
        self.assertFalse(e.is_running("wiki"))
        self.machine.systemctl("restart", "docker.service")
        until(lambda: e.is_running("wiki"), "docker has started it by itself")
        d.await_state("wiki", "ready")
        self.await_down(d)
        self.assertFalse(e.is_running("wiki"))
        self.assertIn("quiet for 2s", self.why(d))
        self.assertEqual(d.status("wiki")["failed_wakes"], 0)
        self.wake("wiki")

    def test_stopped_by_hand(self):
        e, d = self.begin("--restart=always")
        self.wake("wiki")
        started = e.inspect("wiki", "{{.State.StartedAt}}")
        e.command("stop", "--time", "5", "wiki")
        self.await_down(d)
        self.assertEqual(e.inspect("wiki", "{{.State.Running}} {{.State.StartedAt}}"),
                         f"false {started}")
        self.wake("wiki")
        self.assertNotEqual(e.inspect("wiki", "{{.State.StartedAt}}"), started)


class TestProject(ContainerDoctorCase):
    def test_project(self):
        e = self.engine("docker")
        text = self.file("wiki").replace("container = wiki\n", "project = wiki\n")
        d = self.odpd({"wiki": text})
        self.find(d, "container-missing", "wiki", "docker has no containers of project wiki")
        label = "--label=com.docker.compose.project=wiki"
        self.create(e, "wiki-app-1", options=[label], port=self.target("wiki"))
        e.command("create", "--name=wiki-db-1", label, "--restart=always", engines.IMAGE,
                  *engines.SERVE)
        e.command("create", "--name=wiki-run-1", label, "--restart=always",
                  "--label=com.docker.compose.oneoff=True", engines.IMAGE, *engines.SERVE)
        command = self.find(d, "container-restarts", "wiki", "wiki-db-1 has the restart policy")
        self.assertEqual(command, "docker update --restart=no wiki-db-1 (and take restart: out of "
                         "its compose file)")
        self.mend(d, command.split(" (")[0])

    def test_slow_health_check_that_another_container_waits_for(self):
        """Whatever the probe is."""
        e = self.engine("docker")
        compose = "--label=com.docker.compose"
        for name, options in (
                ("app", [f"{compose}.depends_on=db:service_healthy:false",
                         f"--publish=127.0.0.1:{self.target('wiki')}:80"]),
                ("db", ["--health-cmd=true"])):
            e.command("create", f"--name=wiki-{name}-1", f"{compose}.project=wiki",
                      f"{compose}.service={name}", *options, engines.IMAGE, *engines.SERVE)
        text = self.file("wiki").replace("container = wiki\n", "project = wiki\n")
        d = self.odpd({"wiki": text})
        command = self.find(d, "health-slow", "wiki", "wiki-db-1 is first made after 30s")
        self.assertIn("with interval: 2s below healthcheck:)", command)


class TestPodman(ContainerDoctorCase):
    def test_restarts(self):
        e, d = self.begin("--restart=always", name="podman")
        self.assert_healthy(d)  # nobody starts it at boot
        self.machine.systemctl("enable", "podman-restart.service")
        self.find_and_mend(d, "container-restarts", "wiki", "by which podman-restart.service",
                           command="systemctl disable podman-restart.service")
        self.wake("wiki")
        self.assert_healthy(d)

    def test_faults(self):
        e, d = self.begin(name="podman")
        port, target = self.port("wiki"), self.target("wiki")
        self.recreate(e, "--rm", ports=[f"127.0.0.1:{target}:80"])
        self.find(d, "container-removed", "wiki", "by which podman removes it")
        self.recreate(e, ports=[f"{port}:80", f"{target}:80"])
        self.assertEqual([f["kind"] for f in self.doctor(d)], ["port-published", "target-open"])
        e.remove("wiki")
        self.find(d, "container-missing", "wiki", "podman has no container wiki")

    def test_slow_health_check(self):
        e = self.engine("podman")
        serve = "(sleep 2; echo > /tmp/ok) & " + engines.SERVE[-1]
        self.create(e, "wiki", ("/bin/sh", "-c", serve),
                    ["--health-cmd=test -e /tmp/ok", "--health-interval=6s"])
        _, d = self.begin(name="podman", create=False, ready="")
        self.assert_healthy(d)  # it may be healthy at once
        self.wake("wiki")
        self.find(d, "health-slow", "wiki", "the health check of wiki is made at once, and then "
                  "every 6s: the last wake took ")

    def test_socket_is_off(self):
        _, d = self.begin(name="podman")
        self.machine.systemctl("stop", "podman.socket", "podman.service")
        self.addCleanup(self.machine.systemctl, "start", "podman.socket")
        self.find_and_mend(d, "engine-down", "odp", "podman does not answer at",
                           command="systemctl enable --now podman.socket")
        self.wake("wiki")


if __name__ == "__main__":
    unittest.main()
