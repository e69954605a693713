#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# odpd.service is restarted by a real systemd, with its own descriptor store: nobody who is connected,
# waits or comes meanwhile notices.

import json
import os
import socket
import threading
import unittest

from installed import InstalledCase
from machine import SERVERS, Background, harness, until
from pairs import Flood, Pair, stuff
from harness import HOST, read_all, read_exactly

PORT, TARGET = 8080, 18080
HELD_PORT, HELD_TARGET = 8081, 18081


class RestartTest(InstalledCase):
    def plain(self, name="web", port=PORT, target=TARGET, extra=""):
        self.put(name, f"""[service]
                           listen = {port}
                           target = {HOST}:{target}
                           [backend]
                           type = none
                           {extra}""")

    def begin(self):
        self.reload()
        self.machine.systemctl("start", "odpd.service")

    def restart(self):
        before = self.machine.main_pid("odpd.service")
        self.machine.systemctl("restart", "odpd.service")
        self.assertNotEqual(self.machine.main_pid("odpd.service"), before)
        until(lambda: self.machine.show("odpd.service", "NFileDescriptorStore") == "0",
              "nothing is left in the store")

    def status(self, name):
        return json.loads(self.odp("status", name, "--json").stdout)["services"][0]

    def why(self, name):
        return json.loads(self.odp("why", name, "--json").stdout)

    def await_status(self, name, **wanted):
        def look():
            status = self.status(name)
            return status if all(status[k] == v for k, v in wanted.items()) else None
        return until(look, f"{name} has {wanted}")

    def clients(self, n, port=PORT):
        return [self.connect((HOST, port)) for _ in range(n)]

    def pairs(self, n):
        return [Pair(self, client, self.upstream) for client in self.clients(n)]

    def listen(self, target=TARGET):
        return self.closing(self.machine.listener((HOST, target)))

    def test_three_restarts(self):
        self.plain()
        self.plain("later", HELD_PORT, HELD_TARGET)
        self.upstream = self.listen()
        self.begin()
        bulk, idle, talking = self.pairs(20), self.pairs(60), self.pairs(60)
        by_client, by_service, slow = self.pairs(20), self.pairs(20), self.pairs(20)
        held = self.clients(50, HELD_PORT)
        for n, client in enumerate(held):
            client.sendall(b"first words of %d" % n)
        for pair in by_client:
            pair.client.shutdown(socket.SHUT_WR)
            self.assertEqual(pair.service.recv(1), b"")
        for pair in by_service:
            pair.service.shutdown(socket.SHUT_WR)
            self.assertEqual(pair.client.recv(1), b"")
        stuffed = Background(lambda: [stuff(pair.service) for pair in slow]).join()
        self.await_status("web", connections=200)
        self.await_status("later", waiting=50)
        flood = Flood(bulk)
        for turn in range(3):
            self.restart()
            for n, pair in enumerate(talking):
                pair.client.sendall(b"question %d %3d" % (turn, n))
            for n, pair in enumerate(talking):
                question = b"question %d %3d" % (turn, n)
                self.assertEqual(read_exactly(pair.service, len(question)), question)
                pair.service.sendall(b"answer")
            for pair in talking:
                self.assertEqual(read_exactly(pair.client, 6), b"answer")
            for pair in bulk + idle + talking + slow + by_client + by_service:
                pair.check(self)
            self.assertEqual(self.status("web")["connections"], 200)
            self.assertEqual(self.status("later")["waiting"], 50)
        n_up, n_down = flood.end(self)
        for pair, sent in zip(slow, stuffed):
            pair.service.shutdown(socket.SHUT_WR)
            self.assert_same(read_all(pair.client), sent)
        for pair in by_client:
            pair.service.sendall(b"the reply")
            pair.service.close()
            self.assertEqual(read_all(pair.client), b"the reply")
        for pair in by_service:
            pair.client.sendall(b"the rest")
            pair.client.close()
            self.assertEqual(read_all(pair.service), b"the rest")
        for pair in bulk + idle + talking + slow + by_client + by_service:
            pair.client.close()
            pair.service.close()
        status = self.await_status("web", connections=0)
        self.assertEqual(status["bytes_in"], 200 + n_up + 3 * 60 * 14 + 20 * 8)
        self.assertEqual(status["bytes_out"],
                         200 + n_down + 3 * 60 * 6 + 20 * 9 + sum(map(len, stuffed)))
        self.check_held(held)

    def check_held(self, held):
        upstream = self.listen(HELD_TARGET)
        heard = set()
        for _ in held:
            service = self.closing(upstream.accept()[0])
            service.settimeout(30)
            heard.add(service.recv(100))
            service.sendall(b"welcome")
        self.assertEqual(heard, {b"first words of %d" % n for n in range(50)})
        for client in held:
            self.assertEqual(read_exactly(client, 7), b"welcome")

    # Units behind it

    def unit_service(self, command="", stop="", timeout="5min", extra=""):
        """A unit that echoes, for a service `wiki`; returns the file that counts its starts."""
        starts = f"/tmp/{self.id()}.starts"
        self.unit("wiki-server.service", f"""
            [Service]
            {command}
            ExecStart=/usr/bin/python3 -IBS {SERVERS}/echo.py --listen {HOST}:{TARGET} {stop} --starts {starts}
            TimeoutStopSec=20
            """)
        self.put("wiki", f"""[service]
                            listen = {PORT}
                            target = {HOST}:{TARGET}
                            [backend]
                            unit = wiki-server.service
                            [idle]
                            timeout = {timeout}
                            {extra}""")
        self.begin()
        return starts

    def n_starts(self, starts):
        return len(self.machine.read(starts).split())

    def exchange(self, client, text):
        client.sendall(text)
        self.assertEqual(read_exactly(client, len(text)), text)

    def test_while_it_starts(self):
        gate = self.gate("wiki")
        starts = self.unit_service(
            command=f"ExecStartPre=/bin/sh -c 'until test -e {gate}; do sleep 0.1; done'")
        clients = self.clients(5)
        for client in clients:
            client.sendall(b"hello")
        self.await_status("wiki", state="starting", waiting=5)
        self.restart()
        self.restart()
        self.open(gate)
        for client in clients:
            self.assertEqual(read_exactly(client, 5), b"hello")
        self.assertEqual(self.n_starts(starts), 1)
        status = self.await_status("wiki", state="ready")
        self.assertEqual((status["wakes"], status["failed_wakes"]), (1, 0))
        self.assertEqual(self.why("wiki")["woken_by"], "a client")

    def test_while_it_stops(self):
        gate = self.gate("wiki")
        starts = self.unit_service(stop=f"--stop-gate {gate}")
        client, = self.clients(1)
        self.exchange(client, b"hello")
        client.close()
        self.odp("stop", "--no-wait", "wiki")
        self.await_status("wiki", state="stopping")
        visitor, = self.clients(1)
        self.await_status("wiki", waiting=1)
        self.restart()
        self.open(gate)
        self.exchange(visitor, b"welcome")
        self.assertEqual(self.n_starts(starts), 2)

    def test_while_it_drains(self):
        self.unit_service(extra="drain_timeout = 8s")  # time enough for a restart
        client, = self.clients(1)
        self.exchange(client, b"hello")
        self.odp("stop", "--no-wait", "wiki")
        self.await_status("wiki", state="draining")
        self.restart()
        self.exchange(client, b"still here")
        self.await_status("wiki", state="stopped")
        self.assertFalse(self.is_up("wiki-server.service"))

    def test_asleep(self):
        """Nothing runs and nobody is connected: what is known of the past stays known."""
        self.unit_service(timeout="1s")
        client, = self.clients(1)
        self.exchange(client, b"hello")
        client.close()
        self.await_status("wiki", state="stopped")
        before = self.why("wiki")
        self.assertEqual(before["stopped_reason"], "quiet for 1s")
        self.restart()
        after = self.why("wiki")
        for key in "state", "reason", "stopped_at", "stopped_reason", "woken_at", "woken_by":
            self.assertEqual(after[key], before[key], key)
        self.assertEqual(self.status("wiki")["wakes"], 1)

    def test_killed(self):
        starts = self.unit_service(timeout="3s")
        client, = self.clients(1)
        self.exchange(client, b"hello")
        direct = self.connect((HOST, TARGET))
        self.exchange(direct, b"direct")
        before = self.machine.main_pid("odpd.service")
        self.machine.systemctl("kill", "--signal=KILL", "odpd.service")
        until(lambda: self.machine.main_pid("odpd.service") not in (None, before), "it is back")
        until(lambda: self.odp("status", check=False).returncode == 0, "it can be asked")
        self.assert_closed(client)
        self.await_status("wiki", state="ready")
        until(lambda: self.why("wiki")["direct_connections"] == 1, "its window has ended once")
        self.exchange(direct, b"still here")
        visitor, = self.clients(1)
        self.exchange(visitor, b"hello")
        self.assertEqual(self.n_starts(starts), 1)

    def test_storm(self):
        """64 clients make one connection after the other: none is refused or lost."""
        self.unit_service()
        enough = threading.Event()

        def visit():
            n = 0
            while not enough.is_set():
                with harness.connect((HOST, PORT)) as client:
                    client.sendall(b"%09d" % n)
                    self.assertEqual(read_exactly(client, 9), b"%09d" % n)
                n += 1
            return n

        visitors = [Background(self.machine.in_network, visit) for _ in range(64)]
        for _ in range(3):
            self.restart()
            target = self.status("wiki")["bytes_in"] + 64 * 9
            until(lambda: self.status("wiki")["bytes_in"] > target, "the storm goes on")
        enough.set()
        counts = [visitor.join() for visitor in visitors]
        self.assertGreater(min(counts), 0)
        status = self.await_status("wiki", connections=0)
        self.assertEqual(status["bytes_in"], 9 * sum(counts))

    def test_ten_restarts_leak_nothing(self):
        self.plain()
        self.upstream = self.listen()
        self.begin()
        pairs = self.pairs(10)
        self.restart()

        def descriptors():
            return len(os.listdir(f"/proc/{self.machine.main_pid('odpd.service')}/fd"))

        n = descriptors()
        for _ in range(10):
            self.restart()
        until(lambda: descriptors() == n, f"as many as before: {n}")
        for pair in pairs:
            pair.check(self)
            pair.client.close()
            pair.service.close()
        self.await_status("web", connections=0)


if __name__ == "__main__":
    unittest.main()
