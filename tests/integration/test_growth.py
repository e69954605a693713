#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What twice as many services cost: twice as much, and no more. Counted in instructions by callgrind,
# so that a loaded machine says the same as an idle one.

import glob
import os
import shutil
import socket
import unittest

from harness import HOST, Case, Odpd, is_sanitized, raise_descriptor_limit, read_file, until

FEW, MANY = 100, 200
# Of a table twice as large, some steps cost a little more than twice; a walk for each costs 4 times.
LIMIT = 2.3
FIRST_PASSED = 3  # sd_listen_fds(3)
N_CALLS = 3
# What is counted: one call of each, or all calls together: what the launcher is asked and reports.
COUNTED = ["odp_manager_new", "odp_ledger_file_new", "odp_gates_adopt", "odp_gates_settle",
           "odp_requires_refresh", "odp_manager_reload", "control_status", "odp_dispatch_init"]
COUNTED_TOGETHER = ["link_on_event", "odp_dispatch_request"]


def inclusive(path):
    """Calls and instructions of each function, with all that it calls: the format of callgrind.out,
    valgrind's manual, section "Callgrind Format Specification"."""
    names, totals, callee, calls = {}, {}, None, None
    for line in read_file(path).splitlines():
        if line.startswith(("fn=", "cfn=")):
            number, _, name = line.partition("=")[2].partition(" ")
            if name:
                names[number] = name
            callee = number if line.startswith("c") else callee
        elif line.startswith("calls="):
            calls = int(line[6:].split()[0])
        elif calls is not None:
            n, cost = totals.get(callee, (0, 0))
            totals[callee] = (n + calls, cost + int(line.split()[1]))
            calls = None
    return {names[number]: total for number, total in totals.items()}


@unittest.skipIf(is_sanitized(), "valgrind and sanitizers exclude each other")
@unittest.skipUnless(shutil.which("valgrind"), "valgrind is missing: apt-get install valgrind")
class GrowthTest(Case):
    def file(self, i, port, extra=""):
        # Every second one requires a neighbour, all of them the first one.
        requires = f"service = s{i - 1:03}" if i % 2 else ""
        return f"""
            [service]
            listen = {HOST}:{port}
            target = {HOST}:{30000 + i}
            {extra}
            [backend]
            command = /bin/true {i}
            [requires]
            {requires}
            {"service = s000" if i > 1 else ""}
            """

    def count(self, n):
        """The instructions of each that is counted, with n services."""
        sockets = [self.closing(socket.create_server((HOST, 0))) for _ in range(n)]
        ports = [s.getsockname()[1] for s in sockets]
        d = Odpd(self.directory(), {f"s{i:03}": self.file(i, p) for i, p in enumerate(ports)})
        self.addCleanup(self.finish, d)
        self.write_ledger(d, n)
        self.start(d, sockets)
        for i in range(N_CALLS):
            d.write_service("s000", self.file(0, ports[0], f"description = {i}"))
            changes = d.call("Reload")["parameters"]["changes"]
            self.assertEqual([c["name"] for c in changes], ["s000"])
        for _ in range(N_CALLS):
            self.assertEqual(len(d.all_status()), n)
        self.assertEqual(d.terminate(), 0)
        until(lambda: not d.leftovers(), "the launcher has ended")
        seen = {}
        for path in glob.glob(d.path("callgrind.*")):
            seen.update(inclusive(path))
        return {**{name: seen[name][1] / seen[name][0] for name in COUNTED},
                **{name: seen[name][1] for name in COUNTED_TOGETHER}}

    def write_ledger(self, d, n):
        lines = ["odp-ledger 1", "boot -"]
        lines += [f"s{i:03} 0 0 0 0 0 0 - -" for i in range(n)]
        body = "".join(line + "\n" for line in lines)
        checksum = 14695981039346656037
        for byte in body.encode():
            checksum = (checksum ^ byte) * 1099511628211 % (1 << 64)
        os.makedirs(d.path("state"))
        with open(d.path("state/ledger"), "w", encoding="ascii") as f:
            f.write(f"{body}checksum {checksum:016x}\n")

    def start(self, d, sockets):
        """odpd under valgrind, with the sockets as a service manager passes them."""
        raise_descriptor_limit(8 * MANY)

        def hand_over():
            aside = 4 * MANY  # in nobody's way
            for i, s in enumerate(sockets):
                os.dup2(s.fileno(), aside + i, inheritable=False)
            for i in range(len(sockets)):
                os.dup2(aside + i, FIRST_PASSED + i)
        command = ["sh", "-c", f'LISTEN_PID=$$ LISTEN_FDS={len(sockets)} exec "$@"', "sh",
                   "valgrind", "--tool=callgrind", "--trace-children=yes",
                   f"--callgrind-out-file={d.path('callgrind.%p')}",
                   f"--log-file={d.path('valgrind.%p')}"]
        d.start(command, ready=False, close_fds=False, preexec_fn=hand_over)
        until(lambda: d.log().count("unknown -> stopped") == len(sockets), "all have been looked at")
        self.assertNotIn("no sound service", d.log())

    def test_twice_the_services(self):
        few, many = self.count(FEW), self.count(MANY)
        for name in few:
            ratio = many[name] / few[name]
            print(f"{name}: {few[name]:,.0f} instructions with {FEW} services, "
                  f"{many[name]:,.0f} with {MANY}: {ratio:.2f} times", flush=True)
        self.assertEqual({name for name in few if many[name] > LIMIT * few[name]}, set())


if __name__ == "__main__":
    unittest.main()
