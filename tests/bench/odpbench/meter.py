# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a proxy costs: CPU time, memory and descriptors of all its processes together.

Two ways to know them. A cgroup of its own counts every process and thread that ever ran in it,
also those that ended. Where none can be made, the processes are found through their parents, and
their CPU clocks are read: the same figure as utime + stime in /proc/PID/stat (ended threads
included), but in nanoseconds instead of ticks.
"""

import os
import signal
import time
from pathlib import Path

MEMORY_FIELDS = {"Pss": "pss", "SwapPss": "pss", "Private_Dirty": "private_dirty"}


def cgroup_parent():
    """The folder in which our own cgroup may have children, by /proc alone. None without cgroup2."""
    own = Path("/proc/self/cgroup").read_text().splitlines()
    mine = next((line[3:] for line in own if line.startswith("0::")), None)
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        if mine is None or right.split()[0] != "cgroup2":
            continue
        root, mount_point = left.split()[3:5]
        inside = mine if root == "/" else mine.removeprefix(root)
        folder = Path(mount_point) / inside.lstrip("/")
        return folder if folder.is_dir() else Path(mount_point)
    return None


def memory_parent():
    """As cgroup_parent(), where the memory controller still is of cgroup v1. None without."""
    own = Path("/proc/self/cgroup").read_text().splitlines()
    mine = next((line.split(":", 2)[2] for line in own if "memory" in line.split(":", 2)[1].split(",")), None)
    for line in Path("/proc/self/mountinfo").read_text().splitlines() if mine else []:
        left, _, right = line.partition(" - ")
        if right.split()[0] == "cgroup" and "memory" in right.split()[-1].split(","):
            root, mount_point = left.split()[3:5]
            inside = mine if root == "/" else mine.removeprefix(root)
            folder = Path(mount_point) / inside.lstrip("/")
            return folder if folder.is_dir() else Path(mount_point)
    return None


def process_clock_usec(pid):
    return time.clock_gettime_ns((~pid << 3) | 2) / 1000  # clock_getcpuclockid(3), CPUCLOCK_SCHED


def children_of_all():
    """Every process by its parent's pid; a process that ends while we look is left out."""
    children = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            text = Path("/proc", entry, "stat").read_text()
        except OSError:
            continue
        children.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(entry))
    return children


class Meter:
    """Common to both ways. `pids` and `cpu_usec` differ."""

    def memory(self):
        """Bytes: {"pss", "private_dirty"}. PSS does not count a page twice that fork left shared."""
        total = {"pss": 0, "private_dirty": 0}
        for pid in self.pids():
            for line in Path("/proc/%d/smaps_rollup" % pid).read_text().splitlines()[1:]:
                name, value = line.split()[:2]
                if name[:-1] in MEMORY_FIELDS:
                    total[MEMORY_FIELDS[name[:-1]]] += int(value) * 1024
        return total

    def kernel_bytes(self):
        """What the kernel holds for it: sockets, files, watches, pipes, stacks. None where nobody counts."""
        return None

    def n_fds(self):
        return sum(len(os.listdir("/proc/%d/fd" % pid)) for pid in self.pids())

    def settled_cpu_usec(self):
        """CPU time once the proxy has put away what is left of the last connections."""
        deadline = time.monotonic() + 0.25
        last, n_equal = self.cpu_usec(), 0
        while n_equal < 3 and time.monotonic() < deadline:
            time.sleep(0.002)
            now = self.cpu_usec()
            n_equal = n_equal + 1 if now == last else 0
            last = now
        return last


class CgroupMeter(Meter):
    """`memory_folder`: its cgroup of v1's memory controller, where cgroup2 does not have it."""

    def __init__(self, folder, memory_folder=None):
        self.folder, self.memory_folder = folder, memory_folder
        folder.mkdir()
        if memory_folder:
            memory_folder.mkdir()
            # Unlimited, but once it is said, accepted sockets are counted, too.
            (memory_folder / "memory.kmem.tcp.limit_in_bytes").write_text(str(1 << 40))

    def join(self):
        """In the child, before exec: nothing that it starts is missed."""
        for folder in filter(None, (self.folder, self.memory_folder)):
            (folder / "cgroup.procs").write_text("0")

    def kernel_bytes(self):
        if self.memory_folder:
            names = ("memory.kmem.usage_in_bytes", "memory.kmem.tcp.usage_in_bytes")
            return sum(int((self.memory_folder / name).read_text()) for name in names)
        try:
            text = (self.folder / "memory.stat").read_text()
        except OSError:
            return None
        return sum(int(line.split()[1]) for line in text.splitlines() if line.split()[0] in ("kernel", "sock"))

    def started(self, pid):
        pass

    def pids(self):
        return [int(p) for p in (self.folder / "cgroup.procs").read_text().split()]

    def cpu_usec(self):
        stat = (self.folder / "cpu.stat").read_text()
        return int(next(line.split()[1] for line in stat.splitlines() if line.startswith("usage_usec")))

    def kill(self):
        try:
            (self.folder / "cgroup.kill").write_text("1")
        except OSError:  # before Linux 5.14
            for pid in self.pids():
                os.kill(pid, signal.SIGKILL)

    def remove(self):
        """Waits until the last process is gone, which is after its parent has reaped it."""
        deadline = time.monotonic() + 5
        for folder in filter(None, (self.folder, self.memory_folder)):
            while folder.is_dir():
                try:
                    folder.rmdir()
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.002)


class ProcessMeter(Meter):
    def __init__(self):
        self.root = None

    def join(self):
        pass

    def started(self, pid):
        self.root = pid

    def pids(self):
        children, found = children_of_all(), [self.root] if self.root else []
        for pid in found:  # grows while it is walked
            found += children.get(pid, [])
        return [pid for pid in found if os.path.exists("/proc/%d/stat" % pid)]

    def cpu_usec(self):
        return sum(process_clock_usec(pid) for pid in self.pids())

    def kill(self):
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def remove(self):
        self.root = None


class FixedMeter(Meter):
    """Of processes that are known."""

    def __init__(self, pids):
        self.known = pids

    def pids(self):
        return self.known
