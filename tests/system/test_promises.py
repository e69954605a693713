# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The promises of docs/RELIABILITY.md about connections and the services behind them: F1 to F8, F12,
# F13 and F19. test_fN_... holds promise FN.

import os
import socket

from promises import PromiseCase
from harness import Background, digest, exchange, plain_file, read_all, read_exactly, until


class TestConnections(PromiseCase):
    def test_f1_held_for_a_service_that_starts(self):
        self.service("slow", "--delay", "1.5")
        self.unit("broken.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'exit 3'")
        d = self.begin(slow=self.file("slow"), broken=self.file("broken"))
        # Not even odpd runs when they come.
        d.hang_up()
        self.machine.systemctl("stop", "odpd.service")
        held = [Background(self.exchange, "slow", b"%d " % i) for i in range(20)]
        told = Background(self.browse, "broken")
        for i, answer in enumerate(held):
            self.assertTrue(answer.join().startswith(b"%d bye " % i))
        self.assertRegex(told.join(), r"(?s)^HTTP/1\.1 503 .*broken\.service: exit-code 3")
        self.assertEqual((self.starts("slow"), d.status("slow")["wakes"]), (1, 1))

    def test_f2_half_close_works_both_ways(self):
        data = os.urandom(8 << 20)
        self.service("sink", program="sink.py")
        text = self.file("sink")
        target = self.machine.listener()
        self.addCleanup(target.close)
        self.ports["plain"] = 4999
        self.begin(sink=text, plain=plain_file(4999, "127.0.0.1:%d" % target.getsockname()[1]))
        # The client ends first: the reply, made of all that it has sent, arrives.
        self.assertEqual(self.exchange("sink", data).decode(), f"{len(data)} {digest(data)}\n")
        # The service ends first: what the client goes on to send arrives. A probe's connection
        # may have been before it.
        client = self.connect(4999)
        client.sendall(b"first")
        while True:
            service = self.closing(target.accept()[0])
            if service.recv(5) == b"first":
                break
        service.shutdown(socket.SHUT_WR)
        self.assertEqual(client.recv(1), b"")
        received = Background(read_all, service)
        client.sendall(data)
        client.close()
        self.assert_same(received.join(), data)

    def test_f3_held_while_it_stops(self):
        gate = self.gate("echo")
        self.service("echo", "--stop-gate", gate)
        d = self.begin(echo=self.file("echo"))
        self.talk("echo").close()
        self.odp("stop", "--no-wait", "echo")
        d.await_state("echo", "stopping")
        s = self.connect(self.port("echo"))
        s.sendall(b"x")
        d.await_status("echo", waiting=1, state="stopping")
        self.open(gate)
        self.assertEqual(read_exactly(s, 1), b"x")
        self.assertEqual(self.starts("echo"), 2)

    def test_f4_live_connection_keeps_it_awake(self):
        self.service("echo")
        d = self.begin(echo=self.file("echo", idle="400ms"))
        s = self.talk("echo")
        self.stays("echo", "ready", 1.6)
        self.echo(s)
        s.close()
        d.await_state("echo", "stopped")
        self.await_unit("echo", "inactive")
        self.assertEqual(self.starts("echo"), 1)

    def test_f5_clients_that_leave_are_forgotten(self):
        self.service("slow", "--delay", "60")
        d = self.begin(slow=self.file("slow", ready="timeout = 2min"))
        self.odp("start", "--no-wait", "slow")
        d.await_state("slow", "starting")
        before = d.sockets()
        clients = [self.connect(self.port("slow")) for _ in range(40)]
        for s in clients[:20]:
            s.sendall(b"hello?")
        d.await_status("slow", waiting=40)
        for s in clients:
            s.close()
        d.await_status("slow", waiting=0, state="starting")
        until(lambda: d.sockets() == before, "nothing is left of them")

    def test_f12_restart_of_odpd(self):
        self.service("echo")
        self.service("slow", "--delay", "3")
        d = self.begin(echo=self.file("echo"), slow=self.file("slow"))
        relayed, peer = self.talk("echo"), self.connect(self.port("slow"))
        peer.sendall(b"early ")
        d.await_status("slow", waiting=1)
        before = d.pid
        d.hang_up()
        self.machine.systemctl("restart", "odpd.service")
        self.assertNotEqual(d.pid, before)
        self.echo(relayed, b"z" * 100_000)
        self.assertTrue(exchange(peer, b"late ").startswith(b"early late bye "))
        self.assertEqual((self.starts("echo"), self.starts("slow")), (1, 1))

    def test_f13_reload_changes_what_changed(self):
        for name in "same", "other":
            self.service(name)
        d = self.begin(same=self.file("same"), other=self.file("other"))
        sockets = [self.talk(name) for name in ("same", "other")]
        same = d.status("same")
        self.put("other", self.file("other", idle="300ms").replace("[service]",
                                                                    "[service]\ndescription = New"))
        self.assertIn("other", self.odp("reload").stdout)
        self.assertEqual(d.status("other")["description"], "New")
        for s in sockets:
            self.echo(s)
        for key in "state", "description", "listen", "wakes", "connections":
            self.assertEqual(d.status("same")[key], same[key])
        sockets[1].close()
        d.await_state("other", "stopped")
        self.echo(sockets[0])
        self.assertEqual((self.starts("same"), self.starts("other")), (1, 1))


