# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The memory of services under a kernel that counts it, of its own: see uml.py.

import json
import unittest

import uml

MIB = 1 << 20


class TestMemory(unittest.TestCase):
    def test_memory_is_told_learned_and_saved(self):
        seen = json.loads(uml.run("inside_memory.py", limit=500)[0])
        self.assertNotIn("failed", seen, seen.get("failed", "") + seen.get("log", ""))
        self.assertIn("memory", seen["controllers"].split())

        # A target's members together: python twice, and the ballast of one of them.
        used = seen["all"]["memory_bytes"]
        self.assertTrue(48 * MIB < used < 120 * MIB, used)
        self.assertIsNone(seen["all"]["memory_reason"])
        self.assertGreaterEqual(seen["all"]["memory_peak_bytes"], used)
        self.assertEqual(seen["all"]["saved_byte_seconds"], 0)
        self.assertRegex(seen["table"], r"(?m)^all +ready .* \d+M ")
        self.assertRegex(seen["why"], r"(?m)^  memory +\d+M, at most \d+M so far$")

        # Asleep it uses nothing, and saves what it used.
        asleep = seen["all asleep"]
        self.assertEqual((asleep["state"], asleep["memory_bytes"], asleep["memory_reason"]),
                         ("stopped", None, None))
        self.assertGreater(asleep["memory_peak_bytes"], 48 * MIB)
        self.assertGreater(asleep["saved_byte_seconds"], 48 * MIB * 0.9)
        self.assertRegex(seen["why asleep"], r"(?m)^  memory +was \d+M when it was last stopped$")
        fields = [line.split() for line in seen["ledger"].splitlines() if line.startswith("all ")]
        self.assertGreater(int(fields[0][9]), 48 * MIB)
        self.assertGreater(int(fields[0][10]), 48 * MIB)
        self.assertGreater(int(fields[0][11]), 48 * 1024 * 0.9)

        # The container, and not the client that the unit holds.
        self.assertTrue(seen["image"])
        self.assertIn("page", seen["box answer"])
        self.assertTrue(24 * MIB < seen["box"]["memory_bytes"] < 40 * MIB, seen["box"])
        self.assertGreater(seen["box asleep"]["memory_peak_bytes"], 24 * MIB)

        # A container that is the service, until the kernel ends it.
        for name in ("jar", "tin"):
            self.assertIn("200 OK", seen[f"{name} answer"], seen[f"{name} made"])
            self.assertTrue(24 * MIB < seen[name]["memory_bytes"] < 48 * MIB, seen[name])
        # Its conmon may have missed why: then Podman knows no more.
        self.assertIn(seen["jar reason"],
                      ("container jar: was killed for want of memory: give it more, or see podman "
                       "logs jar", "container jar: was ended by signal 9"))
        self.assertEqual(seen["tin reason"], "container tin: has exited with status 5 (something in "
                                             "it was killed for want of memory): Killed")
        self.assertRegex(seen["tin why"], r"(?m)^  runs as  container tin of image \S*busybox\S*: "
                                          r"has exited with status 5, out of memory at 20")
