# SPDX-License-Identifier: LGPL-2.1-or-later
#
# In which control groups services run, as real service managers and engines tell it, and what
# becomes of their memory where the kernel does not count it here.

import json
import unittest

import engines
import installed
import machine
import units
from harness import is_sanitized, until

UNTOLD = "it is not known yet where it runs"
OFF = "the kernel's memory controller is off: boot with cgroup_enable=memory"


class MemoryCase(engines.EngineCase):
    def groups(self, d, name, n=1):
        """The groups that odpd was told of, once there are n of them."""
        mark = f"{name}: runs in "
        lines = until(lambda: (found := [line.partition(mark)[2] for line in d.log().splitlines()
                                         if mark in line]) and len(found) >= n and found,
                      f"{n} groups of {name} are told")
        return sorted(set(lines))

    def await_told(self, d, name):
        """The service's status once it is told where it runs."""
        return until(lambda: (s := d.status(name))["memory_reason"] != UNTOLD and s,
                     f"it is told where {name} runs")

    def assert_memory(self, status):
        """A number where the machine's kernel counts it, else the reason."""
        if "memory" in self.machine.read("/sys/fs/cgroup/cgroup.controllers").split():
            self.assertGreater(status["memory_bytes"], 4096)
            self.assertIsNone(status["memory_reason"])
        else:
            self.assertIsNone(status["memory_bytes"])
            self.assertEqual(status["memory_reason"], OFF)


class TestUnits(MemoryCase):
    def test_a_unit(self):
        files = {"app": self.file("app")}
        self.service("app")
        d = self.odpd(files)
        status = d.status("app")
        self.assertEqual((status["memory_bytes"], status["memory_reason"]), (None, None))
        self.talk("app").close()
        self.assertEqual(self.groups(d, "app"), ["/system.slice/app.service"])
        self.assert_memory(self.await_told(d, "app"))
        out = d.odp("status", "app").stdout.splitlines()[1].split()
        self.assertEqual(out[0], "app")
        self.assertIn("memory   ", d.odp("why", "app").stdout)
        # Asking is no activity: it sleeps all the same, and then nothing is known of it.
        d.odp("stop", "app")
        self.assertEqual(d.status("app")["memory_reason"], None)

    def test_a_unit_that_runs_already(self):
        files = {"app": self.file("app")}
        self.service("app")
        self.machine.systemctl("start", "app.service")
        d = self.odpd(files)
        d.await_state("app", "ready")
        self.assertEqual(self.groups(d, "app"), ["/system.slice/app.service"])

    def test_the_members_of_a_target(self):
        files = {"app": self.file("app", units=["all.target"])}
        self.service("app", unit="PartOf=all.target\n")
        self.unit("db.service", "[Unit]\nPartOf=all.target\n[Service]\nSlice=db.slice\n"
                  "ExecStart=/bin/sleep infinity")
        self.unit("other.service", "[Service]\nExecStart=/bin/sleep infinity")
        self.unit("all.target", "[Unit]\nWants=app.service db.service other.service\n")
        d = self.odpd(files)
        self.talk("app").close()
        self.assertEqual(self.groups(d, "app", 2),
                         ["/db.slice/db.service", "/system.slice/app.service"])
        self.assert_memory(self.await_told(d, "app"))
        self.assertEqual(d.odp("stop", "app").returncode, 0)

    def test_a_target_that_only_starts(self):
        files = {"app": self.file("app", units=["all.target"],
                                  backend="stop_unit = app.service")}
        self.service("app")
        self.unit("all.target", "[Unit]\nWants=app.service\n")
        d = self.odpd(files)
        self.talk("app").close()
        self.assertEqual(self.groups(d, "app"), ["/system.slice/app.service"])

    def test_units_of_a_user(self):
        files = {"mine": self.file("mine")}
        self.service("mine", user=machine.USER)
        d = self.odpd(files, user=machine.USER)
        self.talk("mine").close()
        uid = self.machine.enable_user(machine.USER)
        self.assertEqual(self.groups(d, "mine"), [f"/user.slice/user-{uid}.slice/user@{uid}.service"
                                                  "/app.slice/mine.service"])

    def test_a_command_of_a_forked_launcher(self):
        files = {"cmd": f"""
            [service]
            listen = 4990
            target = 127.0.0.1:4991
            [backend]
            command = /usr/bin/python3 -IBS {machine.SERVERS}/echo.py --listen 127.0.0.1:4991
            """}
        d = self.odpd(files)
        self.ports["cmd"] = 4990
        self.talk("cmd").close()
        status = self.await_told(d, "cmd")
        self.assertIsNone(status["memory_bytes"])
        self.assertEqual(status["memory_reason"], "what runs has no control group of its own")
        d.odp("stop", "cmd")


