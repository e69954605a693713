#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a wake through odp takes over the container's own start. In turns: the engine's API is asked
# to start a container, and a client tries it each millisecond from the answer on; a client asks
# through odp. As root, after a build:
#
#     cd tests/system
#     ODP_BUILD=$PWD/../../build/dev python3 -B overhead.py docker|podman [ROUNDS]

import http.client
import socket
import statistics
import sys
import time
import unittest

import engines
import test_containers

REQUEST = b"GET / HTTP/1.0\r\nHost: x\r\n\r\n"


class Api(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Overhead(test_containers.ContainerCase):
    engine_name, n_rounds = "docker", 15

    def post(self, what):
        api = Api(self.machine.path(engines.SOCKETS[self.engine_name]))
        api.request("POST", f"/v1.41/containers/wiki/{what}")
        api.getresponse().read()
        api.close()

    def until_answered(self):
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.target("wiki")), 1) as s:
                    s.sendall(REQUEST)
                    if s.recv(1):
                        return
            except OSError:
                pass
            time.sleep(0.001)

    def by_hand(self):
        began = time.monotonic()
        self.post("start")
        self.machine.in_network(self.until_answered)
        return time.monotonic() - began

    def through_odp(self):
        began = time.monotonic()
        with self.connect(self.port("wiki")) as s:
            s.sendall(REQUEST)
            self.assertTrue(s.recv(1))
            return time.monotonic() - began

    def test(self):
        self.create(self.engine(self.engine_name), "wiki")
        d = self.odpd({"wiki": self.file("wiki", backend=f"type = {self.engine_name}")})
        hand, odp = [], []
        for _ in range(self.n_rounds):
            hand.append(self.by_hand())
            self.post("stop?t=5")
            d.await_state("wiki", "stopped")
            odp.append(self.through_odp())
            d.odp("stop", "wiki")
        ms = [statistics.median(x) * 1000 for x in (hand, odp, [b - a for a, b in zip(hand, odp)])]
        print(f"{self.engine_name}, medians of {self.n_rounds}: by hand {ms[0]:.0f} ms, through odp "
              f"{ms[1]:.0f} ms, difference of a round {ms[2]:.0f} ms")


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in engines.SOCKETS:
        sys.exit("usage: overhead.py docker|podman [ROUNDS]")
    Overhead.engine_name = sys.argv[1]
    Overhead.n_rounds = int(sys.argv[2]) if len(sys.argv) > 2 else Overhead.n_rounds
    unittest.main(argv=sys.argv[:1])
