# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests/bench/wake measures of each subject of booted.py, and the table of it."""

import socket
import statistics
import tempfile
import time
from collections import namedtuple
from pathlib import Path

from . import booted, grid, meter, starting

N_AWAKE = 10

# limit: of odp's own figure, in the row's unit.
Row = namedtuple("Row", "key title digits limit budget")
ROWS = [
    Row("wake_p50", "wake: listen() to the first byte at the client, p50 ms", 2, 3, "3"),
    Row("wake_p99", "wake: p99 ms", 2, 6, "6"),
    Row("refused", "wakes whose client was refused or cut off", 0, 0, "0"),
    Row("stop_p50", "freeing: end of the quiet window to SIGTERM, p50 ms", 1, None, ""),
    Row("stop_most", "freeing: at most ms", 1, 100, "100"),
    Row("pss_asleep", "30 asleep: PSS KiB", 0, 2560, "2560"),
    Row("dirty_asleep", "30 asleep: private dirty KiB", 0, None, ""),
    Row("odpd_pss", "30 asleep: PSS KiB of odpd alone", 0, 1024, "1024"),
    Row("odpd_dirty", "30 asleep: private dirty KiB of odpd alone", 0, 400, "400"),
    Row("processes_asleep", "30 asleep: processes", 0, None, ""),
    Row("pid_1", "30 asleep: private dirty KiB of PID 1 beyond the services' own", 0, None, ""),
    Row("calls", "30 asleep: system calls a minute, while other units start and stop", 0, 0, "0"),
    Row("switches", "30 asleep: wake-ups a minute", 0, 0, "0"),
    Row("busy", "30 asleep: CPU-ms a minute, the whole machine beyond the services' own", 1, None, ""),
    Row("pss_awake", "10 of 30 awake, a client each: PSS KiB", 0, None, ""),
    Row("dirty_awake", "10 of 30 awake: private dirty KiB", 0, None, ""),
    Row("processes_awake", "10 of 30 awake: processes", 0, None, ""),
    Row("start_wall", "start to ready, 30 services: ms", 1, 30, "30"),
    Row("start_cpu", "start to ready: CPU-ms", 1, 30, "30"),
    Row("status_wall", "odp status: ms", 1, 10, "10"),
]


def memory_kib(pids):
    total = meter.FixedMeter(pids).memory()
    return {name: value / 1024 for name, value in total.items()}


def switches(pids):
    """How often they have gone to sleep: each is a wake-up before or after."""
    n = 0
    for pid in pids:
        for task in Path("/proc/%d/task" % pid).iterdir():
            text = (task / "status").read_text()
            n += sum(int(line.split()[1]) for line in text.splitlines() if "ctxt_switches" in line)
    return n


