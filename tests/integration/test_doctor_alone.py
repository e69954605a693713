# SPDX-License-Identifier: LGPL-2.1-or-later
#
# odp doctor where no systemd is needed: a set-up of processes alone, sound and broken.

import glob
import json
import os
import re
import unittest

from harness import Backend, Case, read_file


class Doctor(Case):
    def setUp(self):
        super().setUp()
        self.backend = Backend(self.directory())
        self.d = self.odpd({"echo": self.backend.file()})

    def doctor(self, *options):
        done = self.d.odp("doctor", *options)
        self.assertNotIn("\033", done.stdout)
        return done

    def test_sound(self):
        done = self.doctor()
        self.assertEqual((done.returncode, done.stdout), (0, "nothing found\n"))
        s = self.connect(self.backend.listen)
        s.sendall(b"x")
        self.assertEqual(s.recv(1), b"x")
        self.assertEqual(self.doctor("--fix").stdout, "nothing found\n")
        self.assertEqual(json.loads(self.doctor("--json").stdout), {"findings": []})

    def test_broken(self):
        path = os.path.join(self.d.config, "services", "echo.ini")
        with open(path, "a", encoding="utf-8") as f:
            f.write("[idle]\nnonsense = 1\n")
        done = self.doctor()
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, rf"^echo: {path}:\d+: .*nonsense.*: odp check {path}\n$")

    def test_the_target_of_another_program(self):
        other = Backend(self.directory(), target=self.backend.target)
        # Started by another odpd, it listens where the first one's service is to.
        second = self.odpd({"other": other.file()})
        self.assertEqual(second.odp("start", "other").returncode, 0)
        self.assertIn(f"its target {self.backend.target} is that of python3", self.doctor().stdout)

    def test_every_kind_stands_in_the_manual(self):
        root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
        kinds = set()
        for path in glob.glob(os.path.join(root, "src", "cli", "doctor_check_*.c")):
            kinds.update(re.findall(r'odp_finding_add\(\s*(?:x->)?f,\s*"([a-z-]+)"', read_file(path)))
        rows = re.findall(r"^\| (`[a-z-]+`(?:, `[a-z-]+`)*) \|", read_file(
            os.path.join(root, "docs", "DOCTOR.md")), re.M)
        told = {kind for row in rows for kind in re.findall(r"`([a-z-]+)`", row)}
        self.assertGreater(len(kinds), 40)
        self.assertEqual(kinds, told)

    def test_usage(self):
        self.assertEqual(self.doctor("echo").returncode, 2)
        self.assertEqual(self.doctor("--nonsense").returncode, 2)


if __name__ == "__main__":
    unittest.main()
