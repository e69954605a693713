# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The promises of docs/RELIABILITY.md about what breaks around odp: F9 to F11, F14 to F18 and F20.
# test_fN_... holds promise FN.

import os
import signal
import sys
import time

import engines
from promises import REQUEST, PromiseCase
import harness
from harness import Background, cpu_seconds, is_alive, private_dirty, read_exactly, until

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "faults"))
# pylint: disable=wrong-import-position
from faults import Page

DROP_IN = "/run/systemd/system/odpd.service.d"
HOUR = 3600 * 10**9  # nsec
TIMES = 60  # as fast as time passes for odpd, where a test hurries it


class FaultCase(PromiseCase):
    def configure_odpd(self, text):
        """Adds to odpd's unit; until the test is over."""
        self.addCleanup(self.machine.run, "rm", "-rf", DROP_IN)
        self.machine.write(f"{DROP_IN}/test.conf", text)

    def kill(self, unit):
        """Kills its main process; returns when that is dead."""
        pid = self.machine.main_pid(unit)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not is_alive(pid), f"{unit} is dead")

    def unmount(self, path):
        self.machine.run("umount", "-q", path, check=False)


class TestEngines(FaultCase, engines.EngineCase):
    def test_f9_bus_and_engine_gone_and_back(self):
        self.engine("docker")
        self.addCleanup(self.machine.systemctl, "start", "dbus.socket", "docker.service")
        self.service("echo")
        self.docker_unit("wiki", [f"127.0.0.1:{self.target('wiki')}:80"])
        d = self.begin(echo=self.file("echo"), wiki=self.file(
            "wiki", units=["docker-wiki.service"], backend="container = wiki", ready="probe = http"))
        s = self.talk("echo")
        self.assertIn(engines.PAGE, self.browse("wiki"))

        # Both gone for a while: nothing is stopped for it, and nobody is busy with it.
        programs = [d.pid, self.launcher_pid()]
        before = [cpu_seconds(pid) for pid in programs]
        self.machine.systemctl("stop", "dbus.socket", "dbus.service")
        self.stays("echo", "ready", 1.5)
        self.echo(s)
        self.machine.systemctl("stop", "docker.socket", "docker.service")
        until(lambda: self.machine.show("docker-wiki.service", "ActiveState") in
              ("inactive", "failed"), "the container has ended with its engine")
        for pid, seconds in zip(programs, before):
            self.assertTrue(is_alive(pid))
            self.assertLess(cpu_seconds(pid) - seconds, 1)
        self.echo(s)

        # What ended meanwhile is seen, and started again for the next visitor.
        self.machine.systemctl("start", "dbus.socket", "docker.service")
        d.await_state("wiki", "stopped", "failed")
        until(lambda: engines.PAGE in self.browse("wiki"), "it is started again")
        self.machine.systemctl("stop", "echo.service")
        d.await_state("echo", "stopped")
        self.talk("echo")
        self.assertEqual(self.starts("echo"), 2)

    def slow_runc(self):
        """Until the test lets it go on it has made a container, and does not start it."""
        runc = self.machine.run("sh", "-c", "command -v runc").stdout.strip()
        self.addCleanup(self.machine.run, "mv", f"{runc}.real", runc)
        self.machine.run("mv", runc, f"{runc}.real")
        self.machine.write(runc, f"""#!/bin/sh
case " $* " in
*" start "*) touch /tmp/made; until [ -e /tmp/go ]; do sleep 0.05; done
esac
exec {runc}.real "$@"
""", 0o755)
        for name in "/tmp/made", "/tmp/go":
            self.addCleanup(self.machine.run, "rm", "-f", name)

    def test_f9_dockerd_killed_once_a_container_was_made(self):
        """containerd goes on to start it, and the next dockerd knows nothing of it."""
        e = self.engine("docker")
        e.command("create", "--name=wiki", f"--publish=127.0.0.1:{self.target('wiki')}:80",
                  engines.IMAGE, *engines.SERVE)
        self.begin(wiki=self.file("wiki", units=["none"], backend="type = docker\ncontainer = wiki")
                   .replace("unit = none", ""))
        self.slow_runc()
        with self.machine.connect(self.port("wiki")) as s:
            s.sendall(REQUEST)
            until(lambda: os.path.exists(self.machine.path("/tmp/made")), "it is made")
            self.machine.systemctl("kill", "--signal=KILL", "docker.service")
            self.machine.write("/tmp/go", "")
            self.assertRegex(harness.read_all(s), b"^HTTP/1.[01] (200|503) ")
        until(lambda: engines.PAGE in self.browse("wiki"), "it is woken")


