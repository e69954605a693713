#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A real homelab of 23 services: configs/homelab says of each what its owner's table says, nothing
# is lost and nothing is added, and odp check finds no fault.

import configparser
import csv
import os
import subprocess
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
HOMELAB = os.path.join(ROOT, "configs", "homelab")
TABLE = os.path.join(ROOT, "tests", "data", "homelab.tsv")
ODP = os.path.join(os.environ.get("ODP_BUILD", "build/dev"), "odp")


class Lines(dict):
    """Repeated keys add up to a list; every other key is a list of one."""

    def __setitem__(self, key, value):
        if key in self and isinstance(value, list):
            self[key].extend(value)
        else:
            super().__setitem__(key, value)


def read_ini(path):
    parser = configparser.RawConfigParser(dict_type=Lines, strict=False, delimiters="=",
                                          default_section=None)
    parser.read(path)
    return {(section, key): value.split("\n")
            for section in parser.sections() for key, value in parser.items(section)}


def several(text, separator):
    return [] if text == "-" else text.split(separator)


def expected(row):
    stop = several(row["stop_units"], " ")
    units = several(row["start_units"], " ")
    lines = {
        ("service", "description"): [row["description"]],
        ("service", "listen"): [row["listen"]],
        ("service", "target"): [row["target"]],
        ("backend", "unit"): units,
        ("backend", "stop_unit"): [] if stop == units else stop,
        ("ready", "probe"): ["http"],
        ("ready", "path"): [row["probe_path"]],
        ("ready", "timeout"): [row["ready_timeout_s"] + "s"],
        ("wait", "mode"): [row["wait"]],
        ("idle", "timeout"): [row["quiet_window"]],
        ("requires", "mount"): several(row["required_mount"], ","),
        ("requires", "path"): several(row["required_paths"], ","),
    }
    return {key: value for key, value in lines.items() if value}


class HomelabTest(unittest.TestCase):
    def test_nothing_of_a_row_is_lost(self):
        with open(TABLE, newline="") as f:
            rows = list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))
        self.assertEqual(len(rows), 23)
        self.assertEqual(sorted(row["name"] + ".ini" for row in rows), sorted(os.listdir(HOMELAB)))
        for row in rows:
            with self.subTest(row["name"]):
                self.assertEqual(read_ini(os.path.join(HOMELAB, row["name"] + ".ini")),
                                 expected(row))

    def test_all_check(self):
        p = subprocess.run([ODP, "check", HOMELAB], capture_output=True, text=True, timeout=10)
        self.assertEqual((p.returncode, p.stdout, p.stderr), (0, "23 files, no faults\n", ""))


if __name__ == "__main__":
    unittest.main()
