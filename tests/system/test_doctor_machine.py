# SPDX-License-Identifier: LGPL-2.1-or-later
#
# odp doctor on faults of the machine around the services, made for real: ports, targets, files,
# mounts, odpd and its launcher, the bus.

import os
import signal
import socket

import machine
from doctor import DoctorCase
from harness import until
from units import server


class PortCase(DoctorCase):
    def occupy(self, name, address):
        """A program that nobody expects listens there, as a unit of its own."""
        self.unit(f"{name}.service", "[Service]\nExecStart=" +
                  server("echo.py", 0).replace("127.0.0.1:0", str(address)))
        self.machine.systemctl("start", f"{name}.service")
        self.await_listener(str(address).rpartition(":")[2])

    def await_listener(self, port):
        until(lambda: f":{port} " in self.machine.run("ss", "-Hltn").stdout,
              f"somebody listens on {port}")


class TestPorts(PortCase):
    def test_taken_by_a_program(self):
        files = {"web": self.file("web"), "echo": self.file("echo")}
        self.service("web")
        self.service("echo")
        self.occupy("nuisance", f"127.0.0.1:{self.port('web')}")
        d = self.odpd(files, ready=False)
        until(lambda: d.is_listening(), "it is asked")
        command = self.find(d, "port-taken", "web", f"{self.port('web')}, where odp is to listen, "
                            "is taken by python3 (pid ", "of nuisance.service")
        self.assertEqual(command, "systemctl disable --now nuisance.service")
        self.machine.run("sh", "-c", command)
        d.odp("reload")
        self.assert_healthy(d)

    def test_taken_by_a_unit_without_a_file(self):
        files = {"web": self.file("web")}
        self.service("web")
        self.machine.run("systemd-run", "--unit=nuisance.service", *server(
            "echo.py", 0).replace("127.0.0.1:0", f"127.0.0.1:{self.port('web')}").split())
        self.addCleanup(self.machine.systemctl, "stop", "nuisance.service", check=False)
        self.await_listener(self.port("web"))
        d = self.odpd(files, ready=False)
        until(lambda: d.is_listening(), "it is asked")
        command = self.find(d, "port-taken", "web", "of nuisance.service")
        self.assertEqual(command, "systemctl stop nuisance.service")
        self.machine.run("sh", "-c", command)
        d.odp("reload")
        self.assert_healthy(d)

    def hold(self, port):
        listener = self.closing(socket.socket())
        listener.bind(("127.0.0.1", port))
        listener.listen()

    def test_taken_by_a_program_that_is_not_seen(self):
        files = {"web": self.file("web")}
        self.service("web")
        self.machine.in_network(self.hold, self.port("web"))
        d = self.odpd(files, ready=False)
        until(lambda: d.is_listening(), "it is asked")
        self.find(d, "port-taken", "web", "is taken by a program of another container")

    def test_an_old_socket_unit(self):
        files = {"web": self.file("web")}
        self.service("web")
        d = self.odpd(files)
        self.unit("web-proxy.socket", f"""
            [Socket]
            ListenStream={self.port('web')}
            [Install]
            WantedBy=sockets.target
            """)
        self.unit("web-proxy.service", f"""
            [Service]
            ExecStart=/lib/systemd/systemd-socket-proxyd 127.0.0.1:{self.target('web')}
            """)
        self.assert_healthy(d)
        self.machine.systemctl("enable", "web-proxy.socket")
        self.find_and_mend(d, "old-socket", "web", "web-proxy.socket listens on",
                           command="systemctl disable --now web-proxy.socket")

    def test_target_of_another_program(self):
        files = {"web": self.file("web")}
        self.service("web")
        d = self.odpd(files)
        self.occupy("nuisance", f"127.0.0.1:{self.target('web')}")
        self.find_and_mend(d, "target-taken", "web",
                           f"its target 127.0.0.1:{self.target('web')} is that of python3",
                           "of nuisance.service",
                           command="systemctl disable --now nuisance.service")

    def test_target_that_is_silent(self):
        files = {"web": self.file("web", ready="timeout = 500ms\nprobe = unit")}
        self.unit("web.service", "[Service]\nExecStart=/bin/sleep infinity")
        d = self.odpd(files)
        self.assertEqual(d.odp("start", "web").returncode, 0)
        until(lambda: self.doctor(d), "it had its time")
        command = self.find(d, "target-silent", "web", "web.service is active, but nobody listens "
                            f"on its target 127.0.0.1:{self.target('web')}")
        self.assertTrue(command.startswith("journalctl -n 20 -u web.service"))

    def test_target_that_is_open(self):
        files = {"web": self.file("web")}
        self.unit("web.service", "[Service]\nExecStart=" + server("echo.py", 0).replace(
            "127.0.0.1:0", f"0.0.0.0:{self.target('web')}"))
        d = self.odpd(files)
        self.talk("web")
        self.find(d, "target-open", "web", f"python3 listens on 0.0.0.0:{self.target('web')}")

    def test_address_of_another_machine(self):
        text = self.file("web").replace("listen = ", "listen = 192.0.2.1:")
        self.service("web")
        d = self.odpd({"web": text})
        command = self.find(d, "no-address", "web", "no interface of this machine has 192.0.2.1,")
        self.assertTrue(command.startswith("ip address"))
        self.machine.run("ip", "address", "add", "192.0.2.1/32", "dev", "lo")
        self.addCleanup(self.machine.run, "ip", "address", "del", "192.0.2.1/32", "dev", "lo")
        self.assert_healthy(d)
        self.machine.write(f"{d.inside}/config/services/web.ini", "\n".join(
            s.strip() for s in text.replace("192.0.2.1", "100.64.0.1").splitlines()))
        d.odp("reload")
        self.assertEqual(self.find(d, "no-address", "web", "100.64.0.1"), "tailscale up")


