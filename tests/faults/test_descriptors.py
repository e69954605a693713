#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Out of file descriptors: who is relayed or held stays so, accepting goes on by itself when there
# are some again, and what odpd needs itself it still has: odp is answered, services are started and
# stopped, a launcher that dies is replaced, the ledger is written.

import os
import shutil
import signal
import subprocess
import unittest

from faults import Service
from harness import Background, Backend, Case, exchange, read_exactly, read_file, until

LIMIT = 64


@unittest.skipUnless(shutil.which("prlimit"), "prlimit is missing: apt-get install util-linux")
class DescriptorsTest(Case):
    def begin(self, limit=LIMIT, **services):
        """odpd with `greedy`, whose clients take all descriptors, and others."""
        self.greedy = Backend(self.directory())
        d = self.odpd({"greedy": self.greedy.file(), **services},
                      before=["prlimit", f"--nofile={limit}:{limit}"])
        self.assertEqual(d.odp("start", "greedy").returncode, 0)
        return d

    def exhaust(self, d):
        clients = [self.connect(self.greedy.listen) for _ in range(LIMIT)]
        until(lambda: "accepting pauses" in d.log(), "accepting pauses")
        return clients

    def limit(self, d, soft):
        subprocess.run(["prlimit", f"--pid={d.pid}", f"--nofile={soft}:{4 * LIMIT}"], check=True)

    def echo(self, s, data):
        s.sendall(data)
        self.assertEqual(read_exactly(s, len(data)), data)

    def finish_all(self, d, clients):
        """Each is served in the end, and odpd is as it was."""
        ends = [Background(self.say_goodbye, s, b"%d" % i) for i, s in enumerate(clients)]
        for i, end in enumerate(ends):
            self.assertTrue(end.join().startswith(b"%dbye " % i))
        d.await_status("greedy", connections=0, waiting=0)

    def say_goodbye(self, s, data):
        reply = exchange(s, data)
        s.close()
        return reply

    def test_odp_is_answered(self):
        d = self.begin()
        clients = self.exhaust(d)
        d.hang_up()
        for _ in range(20):
            for command in ("status", "why greedy"):
                done = d.odp(*command.split())
                self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.finish_all(d, clients)

    def test_services_are_started_and_stopped(self):
        other = Service(self.directory())
        d = self.begin(other=other.process_file())
        clients = self.exhaust(d)
        for _ in range(3):
            self.assertEqual(d.odp("start", "other").returncode, 0)
            self.assertEqual(len(other.running()), 1)
            self.assertEqual(d.odp("stop", "other").returncode, 0)
            self.assertEqual(other.running(), [])
        self.finish_all(d, clients)

    def test_launcher_is_replaced(self):
        other = Service(self.directory())
        d = self.begin(other=other.process_file())
        clients = self.exhaust(d)
        old = d.launcher()
        os.kill(old, signal.SIGKILL)
        until(lambda: d.launcher() not in (None, old), "another launcher runs", 5)
        self.assertEqual(d.odp("start", "other").returncode, 0)
        self.finish_all(d, clients)

    def test_ledger_is_written(self):
        other = Service(self.directory())
        d = self.begin(other=other.process_file())
        clients = self.exhaust(d)
        self.assertEqual(d.odp("start", "other").returncode, 0)
        path = os.path.join(d.path("state"), "ledger")
        until(lambda: "other 1 " in read_file(path), "the wake is written")
        self.finish_all(d, clients)

    def test_held_clients_stay_and_are_served(self):
        slow = Backend(self.directory(), "echo.py", "--delay", 1)
        d = self.begin(slow=slow.file())
        held = [self.connect(slow.listen) for _ in range(3)]
        for s in held:
            s.sendall(b"held ")
        d.await_status("slow", waiting=3)
        clients = self.exhaust(d)
        # Their own connections to the service need descriptors, too.
        for s in held:
            self.assertEqual(exchange(s, b"on"), b"held onbye %d\n" % slow.starts()[0])
        self.finish_all(d, clients)

    def test_clients_that_are_all_held_are_served(self):
        # Nobody leaves: what is free must do for all of them, one after the other.
        self.greedy = Backend(self.directory(), "echo.py", "--delay", 1)
        d = self.odpd({"greedy": self.greedy.file()},
                      before=["prlimit", f"--nofile={LIMIT}:{LIMIT}"])
        self.finish_all(d, self.exhaust(d))

    def test_resumes_by_itself(self):
        # No connection ends here, and nothing could be kept back: there are fewer descriptors all
        # at once, and then more, as with ENFILE.
        d = self.begin(limit=4 * LIMIT)
        self.limit(d, 30)
        clients = self.exhaust(d)
        self.limit(d, 4 * LIMIT)
        for i, s in enumerate(clients):
            self.echo(s, b"client %d" % i)
        self.assertIn("accepting resumes", d.log())
        self.finish_all(d, clients)


if __name__ == "__main__":
    unittest.main()
