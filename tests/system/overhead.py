#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a wake through odp takes over the containers' own start. In turns: the engine's API is asked
# to start a container, and a client tries it each millisecond from the answer on; a client asks
# through odp. With `compose` it is a project of Docker: a database, and the application that waits
# for it. As root, after a build:
#
#     cd tests/system
#     ODP_BUILD=$PWD/../../build/dev python3 -B overhead.py docker|podman|compose [ROUNDS]

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
    of, engine_name, n_rounds = "docker", "docker", 15

    def post(self, name, what):
        api = Api(self.machine.path(engines.SOCKETS[self.engine_name]))
        api.request("POST", f"/v1.41/containers/{name}/{what}")
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
        for name in self.names:
            self.post(name, "start")
        self.machine.in_network(self.until_answered)
        return time.monotonic() - began

    def through_odp(self):
        began = time.monotonic()
        with self.connect(self.port("wiki")) as s:
            s.sendall(REQUEST)
            self.assertTrue(s.recv(1))
            return time.monotonic() - began

    def begin_container(self):
        self.names = ["wiki"]
        self.create(self.engine(self.engine_name), "wiki")
        return self.file("wiki", backend=f"type = {self.engine_name}")

    def begin_project(self):
        """As docker compose 2 makes it."""
        self.names = ["db", "wiki"]
        for name, waits_for in ("db", ""), ("wiki", "db:service_started:false"):
            labels = {"project": "p", "service": name, "oneoff": "False", "depends_on": waits_for}
            self.create(self.engine(self.engine_name), name,
                        options=[f"--label=com.docker.compose.{k}={v}" for k, v in labels.items()])
        return self.file("wiki").replace("container = wiki\n", "project = p\n")

    def test(self):
        begin = self.begin_project if self.of == "compose" else self.begin_container
        d = self.odpd({"wiki": begin()})
        hand, odp = [], []
        for _ in range(self.n_rounds):
            hand.append(self.by_hand())
            for name in reversed(self.names):
                self.post(name, "stop?t=5")
            d.await_state("wiki", "stopped")
            odp.append(self.through_odp())
            d.odp("stop", "wiki")
        ms = [statistics.median(x) * 1000 for x in (hand, odp, [b - a for a, b in zip(hand, odp)])]
        print(f"{self.of}, medians of {self.n_rounds}: by hand {ms[0]:.0f} ms, through odp "
              f"{ms[1]:.0f} ms, difference of a round {ms[2]:.0f} ms")


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in (*engines.SOCKETS, "compose"):
        sys.exit("usage: overhead.py docker|podman|compose [ROUNDS]")
    Overhead.of = sys.argv[1]
    if Overhead.of != "compose":
        Overhead.engine_name = Overhead.of
    Overhead.n_rounds = int(sys.argv[2]) if len(sys.argv) > 2 else Overhead.n_rounds
    unittest.main(argv=sys.argv[:1])