class TestFiles(PortCase):
    def place(self, d, name):
        return f"{d.inside}/config/services/{name}.ini"

    def sound(self):
        files = {"web": self.file("web")}
        self.service("web")
        return self.odpd(files)

    def add(self, d, section, line):
        self.machine.run("sed", "-i", rf"s|^\[{section}\]|&\n{line}|", self.place(d, "web"))
        d.odp("reload")

    def test_faulty(self):
        d = self.sound()
        self.add(d, "backend", "nonsense = 1")
        command = self.find(d, "file-faulty", "web", f"{self.place(d, 'web')}:5: ", "nonsense")
        self.assertEqual(command, f"odp check {self.place(d, 'web')}")
        self.assertIn("nonsense", self.machine.run("/odp/build/odp", "check", self.place(d, "web"),
                                                   check=False).stdout)

    def test_no_directory(self):
        d = self.sound()
        self.machine.run("mv", f"{d.inside}/config", f"{d.inside}/away")
        self.assertIn("mkdir -p", self.find(d, "no-services", "odp", "No such file or directory"))

    def test_changed_by_others(self):
        d = self.sound()
        self.machine.run("chown", "daemon", self.place(d, "web"))
        self.find(d, "file-owner", "web", "others than root may change")
        self.machine.run("chown", "root", self.place(d, "web"))
        self.machine.run("chmod", "0666", self.place(d, "web"))
        self.find_and_mend(d, "file-owner", "web", "others than root may change")

    def test_secret(self):
        d = self.sound()
        self.machine.write(self.place(d, "db"), f"""[service]
listen = {self.port('web') + 1000}
target = 127.0.0.1:{self.port('web') + 1001}
[backend]
command = /bin/sleep infinity
environment = TZ=Europe/Berlin
environment = DB_PASSWORD=x
""")
        d.odp("reload")
        self.find_and_mend(d, "secret-readable", "db", "everybody may read DB_PASSWORD in")

    def test_environment_file(self):
        d = self.sound()
        path = f"{d.inside}/db.env"
        self.machine.write(self.place(d, "db"), f"""[service]
listen = {self.port('web') + 1000}
target = 127.0.0.1:{self.port('web') + 1001}
[backend]
command = /bin/sleep infinity
environment_file = {path}
""")
        d.odp("reload")
        self.find_and_mend(d, "environment-file", "db", "No such file or directory")
        self.machine.run("chmod", "0644", path)
        self.find_and_mend(d, "environment-file", "db", "others may read or change")
        self.machine.run("chown", "daemon", path)
        self.find_and_mend(d, "environment-file", "db", "is not root's")

    def test_mount(self):
        self.machine.run("mkdir", "-p", "/media/FILMS")
        self.machine.write("/etc/fstab", "odp-test /media/FILMS tmpfs defaults 0 0\n")
        self.addCleanup(self.machine.write, "/etc/fstab", "")
        self.addCleanup(self.machine.run, "umount", "/media/FILMS", check=False)
        d = self.sound()
        self.add(d, "idle", "timeout = 1h\\n[requires]\\nmount = /media/FILMS\\n"
                 "path = /media/FILMS/new")
        self.machine.run("sed", "-i", "/^timeout = 5min/d", self.place(d, "web"))
        d.odp("reload")
        # What is on the missing disk is not told beside it.
        command = self.find(d, "mount-missing", "web", "/media/FILMS is not mounted")
        self.machine.run("sh", "-c", command)
        self.find_and_mend(d, "path-missing", "web", "/media/FILMS/new: No such file or directory",
                           command="mkdir -p /media/FILMS/new")

    def test_path_on_a_dead_disk(self):
        dead = "/media/DEAD"
        self.machine.run("mkdir", "-p", dead)
        self.unit("dead-disk.service", f"""
            [Service]
            Type=notify
            NotifyAccess=all
            ExecStart=/usr/bin/python3 -B /odp/tests/system/dead_disk.py {dead}
            """)
        self.machine.systemctl("start", "dead-disk.service")
        self.addCleanup(self.machine.run, "umount", "--lazy", dead, check=False)
        self.addCleanup(self.machine.systemctl, "stop", "dead-disk.service")
        d = self.sound()
        self.machine.run("sh", "-c", f"printf '[requires]\npath = {dead}/films\n' "
                         f">>{self.place(d, 'web')}")
        d.odp("reload")
        found = self.doctor(d)
        self.assertEqual([(f["kind"], f["name"]) for f in found], [("path-dead", "web")])
        self.assertIn(f"{dead}/films does not answer", found[0]["what"])
        self.assertIn(dead, self.machine.run("sh", "-c", found[0]["command"]).stdout)

    def test_an_edit_that_could_not_be_followed(self):
        d = self.sound()
        self.port("other")
        self.occupy("nuisance", f"127.0.0.1:{self.port('other')}")
        self.machine.run("sed", "-i", f"s/^listen = .*/listen = {self.port('other')}/",
                         self.place(d, "web"))
        d.odp("reload")
        self.machine.systemctl("stop", "nuisance.service")
        self.find_and_mend(d, "not-followed", "web", str(self.port("other")),
                           command="odp reload")
        self.connect(self.port("other")).close()

    def test_not_loaded(self):
        d = self.sound()
        self.machine.write(self.place(d, "late"), "\n".join(
            s.strip() for s in self.file("late").splitlines()))
        self.service("late")
        self.find_and_mend(d, "not-loaded", "late", "odpd does not know")


