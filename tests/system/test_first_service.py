# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A first service, from the installation to its sleep: the smallest useful file, odp enable, and what a
# person then does to it.

from installed import SERVICES, InstalledCase
from harness import until

FILE = """[service]
listen = 4533
target = 127.0.0.1:14533

[backend]
unit = docker-navidrome.service
"""


class TestFirstService(InstalledCase):
    def setUp(self):
        super().setUp()
        self.machine.write("/srv/music/index.html", "music\n")
        self.unit("docker-navidrome.service", """
            [Service]
            ExecStart=/bin/sh -c 'sleep 2; exec busybox httpd -f -p 127.0.0.1:14533 -h /srv/music'
            """)

    def put_file(self, more=""):
        self.machine.write(f"{SERVICES}/navidrome.ini", FILE + more, 0o640)
        self.machine.run("chgrp", "-R", "odp", "/etc/odp")

    def visit(self):
        done = self.machine.run("curl", "-sS", "--fail", "http://127.0.0.1:4533/")
        self.assertEqual(done.stdout, "music\n")

    def state(self):
        return self.machine.show("docker-navidrome.service", "ActiveState")

    def test_from_install_to_sleep(self):
        self.put_file()
        self.odp("enable", "navidrome")
        self.assertEqual(self.state(), "inactive")
        self.visit()
        self.assertEqual(self.state(), "active")

        # Stopped by hand, it is started by the next visitor.
        self.machine.systemctl("stop", "docker-navidrome.service")
        self.visit()

        # odpd restarted, awake and asleep.
        invocation = self.machine.show("docker-navidrome.service", "InvocationID")
        self.machine.systemctl("restart", "odpd.service")
        self.visit()
        self.assertEqual(self.machine.show("docker-navidrome.service", "InvocationID"), invocation)
        self.machine.systemctl("stop", "docker-navidrome.service")
        self.machine.systemctl("restart", "odpd.service")
        self.visit()

        # The window, shorter than ten minutes, and enabled once more.
        self.put_file("\n[idle]\ntimeout = 1s\n")
        self.odp("enable", "navidrome")
        self.visit()
        until(lambda: self.state() == "inactive", "it sleeps")
        self.assertIn("stopped", self.odp("status", "navidrome").stdout)
        self.visit()
