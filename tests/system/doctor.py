# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the tests of odp doctor share: a fault is made for real, its line is read, the command in the
# line is run as it stands there, and then nothing is found any more.

import json

from installed import ODP, InstalledCase
from units import UnitCase


class Doctor:
    """What both kinds of tests do. `d` is an odpd with directories of its own, None the one that is
    installed."""

    def run_odp(self, d, *args, user=None):
        if d:
            return d.odp(*args)
        return self.machine.run(ODP, *args, user=user, check=False)

    def doctor(self, d=None, *options, user=None):
        done = self.run_odp(d, "doctor", "--json", *options, user=user)
        found = json.loads(done.stdout)["findings"]
        self.assertEqual(done.returncode, 1 if found else 0, done.stderr)
        return found

    def assert_healthy(self, d=None, user=None):
        done = self.run_odp(d, "doctor", user=user)
        self.assertEqual((done.stdout, done.returncode), ("nothing found\n", 0), done.stderr)

    def find(self, d, kind, name, *needles, user=None):
        """The command of the one finding of that kind; nothing else may be found. The plain line
        must agree."""
        found = self.doctor(d, user=user)
        self.assertEqual([(f["kind"], f["name"]) for f in found], [(kind, name)], found)
        for needle in needles:
            self.assertIn(needle, found[0]["what"])
        line = "{name}: {what}: {command}\n".format(**found[0])
        self.assertEqual(self.run_odp(d, "doctor", user=user).stdout, line)
        return found[0]["command"]

    def mend(self, d, command, user=None):
        """Runs it as it was printed, where `odp` is the one that is tested."""
        odp = f"/odp/build/odp --runtime {d.inside}/run" if d else ODP
        self.machine.run("bash", "-c", f"odp() {{ {odp} \"$@\"; }}; {command}", user=user)
        self.assert_healthy(d, user=user)

    def find_and_mend(self, d, kind, name, *needles, command=None, user=None):
        found = self.find(d, kind, name, *needles, user=user)
        if command:
            self.assertEqual(found, command)
        self.mend(d, found, user=user)


class DoctorCase(Doctor, UnitCase):
    pass


class InstalledDoctorCase(Doctor, InstalledCase):
    pass
