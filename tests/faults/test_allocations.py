#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a relayed connection allocates: itself, and nothing else once odpd is warm.

import unittest

from faults import COUNT, World
from harness import (HOST, Background, Case, connect, exchange, free_port, listener, plain_file,
                     raise_descriptor_limit, read_all, until)

N = 200
LARGE = bytes(200_000)  # more than one read takes: it passes through pipes


class AllocationsTest(Case):
    def setUp(self):
        raise_descriptor_limit(10 * N)
        self.server, self.port = self.closing(listener()), free_port()
        target = "%s:%d" % self.server.getsockname()
        self.d = World(self.directory(), {"r": plain_file(self.port, target)}, "odpd")
        self.addCleanup(self.finish, self.d)
        self.d.begin(COUNT)
        self.d.await_log("-> ready")
        self.d.await_true(lambda: self.d.sockets() > 0, "odpd listens")
        self.bare_probe = self.closing(self.server.accept()[0])
        self.assertEqual(self.bare_probe.recv(1), b"")
        self.n_sockets = self.d.sockets()

    def serve(self, n, large):
        """Accepts n clients, of which each says something, and answers; all are there at once."""
        accepted = [self.server.accept()[0] for _ in range(n)]
        for s in accepted:
            self.assertEqual(len(read_all(s)), len(LARGE) if large else 1)
            s.sendall(LARGE if large else b"y")
            s.close()

    def visit(self, n, large=False):
        """n clients at once; when it returns, odpd has ended all of their connections."""
        server = Background(self.serve, n, large)
        clients = [connect(self.port) for _ in range(n)]
        for s in clients:
            with s:
                self.assertEqual(len(exchange(s, LARGE if large else b"x")), len(LARGE) if large else 1)
        server.join()
        until(lambda: self.d.sockets() == self.n_sockets, "all connections have ended")

    def count(self, visit, *args):
        """How often odpd allocates meanwhile. Nothing is asked of it, since that allocates, too."""
        before = self.d.page.fields.n_allocations
        visit(*args)
        return self.d.page.fields.n_allocations - before

    def test_one_for_each_connection(self):
        self.visit(N)
        self.visit(N // 4, True)
        self.assertEqual(self.count(self.visit, N), N)
        self.assertEqual(self.count(self.visit, N // 4, True), N // 4)
        for _ in range(20):
            self.assertEqual(self.count(self.visit, 1), 1)


if __name__ == "__main__":
    unittest.main()
