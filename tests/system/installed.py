# SPDX-License-Identifier: LGPL-2.1-or-later
#
# odp as it is installed: its files in /etc/odp, its socket units by the generator, odpd as
# odpd.service. Whatever a test makes of it is gone with the test.

import os
import re
import shutil

from units import UnitCase, until  # which knows where harness is
from harness import program, read_file

SERVICES = "/etc/odp/services"
ODP = "/usr/local/bin/odp"


class InstalledCase(UnitCase):
    def setUp(self):
        super().setUp()
        self.generated = True  # the units are those of the files
        self.machine.install()
        self.addCleanup(self.clear_away)

    def clear_away(self):
        shutil.rmtree(self.machine.path("/etc/odp"), ignore_errors=True)
        self.machine.systemctl("stop", "odp-*.socket", "odp.target", "odpd.service",
                               "odp-launcher.service", check=False)
        for kept in "/run/odp-launcher", "/var/lib/odp":
            shutil.rmtree(self.machine.path(kept), ignore_errors=True)
        self.machine.daemon_reload()
        self.machine.bus.manager("ResetFailed")

    def socket_units(self):
        listed = self.machine.systemctl("list-units", "--all", "--plain", "--no-legend",
                                        "odp-*.socket").splitlines()
        return [line.split()[0] for line in listed if not line.startswith("odp-launcher.")]

    def put(self, name, text):
        """Writes a service's file, as its owner would."""
        lines = "\n".join(s.strip() for s in text.splitlines()) + "\n"
        self.machine.write(f"{SERVICES}/{name}.ini", lines)
        if "\nodp:" in self.machine.read("/etc/group"):
            self.machine.run("chgrp", "odp", f"{SERVICES}/{name}.ini")
        os.chmod(self.machine.path(f"{SERVICES}/{name}.ini"), 0o640)
        self.generated = False

    def unit(self, name, text, user=None):
        """A new unit makes its owner reload systemd, and that runs the generator."""
        super().unit(name, text, user)
        if not self.generated:
            self.machine.daemon_reload()
            self.generated = True
        return name

    def reload(self):
        """What a boot does: the generator makes the sockets, systemd starts them."""
        self.machine.daemon_reload()
        self.generated = True
        self.machine.systemctl("start", "sockets.target")

    def odp(self, *args, check=True):
        return self.machine.run(ODP, *args, check=check)

    def is_up(self, unit):
        return self.machine.show(unit, "ActiveState") == "active"

    def await_odpd(self, state):
        until(lambda: self.machine.show("odpd.service", "ActiveState") == state,
              f"odpd.service is {state}")

    # What it costs

    def used(self, unit):
        """Private dirty memory and PSS of the unit's process, in KiB."""
        text = read_file(f"/proc/{self.machine.main_pid(unit)}/smaps_rollup")
        return [int(re.search(rf"^{name}: +(\d+) kB", text, re.M)[1])
                for name in ("Private_Dirty", "Pss")]

    def bind_programs(self):
        """Of files in memory, as the machine's are, each page counts as dirty: those of the build
        are seen in their place."""
        for name in "odpd", "odp-launcher":
            with open(program(name), "rb") as f:
                os.fsync(f.fileno())
            self.machine.run("mount", "--bind", f"/odp/build/{name}", f"/usr/local/bin/{name}")
            self.addCleanup(self.machine.run, "umount", "-l", f"/usr/local/bin/{name}")
