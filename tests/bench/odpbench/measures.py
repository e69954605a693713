# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is measured, how often, and the samples.

A slot is one run of the load generator with a fixed number of operations against one proxy, after
a short one that warms caches and pools and does not count. A slot yields one or more figures.
"""

import json
import socket
import subprocess
import time
from collections import namedtuple

from .sandbox import LOAD_LIMIT_SEC

NAMES = ["bulk", "short", "pingpong", "memory", "halfclose"]
DIRECT = "direct"
N_IDLE = 1000
HALF_CLOSE_BYTES = 4 << 20
READY_LIMIT_SEC = 10

# ratio: limit for odp / best peer of the same round. absolute: limit for odp's own figure.
Figure = namedtuple("Figure", "key measure title digits kind limit budget")
FIGURES = [
    Figure("bulk_down", "bulk", "bulk, 1 stream, service to client: CPU-s a GB", 3, "ratio", 1.03, "1.00 x (noise 0.03)"),
    Figure("bulk_up", "bulk", "bulk, 1 stream, client to service: CPU-s a GB", 3, "ratio", 1.03, "1.00 x (noise 0.03)"),
    Figure("short_1", "short", "short connections, 1 client: CPU-us each", 1, "ratio", 0.95, "0.95 x"),
    Figure("short_64", "short", "short connections, 64 clients: CPU-us each", 1, "ratio", 0.95, "0.95 x"),
    Figure("pingpong_cpu", "pingpong", "ping-pong 64 B: CPU-us a round trip", 1, "ratio", 0.95, "0.95 x"),
    Figure("pingpong_p50", "pingpong", "ping-pong 64 B: p50 us, whole", 1, None, None, ""),
    Figure("pingpong_added", "pingpong", "ping-pong 64 B: p50 us added to direct", 1, "ratio", 1.00, "1.00 x"),
    Figure("idle_pss", "memory", "user bytes an idle connection (PSS)", 0, "absolute", 512, "512"),
    Figure("idle_dirty", "memory", "user bytes an idle connection (private dirty)", 0, None, None, ""),
    Figure("idle_fds", "memory", "descriptors an idle connection", 2, None, None, ""),
    Figure("half_close", "halfclose", "half-close, byte-exact", 0, "yes", 1, "yes"),
]

# Arguments without the port: warm-up, then measured; then the number by which CPU-us is divided.
Slot = namedtuple("Slot", "measure key warm_up arguments divisor direct")
# Small slots and many rounds: the shorter the time between two proxies, the more of the machine's
# own ups and downs they share, and the less of them is left in the ratio of a round.
SLOTS = [
    Slot("bulk", "bulk_down", ["bulk", 20_000_000, "down"], ["bulk", 200_000_000, "down"], 200_000, False),
    Slot("bulk", "bulk_up", ["bulk", 20_000_000, "up"], ["bulk", 200_000_000, "up"], 200_000, False),
    Slot("short", "short_1", ["short", 50, 1], ["short", 500, 1], 500, False),
    Slot("short", "short_64", ["short", 128, 64], ["short", 1000, 64], 1000, False),
    Slot("pingpong", "pingpong_cpu", ["pingpong", 200], ["pingpong", 2000], 2000, True),
]


class Failed(Exception):
    """One figure of one proxy could not be measured."""


class Bench:
    def __init__(self, box, load, proxies, quick, measures):
        self.box, self.load, self.proxies, self.measures = box, load, proxies, measures
        self.n_rounds, self.n_memory_rounds = (10, 1) if quick else (40, 3)
        self.started, self.limit_sec = time.monotonic(), 52 if quick else 900
        self.n_done = 0
        self.errors, self.faults = [], {}
        self.samples = {f.key: {} for f in FIGURES}
        self.dropped = set()  # (slot or proxy that failed): not tried again

    # -- running the load generator ----------------------------------------------------------------

    def run_load(self, port, verb, *arguments):
        process = self.box.load([self.load, verb, port, *arguments], stdin=subprocess.DEVNULL)
        try:
            output, error = process.communicate(timeout=LOAD_LIMIT_SEC)
        except subprocess.TimeoutExpired:
            raise Failed("no end after %d s" % LOAD_LIMIT_SEC) from None
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
        if process.returncode:
            raise Failed(error.strip() or "the load generator ended with %d" % process.returncode)
        return json.loads(output)

    def start_proxy(self, proxy, target):
        folder = self.box.folder / ("%s-%d" % (proxy.name, self.box.n_started))
        folder.mkdir()
        port = self.box.free_ports(1)[0]
        process = self.box.start(proxy.name, proxy.command(folder, port, target), self.box.proxy_core)
        try:
            self.wait_ready(process, port)
        except Failed:
            self.box.stop(process)
            raise
        return process, port

    def wait_ready(self, process, port):
        """Ready is an echo through it, not a listening socket."""
        deadline = time.monotonic() + READY_LIMIT_SEC
        frame = b"E" + bytes(63)
        while time.monotonic() < deadline:
            if process.popen.poll() is not None:
                raise Failed("it ended at start: " + process.last_words())
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=READY_LIMIT_SEC) as s:
                    s.sendall(frame)
                    if s.recv(64, socket.MSG_WAITALL) == frame:
                        return
            except OSError:
                pass
            time.sleep(0.01)
        raise Failed("it relays nothing %d s after its start: %s" % (READY_LIMIT_SEC, process.last_words()))

    # -- the whole -----------------------------------------------------------------------------------

    def run(self):
        names = [DIRECT] + [p.name for p in self.proxies]
        targets = dict(zip(names, self.box.free_ports(len(names))))
        # A port of the service for each proxy: one proxy's TIME_WAITs do not crowd another's connects.
        service = self.box.start("service", [self.load, "serve", *map(str, targets.values())], self.box.service_core)
        self.wait_ready(service, targets[DIRECT])
        if "memory" in self.measures:
            for _ in range(self.n_memory_rounds):
                self.each_proxy("memory", lambda p: self.memory_slot(p, targets[p.name]))
        longest_sec = 0
        for number in range(self.n_rounds):
            if number and time.monotonic() + longest_sec > self.started + self.limit_sec:
                break  # a slow machine does fewer rounds
            begun = time.monotonic()
            self.one_round(number, targets)
            longest_sec = max(longest_sec, time.monotonic() - begun)
            self.n_done = number + 1
        self.add_latency()

    def each_proxy(self, what, function):
        for proxy in self.proxies:
            self.guarded(proxy.name, what, lambda p=proxy: function(p))

    def guarded(self, name, what, function):
        """A failure costs that proxy that slot, not the others their run."""
        if (name, what) in self.dropped:
            return
        try:
            function()
        except (Failed, OSError) as error:
            self.dropped.add((name, what))
            self.errors.append("%s: %s: %s" % (name, what, error))

    def one_round(self, number, targets):
        """Fresh proxies each round: where its pages happen to lie makes one instance of a program some
        percent dearer than another for as long as it lives (seen with the same proxy entered twice)."""
        running = {DIRECT: (None, targets[DIRECT])}
        self.each_proxy("start", lambda p: running.update({p.name: self.start_proxy(p, targets[p.name])}))
        names = [n for n in targets if n in running]
        turn = number % len(names)
        order = names[turn:] + names[:turn]
        for slot in (s for s in SLOTS if s.measure in self.measures):
            for name in order:
                if name != DIRECT or slot.direct:
                    self.guarded(name, slot.key, lambda n=name, s=slot: self.cpu_slot(s, number, n, *running[n]))
        if "halfclose" in self.measures:
            for name in order:
                if name != DIRECT:
                    self.guarded(name, "half_close", lambda n=name: self.half_close_slot(number, n, running[n][1]))
        for process, _ in running.values():
            if process:
                self.box.stop(process)

    def add(self, key, name, number, value):
        self.samples[key].setdefault(name, {})[number] = value

    # -- the slots -----------------------------------------------------------------------------------

    def cpu_slot(self, slot, number, name, process, port):
        self.run_load(port, *slot.warm_up)
        before = process and process.meter.settled_cpu_usec()
        result = self.run_load(port, *slot.arguments)
        if process:
            self.add(slot.key, name, number, (process.meter.settled_cpu_usec() - before) / slot.divisor)
        if "p50_usec" in result:
            self.add("pingpong_p50", name, number, result["p50_usec"])

    def half_close_slot(self, number, name, port):
        result = self.run_load(port, "halfclose", HALF_CLOSE_BYTES)
        self.add("half_close", name, number, 1 if result["exact"] else 0)
        if not result["exact"]:
            self.faults.setdefault(name, "%s (%d of %d bytes came back)"
                                   % (result["fault"], result["returned"], HALF_CLOSE_BYTES + 64))

    def memory_slot(self, proxy, target):
        """On a fresh proxy: one that has seen 64 clients at once keeps their memory and would look free."""
        process, port = self.start_proxy(proxy, target)
        try:
            self.run_load(port, "short", 50, 1)
            process.meter.settled_cpu_usec()
            before, fds_before = process.meter.memory(), process.meter.n_fds()
            with self.idle_connections(port):
                process.meter.settled_cpu_usec()
                after, fds_after = process.meter.memory(), process.meter.n_fds()
        finally:
            self.box.stop(process)
        number = len(self.samples["idle_pss"].get(proxy.name, {}))
        self.add("idle_pss", proxy.name, number, (after["pss"] - before["pss"]) / N_IDLE)
        self.add("idle_dirty", proxy.name, number, (after["private_dirty"] - before["private_dirty"]) / N_IDLE)
        self.add("idle_fds", proxy.name, number, (fds_after - fds_before) / N_IDLE)

    def idle_connections(self, port):
        return IdleConnections(self.box.load([self.load, "idle", port, N_IDLE], stdin=subprocess.PIPE))

    def add_latency(self):
        direct = self.samples["pingpong_p50"].get(DIRECT, {})
        for name, rounds in self.samples["pingpong_p50"].items():
            for number, value in rounds.items():
                if name != DIRECT and number in direct:
                    self.add("pingpong_added", name, number, value - direct[number])


class IdleConnections:
    """The connections stand while this is entered; the generator ends when its stdin does."""

    def __init__(self, process):
        self.process = process

    def __enter__(self):
        # The generator's own alarm ends it when a proxy never answers, and readline with it.
        if self.process.stdout.readline() != "ready\n":
            _, error = self.process.communicate()
            raise Failed("%d idle connections: %s" % (N_IDLE, error.strip() or "not relayed in time"))

    def __exit__(self, *_):
        self.process.communicate()
