# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who is measured in a booted machine (tests/system/machine.py): odp as it is installed, and the same
thirty services behind systemd-socket-proxyd and behind socat scripts, as docs/MIGRATING.md has them.

Each subject has a machine of its own, so that what it costs PID 1 can be told, too. The services are
units of odp-bench-late, which listens after a time by chance.
"""

import importlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

N_SERVICES = 30
FIRST_PORT, FIRST_TARGET = 5000, 6000
ENDS = "/tmp/ends"  # inside: a file for each service, with the moments at which it was told to end
ROOT = Path(__file__).resolve().parents[3]
LIMIT_SEC = 60


def machine_module(build):
    """tests/system/machine.py, which wants to know at once what is to be installed."""
    os.environ["ODP_BUILD"] = str(build)
    sys.path[:0] = [str(ROOT / "tests/system"), str(ROOT / "tests/integration")]
    return importlib.import_module("machine")


class Failed(Exception):
    """A subject could not be measured."""


def until(condition, what):
    deadline = time.monotonic() + LIMIT_SEC
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed("not within %d s: %s" % (LIMIT_SEC, what))
        time.sleep(0.01)


class Subject:
    """One way to have thirty services wake on demand. Subclasses say which units and files."""

    name, title = "nothing", "the machine alone"
    can_stop_for_quiet = False
    processes = ()  # units, as patterns of their names
    settles_sec = 1  # after the last wake

    def __init__(self, module, delay_msec):
        self.module, self.delay_msec = module, delay_msec
        self.machine = module.Machine()
        self.service_options = ""

    def end(self):
        self.machine.end()

    # -- set up --------------------------------------------------------------------------------

    def set_up(self):
        self.machine.run("mkdir", "-p", ENDS)
        for i in range(N_SERVICES):
            self.write_unit("s%d.service" % i, """
                [Service]
                ExecStart=/odp/build/tests/bench/odp-bench-late %d %d %d %s/s%d
                """ % (FIRST_TARGET + i, *self.delay_msec, ENDS, i))
            self.write_front(i)
        self.machine.systemctl("daemon-reload")
        self.start()

    def write_front(self, i):
        """What stands before the i-th service."""

    def start(self):
        pass

    def write_unit(self, name, text):
        self.write("/etc/systemd/system/" + name, text)

    def write(self, path, text, mode=0o644):
        self.machine.write(path, "\n".join(line.strip() for line in text.strip().splitlines()) + "\n", mode)

    # -- what is done with it ------------------------------------------------------------------

    def is_up(self, i):
        return self.machine.show("s%d.service" % i, "ActiveState") not in ("inactive", "failed")

    def stop(self, i):
        self.machine.systemctl("stop", "s%d.service" % i)

    def ends(self, i):
        return [int(line) for line in self.machine.read("%s/s%d" % (ENDS, i)).split()]

    def connect(self, i):
        """A connection; its sockets are those of the machine's network, its bytes read out here."""
        s = self.machine.in_network(socket.create_connection, ("127.0.0.1", FIRST_PORT + i), LIMIT_SEC)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    # -- what it takes -------------------------------------------------------------------------

    def pids(self):
        """Its own processes, as this machine numbers them: neither the services nor PID 1."""
        found = []
        for folder in Path(self.machine.cgroup, "system.slice").glob("*"):
            if any(re.fullmatch(pattern, folder.name) for pattern in self.processes):
                found += [int(p) for path in folder.rglob("cgroup.procs") for p in path.read_text().split()]
        return found

    def busy_usec(self):
        """The processor's time of all in the machine."""
        text = Path(self.machine.cgroup, "cpu.stat").read_text()
        return int(re.search(r"usage_usec (\d+)", text).group(1))

    @property
    def pid_1(self):
        return self.machine.pid


class Odp(Subject):
    name, title = "odp", "odp"
    can_stop_for_quiet = True
    processes = (r"odpd\.service", r"odp-launcher\.service")
    settles_sec = 11  # ten seconds after its last word the launcher looks once whether it is needed

    def __init__(self, module, delay_msec, idle_msec):
        super().__init__(module, delay_msec)
        self.idle_msec = idle_msec

    def set_up(self):
        # Of files in memory, as the machine's are, each page counts as dirty: those of the build are
        # seen in their place, once they are on the disk.
        self.machine.install()
        for name in ("odpd", "odp-launcher", "odp"):
            with open(os.path.join(os.environ["ODP_BUILD"], name), "rb") as f:
                os.fsync(f.fileno())
            self.machine.run("mount", "--bind", "/odp/build/" + name, "/usr/local/bin/" + name)
        super().set_up()

    def write_front(self, i):
        self.write("/etc/odp/services/s%d.ini" % i, """
            [service]
            listen = %d
            target = 127.0.0.1:%d

            [backend]
            unit = s%d.service

            [idle]
            timeout = %dms
            """ % (FIRST_PORT + i, FIRST_TARGET + i, i, self.idle_msec))

    def start(self):
        self.machine.run("chgrp", "-R", "odp", "/etc/odp")
        self.machine.systemctl("start", "sockets.target")
        self.machine.systemctl("start", "odp.target")
        until(lambda: self.status().count('"stopped"') == N_SERVICES, "odp knows all services")

    def status(self):
        return self.machine.run("/usr/local/bin/odp", "status", "--json", check=False).stdout


