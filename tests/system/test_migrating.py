# SPDX-License-Identifier: LGPL-2.1-or-later
#
# docs/MIGRATING.md, word for word: the old files are put where it says and work, the new one replaces
# them by the commands that stand there, back again, and once more; then what can be deleted is.

import os
import re
import unittest

from installed import InstalledCase
from harness import read_file, until

DOC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "MIGRATING.md")
PATHS = "PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin"
PAGE = "the page of the wiki\n"


def sections():
    """Of each `##` with its `###`: titles to blocks, which are lists of lines."""
    found, section, part = {}, None, None
    for line in read_file(DOC).splitlines():
        if title := re.match(r"(###?) (.*)", line):
            if title[1] == "##":
                section, part = found.setdefault(title[2], {}), None
            else:
                part = section.setdefault(title[2], [[]])
        elif part is not None:
            if line.startswith("    "):
                part[-1].append(line[4:])
            elif part[-1]:
                part.append([])
    return found


class TestMigrating(InstalledCase):
    def setUp(self):
        super().setUp()
        for program in "socat", "netstat":
            if self.machine.run("which", program, check=False).returncode != 0:
                raise unittest.SkipTest(f"{program} is not installed")
        self.machine.write("/srv/wiki/index.html", PAGE)
        self.serve(18080)
        self.addCleanup(self.machine.daemon_reload)
        self.addCleanup(self.machine.run, "sh", "-c", "systemctl stop 'wiki-*'; rm -rf "
                        "/etc/systemd/system/wiki-* /etc/systemd/system/wiki.service.d "
                        "/etc/systemd/system/*.wants/wiki-* /usr/local/bin/wiki-* "
                        "/etc/cron.d/wiki-idle")
        self.machine.run("mkdir", "-p", "/etc/cron.d")

    def serve(self, port):
        """The service, which takes a moment to listen."""
        if "wiki.service" in (name for name, _ in self.units):
            self.units.remove(("wiki.service", None))
        self.unit("wiki.service", f"""
            [Service]
            ExecStart=/bin/sh -c 'sleep 0.5; exec busybox httpd -f -p {port} -h /srv/wiki'
            """)

    def put_files(self, blocks):
        for block in blocks:
            if block and (path := re.match(r"# (/\S+)$", block[0])):
                self.machine.write(path[1], "\n".join(block[1:]) + "\n",
                                   0o755 if "/bin/" in path[1] else 0o644)
        self.machine.daemon_reload()

    def run_commands(self, blocks):
        """Returns what the last one prints. Each is a line, and must succeed."""
        lines = [line for block in blocks for line in block]
        self.assertGreater(len(lines), 0)
        for line in lines:
            said = self.machine.run("env", PATHS, "sh", "-ec", re.sub(r"^sudo ", "", line)).stdout
        return said

    def visit(self):
        done = self.machine.run("curl", "-sS", "--retry", "8", "--retry-connrefused",
                                "--retry-delay", "1", "http://127.0.0.1:8080/")
        self.assertEqual(done.stdout, PAGE)

    def change(self, section):
        said = self.run_commands(section["The change"])
        self.assertIn("wiki is ready", said)
        self.assert_by_odp()

    def assert_by_odp(self):
        """It sleeps and wakes by odp alone."""
        self.machine.run("/usr/local/bin/odp", "stop", "wiki")
        self.assertFalse(self.is_active("wiki"))
        self.visit()
        self.assertTrue(self.is_active("wiki"))

    def check(self, title, wake_old, in_between=lambda there: None):
        section = sections()[title]
        self.put_files(section["What you have"])
        wake_old()
        self.visit()
        in_between(True)
        self.put_files(section["What replaces it"])
        self.change(section)
        in_between(False)
        self.run_commands(section["Going back"])
        self.assertIn("disabled", self.machine.run("/usr/local/bin/odp", "status", "wiki").stdout)
        self.visit()
        in_between(True)
        self.change(section)
        self.run_commands(section["What you can delete"])
        self.assert_by_odp()
        left = self.machine.run("find", "/etc/systemd/system", "/usr/local/bin", "/etc/cron.d",
                                "-name", "wiki-*").stdout
        self.assertEqual(left, "")

    def test_from_socat_scripts(self):
        def wake_old():
            self.machine.systemctl("enable", "--now", "wiki-proxy.service", "wiki-idle.timer")
        self.check("From socat scripts", wake_old)
        # The old script does what it is said to do, too.

    def test_from_socket_proxyd(self):
        def wake_old():
            self.machine.systemctl("enable", "--now", "wiki-proxy.socket")
        self.check("From systemd-socket-proxyd", wake_old)

    def test_from_an_idle_script(self):
        moves = iter((18080, 8080, 18080))

        def in_between(_):
            self.serve(next(moves))

        def wake_old():
            self.serve(8080)
            self.machine.systemctl("start", "wiki.service")
            line = self.machine.read("/etc/cron.d/wiki-idle")
            command = line.strip().split(" ", 6)[6]
            self.visit()
            self.machine.run("sh", "-c", command)
            self.assertFalse(self.is_active("wiki"))
            self.machine.systemctl("start", "wiki.service")
        self.check("From an idle script alone", wake_old, in_between)

    def test_keys_of_the_table(self):
        keys = set(re.findall(r"`(\w+)`", read_file(DOC.replace("MIGRATING", "CONFIGURATION"))))
        table = read_file(DOC).rpartition("## Old thing, new key")[2]
        named = re.findall(r"`(?:\[\w+\] )?([a-z_]+)(?: = [^`]+)?`", " ".join(
            row.split("|")[2] for row in table.splitlines() if row.startswith("| ")))
        self.assertGreater(len(named), 15)
        self.assertEqual([key for key in named if key not in keys and key != "start"], [])
