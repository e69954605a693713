#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# odpd.service is restarted by a real systemd, with its own descriptor store: nobody who is connected,
# waits or comes meanwhile notices.

import json
import socket
import unittest

from installed import InstalledCase
from machine import Background, until
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
        self.assertEqual(self.machine.show("odpd.service", "NFileDescriptorStore"), "0")

    def status(self, name):
        return json.loads(self.odp("status", name, "--json").stdout)["services"][0]

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


if __name__ == "__main__":
    unittest.main()
