# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where a run happens: its own network namespace, pinned cores, a cgroup for each proxy.

Owns every process and cgroup of the run and takes them all away in close(). Touches nothing else.
"""

import contextlib
import ctypes
import fcntl
import os
import random
import resource
import signal
import socket
import struct
import subprocess
from pathlib import Path

from . import meter

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
SIOCSIFFLAGS = 0x8914
IFF_UP, IFF_RUNNING = 0x1, 0x40
LOAD_LIMIT_SEC = 35  # a little more than odp-bench-load's own alarm

libc = ctypes.CDLL(None, use_errno=True)


CONGESTION = Path("/proc/sys/net/ipv4/tcp_congestion_control")  # of the network namespace one is in


def enter_network_namespace():
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP | IFF_RUNNING))
    # Short connections leave tens of thousands of TIME_WAITs; a crowded port range would be felt
    # in the proxy's connect(). It starts above the ports that free_ports() gives to listeners.
    Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("30001 65535")


def choose_cores(apart):
    """(proxy, client, service), each one core and the same for every proxy.

    By default all three share one. A wake-up across cores costs an interrupt, in a virtual machine
    an exit, of several times the proxy's own work, and its price is the host's mood: measured on two
    virtual cores, a ping-pong trip was 20 us +-5% of the proxy's CPU on one core and 85 us +-15% apart.
    Also `direct` must cross as many cores as a proxied trip, or the added latency is not the proxy's.
    """
    cores = sorted(os.sched_getaffinity(0))
    if not apart:
        return cores[-1], cores[-1], cores[-1]
    return cores[-1], cores[max(-2, -len(cores))], cores[max(-3, -len(cores))]


def raise_priority():
    """Ahead of the machine's other work. Each session has a share of its own (sched(7), autogroup)."""
    os.setpriority(os.PRIO_PROCESS, 0, -18)
    try:
        Path("/proc/self/autogroup").write_text("-18")
    except OSError:  # the kernel has none
        pass


class Process:
    def __init__(self, popen, gauge, log):
        self.popen, self.meter, self.log = popen, gauge, log

    def last_words(self):
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