class TestFaults(FaultCase):
    def test_f10_out_of_descriptors(self):
        self.service("greedy")
        self.service("other")
        self.configure_odpd("[Service]\nLimitNOFILE=80\n")
        d = self.begin(greedy=self.file("greedy"), other=self.file("other"))
        first = self.talk("greedy")
        clients = [self.connect(self.port("greedy")) for _ in range(100)]
        until(lambda: "accepting pauses" in self.log(), "accepting pauses")
        # Live ones are served on, and odp is answered.
        self.echo(first)
        d.hang_up()
        self.assertEqual(self.odp("why", "greedy").returncode, 0)
        # As some leave, the others have their turn: all of them in the end.
        for s in clients:
            self.assertTrue(harness.exchange(s, b"x").startswith(b"xbye "))
            s.close()
        self.talk("other")
        self.echo(first)
        self.assertEqual(self.starts("greedy"), 1)

    def test_f11_odpd_killed(self):
        for name in "used", "unused":
            self.service(name)
        d = self.begin(**{name: self.file(name, idle="600ms") for name in ("used", "unused")})
        for name in "used", "unused":
            self.talk(name)
        direct = self.connect(self.target("used"))
        self.echo(direct)
        before = d.pid
        d.hang_up()
        self.kill("odpd.service")
        until(lambda: d.pid not in (None, before), "it is restarted")
        # In use by somebody whom odpd does not even see.
        d.await_state("unused", "stopped")
        self.await_unit("unused", "inactive")
        self.stays("used", "ready", 1.2)
        self.echo(direct)
        self.talk("used").close()
        direct.close()
        self.await_unit("used", "inactive")
        self.assertEqual((self.starts("used"), self.starts("unused")), (1, 1))

    def test_f14_launcher_killed_at_any_moment(self):
        self.service("echo", "--delay", "0.3", "--stop-delay", "1.5")
        d = self.begin(echo=self.file("echo"))
        moments = [("start", 0), ("stop", 0.1), ("start", 0.15), ("stop", 0), ("start", 0.3)]
        for n, (during, seconds) in enumerate(moments, 1):
            s = self.connect(self.port("echo"))
            s.sendall(b"x")
            if during == "start":
                time.sleep(seconds)
                self.kill("odp-launcher.service")
            self.assertEqual(read_exactly(s, 1), b"x")
            s.close()
            stop = Background(self.odp, "stop", "echo")
            if during == "stop":
                d.await_state("echo", "stopping")
                time.sleep(seconds)
                self.kill("odp-launcher.service")
            stop.join()
            d.await_state("echo", "stopped")
            self.await_unit("echo", "inactive")
            self.assertEqual(self.starts("echo"), n)
        self.assertEqual(d.status("echo")["wakes"], len(moments))

    def test_f16_storms_and_slow_clients(self):
        for name in "stormed", "other":
            self.service(name)
        limits = "[client]\nmax_connections = 50\n[wait]\nmax_waiting = 20\n"
        d = self.begin(stormed=self.file("stormed") + limits, other=self.file("other"))
        self.talk("other").close()
        before = private_dirty(d.pid)
        # Some begin a request and never end it; most say nothing at all.
        clients = [self.connect(self.port("stormed")) for _ in range(400)]
        for s in clients[::2]:
            s.sendall(b"GET / HT")
        status = d.await_status("stormed", connections=50)
        self.assertLessEqual(status["waiting"], 20)
        self.assertLess(private_dirty(d.pid) - before, 1 << 20)
        self.talk("other")
        for s in clients:
            s.close()
        d.await_status("stormed", connections=0, waiting=0)
        self.talk("stormed")

    def test_f18_missing_mount(self):
        self.service("film")
        mount = "/tmp/f18"
        self.machine.run("mkdir", "-p", mount)
        d = self.begin(film=self.file("film") + f"[requires]\nmount = {mount}\n")
        for _ in range(2):
            self.assertIn(f"{mount} is not mounted", self.browse("film"))
            self.assertEqual(d.state("film"), "failed")
        self.assertEqual((self.starts("film"), self.machine.show("film.service", "NRestarts")),
                         (0, "0"))
        self.machine.run("mount", "-t", "tmpfs", "film", mount)
        self.addCleanup(self.unmount, mount)
        until(lambda: "GET / " in self.browse("film"), "it is started")
        self.assertEqual(self.starts("film"), 1)

    def test_f20_disk_full_and_ledger_damaged(self):
        self.service("echo")
        state = "/var/lib/odp"
        self.machine.run("mkdir", "-p", state)
        self.machine.run("mount", "-t", "tmpfs", "-o", "size=64k,mode=0777", "state", state)
        self.addCleanup(self.unmount, state)
        self.machine.write(f"{state}/ledger", "rubbish\n")
        self.begin(echo=self.file("echo"))
        self.assertEqual(self.about_ledger(), ["is damaged: it is kept as"])
        with open(self.machine.path(f"{state}/fill"), "wb", buffering=0) as f:
            try:
                while True:
                    f.write(bytes(4096))
            except OSError:
                pass
        for _ in range(2):
            self.talk("echo").close()
            self.odp("stop", "echo")
        self.assertEqual(self.about_ledger(), ["is damaged: it is kept as", "No space left on device"])
        os.unlink(f.name)
        self.talk("echo").close()
        self.odp("stop", "echo")
        until(lambda: "echo 3 " in self.machine.read(f"{state}/ledger"), "the ledger has all wakes")

    def about_ledger(self):
        """What was said of it."""
        kinds = ("is damaged: it is kept as", "No space left on device")
        lines = [line for line in self.log().splitlines() if "/ledger" in line]
        return [next((kind for kind in kinds if kind in line), line) for line in lines]