class Waking:
    """All figures: {row: {subject: value}}."""

    def __init__(self, options):
        self.options = options
        self.module = booted.machine_module(options.build)
        self.values = {row.key: {} for row in ROWS}
        self.errors = []

    def put(self, key, subject, value):
        self.values[key][subject.name] = value

    def run(self):
        for make in self.subjects():
            subject = make()
            try:
                subject.set_up()
                self.measure(subject)
            except (booted.Failed, AssertionError, OSError) as error:
                self.errors.append("%s: %s" % (subject.name, error))
            finally:
                subject.end()
        self.subtract_the_machine_alone()
        if "odp" in self.options.only:
            self.measure_start()

    def subjects(self):
        delay, idle = (20, 120), 400
        makers = {
            "nothing": lambda: booted.Subject(self.module, delay),
            "odp": lambda: booted.Odp(self.module, delay, idle),
            "socket-proxyd": lambda: booted.SocketProxyd(self.module, delay),
            "socket-proxyd, bare": lambda: booted.BareSocketProxyd(self.module, delay),
            "socat": lambda: booted.Socat(self.module, delay),
        }
        return [make for name, make in makers.items() if name in self.options.only]

    def measure(self, subject):
        if subject.name != "nothing":
            self.measure_wakes(subject)
        if subject.name == "socket-proxyd, bare":
            return  # it is there for its refusals
        self.measure_asleep(subject)
        if subject.name != "nothing":
            self.measure_awake(subject)

    # -- waking and freeing --------------------------------------------------------------------

    def wake(self, subject, i):
        """Milliseconds from listen() to the first byte here, or None; and the quiet window's lag."""
        n_ends = len(subject.ends(i))
        with subject.connect(i) as s:
            s.settimeout(booted.LIMIT_SEC)
            try:
                s.sendall(b"x")
                answer = s.recv(8, socket.MSG_WAITALL)
            except ConnectionError:
                answer = b""
            seen = time.monotonic_ns()
        closed = time.monotonic_ns()
        if not subject.can_stop_for_quiet:
            subject.stop(i)
        booted.until(lambda: not subject.is_up(i), "s%d is down" % i)
        if len(answer) < 8:
            return None, None
        booted.until(lambda: len(subject.ends(i)) > n_ends, "s%d has been told to end" % i)
        lag = None
        if subject.can_stop_for_quiet:
            lag = (subject.ends(i)[-1] - closed) / 1e6 - subject.idle_msec
        return (seen - int.from_bytes(answer, "little")) / 1e6, lag

    def measure_wakes(self, subject):
        n = self.options.wakes if subject.can_stop_for_quiet else max(10, self.options.wakes // 4)
        self.wake(subject, 0)  # what comes with the first one is not the wake's
        results = [self.wake(subject, i % booted.N_SERVICES) for i in range(n)]
        waits = sorted(wait for wait, _ in results if wait is not None)
        lags = [lag for _, lag in results if lag is not None]
        self.put("refused", subject, len(results) - len(waits))
        if waits:
            self.put("wake_p50", subject, statistics.median(waits))
            self.put("wake_p99", subject, waits[min(len(waits) - 1, len(waits) * 99 // 100)])
        if lags:
            self.put("stop_p50", subject, statistics.median(lags))
            self.put("stop_most", subject, max(lags))

    # -- asleep and awake ----------------------------------------------------------------------

    def measure_asleep(self, subject):
        time.sleep(subject.settles_sec)
        pids, seconds = subject.pids(), self.options.seconds
        self.put("pid_1", subject, memory_kib([subject.pid_1])["private_dirty"])
        busy, slept = subject.busy_usec(), time.monotonic()
        before = switches(pids)
        time.sleep(seconds)
        minutes = (time.monotonic() - slept) / 60
        if minutes >= 1:  # the scripts' timers have had their turn
            self.put("busy", subject, (subject.busy_usec() - busy) / 1000 / minutes)
        if subject.name == "nothing":
            return
        stay = [pid for pid in pids if Path("/proc/%d" % pid).exists()]
        self.put("switches", subject, (switches(stay) - before) / minutes if stay == pids else None)
        self.put("calls", subject, self.count_calls(subject, stay, seconds))
        self.put("processes_asleep", subject, len(stay))
        used = memory_kib(stay)
        self.put("pss_asleep", subject, used["pss"])
        self.put("dirty_asleep", subject, used["private_dirty"])
        if subject.name == "odp":
            used = memory_kib([subject.machine.main_pid("odpd.service")])
            self.put("odpd_pss", subject, used["pss"])
            self.put("odpd_dirty", subject, used["private_dirty"])

    def count_calls(self, subject, pids, seconds):
        if not pids:
            return 0
        with tempfile.TemporaryDirectory() as folder, booted.OtherUnits(subject.machine):
            trace = booted.Trace(pids, Path(folder, "trace"))
            time.sleep(seconds)
            return len(trace.end()) * 60 / seconds

    def measure_awake(self, subject):
        clients = [subject.connect(i) for i in range(N_AWAKE)]
        try:
            for s in clients:
                s.settimeout(booted.LIMIT_SEC)
                s.sendall(b"x")
                if len(s.recv(8, socket.MSG_WAITALL)) < 8:
                    raise booted.Failed("a client is refused")
            time.sleep(0.5)
            pids = subject.pids()
            used = memory_kib(pids)
            self.put("processes_awake", subject, len(pids))
            self.put("pss_awake", subject, used["pss"])
            self.put("dirty_awake", subject, used["private_dirty"])
        finally:
            for s in clients:
                s.close()

    def subtract_the_machine_alone(self):
        for key in ("pid_1", "busy"):
            alone = self.values[key].pop("nothing", None)
            for name in self.values[key]:
                if alone is not None:
                    self.values[key][name] -= alone

    # -- start and status ----------------------------------------------------------------------

    def measure_start(self):
        """Outside of the machine: by exec, without the service manager's sandbox before it."""
        with tempfile.TemporaryDirectory(prefix="odp-bench-") as folder:
            starts = [starting.Start(self.options.build, Path(folder, str(i)), booted.N_SERVICES)
                      for i in range(self.options.starts)]
            for start in starts:
                start.run(status=True)
        for key, name in (("start_wall", "wall_ms"), ("start_cpu", "cpu_ms"), ("status_wall", "status_ms")):
            self.values[key]["odp"] = statistics.median(getattr(start, name) for start in starts)


# -- the table ---------------------------------------------------------------------------------------


def misses(row, value):
    return row.limit is not None and value is not None and value > row.limit


def cell(row, values, name):
    if name not in values:
        return "-"
    value = values[name]
    if value is None:
        return "?"
    return "%.*f%s" % (row.digits, value, " !" if name == "odp" and misses(row, value) else "")


def markdown(known, waking):
    names = [n for n in ("odp", "socket-proxyd", "socket-proxyd, bare", "socat")
             if any(n in values for values in waking.values.values())]
    rows = [["measure", *names, "budget"]]
    rows += [[row.title, *(cell(row, waking.values[row.key], n) for n in names), row.budget or "-"]
             for row in ROWS if waking.values[row.key]]
    notes = ["- NOT MEASURED: " + error for error in waking.errors]
    if any(misses(row, waking.values[row.key].get("odp")) for row in ROWS):
        notes.append("- `!` misses the budget.")
    return "\n".join(["- %s: %s" % item for item in known.items()] + [""] + grid.lines(rows)
                     + ([""] + notes if notes else []))


def as_json(known, waking):
    return {"facts": known, "errors": waking.errors,
            "figures": {row.key: {"title": row.title, "values": waking.values[row.key], "budget": row.budget,
                                  "misses_budget": misses(row, waking.values[row.key].get("odp"))}
                        for row in ROWS}}
