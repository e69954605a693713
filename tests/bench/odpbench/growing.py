# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests/bench/grow measures: one odpd beside more and more connections, and with more and more
services. Costs are those of odpd alone, or with its launcher where both have a part."""

import json
import math
import os
import socket
import statistics
import subprocess
import time
from collections import namedtuple

from . import grid, meter, starting
from .bench import Failed, IdleConnections
from .sandbox import LOAD_LIMIT_SEC

N_SHORT, N_TRIPS = 1000, 4000
N_REPEATED = 5  # medians of so many
READY_LIMIT_SEC = 60
HELD_SEC = 2  # how long the service that all wait for takes to listen
FIRST_PORT, FIRST_TARGET = 20000, 26000  # below those that the kernel gives to clients

# A total may grow by as much as its number does, what is counted each not at all.
TOTAL, EACH = "total", "each"
Row = namedtuple("Row", "key title digits kind")
CONNECTION_ROWS = [
    Row("open", "opening one more, CPU-us each", 1, EACH),
    Row("idle_bytes", "an idle one, private dirty bytes each", 0, None),
    Row("short", "a short one beside them, CPU-us", 1, EACH),
    Row("trip", "a 64-byte round trip beside them, CPU-us", 1, EACH),
    Row("held", "so many held for 2 s by a service that starts, then relayed, CPU-ms", 1, TOTAL),
    Row("status", "odp status beside them, CPU-us of odpd", 0, TOTAL),
]
SERVICE_ROWS = [
    Row("start_wall", "start to ready, ms", 1, TOTAL),
    Row("start_cpu", "start to ready, CPU-ms of odpd", 1, TOTAL),
    Row("dirty", "all asleep, private dirty KiB of odpd", 0, TOTAL),
    Row("dirty_launcher", "all asleep, private dirty KiB of odp-launcher", 0, TOTAL),
    Row("reload_wall", "reload with one changed, ms", 1, TOTAL),
    Row("reload_cpu", "reload with one changed, CPU-ms of odpd", 2, TOTAL),
    Row("status_wall", "odp status, ms", 1, TOTAL),
    Row("status_cpu", "odp status, CPU-ms of odpd", 2, TOTAL),
    Row("wake_wall", "wake of one: listen() to the first byte, ms", 2, EACH),
    Row("wake_cpu", "one wake and one stop, CPU-ms of odpd and launcher", 2, TOTAL),
]
# Half as much again for ten times as many is noise; the square would be ten times as much.
NOISE = 1.5


class Odpd:
    """One odpd in the sandbox, with the control socket asked directly."""

    def __init__(self, growing, services):
        self.box, self.build = growing.box, growing.options.build
        self.folder = self.box.folder / ("grow-%d" % self.box.n_started)
        (self.folder / "config/services").mkdir(parents=True)
        for name, text in services.items():
            self.write(name, text)
        self.process = None

    def write(self, name, text):
        (self.folder / "config/services" / (name + ".ini")).write_text(text)

    def __enter__(self):
        """Returns once READY=1 has come, as sd_notify(3) says it."""
        path = str(self.folder / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.bind(path)
            s.settimeout(READY_LIMIT_SEC)
            os.environ["NOTIFY_SOCKET"] = path
            self.process = self.box.start("odpd", [
                self.build / "odpd", "--config", self.folder / "config", "--runtime", self.folder / "run",
                "--state", self.folder / "state"], self.box.proxy_core)
            del os.environ["NOTIFY_SOCKET"]
            while b"READY=1" not in s.recv(4096):
                pass
        self.until(lambda: all(s["state"] != "unknown" for s in self.call("Status")["services"]), "all are known")
        return self

    def __exit__(self, *_):
        self.box.stop(self.process)

    @property
    def pid(self):
        return self.process.popen.pid

    @property
    def launcher(self):
        return next(pid for pid in self.process.meter.pids() if pid != self.pid)

    def cpu_usec(self):
        return meter.process_clock_usec(self.pid)

    def settled_usec(self):
        """odpd's own time, once it does nothing any more."""
        last, n_equal = self.cpu_usec(), 0
        while n_equal < 3:
            time.sleep(0.003)
            now = self.cpu_usec()
            n_equal, last = (n_equal + 1 if now == last else 0), now
        return last

    def call(self, method, **parameters):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(READY_LIMIT_SEC)
            s.connect(str(self.folder / "run/control.sock"))
            s.sendall(json.dumps({"method": "io.odp.Control." + method, "parameters": parameters}).encode() + b"\0")
            reply = bytearray()
            while not reply.endswith(b"\0"):
                part = s.recv(1 << 20)
                if not part:
                    raise Failed("odpd hangs up")
                reply += part
        return json.loads(reply[:-1])["parameters"]

    def state(self, name):
        return self.call("Status", names=[name])["services"][0]["state"]

    def until(self, condition, what):
        deadline = time.monotonic() + READY_LIMIT_SEC
        while not condition():
            if time.monotonic() > deadline:
                raise Failed("not within %d s: %s" % (READY_LIMIT_SEC, what))
            time.sleep(0.01)

    def odp(self, verb):
        begun = time.monotonic()
        subprocess.run([self.build / "odp", "--runtime", self.folder / "run", verb], stdout=subprocess.DEVNULL,
                       stdin=subprocess.DEVNULL, check=True)
        return (time.monotonic() - begun) * 1e3