class TestServices(PromiseCase):
    def test_f6_failed_start_is_told_and_tried_again(self):
        self.unit("late.service", """
            [Unit]
            StartLimitIntervalSec=0
            [Service]
            ExecStart=/bin/sh -c 'test -e /tmp/late.ok || exit 3; \
                exec busybox httpd -f -p 127.0.0.1:4997 -h /odp/tests/data'
            """)
        self.ports["late"] = 4996
        self.addCleanup(self.machine.run, "rm", "-f", "/tmp/late.ok")
        d = self.begin(late="""
            [service]
            listen = 4996
            target = 127.0.0.1:4997
            [backend]
            unit = late.service
            """)
        for n in 1, 2:
            self.assertIn("late.service: exit-code 3", self.browse("late"))
            self.assertEqual(d.status("late")["failed_wakes"], n)
        # It backs off: who comes now is told when, and nothing is tried for him.
        self.assertRegex(self.browse("late"), r"(?s)^HTTP/1\.1 503 .*\r\nRetry-After: \d")
        self.machine.write("/tmp/late.ok", "")
        until(lambda: "homelab.tsv" in self.browse_file("late"), "it is tried again")
        self.assertEqual(d.state("late"), "ready")

    def browse_file(self, name):
        request = b"GET /homelab.tsv HTTP/1.0\r\n\r\n"
        answer = self.exchange(name, request)
        return "homelab.tsv" if b" 200 OK\r\n" in answer else answer.decode()

    def test_f7_slow_start_fails_alone_and_is_adopted(self):
        self.service("slow", "--delay", "2.5")
        self.service("quick")
        d = self.begin(slow=self.file("slow", ready="timeout = 500ms"), quick=self.file("quick"))
        told = Background(self.browse, "slow")
        quick = self.talk("quick")
        self.assertRegex(told.join(), r"^HTTP/1\.1 503 ")
        self.echo(quick)
        self.assertEqual(d.status("slow")["failed_wakes"], 1)
        self.assertTrue(self.is_active("slow"))

        def visit():
            return self.exchange("slow", b"GET / HTTP/1.0\r\n\r\n").startswith(b"GET /")
        until(visit, "it answers late, and is taken as it is")
        self.assertEqual((self.starts("slow"), d.state("slow")), (1, "ready"))

    def test_f8_stopped_killed_and_restarted_by_others(self):
        self.service("echo")
        d = self.begin(echo=self.file("echo"))
        for n, hand in enumerate((["stop"], ["kill", "--signal=KILL"])):
            s = self.talk("echo")
            self.machine.systemctl(*hand, "echo.service")
            d.await_state("echo", "stopped")
            self.assertIn("echo.service: ", d.status("echo")["reason"])
            self.assert_closed(s)
            self.assertEqual(self.starts("echo"), n + 1)
        self.talk("echo")
        self.machine.systemctl("restart", "echo.service")
        self.talk("echo")
        self.assertEqual(self.starts("echo"), 4)

    def test_f19_what_is_not_odp_s(self):
        for name in "mine", "other":
            self.service(name)
        text = self.file("mine", idle="3s")
        self.file("other")  # its ports; odp never sees a file of it
        for unit in "mine.service", "other.service":
            self.machine.systemctl("start", unit)
        pid = self.machine.show("other.service", "MainPID")
        d = self.begin(mine=text)
        # Started by somebody else: adopted, in use as long as somebody is there, then asleep.
        s = self.talk("mine")
        self.assertIn("found it running", d.why("mine")["woken_by"])
        self.stays("mine", "ready", 4)
        s.close()
        self.await_unit("mine", "inactive")
        self.machine.systemctl("stop", "odp.target")
        self.assertEqual(self.machine.show("other.service", "MainPID"), pid)
        self.assertEqual((self.starts("mine"), self.starts("other")), (1, 1))
