# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the slots round by round and keeps every sample. What they mean is measures.py's."""

import json
import os
import resource
import socket
import subprocess
import time

from . import measures
from .measures import DIRECT, FIGURES, SLOTS
from .proxies import MAX_FDS
from .sandbox import LOAD_LIMIT_SEC

READY_LIMIT_SEC = 10
BULK_FOR_EVER = 1 << 42
SLOW_WARM_UP_SEC = 0.15


class Failed(Exception):
    """One figure of one proxy could not be measured."""


class Bench:
    def __init__(self, box, load, proxies, quick, chosen):
        self.box, self.load, self.proxies, self.measures = box, load, proxies, chosen
        self.n_rounds, self.n_slow_rounds, self.slow_msec = (5, 2, 700) if quick else (30, 6, 2000)
        self.crowds = [1000] if quick else [1000, 10000]
        self.started, self.limit_sec = time.monotonic(), 50 if quick else 480
        self.n_done = 0
        self.n_crowd = self.crowds[-1]  # of the larger one, as many as there were with odp
        self.errors, self.faults = [], {}
        self.samples = {f.key: {} for f in FIGURES}
        self.dropped = set()  # (slot or proxy that failed): not tried again
        self.short_crowds = {}  # proxies with less connections than wanted, by their number
        self.latency = {}  # of ping-pong, by proxy and round

    # -- running the load generator ----------------------------------------------------------------

    def run_load(self, port, verb, *arguments, core=None):
        process = self.box.load([self.load, verb, port, *arguments], core, stdin=subprocess.DEVNULL)
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
        command = proxy.command(folder, port, target)
        if os.geteuid() == 0:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, proxy.uid(), proxy.uid())
        process = self.box.start(proxy.name, command, self.box.proxy_core, proxy.uid())
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
        for proxy in self.proxies:
            proxy.prepare(self.box.folder)
        targets = dict(zip(names, self.box.free_ports(len(names))))
        # A port of the service for each proxy: one proxy's TIME_WAITs do not crowd another's connects.
        service = self.box.start("service", [self.load, "serve", *map(str, targets.values())], self.box.service_core)
        self.wait_ready(service, targets[DIRECT])
        if "memory" in self.measures:
            for n in self.crowds:
                self.each_proxy("memory of %d" % n, lambda p, n=n: self.memory_slot(p, targets[p.name], n))
        longest_sec = 0
        for number in range(self.n_rounds if set(self.measures) - {"memory"} else 0):
            if number and time.monotonic() + longest_sec > self.started + self.limit_sec:
                break  # a slow machine does fewer rounds
            begun = time.monotonic()
            self.one_round(number, targets, service)
            longest_sec = max(longest_sec, time.monotonic() - begun)
            self.n_done = number + 1
        self.add_latency()
        self.note_short_crowds()

    def note_short_crowds(self):
        said = ["%d with %s" % (n, ", ".join(names)) for n, names in sorted(self.short_crowds.items(), reverse=True)]
        if said:
            self.box.notes.append("idle connections, by the limit of %d open files: %s"
                                  % (resource.getrlimit(resource.RLIMIT_NOFILE)[1], "; ".join(said)))

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

    def one_round(self, number, targets, service):
        """Fresh proxies each round: where its pages happen to lie makes one instance of a program some
        percent dearer than another for as long as it lives (seen with the same proxy entered twice)."""
        running = {DIRECT: (None, targets[DIRECT])}
        forking = {p.name for p in self.proxies if p.forks}
        simple = {p.name for p in self.proxies if p.simple}
        self.each_proxy("start", lambda p: running.update({p.name: self.start_proxy(p, targets[p.name])}))
        names = [n for n in targets if n in running]
        turn = number % len(names)
        order = names[turn:] + names[:turn]
        for slot in (s for s in SLOTS if s.measure in self.measures):
            for name in order:
                if name != DIRECT or slot.direct:
                    mine = measures.shared_out(slot) if name in forking else slot
                    self.guarded(name, slot.key, lambda n=name, s=mine: self.cpu_slot(s, number, n, *running[n]))
        if "slow" in self.measures and number < self.n_slow_rounds:
            with self.box.apart(service):
                for name in (n for n in order if n not in forking | simple):
                    self.guarded(name, "slow", lambda n=name: self.slow_slot(number, n, *running[n]))
        if "halfclose" in self.measures:
            for name in (n for n in order if n != DIRECT and n not in simple):
                for side, key in (("client", "half_close"), ("service", "half_close_service")):
                    self.guarded(name, key, lambda n=name, s=side, k=key:
                                 self.half_close_slot(number, n, running[n][1], s, k))
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
        if slot.direct:
            self.latency.setdefault(name, {})[number] = result

    def slow_slot(self, number, name, process, port):
        """Alone, then while one bulk transfer runs, which has the same proxy to itself otherwise."""
        core = self.box.apart_core()
        self.run_load(port, "slow", measures.N_SLOW // 10, 100, core=core)
        before = process and process.meter.settled_cpu_usec()
        result = self.run_load(port, "slow", measures.N_SLOW, self.slow_msec, core=core)
        if process:  # what it took to open the connections is in it, a few hundredths
            self.add("slow_cpu", name, number, (process.meter.settled_cpu_usec() - before) / result["answers"])
        for key in ("p50", "p99"):
            self.add("slow_" + key, name, number, result[key + "_usec"])
        bulk = self.box.load([self.load, "bulk", port, BULK_FOR_EVER, "down", 1], core, stdin=subprocess.DEVNULL)
        try:
            time.sleep(SLOW_WARM_UP_SEC)
            result = self.run_load(port, "slow", measures.N_SLOW, self.slow_msec, core=core)
        finally:
            bulk.terminate()
            output, error = bulk.communicate()
        if bulk.returncode:
            raise Failed("the bulk transfer beside: " + (error.strip() or "it ended with %d" % bulk.returncode))
        passed = json.loads(output)
        for key in ("p50", "p99"):
            self.add("beside_" + key, name, number, result[key + "_usec"])
        self.add("beside_rate", name, number, passed["bytes"] / passed["wall_usec"])

    def half_close_slot(self, number, name, port, side, key):
        result = self.run_load(port, "halfclose", measures.HALF_CLOSE_BYTES, side)
        self.add(key, name, number, 1 if result["exact"] else 0)
        if not result["exact"]:
            self.faults.setdefault("%s, by the %s" % (name, side), "%s (%d of %d bytes came)"
                                   % (result["fault"], result["returned"], measures.HALF_CLOSE_BYTES))

    # -- memory --------------------------------------------------------------------------------------

    def crowd_for(self, proxy, n):
        """As many as the limit of descriptors lets this proxy, or the client, have."""
        return min(n, MAX_FDS // proxy.n_fds)

    def memory_slot(self, proxy, target, n):
        """On a fresh proxy: one that has seen 64 clients at once keeps their memory and would look free."""
        if proxy.simple or proxy.forks and (n > 1000 or len(self.crowds) == 1):
            return
        n_idle = self.crowd_for(proxy, n)
        if n_idle < n:
            self.short_crowds.setdefault(n_idle, []).append(proxy.name)
        if proxy.name == "odp":
            self.n_crowd = n_idle
        process, port = self.start_proxy(proxy, target)
        try:
            self.run_load(port, "short", 50, 1)
            process.meter.settled_cpu_usec()
            before = self.gauge(process)
            with IdleConnections(self.box.load([self.load, "idle", port, n_idle], stdin=subprocess.PIPE), n_idle):
                process.meter.settled_cpu_usec()
                after = self.gauge(process)
        finally:
            self.box.stop(process)
        for key, now, then in zip(("idle_user", "idle_dirty", "idle_kernel"), after, before):
            if then is not None:
                self.add("%s_%d" % (key, n), proxy.name, 0, (now - then) / n_idle)
        self.add("idle_fds", proxy.name, 0, (after[3] - before[3]) / n_idle)

    @staticmethod
    def gauge(process):
        memory = process.meter.memory()
        return memory["pss"], memory["private_dirty"], process.meter.kernel_bytes(), process.meter.n_fds()

    # -- latency -------------------------------------------------------------------------------------

    def add_latency(self):
        direct = self.latency.get(DIRECT, {})
        for name, rounds in self.latency.items():
            for number, result in rounds.items():
                self.add("pingpong_p50", name, number, result["p50_usec"])
                for key in ("p50", "p99", "p999"):
                    if name != DIRECT and number in direct:
                        value = result[key + "_usec"] - direct[number][key + "_usec"]
                        self.add("pingpong_added_" + key, name, number, value)


class IdleConnections:
    """The connections stand while this is entered; the generator ends when its stdin does."""

    def __init__(self, process, n):
        self.process, self.n = process, n

    def __enter__(self):
        # The generator's own alarm ends it when a proxy never answers, and readline with it.
        if self.process.stdout.readline() != "ready\n":
            _, error = self.process.communicate()
            raise Failed("%d idle connections: %s" % (self.n, error.strip() or "not relayed in time"))

    def __exit__(self, *_):
        self.process.communicate()