class TestOdpd(DoctorCase):
    def sound(self, user=None, **options):
        files = {"web": self.file("web")}
        self.service("web", user=user)
        return self.odpd(files, user=user, **options)

    def instead(self, d, odpd):
        """Has another program run in place of the odpd that was built."""
        arguments = d.arguments()
        d.arguments = lambda: [odpd, *arguments[1:]]

    def test_does_not_run(self):
        d = self.sound(start=False)
        done = d.odp("doctor", "--config", f"{d.inside}/config")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout, f"odp: odpd does not answer at {d.inside}/run: No such file "
                         f"or directory: odpd --config {d.inside}/config --runtime {d.inside}/run\n")

    def test_does_not_answer(self):
        d = self.sound()
        os.kill(d.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, d.pid, signal.SIGCONT)
        done = d.odp("doctor", "--config", f"{d.inside}/config")
        self.assertIn("odp: odpd does not answer at", done.stdout)

    def test_without_launcher(self):
        self.machine.run("cp", "/odp/build/odpd", "/tmp/odpd")
        self.machine.run("rm", "-f", "/tmp/odp-launcher")
        d = self.sound(start=False)
        self.instead(d, "/tmp/odpd")
        d.start(ready=False)
        until(lambda: os.path.exists(f"{d.runtime}/control.sock"), "it is asked")
        command = self.find(d, "launcher-off", "odp", "nothing can be started")
        self.assertIn("odp-launcher", self.machine.run("sh", "-c", command, check=False).stderr)

    def test_of_another_version(self):
        d = self.sound(start=False)
        self.machine.run("sh", "-c", "cp /odp/build/odp-launcher /tmp/; sed 's/0\\.1\\.0/0.0.9/' "
                         "/odp/build/odpd >/tmp/odpd; chmod +x /tmp/odpd")
        self.instead(d, "/tmp/odpd")
        d.start()
        self.assertEqual(self.find(d, "version", "odp", "odpd is of version 0.0.9, odp of 0.1.0"),
                         "systemctl restart odpd.service")

    def test_few_descriptors(self):
        d = self.sound(properties=["LimitNOFILE=512:512"])
        self.assertIn("ulimit -n", self.find(d, "few-descriptors", "web",
                                             "max_connections = 1024", "odpd has 512"))

    def test_no_systemd(self):
        """As in a container without one: neither it nor its bus is to be seen."""
        hide = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /run/systemd && "
                "mount -t tmpfs none /run/dbus && exec \"$@\"", "sh"]
        d = self.sound(start=False)
        arguments = d.arguments()
        d.arguments = lambda: ["/usr/bin/unshare", *hide[1:], *arguments]
        d.start()
        self.assertEqual(d.odp("start", "web").returncode, 1)
        done = self.machine.run(*hide, "/odp/build/odp", "--runtime", f"{d.inside}/run", "doctor",
                                check=False)
        self.assertIn("odp: systemd does not run here, but services are units of it: boot with "
                      "systemd, or use [backend] command\n", done.stdout)

    def test_systemd_is_silent(self):
        d = self.sound()
        self.machine.systemctl("stop", "dbus.socket", "dbus.service")
        self.machine.run("rm", "/run/systemd/private")
        command = self.find(d, "manager-silent", "odp", "systemctl says: Failed to connect to bus")
        self.machine.run("sh", "-c", command)
        until(lambda: os.path.exists(self.machine.path("/run/systemd/private")), "it listens")
        self.machine.systemctl("start", "dbus.socket")
        self.assert_healthy(d)

    def test_systemd_of_a_user_is_silent(self):
        d = self.sound(user=machine.USER)
        private = "/run/user/$(id -u)/systemd/private"
        self.machine.run("sh", "-c", f"systemctl --user stop dbus.socket dbus.service; "
                         f"rm {private}", user=machine.USER)
        command = self.find(d, "manager-silent", "odp", "systemctl --user says: ")
        self.machine.run("sh", "-c", command.replace("sudo ", ""))
        until(lambda: self.machine.run("sh", "-c", f"test -e {private}", user=machine.USER,
                                       check=False).returncode == 0, "it listens")
        self.machine.systemctl("start", "dbus.socket", user=machine.USER)
        self.assert_healthy(d)

    def test_bus(self):
        d = self.sound()
        self.machine.systemctl("stop", "dbus.socket", "dbus.service")
        self.addCleanup(self.machine.systemctl, "start", "dbus.socket", check=False)
        self.find_and_mend(d, "bus-unreachable", "odp", "nobody listens on the system bus",
                           command="systemctl start dbus.socket")

    def test_state_is_read_only(self):
        d = self.sound()
        state = f"{d.inside}/state"
        self.machine.run("mount", "-t", "tmpfs", "-o", "ro", "odp-test", state)
        self.addCleanup(self.machine.run, "umount", state)
        self.find_and_mend(d, "state-unwritable", "odp", "read-only file system")

    def test_state_is_full(self):
        d = self.sound()
        state = f"{d.inside}/state"
        self.machine.run("mount", "-t", "tmpfs", "-o", "size=64k", "odp-test", state)
        self.addCleanup(self.machine.run, "umount", state)
        self.find(d, "state-unwritable", "odp", "no space is left")

    def test_state_of_others(self):
        d = self.sound(user=machine.USER)
        self.assert_healthy(d)
        self.machine.run("chown", "root", f"{d.inside}/state")
        command = self.find(d, "state-unwritable", "odp", "odpd may not write to")
        self.mend(d, command)

    def test_memory(self):
        if "memory" in self.machine.read("/sys/fs/cgroup/cgroup.controllers"):
            self.skipTest("this machine counts memory")
        d = self.sound()
        self.assertIn("memory is not counted here", d.odp("doctor").stderr)
        container = self.machine.read("/run/systemd/container")
        os.unlink(self.machine.path("/run/systemd/container"))
        self.addCleanup(self.machine.write, "/run/systemd/container", container)
        self.machine.write("/boot/cmdline.txt", "console=tty1 rootwait\n")
        self.addCleanup(self.machine.run, "rm", "/boot/cmdline.txt")
        command = self.find(d, "memory-off", "odp", "the kernel does not count memory")
        self.machine.run("sh", "-c", command.replace("reboot", "true"))
        self.assertEqual(self.machine.read("/boot/cmdline.txt"),
                         "console=tty1 rootwait cgroup_enable=memory cgroup_memory=1\n")

    def test_a_start_that_failed(self):
        self.file("job")
        d = self.odpd({"job": f"""
            [service]
            listen = {self.port('job')}
            target = 127.0.0.1:{self.target('job')}
            [backend]
            command = /bin/false
            """})
        d.odp("start", "job")
        d.await_state("job", "failed")
        self.assertEqual(self.find(d, "service-failed", "job", "its last start failed: "),
                         "odp start job")