class SocketProxyd(Subject):
    """With the drop-in by which the first connection is not refused."""

    name, title = "socket-proxyd", "systemd-socket-proxyd"
    processes = (r"s\d+-proxy\.service",)
    waits = True

    def write_front(self, i):
        self.write_unit("s%d-proxy.socket" % i, "[Socket]\nListenStream=%d" % (FIRST_PORT + i))
        self.write_unit("s%d-proxy.service" % i, """
            [Unit]
            Requires=s%d.service
            After=s%d.service
            [Service]
            ExecStart=/lib/systemd/systemd-socket-proxyd --exit-idle-time=10min 127.0.0.1:%d
            """ % (i, i, FIRST_TARGET + i))
        if self.waits:
            self.write_unit("s%d.service.d/proxy.conf" % i, """
                [Unit]
                StopWhenUnneeded=yes
                [Service]
                ExecStartPost=/bin/sh -c 'until socat -u OPEN:/dev/null TCP:127.0.0.1:%d; do sleep 0.1; done'
                """ % (FIRST_TARGET + i))

    def start(self):
        self.machine.systemctl("start", *("s%d-proxy.socket" % i for i in range(N_SERVICES)))

    def stop(self, i):
        self.machine.systemctl("stop", "s%d-proxy.service" % i, "s%d.service" % i)


class BareSocketProxyd(SocketProxyd):
    name, title = "socket-proxyd, bare", "systemd-socket-proxyd without a wait"
    waits = False


class Socat(Subject):
    name, title = "socat", "socat scripts"
    processes = (r"s\d+-proxy\.service", r"s\d+-idle\.service")

    def write_front(self, i):
        target = FIRST_TARGET + i
        self.write_unit("s%d-proxy.service" % i, """
            [Service]
            ExecStart=/usr/bin/socat TCP-LISTEN:%d,fork,reuseaddr EXEC:/usr/local/bin/s%d-wake
            """ % (FIRST_PORT + i, i))
        self.write("/usr/local/bin/s%d-wake" % i, """
            #!/bin/sh
            systemctl start s%d.service
            until socat -u OPEN:/dev/null TCP:127.0.0.1:%d; do sleep 0.5; done
            exec socat STDIO TCP:127.0.0.1:%d
            """ % (i, target, target), 0o755)
        self.write_unit("s%d-idle.timer" % i, "[Timer]\nOnActiveSec=1min\nOnUnitActiveSec=1min")
        self.write_unit("s%d-idle.service" % i, """
            [Service]
            Type=oneshot
            ExecStart=/usr/local/bin/s%d-idle
            """ % i)
        self.write("/usr/local/bin/s%d-idle" % i, """
            #!/bin/sh
            seen=/run/s%d-idle.seen
            if netstat -tn | grep -q ':%d .*ESTABLISHED'; then touch $seen; fi
            test -n "$(find $seen -mmin -10)" || systemctl stop s%d.service
            """ % (i, target, i), 0o755)

    def start(self):
        self.machine.systemctl("start", *("s%d-%s" % (i, kind) for i in range(N_SERVICES)
                                          for kind in ("proxy.service", "idle.timer")))
        until(lambda: len(self.pids()) == N_SERVICES, "all socats are there")


class Trace:
    """strace on some processes; counts what they ask of the kernel."""

    def __init__(self, pids, path):
        self.path = path
        argv = ["strace", "-f", "-qq", "-o", str(path)]
        for pid in pids:
            argv += ["-p", str(pid)]
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5)  # it attaches, and sees the call that each is in

    def end(self):
        self.process.send_signal(2)
        self.process.wait()
        waiting = re.compile(r"\d+ +\w+\(.* <(detached|unfinished) \.\.\.>")  # and what it is in at the end
        lines = self.path.read_text(errors="replace").splitlines() if self.path.exists() else []
        return [line for line in lines if not waiting.fullmatch(line)]


class OtherUnits:
    """Somebody else's units come and go meanwhile, one a second."""

    def __init__(self, machine):
        self.machine, self.is_over = machine, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()

    def run(self):
        while not self.is_over.wait(1):
            self.machine.run("systemd-run", "--quiet", "--wait", "--collect", "/bin/true", check=False)
