# SPDX-License-Identifier: LGPL-2.1-or-later
#
# odp doctor on ways to containers, and on engines of users, with real ones: what it says is true,
# and what it prints mends it.

import unittest

import engines
from harness import until
from machine import USER
from test_doctor_containers import ContainerDoctorCase


class TestOwnAddress(ContainerDoctorCase):
    """Targets of auto:PORT."""

    def serve(self, name, *options, user=None):
        e = self.engine(name)
        e.command("create", "--name", "wiki", *options, engines.IMAGE, *engines.SERVE)
        text = self.file("wiki", backend=f"type = {e.name}")
        text = text.replace(f"target = 127.0.0.1:{self.target('wiki')}", "target = auto:80")
        return e, self.odpd({"wiki": text}, user=user)

    def test_docker(self):
        e, d = self.serve("docker")
        self.assert_healthy(d)
        self.wake("wiki")
        self.assert_healthy(d)
        d.odp("stop", "wiki")
        e.remove("wiki")
        e.command("create", "--name=wiki", "--network=none", engines.IMAGE, *engines.SERVE)
        command = self.find(d, "target-unreachable", "wiki", "wiki is in no network")
        self.assertEqual(command, "docker inspect wiki (and create it anew with --network bridge)")

    def test_internal_network_of_podman(self):
        e = self.engine("podman")
        e.command("network", "create", "--internal", "attic")
        self.addCleanup(lambda: (e.remove_all(), e.command("network", "rm", "attic")))
        _, d = self.serve("podman", "--network=attic")
        self.assertIn("this machine has no way into its network", self.start_fails(d))
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        self.find_and_mend(d, "target-unreachable", "wiki", "its target auto:80 cannot be reached: "
                           "wiki is in a network that this machine has no way into, attic")
        self.wake("wiki")
        self.assert_healthy(d)

    def test_podman(self):
        _, d = self.serve("podman")
        self.assert_healthy(d)
        self.wake("wiki")
        self.assert_healthy(d)

    def test_host_network(self):
        _, d = self.serve("podman", "--network=host")
        self.assert_healthy(d)
        text = self.file("wiki", backend="type = podman")
        text = text.replace(f"listen = {self.port('wiki')}", "listen = 80")
        d.write_service("wiki", text.replace(f"target = 127.0.0.1:{self.target('wiki')}",
                                             "target = auto:80"))
        d.odp("reload")
        self.find(d, "target-unreachable", "wiki", "wiki has this machine's network, where odp "
                  "itself listens on that port")

    def test_rootless(self):
        e, d = self.serve("rootless podman", user=USER)
        self.assertIn("(of a rootless engine)", self.start_fails(d))
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        command = self.find(d, "target-unreachable", "wiki", "wiki is in a network of its engine's "
                            "user, which this machine has no way into")
        self.assertEqual(command, "podman inspect wiki (and create it anew with the port "
                         "127.0.0.1:10080:80, and write target = 127.0.0.1:10080 in "
                         f"{d.inside}/config/services/wiki.ini)")
        e.remove("wiki")
        e.command("create", "--name=wiki", "--publish=127.0.0.1:10080:80", engines.IMAGE,
                  *engines.SERVE)
        command = self.find(d, "target-unreachable", "wiki")
        self.assertIn("(and write target = 127.0.0.1:10080 in ", command)
        self.assertIn("10080", self.machine.run("sh", "-c", command.split(" (")[0], user=USER).stdout)
        d.write_service("wiki", self.file("wiki", backend="type = podman").replace(
            f":{self.target('wiki')}", ":10080"))
        self.assertEqual(d.odp("reload").returncode, 0)
        self.assert_healthy(d)
        self.wake("wiki")
        self.assert_healthy(d)

    def test_rootless_on_the_host_network(self):
        e = self.engine("rootless podman")
        serve = engines.SERVE[-1].replace("-p 80", "-p 8080")
        e.command("create", "--name=wiki", "--network=host", engines.IMAGE, "/bin/sh", "-c", serve)
        text = self.file("wiki", backend="type = podman").replace(
            f"target = 127.0.0.1:{self.target('wiki')}", "target = auto:8080")
        d = self.odpd({"wiki": text}, user=USER)
        self.assert_healthy(d)
        self.wake("wiki")
        self.assert_healthy(d)


