# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the tests of odp doctor share: a fault is made for real, its line is read, the command in the
# line is run as it stands there, and then nothing is found any more.

import json

from units import UnitCase


class DoctorCase(UnitCase):
    def doctor(self, d, *options):
        """Its findings. The plain lines and the status must agree with them."""
        done = d.odp("doctor", "--json", *options)
        found = json.loads(done.stdout)["findings"]
        self.assertEqual(done.returncode, 1 if found else 0, done.stderr)
        return found

    def assert_healthy(self, d):
        done = d.odp("doctor")
        self.assertEqual((done.stdout, done.returncode), ("nothing found\n", 0), done.stderr)

    def find(self, d, kind, name, *needles):
        """The command of the one finding of that kind; nothing else may be found."""
        found = self.doctor(d)
        self.assertEqual([(f["kind"], f["name"]) for f in found], [(kind, name)], found)
        for needle in needles:
            self.assertIn(needle, found[0]["what"])
        line = "{name}: {what}: {command}\n".format(**found[0])
        self.assertEqual(d.odp("doctor").stdout, line)
        return found[0]["command"]

    def mend(self, d, command, user=None):
        """Runs it as it was printed, where `odp` is the one that is tested."""
        odp = f"/odp/build/odp --runtime {d.inside}/run"
        script = f"odp() {{ {odp} \"$@\"; }}; {command}"
        self.machine.run("bash", "-c", script, user=user)
        self.assert_healthy(d)

    def find_and_mend(self, d, kind, name, *needles, command=None):
        found = self.find(d, kind, name, *needles)
        if command:
            self.assertEqual(found, command)
        self.mend(d, found)
