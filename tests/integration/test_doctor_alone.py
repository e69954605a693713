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

    def test_odpd_does_not_run(self):
        self.d.terminate()
        # Nor does it know then where the files are.
        found = json.loads(self.doctor("--json").stdout)["findings"]
        self.assertIn("odpd-silent", [f["kind"] for f in found])

    def test_usage(self):
        self.assertEqual(self.doctor("echo").returncode, 2)
        self.assertEqual(self.doctor("--nonsense").returncode, 2)


class Manual(unittest.TestCase):
    """docs/DOCTOR.md against the source that it tells of."""

    @classmethod
    def setUpClass(cls):
        root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
        cls.text = read_file(os.path.join(root, "docs", "DOCTOR.md"))
        cls.rows = re.findall(r"^\| (`[a-z-]+`(?:, `[a-z-]+`)*) \|.*\|(.*)\|$", cls.text, re.M)
        checks = glob.glob(os.path.join(root, "src", "cli", "doctor_check_*.c"))
        cls.checks = "".join(map(read_file, checks))
        cls.command = read_file(os.path.join(root, "src", "cli", "cmd_doctor.c"))
        # As they are printed: strings that the compiler joins, in one.
        cls.printed = re.sub(r'"\s*(?://.*\n\s*)?"', "", cls.checks)

    def test_every_kind(self):
        kinds = set(re.findall(r'odp_finding_add\(\s*(?:x->)?f,\s*"([a-z-]+)"', self.checks))
        told = {kind for row, _ in self.rows for kind in re.findall(r"`([a-z-]+)`", row)}
        self.assertGreater(len(kinds), 40)
        self.assertEqual(kinds, told)

    def test_what_fix_does(self):
        safe = re.search(r"bool is_safe\(.*?^}", self.command, re.M | re.S)[0]
        part = self.text[self.text.index("`odp doctor --fix` runs"):self.text.index("## Files")]
        self.assertEqual(set(re.findall(r'"([a-z-]+)"', safe)),
                         set(re.findall(r"\(?`([a-z-]+)`[,)]", part)))

    def test_json(self):
        keys = re.search(r'`\{"findings": \[\{(.*?)\}\]\}`', self.text)[1]
        self.assertEqual(set(re.findall(r'"(\w+)"', keys)),
                         set(re.findall(r'AddStringToObject\(\w+, "(\w+)"', self.command)))

    def test_the_lines_that_it_shows(self):
        shown = re.search(r"\$ odp doctor\n((?:    .+\n)+)", self.text)[1].splitlines()
        formats = [re.sub("(%[a-z])+", ".*", re.escape(s).replace("\\%", "%"))
                   for s in re.findall(r'"((?:[^"\\]|\\.)*)"', self.printed) if len(s) > 20]
        for line in shown:
            what = line.split(": ", 1)[1]
            self.assertTrue(any(re.match(f"{f}: ", what) for f in formats), line)

    def test_commands_that_it_names(self):
        """The first two words of each are printed: of an engine, `%s`."""
        told = [c for _, mend in self.rows for c in re.findall(r"`([^`]+)`", mend)]
        named = [c.split()[:2] for c in told if c.startswith(("systemctl ", "docker ", "loginctl ",
                                                              "usermod ", "odp ", "systemd-"))]
        self.assertGreater(len(named), 25)
        for program, verb in named:
            with self.subTest(program=program, verb=verb):
                self.assertRegex(self.printed, rf"[\" ]({program}|%s) (%s)?{verb}\b")


if __name__ == "__main__":
    unittest.main()
