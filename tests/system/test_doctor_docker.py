# SPDX-License-Identifier: LGPL-2.1-or-later
#
# odp doctor on units that run containers, with a real dockerd: what it says is true.

import engines
from doctor import Doctor
from harness import until


class TestDocker(Doctor, engines.EngineCase):
    def test_a_port_that_a_container_publishes(self):
        e = self.engine("docker")
        files = {"wiki": self.file("wiki", units=["docker-wiki.service"],
                                   backend="container = wiki")}
        self.docker_unit("wiki", [f"127.0.0.1:{self.target('wiki')}:80"])
        d = self.odpd(files)
        self.assert_healthy(d)
        self.assertEqual(self.get(self.port("wiki")), (200, engines.PAGE))
        self.assert_healthy(d)
        d.odp("stop", "wiki")
        d.terminate()
        e.run("other", f"--publish={self.port('wiki')}:80")
        d.start(ready=False)
        until(d.is_listening, "it is asked")
        command = self.find(d, "port-taken", "wiki", "docker-proxy (pid ")
        self.assertIn("other", self.machine.run("sh", "-c", command).stdout)

    def test_a_container_that_docker_starts_at_boot(self):
        e = self.engine("docker")
        files = {"wiki": self.file("wiki", units=["wiki.service"], backend="container = wiki")}
        self.unit("wiki.service", e.unit("wiki", [f"127.0.0.1:{self.target('wiki')}:80"],
                                         ["--restart=always"]).replace("--rm ", ""))
        d = self.odpd(files)
        self.assertEqual(self.get(self.port("wiki")), (200, engines.PAGE))
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        self.assertFalse(e.is_running("wiki"))
        self.find(d, "container-restarts", "wiki", "starts it at boot")
        self.machine.systemctl("restart", "docker.service")
        until(lambda: e.is_running("wiki"), "docker has started it by itself")
        self.assertNotEqual(self.machine.show("wiki.service", "ActiveState"), "active")

    def test_what_docker_says_of_them(self):
        """A unit that starts one that is there; and what it is not."""
        e = self.engine("docker")
        target = self.target("wiki")
        e.command("create", "--name=wiki", "--restart=always", f"--publish={target}:80",
                  engines.IMAGE, *engines.SERVE)
        self.unit("wiki.service", "[Service]\nExecStart=/usr/bin/docker start --attach wiki\n"
                                  "ExecStop=/usr/bin/docker stop wiki\n")
        d = self.odpd({"wiki": self.file("wiki", units=["wiki.service"], backend="container = wiki")})
        found = {f["kind"]: f for f in self.doctor(d)}
        self.assertEqual(sorted(found), ["container-restarts", "target-open"])
        self.machine.run("sh", "-ec", found["container-restarts"]["command"])
        command = found["target-open"]["command"]
        self.assertTrue(command.endswith(f" (and make it anew with the port 127.0.0.1:{target}:80)"))
        self.assertIn("ExecStop", self.machine.run("sh", "-ec", command.split(" (")[0]).stdout)
        e.remove("wiki")
        e.command("create", "--name=wiki", f"--publish=127.0.0.1:{target}:80", engines.IMAGE,
                  *engines.SERVE)
        self.assert_healthy(d)
        self.assertEqual(self.get(self.port("wiki")), (200, engines.PAGE))
        self.assert_healthy(d)
        # Another name than the unit's: nothing is wrong until its container is to be there.
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        d.write_service("wiki", self.file("wiki", units=["wiki.service"],
                                          backend="container = wikki"))
        self.assertEqual(d.odp("reload").returncode, 0)
        self.assert_healthy(d)
        self.assertEqual(d.odp("start", "wiki").returncode, 0)
        command = self.find(d, "container-missing", "wiki", "docker has no container wikki")
        self.assertTrue(command.startswith("docker ps --all (and mend container = "))
