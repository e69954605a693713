# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the tests of the promises in docs/RELIABILITY.md share: odp as it is installed in the booted
# machine, services that are units, and what odpd says of them.

import threading
import time

from installed import InstalledCase
import harness
from harness import read_exactly, until

REQUEST = b"GET / HTTP/1.0\r\nHost: x\r\n\r\n"


class Installed(harness.Odpd):
    """The odpd that systemd runs. Asked over its control socket, through whatever happens to it."""

    # pylint: disable=super-init-not-called
    def __init__(self, machine):
        self.machine, self.runtime = machine, machine.path("/run/odp")
        self.control, self.control_lock = None, threading.RLock()

    @property
    def pid(self):
        return self.machine.main_pid("odpd.service")

    def status(self, name):
        def ask():
            try:
                return super(Installed, self).status(name)
            except OSError:
                return None
        return until(ask, "odpd answers")

    def why(self, name):
        return self.call("Why", name=name)["parameters"]


class PromiseCase(InstalledCase):
    def begin(self, **files):
        """`files` are the names of services and what file() makes of them; odp runs."""
        for name, text in files.items():
            self.put(name, text)
        self.reload()
        self.machine.systemctl("start", "odp.target")
        self.d = Installed(self.machine)
        self.addCleanup(self.d.hang_up)
        for name in files:
            until(lambda name=name: self.d.state(name) != "unknown", f"{name} is known")
        return self.d

    def launcher_pid(self):
        return self.machine.main_pid("odp-launcher.service")

    def echo(self, s, data=b"y"):
        s.sendall(data)
        self.assertEqual(read_exactly(s, len(data)), data)

    def exchange(self, name, data):
        """Sends all, ends sending, returns all that comes."""
        with self.machine.connect(self.port(name)) as s:
            return harness.exchange(s, data)

    def browse(self, name):
        """The answer to a browser's request, head and all."""
        return self.exchange(name, REQUEST).decode()

    def log(self):
        """The journal of this test. All of it: after a cursor journalctl skips the first that
        matches."""
        return self.machine.journal(f"--after-cursor={self.cursor}")

    def stays(self, name, state, seconds):
        """Looked at again and again, it does not leave the state."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.assertEqual(self.d.state(name), state)