class TestTime(FaultCase):
    """Clocks and the kernel's patience, by libraries that odpd is run with: outside of the sandbox,
    which lets it run nothing but itself."""

    def test_f15_peer_that_vanishes(self):
        self.service("echo")
        d = self.odpd({"echo": self.file("echo", idle="1s") + "[client]\nkeepalive = 60s\n"},
                      start=False)
        d.start(properties=["Environment=LD_PRELOAD=/odp/build/tests/faults/libodp-hurry.so "
                            f"ODP_HURRY={TIMES}"])
        self.machine.run("sh", "-ec", """
            ip netns add far
            ip link add near type veth peer name far netns far
            ip address add 10.9.8.1/24 dev near
            ip link set near up
            ip -n far address add 10.9.8.2/24 dev far
            ip -n far link set far up
            """)
        self.addCleanup(self.machine.run, "ip", "netns", "delete", "far")
        code = ("import socket, sys; s = socket.create_connection(('10.9.8.1', %d)); "
                "s.sendall(b'x'); print(s.recv(1), flush=True); sys.stdin.read()"
                % self.port("echo"))
        client = self.machine.spawn("ip", "netns", "exec", "far", "python3", "-c", code)
        self.addCleanup(client.communicate)
        self.addCleanup(client.kill)
        self.assertEqual(client.stdout.readline(), "b'x'\n")
        # As long as it answers the kernel, it is there.
        end = time.monotonic() + 2 * 120 / TIMES
        while time.monotonic() < end:
            self.assertEqual(d.status("echo")["connections"], 1)
        self.machine.run("ip", "-n", "far", "link", "set", "far", "down")
        d.await_status("echo", connections=0)
        self.await_unit("echo", "inactive")

    def test_f17_clock_set_and_machine_suspended(self):
        for name in "busy", "quiet":
            self.service(name)
        d = self.odpd({"busy": self.file("busy", idle="2s"), "quiet": self.file("quiet", idle="2s")},
                      start=False)
        page = Page(self.machine.path("/tmp/clocks"), "")
        d.start(properties=["Environment=LD_PRELOAD=/odp/build/tests/faults/libodp-faults.so "
                            "ODP_FAULTS=/tmp/clocks"])
        s = self.talk("busy")
        for n, (realtime, boottime) in enumerate(((-5, 0), (9, 0), (17, 8)), 1):
            quiet, left = self.talk("quiet"), time.monotonic()
            quiet.close()
            page.fields.realtime_nsec = realtime * HOUR
            page.fields.boottime_nsec = boottime * HOUR
            d.await_status("quiet", state="stopped", wakes=n)
            self.assertGreater(time.monotonic() - left, 1.9)
            self.echo(s)
        self.assertEqual(d.state("busy"), "ready")
        self.assertEqual((self.starts("busy"), self.starts("quiet")), (1, 3))