class TestContainers(MemoryCase):
    def container(self, engine, backend=""):
        e = self.engine(engine)
        files = {"wiki": self.file("wiki", units=[f"{engine}-wiki.service"], ready="probe = http",
                                   backend=f"container = wiki\n{backend}")}
        self.docker_unit("wiki", [f"127.0.0.1:{self.target('wiki')}:80"], engine=engine)
        return e, files

    def test_docker(self):
        e, files = self.container("docker")
        d = self.odpd(files)
        self.assertEqual(self.get(self.port("wiki")), (200, engines.PAGE))
        group = f"/system.slice/docker-{e.inspect('wiki', '{{.Id}}')}.scope"
        self.assertEqual(self.groups(d, "wiki"), [group])
        self.assert_memory(self.await_told(d, "wiki"))
        # A new container, a new group.
        self.assertEqual(d.odp("stop", "wiki").returncode, 0)
        self.assertEqual(self.get(self.port("wiki")), (200, engines.PAGE))
        again = f"/system.slice/docker-{e.inspect('wiki', '{{.Id}}')}.scope"
        self.assertNotEqual(again, group)
        self.assertEqual(self.groups(d, "wiki", 2), sorted([group, again]))

    def test_podman(self):
        e, files = self.container("podman", "engine = podman")
        d = self.odpd(files)
        self.assertEqual(self.get(self.port("wiki")), (200, engines.PAGE))
        self.assertEqual(self.groups(d, "wiki"),
                         [f"/machine.slice/libpod-{e.inspect('wiki', '{{.Id}}')}.scope"])
        self.assert_memory(self.await_told(d, "wiki"))

    def test_processes_that_may_not_be_seen(self):
        e, files = self.container("docker")
        d = self.odpd(files, properties=["ProtectProc=invisible", "CapabilityBoundingSet=",
                                    "Group=nogroup"])
        self.assertEqual(self.get(self.port("wiki")), (200, engines.PAGE))
        self.assertEqual(self.groups(d, "wiki"),
                         [f"/system.slice/docker-{e.inspect('wiki', '{{.Id}}')}.scope"])

    def test_a_container_of_another_name(self):
        _, files = self.container("docker")
        files["wiki"] = files["wiki"].replace("container = wiki", "container = wikki")
        d = self.odpd(files)
        self.assertEqual(self.get(self.port("wiki")), (200, engines.PAGE))
        status = self.await_told(d, "wiki")
        self.assertEqual(status["state"], "ready")
        self.assertEqual(status["memory_reason"], "docker has no container wikki")

    def test_an_engine_that_is_gone(self):
        files = {"app": self.file("app", backend="container = app\nengine = docker")}
        self.service("app")
        e = self.engine("docker")
        self.machine.systemctl("stop", "docker.socket", "docker.service")
        self.addCleanup(self.machine.systemctl, "start", "docker.service")
        d = self.odpd(files)
        self.talk("app").close()
        status = self.await_told(d, "app")
        self.assertEqual(status["state"], "ready")
        self.assertRegex(status["memory_reason"],
                         rf"^cannot ask docker at {e.socket}: (connection refused|no such file)")
        self.assertEqual(d.log().count("its memory is not known: cannot ask docker"), 1)
        self.assertNotIn("-> failed", d.log())


class TestInstalled(installed.InstalledCase, MemoryCase):
    """Through both sandboxes: the launcher may ask, and odpd may read."""

    def status(self, name):
        return json.loads(self.odp("status", name, "--json").stdout)["services"][0]

    def await_memory(self, name):
        until(lambda: (s := self.status(name))["state"] == "ready" and
              s["memory_reason"] != UNTOLD, f"it is told where {name} runs")
        self.assert_memory(self.status(name))

    def test_unit_command_and_container(self):
        self.engine("docker")
        self.put("app", self.file("app"))
        self.put("wiki", self.file("wiki", units=["docker-wiki.service"], ready="probe = http",
                                   backend="container = wiki"))
        text = self.file("cmd")
        command = units.server("echo.py", self.target("cmd"))
        self.put("cmd", text.replace("unit = cmd.service", f"command = {command}"))
        self.service("app")
        self.docker_unit("wiki", [f"127.0.0.1:{self.target('wiki')}:80"])
        self.reload()
        self.machine.systemctl("start", "odp.target")
        self.talk("app").close()
        self.talk("cmd").close()
        self.assertEqual(self.get(self.port("wiki")), (200, engines.PAGE))
        for name in ("app", "cmd", "wiki"):
            self.await_memory(name)
        # The next odpd asks anew.
        self.machine.systemctl("restart", "odpd.service")
        for name in ("app", "cmd", "wiki"):
            self.await_memory(name)
        for name in ("app", "cmd", "wiki"):
            self.odp("stop", name)

    @unittest.skipIf(is_sanitized(), "sanitizers need memory of their own")
    def test_thirty_services_asleep_one_of_them_a_container(self):
        e = self.engine("docker")
        self.bind_programs()
        for name in (f"s{i}" for i in range(29)):
            self.put(name, self.file(name, idle="1s"))
            self.machine.write(f"/etc/systemd/system/{name}.service",
                               "[Service]\nExecStart=/usr/bin/sleep infinity\n")
            self.units.append((f"{name}.service", None))
        self.units.pop(0)
        self.service("s0")
        wiki = self.file("wiki", idle="1s", backend="type = docker\ncontainer = wiki")
        self.put("wiki", wiki.replace("unit = wiki.service", ""))
        e.command("create", "--name=wiki", f"--publish=127.0.0.1:{self.target('wiki')}:80",
                  engines.IMAGE, *engines.SERVE)
        self.reload()
        self.machine.systemctl("start", "odp.target")
        self.talk("s0").close()
        self.assertEqual(self.get(self.port("wiki")), (200, engines.PAGE))
        until(lambda: self.odp("status", "--json").stdout.count('"stopped"') == 30, "all sleep")
        pss, launcher = self.used("odpd.service")[1], self.used("odp-launcher.service")[1]
        print(f"with an engine that is followed: odpd PSS {pss} KiB, launcher PSS {launcher} KiB")
        self.assertLessEqual(pss + launcher, 2560)
