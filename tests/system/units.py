# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Services that are units, for the tests: their files, their units, and what becomes of them.

import contextlib
import os

import machine
from harness import read_exactly, until


def server(name, port, *options):
    return f"/usr/bin/python3 -IBS {machine.SERVERS}/{name} --listen 127.0.0.1:{port} " + \
        " ".join(options)


class UnitCase(machine.Case):
    """Each service NAME is a unit NAME.service on its own pair of ports."""

    next_port = [5000]

    def setUp(self):
        super().setUp()
        self.ports = {}

    def file(self, name, idle="5min", backend="", ready="", units=None):
        lines = "\n".join(f"unit = {u}" for u in units or [f"{name}.service"])
        return f"""
            [service]
            listen = {self.port(name)}
            target = 127.0.0.1:{self.target(name)}
            [backend]
            {lines}
            {backend}
            [ready]
            {ready}
            [idle]
            timeout = {idle}
            """

    def port(self, name):
        if name not in self.ports:
            self.next_port[0] += 2
            self.ports[name] = self.next_port[0]
        return self.ports[name]

    def target(self, name):
        return self.port(name) + 1

    def service(self, name, *options, unit="", text="", program="echo.py", user=None):
        """Writes NAME.service, which records its starts in /tmp/NAME.starts."""
        starts = f"/tmp/{name}.starts"
        self.machine.write(starts, "", 0o666)
        return self.unit(f"{name}.service", f"""
            [Unit]
            {unit}
            [Service]
            ExecStart={server(program, self.target(name), "--starts", starts, *options)}
            {text}
            """, user)

    def gate(self, name):
        """The path of a file that is not there before it is opened: so a unit that waits for it gives
        the test the time that it needs."""
        gate = f"/tmp/{name}.gate"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.machine.path(gate))
        return gate

    def open(self, gate):
        self.machine.write(gate, "")

    def starts(self, name):
        return len(self.machine.read(f"/tmp/{name}.starts").split())

    def is_active(self, name, user=None):
        return self.machine.show(f"{name}.service", "ActiveState", user) == "active"

    def await_unit(self, name, state, user=None):
        until(lambda: self.machine.show(f"{name}.service", "ActiveState", user) == state,
              f"{name}.service is {state}")

    def talk(self, name):
        """Connects, and has one byte answered; returns the socket."""
        s = self.connect(self.port(name))
        s.sendall(b"x")
        self.assertEqual(read_exactly(s, 1), b"x")
        return s