class Sandbox:
    def __init__(self, folder, apart=False, urgent=False, congestion=None):
        self.urgent, self.congestion = urgent, congestion
        self.folder, self.notes, self.processes, self.n_started = folder, [], [], 0
        self.proxy_core, self.client_core, self.service_core = choose_cores(apart)
        self.cgroup = self.memory_cgroup = None
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1)  # a killed master's workers come to us, to be reaped
        self.raise_limits()
        self.make_network()
        self.make_cgroup()
        self.make_memory_cgroup()
        os.sched_setaffinity(0, {self.driver_core()})
        for name in ("NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"):
            os.environ.pop(name, None)
        os.environ["LC_ALL"] = "C"

    def driver_core(self):
        """This driver polls while a proxy settles: off its core, where there is another."""
        return min(os.sched_getaffinity(0) - {self.proxy_core}, default=self.proxy_core)

    # -- apart -----------------------------------------------------------------------------------

    def apart_core(self):
        """The core of clients and service where the proxy is to have one to itself."""
        return min(os.sched_getaffinity(0) - {self.proxy_core}, default=self.proxy_core)

    @contextlib.contextmanager
    def apart(self, service):
        """While entered, the service is off the proxy's core."""
        for pid in service.meter.pids():
            os.sched_setaffinity(pid, {self.apart_core()})
        yield
        for pid in service.meter.pids():
            os.sched_setaffinity(pid, {self.service_core})

    # -- set up ----------------------------------------------------------------------------------

    def raise_limits(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def make_network(self):
        self.own_network = True
        try:
            enter_network_namespace()
        except OSError as error:
            self.own_network = False
            self.notes.append("no network namespace of its own (%s): using the machine's loopback" % error.strerror)
        if self.congestion and self.own_network:
            CONGESTION.write_text(self.congestion)
        self.congestion = CONGESTION.read_text().strip()

    def make_cgroup(self):
        parent = meter.cgroup_parent()
        folder = parent and parent / ("odp-bench-%d" % os.getpid())
        try:
            if not folder:
                raise OSError(0, "cgroup2 is not mounted")
            folder.mkdir()
            self.cgroup = folder
            self.probe_cgroup()
        except OSError as error:
            if self.cgroup:
                self.cgroup.rmdir()
                self.cgroup = None
            self.notes.append("no cgroups of its own (%s; root can): reading the CPU clocks of the proxies' processes"
                              % error.strerror)

    def make_memory_cgroup(self):
        """For what the kernel holds: cgroup2's own controller if it is there, else the one of v1."""
        if not self.cgroup:
            return
        if "memory" in (self.cgroup / "cgroup.controllers").read_text().split():
            (self.cgroup / "cgroup.subtree_control").write_text("+memory")
            return
        parent = meter.memory_parent()
        folder = parent and parent / ("odp-bench-%d" % os.getpid())
        try:
            if not folder:
                raise OSError(0, "no memory controller")
            folder.mkdir()
            self.memory_cgroup = folder
        except OSError as error:
            self.notes.append("the kernel's memory is not counted (%s)" % error.strerror)

    def probe_cgroup(self):
        """Making the folder is not enough: a process must be able to move there."""
        probe = meter.CgroupMeter(self.cgroup / "probe")
        pid = os.fork()
        if pid == 0:
            try:
                probe.join()
                os._exit(0)
            except OSError as error:
                os._exit(error.errno & 0xff)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        probe.remove()
        if status:
            raise OSError(status, os.strerror(status))

    @property
    def cpu_method(self):
        return "cgroup2 cpu.stat usage_usec" if self.cgroup else "process CPU clocks (utime + stime)"

    # -- processes -------------------------------------------------------------------------------

    def free_ports(self, n):
        """Ports below the usual ephemeral range, so that no outgoing connection takes one first."""
        chosen = []
        for port in random.sample(range(20000, 30000), 2000):
            with socket.socket() as s:
                try:
                    s.bind(("127.0.0.1", port))
                    chosen.append(port)
                except OSError:
                    continue
            if len(chosen) == n:
                return chosen
        raise RuntimeError("no free ports on loopback")

    def make_meter(self, label):
        if not self.cgroup:
            return meter.ProcessMeter()
        return meter.CgroupMeter(self.cgroup / label, self.memory_cgroup and self.memory_cgroup / label)

    def start(self, name, argv, core, uid=None):
        """Starts a process that lives until stop(); all that it starts dies with it. With a uid it has no
        privilege, and that user's own limits, such as that of pipes."""
        self.n_started += 1
        label = "%s-%d" % (name, self.n_started)
        gauge = self.make_meter(label)
        log = self.folder / (label + ".log")
        process = Process(None, gauge, log)
        self.processes.append(process)
        with log.open("wb") as output:
            process.popen = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=self.folder,
                start_new_session=True, preexec_fn=lambda: self.in_child(core, gauge, uid))
        gauge.started(process.popen.pid)
        return process

    def in_child(self, core, gauge=None, uid=None):
        os.sched_setaffinity(0, {core})
        if self.urgent:
            raise_priority()
        if gauge:
            gauge.join()
        if uid is not None and os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # also when this driver is killed outright

    def stop(self, process):
        pids = process.meter.pids()
        process.meter.kill()
        if process.popen:
            process.popen.wait()
        for pid in pids:
            try:
                os.waitpid(pid, 0)
            except ChildProcessError:  # the one that was waited for just now
                pass
        process.meter.remove()
        self.processes.remove(process)

    def load(self, argv, core=None, **keywords):
        """A short-lived load generator, on the client's core and in nobody's cgroup."""
        core = self.client_core if core is None else core
        return subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                start_new_session=True, preexec_fn=lambda: self.in_child(core), **keywords)

    def close(self):
        # A second Ctrl-C must not leave the rest running.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for process in list(self.processes):
            self.stop(process)
        for folder in filter(None, (self.cgroup, self.memory_cgroup)):
            folder.rmdir()
