# SPDX-License-Identifier: LGPL-2.1-or-later
#
# odp doctor on faults that are made for real: those of units, ports, files and of odpd itself.

import os

import machine
from doctor import DoctorCase
from harness import until


class TestHealthy(DoctorCase):
    def test_units_asleep_and_awake(self):
        files = {"web": self.file("web"), "echo": self.file("echo"), "idle": self.file("idle")}
        for name in files:
            self.service(name)
        d = self.odpd(files)
        self.assert_healthy(d)
        self.talk("echo")
        self.assert_healthy(d)
        self.assertEqual(self.starts("web") + self.starts("idle"), 0)  # looking wakes nothing
        self.assertEqual(d.status("echo")["connections"], 1)

    def test_usage(self):
        d = self.odpd({})
        self.assertEqual(d.odp("doctor", "web").returncode, 2)
        self.assertEqual(d.odp("doctor", "--nonsense").returncode, 2)

    def test_a_user(self):
        files = {"mine": self.file("mine")}
        self.service("mine", user=machine.USER)
        d = self.odpd(files, user=machine.USER)
        self.assert_healthy(d)
        self.talk("mine")
        self.assert_healthy(d)


class TestUnitFaults(DoctorCase):
    def test_missing(self):
        d = self.odpd({"web": self.file("web")})
        self.assertIn("daemon-reload",
                      self.find(d, "unit-missing", "web", "there is no web.service"))

    def test_masked(self):
        d = self.odpd({"web": self.file("web")})
        self.service("web")
        self.machine.run("sh", "-c", "mkdir -p /run/systemd/system.control; "
                         "ln -s /dev/null /run/systemd/system.control/web.service")
        self.addCleanup(self.machine.run, "rm", "-f", "/run/systemd/system.control/web.service")
        self.machine.daemon_reload()
        command = self.find(d, "unit-masked", "web", "web.service is masked")
        self.assertEqual(command, "systemctl unmask web.service")

    def test_faulty(self):
        d = self.odpd({"web": self.file("web")})
        self.unit("web.service", "[Service]\nType=oneshot")
        self.find(d, "unit-faulty", "web", "bad-setting")

    def test_failed(self):
        d = self.odpd({"web": self.file("web")})
        self.unit("web.service", "[Service]\nExecStart=/bin/false")
        self.machine.systemctl("start", "web.service")
        until(lambda: self.machine.show("web.service", "ActiveState") == "failed", "it has failed")
        command = self.find(d, "unit-failed", "web", "web.service has failed: exit-code")
        self.assertEqual(command, "journalctl -n 20 -u web.service")

    def test_start_limit(self):
        d = self.odpd({"web": self.file("web")})
        self.unit("web.service", """
            [Unit]
            StartLimitBurst=1
            StartLimitIntervalSec=1h
            [Service]
            ExecStart=/bin/false
            Restart=always
            RestartSec=1ms
            """)
        self.machine.systemctl("start", "web.service")
        until(lambda: self.machine.show("web.service", "Result") == "start-limit-hit" or
              self.machine.show("web.service", "ActiveState") == "failed", "it has failed")
        found = self.doctor(d)
        self.assertEqual([f["kind"] for f in found], ["unit-failed"])

    def test_loop(self):
        files = {"web": self.file("web")}
        self.unit("web.service", """
            [Unit]
            StartLimitIntervalSec=0
            [Service]
            ExecStart=/bin/false
            Restart=always
            RestartSec=10ms
            """)
        d = self.odpd(files)
        self.machine.systemctl("start", "web.service")
        until(lambda: int(self.machine.show("web.service", "NRestarts")) >= 3, "it loops")
        command = self.find(d, "unit-loops", "web", "its Restart= starts it again")
        self.machine.run("sh", "-c", command)
        self.assertFalse(self.is_active("web"))

    def test_at_boot(self):
        d = self.odpd({"web": self.file("web")})
        self.service("web", text="[Install]\nWantedBy=multi-user.target")
        self.machine.systemctl("enable", "web.service")
        self.find_and_mend(d, "unit-at-boot", "web", "web.service is started at boot",
                           command="systemctl disable web.service")

    def test_at_boot_by_its_target(self):
        d = self.odpd({"web": self.file("web", backend="stop_unit = all.target")})
        self.unit("all.target", "[Install]\nWantedBy=multi-user.target")
        self.service("web", unit="PartOf=all.target", text="[Install]\nWantedBy=all.target")
        self.machine.systemctl("enable", "web.service")
        self.addCleanup(self.machine.systemctl, "disable", "web.service")
        self.assert_healthy(d)  # that target is for nobody yet
        self.machine.systemctl("enable", "all.target")
        self.find_and_mend(d, "unit-at-boot", "web", "by all.target",
                           command="systemctl disable all.target")

    def test_at_boot_and_never_stopped(self):
        d = self.odpd({"web": self.file("web", idle="infinity")})
        self.service("web", text="[Install]\nWantedBy=multi-user.target")
        self.machine.systemctl("enable", "web.service")
        self.addCleanup(self.machine.systemctl, "disable", "web.service")
        self.assert_healthy(d)

    def test_stop_when_unneeded(self):
        d = self.odpd({"web": self.file("web")})
        self.service("web", unit="StopWhenUnneeded=yes")
        self.addCleanup(self.machine.run, "rm", "-rf", "/etc/systemd/system/web.service.d")
        self.find_and_mend(d, "unit-unneeded", "web", "StopWhenUnneeded=yes")
        self.talk("web")  # it stays

    def test_upheld(self):
        d = self.odpd({"web": self.file("web")})
        self.service("web")
        self.unit("keeper.service", """
            [Unit]
            Upholds=web.service
            [Service]
            ExecStart=/bin/sleep infinity
            """)
        self.machine.systemctl("start", "keeper.service")
        # It is true: what is stopped is started again.
        until(lambda: self.starts("web") == 1, "it is there")
        self.machine.systemctl("stop", "web.service")
        until(lambda: self.starts("web") > 1, "it is started again")
        self.find(d, "unit-upheld", "web", "keeper.service has Upholds=web.service")

    def test_restart_always_does_not_fight(self):
        d = self.odpd({"web": self.file("web")})
        self.service("web", text="Restart=always\nRestartSec=10ms")
        self.talk("web").close()
        self.assertEqual(d.odp("stop", "web").returncode, 0)
        self.assertFalse(self.is_active("web"))
        self.assert_healthy(d)

    def test_oneshot(self):
        d = self.odpd({"web": self.file("web")})
        self.unit("web.service", "[Service]\nType=oneshot\nExecStart=/bin/true")
        self.addCleanup(self.machine.run, "rm", "-rf", "/etc/systemd/system/web.service.d")
        self.find_and_mend(d, "unit-oneshot", "web", "Type=oneshot")

    def test_slow_stop(self):
        d = self.odpd({"web": self.file("web")})
        self.service("web", text="TimeoutStopSec=10min")
        self.find_and_mend(d, "unit-slow-stop", "web", "may take 10min to stop")

    def test_stop_unit_stops_nothing(self):
        d = self.odpd({"web": self.file("web", backend="stop_unit = all.target")})
        self.unit("all.target", "[Unit]\nDescription=all of it")
        self.service("web")
        self.addCleanup(self.machine.run, "rm", "-rf", "/etc/systemd/system/web.service.d")
        self.find_and_mend(d, "stop-unit", "web", "stopping all.target leaves web.service running")

    def test_changed(self):
        d = self.odpd({"web": self.file("web")})
        self.service("web")
        self.machine.systemctl("start", "web.service")
        until(lambda: self.starts("web") == 1, "it runs")
        path = self.machine.path("/etc/systemd/system/web.service")
        os.utime(path, (2_000_000_000, 2_000_000_000))
        command = self.find(d, "unit-changed", "web", "has changed since systemd read it")
        self.assertEqual(command, "systemctl daemon-reload")
        done = d.odp("doctor", "--fix")
        self.assertEqual(done.stdout, "did systemctl daemon-reload\nnothing found\n")
        self.assertTrue(self.is_active("web"))

    def test_scope(self):
        d = self.odpd({"web": self.file("web", backend="scope = user")})
        self.service("web")
        self.find_and_mend(d, "wrong-scope", "web", "scope = user")

    def test_docker_clients(self):
        d = self.odpd({"web": self.file("web", backend="container = web")})
        port, target = self.port("web"), self.target("web")

        def client(options):
            self.machine.write("/etc/systemd/system/web.service", "[Service]\n"
                               f"ExecStart=/usr/bin/docker run --name web {options} image\n")
            self.machine.daemon_reload()

        self.unit("web.service", "[Service]\nExecStart=/bin/true")
        client(f"--rm -p 127.0.0.1:{target}:80")
        self.assert_healthy(d)
        client(f"--rm -p {port}:80")
        self.find(d, "port-published", "web", f"publishes port {port} by docker itself")
        client(f"--restart=always -p 127.0.0.1:{target}:80")
        self.find(d, "container-restarts", "web", "--restart always")
        client(f"--restart=unless-stopped -p 127.0.0.1:{target}:80")
        self.assert_healthy(d)
        client(f"-d -p 127.0.0.1:{target}:80")
        self.find(d, "container-detached", "web", "--detach")
        client(f"--rm -p 127.0.0.1:{target}:80 image -p {port}:80 -d")  # its program's own
        self.assert_healthy(d)

    def test_docker_client_without_container(self):
        d = self.odpd({"web": self.file("web")})
        self.unit("web.service", "[Service]\nExecStart=/usr/bin/docker run --rm --name=%p-1 image")
        command = self.find(d, "no-container", "web", "web.service runs a container by docker")
        self.assertIn("container = web-1/", command)
        self.mend(d, command)
        self.assertIn("\n[backend]\ncontainer = web-1\n",
                      self.machine.read(f"{d.inside}/config/services/web.ini"))

    def test_podman_client_without_container(self):
        """As `podman generate systemd` writes it."""
        d = self.odpd({"web": self.file("web")})
        self.unit("web.service", "[Service]\nType=forking\nExecStart=/usr/bin/podman start wiki\n")
        self.mend(d, self.find(d, "no-container", "web", "web.service runs a container by podman"))
        self.assertIn("\n[backend]\ncontainer = wiki\nengine = podman\n",
                      self.machine.read(f"{d.inside}/config/services/web.ini"))

    def test_docker_client_in_a_script(self):
        d = self.odpd({"web": self.file("web")})
        script = f"{d.inside}/start"
        self.machine.write(script, "#!/bin/sh\nset -e\npodman rm -f wiki || true\n"
                           "exec podman \\\n  run \\\n  --rm \\\n  --name='wiki' \\\n  image\n",
                           0o755)
        self.unit("web.service", f"[Service]\nExecStart={script}")
        command = self.find(d, "no-container", "web", "by podman")
        self.assertIn("container = wiki\\nengine = podman/", command)