def private_dirty(pid):
    return meter.FixedMeter([pid]).memory()["private_dirty"]


class Growing:
    """All figures: {row: {number: value}}."""

    def __init__(self, box, load, options):
        self.box, self.load, self.options = box, load, options
        self.connections = {row.key: {} for row in CONNECTION_ROWS}
        self.services = {row.key: {} for row in SERVICE_ROWS}
        self.errors = []

    def run(self):
        for n in self.options.connections:
            self.guarded("%d connections" % n, self.measure_idle, n)
            self.guarded("%d held connections" % n, self.measure_held, n)
        for n in self.options.services:
            self.guarded("%d services" % n, self.measure_services, n)

    def guarded(self, what, function, *arguments):
        try:
            function(*arguments)
        except (Failed, OSError) as error:
            self.errors.append("%s: %s" % (what, error))

    def run_load(self, *arguments):
        process = self.box.load([self.load, *arguments], stdin=subprocess.DEVNULL)
        output, error = process.communicate(timeout=LOAD_LIMIT_SEC)
        if process.returncode:
            raise Failed(error.strip() or "the load generator ended with %d" % process.returncode)
        return json.loads(output)

    # -- connections ---------------------------------------------------------------------------

    def plain(self):
        return {"r": "[service]\nlisten = 127.0.0.1:%d\ntarget = 127.0.0.1:%d\n\n[backend]\ntype = none\n\n"
                     "[client]\nmax_connections = 65536\n" % (FIRST_PORT, FIRST_TARGET)}

    def measure_idle(self, n):
        service = self.box.start("service", [self.load, "serve", str(FIRST_TARGET)], self.box.service_core)
        try:
            with Odpd(self, self.plain()) as odpd:
                odpd.until(lambda: odpd.state("r") == "ready", "the service answers")
                self.run_load("short", FIRST_PORT, 200, 64)
                self.measure_beside(odpd, n)
        finally:
            self.box.stop(service)

    def measure_beside(self, odpd, n):
        before, dirty = odpd.settled_usec(), private_dirty(odpd.pid)
        with IdleConnections(self.box.load([self.load, "idle", FIRST_PORT, n], stdin=subprocess.PIPE), n):
            opened = odpd.settled_usec()
            self.connections["open"][n] = (opened - before) / n
            self.connections["idle_bytes"][n] = (private_dirty(odpd.pid) - dirty) / n if n >= 100 else None
            for key, divisor, arguments in (("short", N_SHORT, ("short", FIRST_PORT, N_SHORT, 1)),
                                            ("trip", N_TRIPS, ("pingpong", FIRST_PORT, N_TRIPS))):
                self.connections[key][n] = self.median_cpu(odpd, lambda a=arguments: self.run_load(*a)) / divisor
            self.connections["status"][n] = self.median_cpu(odpd, lambda: odpd.call("Status"))

    @staticmethod
    def median_cpu(odpd, action):
        spent = []
        for _ in range(N_REPEATED):
            before = odpd.settled_usec()
            action()
            spent.append(odpd.settled_usec() - before)
        return statistics.median(spent)

    def measure_held(self, n):
        """From the first one's connect to the last one's answer; the tries meanwhile are in it, for each
        number alike."""
        text = ("[service]\nlisten = 127.0.0.1:%d\ntarget = 127.0.0.1:%d\n\n[backend]\ncommand = %s %d %d %d %s\n\n"
                "[wait]\nmax_waiting = 65536\n\n[client]\nmax_connections = 65536\n"
                % (FIRST_PORT, FIRST_TARGET, self.options.build / "tests/bench/odp-bench-late", FIRST_TARGET,
                   HELD_SEC * 1000, HELD_SEC * 1000, self.box.folder / "ends"))
        with Odpd(self, {"h": text}) as odpd:
            before = odpd.settled_usec()
            clients = []
            try:
                for _ in range(n):
                    clients.append(socket.create_connection(("127.0.0.1", FIRST_PORT), READY_LIMIT_SEC))
                for s in clients:
                    s.sendall(b"x")
                for s in clients:
                    if len(s.recv(8, socket.MSG_WAITALL)) < 8:
                        raise Failed("a held client is not answered")
                self.connections["held"][n] = (odpd.settled_usec() - before) / 1e3
            finally:
                for s in clients:
                    s.close()
            odpd.call("Stop", name="h")

    # -- services ------------------------------------------------------------------------------

    def file(self, i, extra=""):
        return ("[service]\nlisten = 127.0.0.1:%d\ntarget = 127.0.0.1:%d\n%s\n[backend]\ncommand = %s %d 5 30 %s\n"
                % (FIRST_PORT + i, FIRST_TARGET + i, extra, self.options.build / "tests/bench/odp-bench-late",
                   FIRST_TARGET + i, self.box.folder / "ends"))

    def measure_services(self, n):
        row = self.services
        starts = [starting.Start(self.options.build, self.box.folder / ("start-%d-%d" % (n, i)), n)
                  for i in range(N_REPEATED)]
        for start in starts:
            start.run()
        row["start_wall"][n] = statistics.median(start.wall_ms for start in starts)
        row["start_cpu"][n] = statistics.median(start.cpu_ms for start in starts)
        with Odpd(self, {"s%d" % i: self.file(i) for i in range(n)}) as odpd:
            odpd.settled_usec()
            row["dirty"][n] = private_dirty(odpd.pid) / 1024
            row["dirty_launcher"][n] = private_dirty(odpd.launcher) / 1024
            self.measure_reload(odpd, n)
            walls = [odpd.odp("status") for _ in range(N_REPEATED)]
            row["status_wall"][n] = statistics.median(walls)
            row["status_cpu"][n] = self.median_cpu(odpd, lambda: odpd.call("Status")) / 1e3
            self.measure_wake(odpd, n)

    def measure_reload(self, odpd, n):
        walls, spent = [], []
        for i in range(N_REPEATED):
            odpd.write("s0", self.file(0, "description = %d\n" % i))
            before = odpd.settled_usec()
            walls.append(odpd.odp("reload"))
            spent.append((odpd.settled_usec() - before) / 1e3)
        self.services["reload_wall"][n] = statistics.median(walls)
        self.services["reload_cpu"][n] = statistics.median(spent)

    def measure_wake(self, odpd, n):
        waits, spent = [], []
        for _ in range(N_REPEATED + 1):
            odpd.settled_usec()
            before = sum(meter.process_clock_usec(pid) for pid in (odpd.pid, odpd.launcher))
            with socket.create_connection(("127.0.0.1", FIRST_PORT), READY_LIMIT_SEC) as s:
                s.sendall(b"x")
                answer = s.recv(8, socket.MSG_WAITALL)
                seen = time.monotonic_ns()
            waits.append((seen - int.from_bytes(answer, "little")) / 1e6)
            odpd.call("Stop", name="s0")
            odpd.until(lambda: odpd.state("s0") == "stopped", "it is stopped")
            odpd.settled_usec()
            spent.append((sum(meter.process_clock_usec(pid) for pid in (odpd.pid, odpd.launcher)) - before) / 1e3)
        # The first has to warm what the others find warm.
        self.services["wake_wall"][n] = statistics.median(waits[1:])
        self.services["wake_cpu"][n] = statistics.median(spent[1:])