class TestPortOfAnother(ContainerDoctorCase):
    """A container that is not odp's publishes the port: it is to be found, not its helper killed."""

    def check(self, name, program, prefix="", **options):
        e = self.engine(name)
        d = self.odpd({"wiki": self.file("wiki", backend="type = podman")}, start=False)
        e.run("other", f"--publish=127.0.0.1:{self.port('wiki')}:80")
        d.start(ready=False)
        until(d.is_listening, "it is asked")
        self.create(self.engine("podman"), "wiki")
        command = self.find(d, "port-taken", "wiki",
                            f"is taken by a port that podman publishes, {program} (pid ")
        self.assertEqual(command, f"{prefix}podman port --all")
        said = self.machine.run("sh", "-c", command.removeprefix(prefix), **options).stdout
        self.assertIn(f"-> 127.0.0.1:{self.port('wiki')}", said)
        e.remove("other")

    def test_podman(self):
        self.check("podman", "conmon")

    def test_rootless(self):
        uid = self.machine.enable_user(USER)
        self.check("rootless podman", "rootlessport", f"sudo -iu '#{uid}' ", user=USER)


class TestNetworkOfAnother(ContainerDoctorCase):
    """Who has the network publishes the port of who is in it, and may run while that sleeps."""

    def check(self, name, container, *command):
        """The service's container is made by the command, and `container` publishes for it."""
        e = self.engine(name)
        e.command(*command, engines.IMAGE, *engines.SERVE)
        d = self.odpd({"wiki": self.file("wiki", backend=f"type = {name}")})
        self.assert_healthy(d)
        self.wake("wiki")
        self.assert_healthy(d)
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        self.assertTrue(e.is_running(container))
        self.assert_healthy(d)

    def test_docker(self):
        e = self.engine("docker")
        e.run("vpn", f"--publish=127.0.0.1:{self.target('wiki')}:80", command=("sleep", "1h"))
        self.check("docker", "vpn", "create", "--name=wiki", "--network=container:vpn")

    def test_pod(self):
        e = self.engine("podman")
        self.addCleanup(e.command, "pod", "rm", "--force", "--time=0", "shop")
        e.command("pod", "create", "--name=shop", "--infra-name=shop-infra",
                  f"--infra-image={engines.IMAGE}", "--infra-command=/bin/sleep 1h",
                  f"--publish=127.0.0.1:{self.target('wiki')}:80")
        self.check("podman", "shop-infra", "create", "--name=wiki", "--pod=shop")


class TestRootless(ContainerDoctorCase):
    """Podman of a user."""

    def test_of_the_user(self):
        e = self.engine("rootless podman")
        d = self.odpd({"wiki": self.file("wiki", backend="type = podman")}, user=USER)
        command = self.find(d, "container-missing", "wiki", "podman has no container wiki")
        self.assertTrue(command.startswith("podman ps --all (and create it"))
        self.create(e, "wiki")
        self.assert_healthy(d)
        self.wake("wiki")
        self.assert_healthy(d)
        d.odp("stop", "wiki")
        self.recreate(e, "--rm", ports=[f"127.0.0.1:{self.target('wiki')}:80"])
        self.find(d, "container-removed", "wiki", "by which podman removes it")
        self.recreate(e, ports=[f"{self.target('wiki')}:80"])
        self.find(d, "target-open", "wiki", "on all addresses")

    def test_its_socket_is_off(self):
        e = self.engine("rootless podman")
        self.create(e, "wiki")
        d = self.odpd({"wiki": self.file("wiki", backend="type = podman")}, user=USER)
        self.turn_off()
        self.find_and_mend(d, "engine-down", "odp", "podman does not answer at", user=USER,
                           command="systemctl --user enable --now podman.socket")
        self.wake("wiki")

    def turn_off(self):
        self.machine.systemctl("stop", "podman.socket", "podman.service", user=USER)
        self.addCleanup(self.machine.systemctl, "start", "podman.socket", user=USER)

    def test_from_the_system(self):
        uid = self.machine.enable_user(USER)
        socket = f"/run/user/{uid}/podman/podman.sock"
        e = self.engine("rootless podman")
        d = self.odpd({"wiki": self.file("wiki", backend=f"type = podman\nsocket = {socket}")})
        command = self.find(d, "container-missing", "wiki", "podman has no container wiki")
        self.create(e, "wiki")
        # Asked as it is printed, it is that user's.
        done = self.machine.run("sh", "-c", command.split(" (")[0])
        self.assertRegex(done.stdout, r"(?m)\bwiki$")
        self.assert_healthy(d)
        self.wake("wiki")
        self.assert_healthy(d)
        self.turn_off()
        self.find_and_mend(d, "engine-down", "odp", "podman does not answer at " + socket,
                           command=f"loginctl enable-linger {USER} && systemctl --user "
                           f"--machine={USER}@ enable --now podman.socket")
        self.wake("wiki")


if __name__ == "__main__":
    unittest.main()
