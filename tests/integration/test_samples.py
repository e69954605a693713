#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The worked files for containers, configs/containers: sound, and as the documents say that they are.

import os
import re
import subprocess
import unittest

from harness import read_file

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SAMPLES = os.path.join(ROOT, "configs", "containers")
ODP = os.path.join(os.environ.get("ODP_BUILD", "build/dev"), "odp")


def samples():
    return sorted(f[:-len(".ini")] for f in os.listdir(SAMPLES) if f.endswith(".ini"))


def value(name, key):
    return re.search(rf"^{key} = (.*)$", read_file(os.path.join(SAMPLES, f"{name}.ini")), re.M)[1]


class SamplesTest(unittest.TestCase):
    def test_all_check(self):
        p = subprocess.run([ODP, "check", SAMPLES], capture_output=True, text=True, timeout=10,
                           check=False)
        self.assertEqual((p.returncode, p.stdout, p.stderr), (0, "10 files, no faults\n", ""))

    def test_all_wake_fast(self):
        """By an http probe of the container's own address: no health check's interval, and no
        docker-proxy."""
        for name in samples():
            with self.subTest(name):
                self.assertEqual(value(name, "probe"), "http")
                self.assertRegex(value(name, "target"), r"^auto:\d+$")
                value(name, "path")
                value(name, "timeout")

    def test_projects(self):
        """A project's file stands in a directory of its name, publishes nothing and starts nothing
        by itself."""
        projects = sorted(os.path.basename(d) for d in os.listdir(SAMPLES)
                          if os.path.isdir(os.path.join(SAMPLES, d)))
        self.assertEqual(projects, ["immich", "mealie", "paperless", "tubearchivist"])
        for name in projects:
            with self.subTest(name):
                text = read_file(os.path.join(SAMPLES, name, "compose.yaml"))
                self.assertEqual(value(name, "project"), name)
                self.assertEqual(value(name, "file"), f"/srv/{name}/compose.yaml")
                names = re.findall(r"^container = (.*)$", read_file(os.path.join(
                    SAMPLES, f"{name}.ini")), re.M)
                self.assertGreaterEqual(len(names), 2)
                self.assertLessEqual(set(names), set(re.findall(r"container_name: (.*)", text)))
                self.assertNotRegex(text, r"(?m)^\s*(ports|restart|privileged):")

    def test_the_table(self):
        """docs/CONTAINERS.md lists them, with their ports and paths."""
        rows = re.findall(r"^\| \[[^]]+\]\(\.\./configs/containers/([a-z]+)\.ini\) \| (\d+) \| "
                          r"(\d+) \| `([^`]+)` \|", read_file(os.path.join(ROOT, "docs",
                                                                           "CONTAINERS.md")), re.M)
        self.assertEqual(sorted(rows), [
            (name, value(name, "listen"), value(name, "target").removeprefix("auto:"),
             value(name, "path")) for name in samples()])


if __name__ == "__main__":
    unittest.main()