# -- the tables --------------------------------------------------------------------------------------


def growth(row, values):
    """By which power of their number a total has grown between the last two, or by what factor what is
    counted each has between the first and the last; whether that is too much."""
    known = [(n, v) for n, v in sorted(values.items()) if v]
    if row.kind is None or len(known) < 2:
        return "-", False
    (n_a, a), (n_b, b) = known[-2], known[-1]
    if row.kind == TOTAL:
        return "n^%.2f" % (math.log(b / a) / math.log(n_b / n_a)), b / a > NOISE * n_b / n_a
    return "%.2f x" % (b / known[0][1]), b / min(v for _, v in known) > 2 * NOISE


def table(rows, values, numbers, head):
    lines = [[head, *("%s" % format(n, ",") for n in numbers), "growth"]]
    for row in rows:
        text, is_too_much = growth(row, values[row.key])
        cells = ["%.*f" % (row.digits, values[row.key][n]) if values[row.key].get(n) is not None else "-"
                 for n in numbers]
        lines.append([row.title, *cells, text + (" !" if is_too_much else "")])
    return grid.lines(lines)


def markdown(known, growing):
    text = ["- %s: %s" % item for item in known.items()] + [""]
    if growing.options.connections:
        text += table(CONNECTION_ROWS, growing.connections, growing.options.connections, "connections") + [""]
    if growing.options.services:
        text += table(SERVICE_ROWS, growing.services, growing.options.services, "services") + [""]
    text += ["- NOT MEASURED: " + error for error in growing.errors]
    return "\n".join(text).rstrip("\n")


def as_json(known, growing):
    return {"facts": known, "errors": growing.errors, "connections": growing.connections,
            "services": growing.services}
