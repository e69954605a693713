#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# odpd is restarted over a descriptor store: connections live on, not a byte lost or doubled. The
# store is the test's own; tests/system/test_restart.py has systemd's.

import os
import random
import re
import select
import socket
import unittest

from harness import (DEADLINE, HOST, SHORT, Case, free_port, listener, plain_file,
                     raise_descriptor_limit, read_all, read_exactly, reset, until)
from pairs import Flood, Pair, stuff
from store import Manager


class HandoverTest(Case):
    def plain(self, extra="", **options):
        """A plain proxy before a listener of the test's own."""
        self.upstream = self.closing(listener())
        self.target = "%s:%d" % self.upstream.getsockname()
        self.port = free_port()
        manager = Manager(self, {"web": plain_file(f"{HOST}:{self.port}", self.target) + extra},
                          {"web": (HOST, self.port)}, **options)
        return manager

    def pair(self):
        return Pair(self, self.connect(self.port), self.upstream)

    def test_idle_and_talking(self):
        manager = self.plain()
        pairs = [self.pair() for _ in range(5)]
        for i in range(3):
            pairs[0].client.sendall(b"before %d" % i)
            manager.restart()
            self.assertEqual(read_exactly(pairs[0].service, 8), b"before %d" % i)
            for n, pair in enumerate(pairs):
                pair.check(self)
                pair.client.sendall(b"ask %d" % n)
                self.assertEqual(read_exactly(pair.service, 5), b"ask %d" % n)
                pair.service.sendall(b"say %d" % n)
                self.assertEqual(read_exactly(pair.client, 5), b"say %d" % n)
            self.assertEqual(manager.odpd.status("web")["connections"], 5)
            self.assertEqual(manager.odpd.status("web")["state"], "ready")
            self.assertEqual(manager.store.stored, [])
        for pair in pairs:
            pair.client.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(pair.service), b"")
            pair.service.close()
            self.assertEqual(read_all(pair.client), b"")
        status = manager.odpd.await_status("web", connections=0)
        self.assertEqual(status["bytes_in"], 5 + 15 * 5 + 3 * 8)
        self.assertEqual(status["bytes_out"], 5 + 15 * 5)

    def test_half_closed(self):
        manager = self.plain()
        by_client, by_service = self.pair(), self.pair()
        by_client.client.shutdown(socket.SHUT_WR)
        self.assertEqual(by_client.service.recv(1), b"")
        by_service.service.shutdown(socket.SHUT_WR)
        self.assertEqual(by_service.client.recv(1), b"")
        for _ in range(3):
            manager.restart()
            by_client.service.sendall(b"more")
            self.assertEqual(read_exactly(by_client.client, 4), b"more")
            by_service.client.sendall(b"more")
            self.assertEqual(read_exactly(by_service.service, 4), b"more")
        by_client.service.close()
        self.assertEqual(read_all(by_client.client), b"")
        by_service.client.close()
        self.assertEqual(read_all(by_service.service), b"")
        manager.odpd.await_status("web", connections=0)

    def test_closed_in_between(self):
        manager = self.plain()
        ended, gone, asked = self.pair(), self.pair(), self.pair()

        def end():
            ended.client.close()
            reset(gone.client)
            asked.client.sendall(b"last words")
            asked.client.close()

        manager.restart(end)
        self.assertEqual(read_all(ended.service), b"")
        with self.assertRaises(ConnectionResetError):
            read_all(gone.service)
        self.assertEqual(read_all(asked.service), b"last words")
        for pair in ended, asked:
            pair.service.close()
        manager.odpd.await_status("web", connections=0)

    def test_bytes_in_pipes(self):
        manager = self.plain()
        up, down = self.pair(), self.pair()
        sent_up, sent_down = bytearray(), bytearray()

        def stuffed():
            sent_up.extend(stuff(up.client))
            sent_down.extend(stuff(down.service))
            return manager.odpd.descriptors()["pipe"] >= 4
        # The far ends take nothing: what odpd has read stands in its pipes.
        until(stuffed, "bytes stand in pipes")
        up.client.shutdown(socket.SHUT_WR)
        down.service.shutdown(socket.SHUT_WR)
        for _ in range(3):
            manager.restart()
        self.assert_same(read_all(up.service), sent_up)
        self.assert_same(read_all(down.client), sent_down)
        up.service.close()
        down.client.close()
        manager.odpd.await_status("web", connections=0)
        self.assertEqual(manager.odpd.status("web")["bytes_in"], len(sent_up) + 2)

    def test_bulk_both_ways(self):
        manager = self.plain()
        pairs = [self.pair() for _ in range(4)]
        flood = Flood(pairs)
        for _ in range(3):
            manager.restart()
            before = manager.odpd.status("web")["bytes_in"]
            until(lambda: manager.odpd.status("web")["bytes_in"] > before, "bytes go on")
        n_up, n_down = flood.end(self)
        status = manager.odpd.await_status("web", connections=0)
        self.assertEqual(status["bytes_in"], 4 + n_up)
        self.assertEqual(status["bytes_out"], 4 + n_down)

    def test_held(self):
        port, target = free_port(), free_port()
        manager = Manager(self, {"web": plain_file(f"{HOST}:{port}", f"{HOST}:{target}")},
                          {"web": (HOST, port)})
        clients = [self.connect(port) for _ in range(20)]
        for n, client in enumerate(clients[:10]):
            client.sendall(b"hello %d" % n)
        clients[0].shutdown(socket.SHUT_WR)
        manager.odpd.await_status("web", waiting=20)
        for _ in range(3):
            manager.restart()
            self.assertEqual(manager.odpd.status("web")["waiting"], 20)
        upstream = self.closing(listener((HOST, target)))
        heard = set()
        for n in range(20):
            service = self.closing(upstream.accept()[0])
            service.settimeout(DEADLINE)
            service.sendall(b"hi")
            if n < 10:  # those that said something are tried first
                heard.add(service.recv(100))
        self.assertEqual(heard, {b"hello %d" % n for n in range(10)})
        for client in clients:
            self.assertEqual(read_exactly(client, 2), b"hi")

    def test_client_that_leaves_in_between(self):
        port = free_port()
        manager = Manager(self, {"web": plain_file(f"{HOST}:{port}", f"{HOST}:{free_port()}")},
                          {"web": (HOST, port)})
        stays, leaves = self.connect(port), self.connect(port)
        manager.odpd.await_status("web", waiting=2)
        manager.restart(leaves.close)
        manager.odpd.await_status("web", waiting=1)
        stays.close()
        manager.odpd.await_status("web", waiting=0)

    # Files that have changed meanwhile

    def held_and_relayed(self):
        """One connection is relayed; one is held, since the service has ceased to listen."""
        manager = self.plain()
        pair = self.pair()
        self.upstream.close()
        held = self.connect(self.port)
        held.sendall(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n")
        manager.odpd.await_status("web", connections=1, waiting=1)
        return manager, pair, held

    def await_request(self):
        """The held client reaches the service, which listens again."""
        host, _, port = self.target.rpartition(":")
        upstream = self.closing(listener((host, int(port))))
        upstream.settimeout(DEADLINE)
        while True:
            service = self.closing(upstream.accept()[0])
            service.settimeout(DEADLINE)
            if service.recv(5) == b"GET /":
                return service

    def check_relayed(self, pair):
        pair.client.sendall(b"question")
        self.assertEqual(read_exactly(pair.service, 8), b"question")
        pair.service.sendall(b"answer")
        pair.service.close()
        self.assertEqual(read_all(pair.client), b"answer")

    def check_gone(self, change, reason):
        manager, pair, held = self.held_and_relayed()
        manager.restart(lambda: change(manager))
        page = read_all(held)
        self.assertIn(b"HTTP/1.1 503", page)
        self.assertIn(reason, page)
        self.check_relayed(pair)
        until(lambda: manager.odpd.sockets() < 14, "nothing is left of them")
        return manager

    def test_removed(self):
        def remove(manager):
            os.unlink(os.path.join(manager.odpd.config, "services", "web.ini"))
        self.check_gone(remove, b"its file was removed")

    def test_disabled(self):
        def disable(manager):
            manager.odpd.write_service("web", plain_file(f"{HOST}:{self.port}", self.target,
                                                         "enabled = no"))
        manager = self.check_gone(disable, b"it was disabled")
        self.assertEqual(manager.odpd.state("web"), "disabled")

    def test_disabled_with_a_silent_client(self):
        """It came just now: half a second is given to it to say what it is, and no more."""
        port = free_port()
        text = plain_file(f"{HOST}:{port}", f"{HOST}:{free_port()}")
        disabled = text.replace("[service]", "[service]\nenabled = no")
        manager = Manager(self, {"web": text}, {"web": (HOST, port)})
        client = self.connect(port)
        manager.odpd.await_status("web", waiting=1)

        def disable():
            manager.odpd.write_service("web", disabled)
            manager.change(lambda text: re.sub(rb" since=\d+", b" since=%d" % 10**18, text))

        manager.restart(disable)
        self.assert_closed(client)

    def test_faulty(self):
        def spoil(manager):
            manager.odpd.write_service("web", "nonsense")
        manager = self.check_gone(spoil, b"its file has a fault")
        self.assertEqual(manager.odpd.state("web"), "invalid")

    def test_renamed(self):
        manager, pair, held = self.held_and_relayed()

        def rename():
            services = os.path.join(manager.odpd.config, "services")
            os.rename(os.path.join(services, "web.ini"), os.path.join(services, "wiki.ini"))

        manager.restart(rename)
        status = manager.odpd.status("wiki")
        self.assertEqual((status["connections"], status["waiting"]), (1, 1))
        self.check_relayed(pair)
        self.await_request().sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        self.assertIn(b"204", held.recv(100))

    def test_places(self):
        """Of two that waited one has the only place; the other one gets it later."""
        port, target = free_port(), free_port()
        text = plain_file(f"{HOST}:{port}", f"{HOST}:{target}", "[client]\nmax_connections = 1")
        manager = Manager(self, {"web": text}, {"web": (HOST, port)})
        clients = [self.connect(port), self.connect(port)]
        for client in clients:
            client.sendall(b"?")
        manager.odpd.await_status("web", waiting=2)
        upstream = self.closing(listener((HOST, target)))
        upstream.settimeout(DEADLINE)
        services = [self.first_word(upstream)]
        services[0].sendall(b"!")
        manager.odpd.await_status("web", connections=1, waiting=1)
        for _ in range(2):
            manager.restart()
            status = manager.odpd.status("web")
            self.assertEqual((status["connections"], status["waiting"]), (1, 1))
        served = select.select(clients, [], [], DEADLINE)[0][0]
        self.assertEqual(served.recv(1), b"!")
        served.close()
        services[0].close()
        services.append(self.first_word(upstream))
        services[1].sendall(b"!")
        clients.remove(served)
        self.assertEqual(clients[0].recv(1), b"!")

    def first_word(self, upstream):
        while True:
            service = self.closing(upstream.accept()[0])
            service.settimeout(DEADLINE)
            if service.recv(1) == b"?":
                return service

    # What does not cross

    def check_ends(self, manager, pair, words):
        self.assertEqual(manager.store.stored, [])
        until(lambda: words in manager.odpd.log(), words)
        with self.assertRaises((ConnectionResetError, BrokenPipeError, EOFError)):
            pair.client.sendall(b"x")
            if pair.client.recv(1) == b"":
                raise EOFError
        Pair(self, self.connect(self.port), self.upstream)

    def test_without_a_store(self):
        manager = self.plain(keeps=False)
        pair = self.pair()
        manager.restart()
        self.check_ends(manager, pair, "FileDescriptorStoreMax=")

    def test_another_version(self):
        manager = self.plain()
        pair = self.pair()
        manager.restart(lambda: manager.change(
            lambda text: text.replace(b"odp-handover 1\n", b"odp-handover 2\n")))
        self.check_ends(manager, pair, "is of version 2, this one reads 1")

    def test_garbled(self):
        manager = self.plain()
        pair = self.pair()
        manager.restart(lambda: manager.change(lambda text: bytes(b ^ 0x55 for b in text)))
        self.check_ends(manager, pair, "cannot be read")

    def test_later_fields_are_passed_over(self):
        manager = self.plain()
        pair = self.pair()
        manager.restart(lambda: manager.change(
            lambda text: text.replace(b"visit ", b"colour red=yes\nvisit new=1 ")))
        self.check_relayed(pair)

    def test_cut(self):
        """What arrived whole is used."""
        manager = self.plain()
        pairs = [self.pair() for _ in range(200)]

        def cut(text):
            lines = text.splitlines(keepends=True)
            return b"".join(lines[:-2]) + lines[-2][:10]

        manager.restart(lambda: manager.change(cut, n_dropped=1))
        self.assertIn("is not whole", manager.odpd.log())
        n = manager.odpd.status("web")["connections"]
        self.assertEqual(n, 126)  # one message of 253: the text, and 126 pairs of sockets
        n_alive = 0
        for pair in pairs:
            try:
                pair.client.sendall(b"x")
                pair.service.settimeout(DEADLINE)
                n_alive += pair.service.recv(1) == b"x"
            except OSError:
                pass
        self.assertEqual(n_alive, n)

    def test_damaged_lines(self):
        """Whatever stands in the text, odpd starts and serves."""
        for seed in range(18, 20 if SHORT else 23):
            with self.subTest(seed=seed):
                self.check_damaged(random.Random(seed))

    def check_damaged(self, chance):
        manager = self.plain()
        pairs = [self.pair() for _ in range(5)]
        stuff(pairs[0].client)

        def damage(text):
            text = bytearray(text)
            for _ in range(30):
                at = chance.randrange(len(b"odp-handover 1\n"), len(text))
                text[at] = chance.choice(b"0123456789abc=- \n%")
            return bytes(text)

        manager.restart(lambda: manager.change(damage))
        for pair in pairs:
            pair.client.close()
            pair.service.close()
        Pair(self, self.connect(self.port), self.upstream)
        self.assertEqual(manager.odpd.finish(), "")

    # How much

    def test_few_descriptors(self):
        """Clients take all there are: what can cross does, and the rest is closed and counted."""
        manager = self.plain(limit=120)
        pairs = []
        while len(pairs) < 30:
            pairs.append(self.pair())
        for _ in range(3):
            manager.restart()
            self.assertEqual(manager.odpd.status("web")["connections"], 30)
        manager.limit = 60
        manager.restart()
        n = manager.odpd.status("web")["connections"]
        self.assertTrue(10 < n < 30, n)
        self.assertIn("not all that the odpd before has left", manager.odpd.log())

    def test_many(self):
        n = 300 if SHORT else 3000
        raise_descriptor_limit(3 * n)
        manager = self.plain("\n[client]\nmax_connections = 10000\n")
        pairs = [self.pair() for _ in range(n)]
        manager.restart()
        self.assertEqual(manager.odpd.status("web")["connections"], n)
        for pair in pairs:
            pair.client.sendall(b"x")
        for pair in pairs:
            self.assertEqual(pair.service.recv(1), b"x")

    def test_ten_restarts_leak_nothing(self):
        manager = self.plain()
        pairs = [self.pair() for _ in range(10)]
        manager.restart()
        kinds = manager.odpd.descriptors()
        for _ in range(10):
            manager.restart()
        until(lambda: manager.odpd.descriptors() == kinds, f"no more than before: {kinds}")
        for pair in pairs:
            self.check_relayed(pair)


if __name__ == "__main__":
    unittest.main()
