# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Bare ports under a kernel without IPv6, of its own: see uml.py.

import json
import unittest

import uml


class TestIPv4(unittest.TestCase):
    def test_bare_ports(self):
        seen = json.loads(uml.run("inside_ipv4.py", limit=300)[0])
        self.assertNotIn("failed", seen, seen.get("failed", "") + seen.get("log", ""))
        self.assertIn("not supported", seen["ipv6"])
        self.assertEqual(seen["check"], "1 file, no faults\n")
        self.assertEqual((seen["echo"], seen["status"]), ("words", ["7000"]))
        # A socket unit's, which systemd takes for 0.0.0.0.
        self.assertEqual((seen["start"], seen["echo by a unit"]), ("", "words"))
        self.assertIn(" 0.0.0.0:7000 ", seen["sockets"])
        self.assertEqual(seen["status by a unit"], ["7000"])
        self.assertEqual((seen["enable"], seen["echo after enable"]), ("wiki: enabled\n", "words"))
