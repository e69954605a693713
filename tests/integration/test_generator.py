# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The generator as systemd runs it, without systemd: what it writes, what it says, and how fast.

import os
import subprocess
import time
import unittest

import harness
from harness import program

TEXT = """[service]
listen = {port}
target = 127.0.0.1:{target}
[backend]
type = none
"""


class TestGenerator(harness.Case):
    def setUp(self):
        super().setUp()
        self.root = self.directory()
        self.services = f"{self.root}/config/odp/services"
        self.out = [f"{self.root}/{name}" for name in ("normal", "early", "late")]
        for path in self.out:
            os.mkdir(path)
        self.generator = f"{self.root}/odp-generator"
        os.symlink(program("odp"), self.generator)

    def put(self, name, number=1, text=TEXT):
        os.makedirs(self.services, exist_ok=True)
        with open(f"{self.services}/{name}.ini", "w", encoding="utf-8") as f:
            f.write(text.format(port=number, target=1000 + number))

    def generate(self, **env):
        # Nothing of this machine's: in the system's scope it would read /etc/odp.
        return subprocess.run([self.generator, *self.out], capture_output=True, text=True,
                              check=False, env={"SYSTEMD_SCOPE": "user",
                                                "XDG_CONFIG_HOME": f"{self.root}/config", **env})

    def written(self):
        return sorted(os.path.relpath(os.path.join(d, f), self.root)
                      for out in self.out for d, _, files in os.walk(out) for f in files)

    def test_units_and_links_in_the_first_directory(self):
        self.put("a", 1)
        self.put("b", 2)
        done = self.generate()
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        self.assertEqual(self.written(), sorted(
            f"normal/{where}odp-{name}.socket" for name in "ab"
            for where in ("", "sockets.target.wants/", "odpd.service.wants/")))
        self.assertEqual(os.readlink(f"{self.out[0]}/sockets.target.wants/odp-a.socket"),
                         "../odp-a.socket")
        self.assertEqual(os.stat(f"{self.out[0]}/odp-a.socket").st_mode & 0o777, 0o644)

    def test_without_files(self):
        for env in ({}, {"XDG_CONFIG_HOME": ""}, {"HOME": "/nonexistent"}):
            done = self.generate(**env)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.written(), [])

    def test_home_without_xdg(self):
        self.put("a")
        os.rename(f"{self.root}/config", f"{self.root}/.config")
        self.assertEqual(self.generate(XDG_CONFIG_HOME="", HOME=self.root).returncode, 0)
        self.assertIn("normal/odp-a.socket", self.written())

    def test_faulty_and_disabled_files(self):
        self.put("bad", 1, TEXT + "[nonsense]\n[rubbish]\n")
        self.put("clash", 4)
        self.put("clash-too", 4)
        self.put("good", 2)
        self.put("off", 3, TEXT.replace("[backend]", "enabled = no\n[backend]"))
        self.put("launcher", 5)  # odp has a socket unit of that name
        done = self.generate()
        self.assertEqual(done.returncode, 0)
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 3, lines)
        for line, name in zip(lines, ("bad", "clash-too", "launcher")):
            self.assertRegex(line, rf"^odp-generator: {self.services}/{name}\.ini:\d+: ")
        self.assertEqual(sorted(n for n in os.listdir(self.out[0]) if n.endswith(".socket")),
                         ["odp-clash.socket", "odp-good.socket"])

    def test_a_directory_that_cannot_be_written(self):
        self.put("a")
        os.rmdir(self.out[0])
        with open(self.out[0], "w", encoding="ascii"):
            pass
        done = self.generate()
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot be written", done.stderr)

    def test_thirty_units(self):
        """A boot waits for it. The bound is loose, the machine may be busy."""
        for i in range(30):
            self.put(f"service-{i}", 100 + i)
        took = []
        for _ in range(5):
            began = time.monotonic()
            self.assertEqual(self.generate().returncode, 0)
            took.append(time.monotonic() - began)
        self.assertEqual(len(self.written()), 90)
        self.assertLess(min(took), 1 if harness.is_sanitized() else 0.1, took)


if __name__ == "__main__":
    unittest.main()
