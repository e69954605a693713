#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Somebody uses a service's internal port without odp: the service stays awake for them. They are
# looked for when the window ends, not in between.

import os
import shutil
import time
import unittest

import test_asleep
from harness import DEADLINE, Backend, Case, connect, read_exactly, until


class DirectTest(Case):
    def begin(self, idle="1s", more="", **options):
        backend = Backend(self.directory(), **options)
        d = self.odpd({"web": backend.file(idle=idle) + more})
        return d, backend

    def direct(self, backend):
        host, _, port = backend.target.rpartition(":")
        s = self.connect((host, int(port)) if host else backend.target)
        self.assert_lives(s)
        return s

    def direct_beside_a_visit(self, backend):
        """A direct connection to what a visitor has woken, who leaves."""
        with connect(backend.listen) as s:
            self.assert_lives(s)
            return self.direct(backend)

    def assert_lives(self, s):
        s.sendall(b"hello")
        self.assertEqual(read_exactly(s, 5), b"hello")

    def why(self, d):
        return d.call("Why", name="web")["parameters"]

    def await_looks(self, d, n=1):
        """So many windows have ended; each look is at another moment."""
        moments = set()

        def look():
            moments.add(self.why(d)["direct_at"])
            moments.discard(None)
            return len(moments) >= n
        until(look, f"{n} windows have ended")
        return max(moments)

    def test_keeps_awake_for_as_long_as_it_is_there(self):
        d, backend = self.begin()
        with connect(backend.listen) as s:
            self.assert_lives(s)
            users = [self.direct(backend) for _ in range(3)]
            self.assertEqual(self.why(d)["direct_connections"], 0)
        self.await_looks(d, 3)
        why = self.why(d)
        self.assertEqual((why["state"], why["direct_connections"], why["connections"]),
                         ("ready", 3, 0))
        self.assertIn(f"3 direct connections to {backend.target} keep it awake, seen at ",
                      d.odp("why", "web").stdout)
        self.assertEqual(d.log().count("keep it awake"), 1, "said once, not with every window")
        users.pop().close()
        users.pop().close()
        until(lambda: self.why(d)["direct_connections"] == 1, "the next look finds one")
        self.assertIn(f"1 direct connection to {backend.target} keeps it awake",
                      d.odp("why", "web").stdout)
        self.assert_lives(users[0])
        users.pop().close()
        d.await_state("web", "stopped")
        self.assertEqual(len(backend.starts()), 1)
        self.assertNotIn("direct", d.odp("why", "web").stdout)

    def test_window_begins_anew_in_full(self):
        d, backend = self.begin(idle="2s")
        user = self.direct_beside_a_visit(backend)
        seen = self.await_looks(d)
        user.close()
        d.await_state("web", "stopped")
        self.assertTrue(1.9 < self.why(d)["stopped_at"] - seen < 5)

    def test_a_visitor_through_odp_is_none(self):
        d, backend = self.begin()
        with connect(backend.listen) as s:
            self.assert_lives(s)
            began = time.monotonic()
            until(lambda: time.monotonic() - began > 1.5, "more than a window has passed")
        d.await_state("web", "stopped")
        self.assertIsNone(self.why(d)["direct_at"])
        self.assertNotIn("keep it awake", d.log())

    def test_not_counted(self):
        d, backend = self.begin(more="count_direct = no\n")
        user = self.direct_beside_a_visit(backend)
        d.await_state("web", "stopped")
        self.assert_closed(user)

    def test_unix_target(self):
        path = os.path.join(self.directory(), "target.sock")
        d, backend = self.begin(target=path)
        user = self.direct_beside_a_visit(backend)
        self.await_looks(d, 2)
        self.assertEqual(self.why(d)["direct_connections"], 1)
        self.assert_lives(user)
        user.close()
        d.await_state("web", "stopped")

    def test_no_window(self):
        d, backend = self.begin(idle="0")
        user = self.direct_beside_a_visit(backend)
        self.await_looks(d, 2)
        self.assert_lives(user)
        user.close()
        d.await_state("web", "stopped")

    @unittest.skipUnless(shutil.which("strace"), "strace is missing: apt-get install strace")
    def test_looks_once_a_window(self):
        d, backend = self.begin(idle="2s")
        self.direct_beside_a_visit(backend)
        self.await_looks(d)
        trace = test_asleep.Strace(self, d.pid)
        began = time.monotonic()
        until(lambda: time.monotonic() - began > 5, "two windows, and half a one", DEADLINE)
        looks = [line for line in trace.calls() if "AF_NETLINK, SOCK" in line]
        # Two looks at who listens, one at who is connected.
        self.assertIn(len(looks), (6, 9), looks)


if __name__ == "__main__":
    unittest.main()
