# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The machine itself: that the other system tests stand on solid ground, and leave none behind.

import os
import signal
import subprocess
import sys

import machine
from harness import is_alive, read_file, until

# Boots a machine, says where it is, and waits for its end.
HOST = """
import machine, signal
m = machine.shared()
print(m.cgroup, m.directory, m.pid, flush=True)
signal.pause()
"""


def spawn_host():
    host = subprocess.Popen([sys.executable, "-B", "-c", HOST], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True, cwd=machine.HERE)
    cgroup, directory, pid = host.stdout.readline().split()
    return host, cgroup, directory, int(pid)


class TestMachine(machine.Case):
    def test_is_systemd_of_its_own(self):
        self.assertEqual(self.machine.run("cat", "/proc/1/comm").stdout, "systemd\n")
        self.assertNotEqual(os.readlink(f"/proc/{self.machine.pid}/ns/net"),
                            os.readlink("/proc/self/ns/net"))
        self.machine.write("/etc/odp-test-mark", "mark")
        self.assertFalse(os.path.exists("/etc/odp-test-mark"))
        self.assertEqual(self.machine.run("cat", "/etc/odp-test-mark").stdout, "mark")

    def test_units_and_sockets(self):
        self.unit("echo.service", f"""
            [Service]
            ExecStart=/usr/bin/python3 -IBS {machine.SERVERS}/echo.py --listen 127.0.0.1:7000""")
        self.machine.systemctl("start", "echo.service")
        pid = self.machine.main_pid("echo.service")
        until(lambda: "echo.py" in read_file(f"/proc/{pid}/cmdline"), "systemd's child is the server")

        def answers():
            try:
                with self.machine.connect(7000) as s:
                    s.sendall(b"a")
                    return s.recv(1) == b"a"
            except ConnectionRefusedError:
                return False
        until(answers, "the unit answers inside")
        self.assertIn("echo.service", self.machine.journal("-u", "echo.service"))

    def test_units_go_with_their_test(self):
        self.unit("gone.service", "[Service]\nExecStart=/usr/bin/sleep infinity")
        self.machine.systemctl("start", "gone.service")
        self.remove_units()
        self.units.clear()
        self.assertEqual(self.machine.show("gone.service", "LoadState"), "not-found")
        self.assertEqual(self.machine.show("gone.service", "ActiveState"), "inactive")

    def test_user_has_a_manager(self):
        self.unit("mine.service", "[Service]\nExecStart=/usr/bin/sleep infinity", machine.USER)
        self.machine.systemctl("start", "mine.service", user=machine.USER)
        self.assertEqual(self.machine.show("mine.service", "ActiveState", machine.USER), "active")
        self.assertEqual(self.machine.show("mine.service", "LoadState"), "not-found")

    def test_odpd_in_there(self):
        service = {"echo": f"""
            [service]
            listen = 7001
            target = 127.0.0.1:7002
            [backend]
            command = /usr/bin/python3 -IBS {machine.SERVERS}/echo.py --listen 127.0.0.1:7002
            """}
        for user in (None, machine.USER):
            with self.subTest(user=user):
                d = self.odpd(service, user=user)
                s = self.connect(7001)
                s.sendall(b"hello")
                self.assertEqual(s.recv(5), b"hello")
                self.assertEqual(d.state("echo"), "ready")
                self.assertIn("-> ready", d.log())
                self.assertTrue(is_alive(d.pid) and is_alive(d.launcher()))
                s.close()
                self.assertEqual(d.odp("stop", "echo").returncode, 0)
                self.assertEqual(d.finish(), "")
                self.assertIsNone(d.pid)

    def assert_gone(self, cgroup, directory, pid):
        self.assertFalse(is_alive(pid))
        self.assertFalse(os.path.exists(cgroup))
        self.assertFalse(os.path.exists(directory))

    def test_terminated_leaves_nothing(self):
        host, *left = spawn_host()
        with host:
            host.terminate()
            self.assertEqual(host.wait(machine.DEADLINE), 1)
        self.assert_gone(*left)

    def test_interrupted_leaves_nothing(self):
        host, *left = spawn_host()
        with host:
            host.send_signal(signal.SIGINT)
            host.wait(machine.DEADLINE)
        self.assert_gone(*left)

    def test_killed_leaves_nothing_that_runs(self):
        host, *left = spawn_host()
        with host:
            host.kill()
            host.wait(machine.DEADLINE)
        until(lambda: "populated 0" in read_file(f"{left[0]}/cgroup.events"),
              "nothing of the machine runs")
        machine.sweep(os.path.dirname(left[0]))  # as the next boot does it
        self.assert_gone(*left)
