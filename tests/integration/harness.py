# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the integration tests share: a real odpd in directories of its own, on ports of its own, with
# real servers behind it. Nothing here sleeps for a guessed time: whoever waits names a condition.
#
# ODP_BUILD names the directory with the programs (default: the working directory). ODP_TEST_SHORT
# makes bulk tests smaller, ODP_TEST_LONG others longer, ODP_TEST_SANITIZED says that the
# programs carry a sanitizer (it is also found out by itself).

import atexit
import collections
import functools
import glob
import hashlib
import json
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

BUILD = os.path.abspath(os.environ.get("ODP_BUILD", "."))
SERVERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "servers")
SHORT = bool(os.environ.get("ODP_TEST_SHORT"))
LONG = bool(os.environ.get("ODP_TEST_LONG"))
HOST = "127.0.0.1"


def program(name):
    return os.path.join(BUILD, name)


@functools.lru_cache(None)
def is_sanitized():
    if os.environ.get("ODP_TEST_SANITIZED"):
        return True
    done = subprocess.run(["ldd", program("odpd")], capture_output=True, text=True, check=False)
    return any(lib in done.stdout for lib in ("libasan", "libubsan", "libtsan"))


# Seconds that anything may take before it counts as never. Generous: a loaded machine is no fault.
DEADLINE = 120.0


def until(condition, what, deadline=None):
    """Returns the condition's first true value, or fails after the deadline."""
    deadline = DEADLINE if deadline is None else deadline
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"not within {deadline:g} s: {what}")
        time.sleep(0.004)


def raise_descriptor_limit(wanted):
    """The soft limit of open files of this process and what it starts; skips where that is low."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return
    if hard < wanted:
        raise unittest.SkipTest(f"needs {wanted} descriptors, the hard limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


# ---- ports ---------------------------------------------------------------------------------------

reserved_ports = []  # abstract sockets: each keeps one number from the tests that run beside us
atexit.register(lambda: [s.close() for s in reserved_ports])
next_port = [10000 + os.getpid() * 61 % 20000]


def port_is_free(port):
    for family, host in ((socket.AF_INET, HOST), (socket.AF_INET6, "::")):
        try:
            with socket.socket(family) as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind((host, port))
        except OSError:
            return False
    return True


def free_port():
    """A port nobody uses, below those that the kernel gives to clients."""
    while True:
        port = next_port[0]
        next_port[0] = port + 1 if port < 31999 else 10000
        reservation = socket.socket(socket.AF_UNIX)
        try:
            reservation.bind(f"\0odp-test-port-{port}")
        except OSError:
            reservation.close()
            continue
        if port_is_free(port):
            reserved_ports.append(reservation)
            return port
        reservation.close()


# ---- processes -----------------------------------------------------------------------------------


def read_file(path, mode="r"):
    try:
        with open(path, mode, errors=None if "b" in mode else "replace") as f:
            return f.read()
    except (FileNotFoundError, ProcessLookupError):
        return b"" if "b" in mode else ""


def is_alive(pid):
    """False for zombies too: not every host collects orphans at once. But not for one whose other
    threads still end: the process's sockets are open until the last of them is gone."""
    fields = read_file(f"/proc/{pid}/stat").rpartition(")")[2].split()
    n_threads = int(fields[17]) if len(fields) > 17 else 0  # proc(5)
    return bool(fields) and (fields[0] not in "ZX" or n_threads > 1)


def group_of(pid):
    """The living members of the process group that pid leads or led."""
    members = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        fields = read_file(path).rpartition(")")[2].split()
        if fields and fields[0] not in "ZX" and int(fields[2]) == pid:
            members.append(int(path.split("/")[2]))
    return members


def children_of(pid):
    found = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        fields = read_file(path).rpartition(")")[2].split()
        if fields and fields[0] not in "ZX" and int(fields[1]) == pid:
            found.append(int(path.split("/")[2]))
    return found


def processes_about(text):
    """The processes whose command line names `text`."""
    needle = text.encode()
    return [int(path.split("/")[2]) for path in glob.glob("/proc/[0-9]*/cmdline")
            if needle in read_file(path, "rb")]


def private_dirty(pid):
    for line in read_file(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no smaps_rollup of {pid}")


def cpu_seconds(pid):
    fields = read_file(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---- sockets -------------------------------------------------------------------------------------


def connect(address, timeout=None):
    """`address` is a port of 127.0.0.1, a (host, port) or the path of a unix socket."""
    if isinstance(address, int):
        address = (HOST, address)
    if isinstance(address, str):
        s = socket.socket(socket.AF_UNIX)
    else:
        s = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    timeout = DEADLINE if timeout is None else timeout
    # With a timeout a unix socket's full queue would be an error instead of a wait.
    s.settimeout(None if isinstance(address, str) else timeout)
    try:
        s.connect(address)
    except OSError:
        s.close()
        raise
    s.settimeout(timeout)
    return s


def accepts(target):
    """Whether somebody listens there, as HOST:PORT."""
    host, _, port = target.rpartition(":")
    try:
        connect((host, int(port))).close()
        return True
    except ConnectionRefusedError:
        return False


def listener(address=None, backlog=4096):
    """A listening socket of the test's own; without an address on a port of its own."""
    if isinstance(address, str):
        s = socket.socket(socket.AF_UNIX)
    else:
        if not isinstance(address, tuple):
            address = (HOST, address or free_port())
        s = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(address)
    s.listen(backlog)
    return s


def reset(s):
    """Closes with a reset."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def read_exactly(s, n):
    parts = bytearray()
    while len(parts) < n:
        chunk = s.recv(min(n - len(parts), 1 << 20))
        if not chunk:
            raise AssertionError(f"end of file after {len(parts)} of {n} bytes")
        parts += chunk
    return bytes(parts)


def read_all(s):
    parts = bytearray()
    while True:
        chunk = s.recv(1 << 20)
        if not chunk:
            return bytes(parts)
        parts += chunk


def digest(data):
    return hashlib.sha256(data).hexdigest()


def exchange(s, data):
    """Sends all and ends sending while reading all; returns what came back."""
    failure = []

    def send():
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        except OSError as e:
            failure.append(e)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    try:
        return read_all(s)
    finally:
        sender.join(DEADLINE)
        if failure:
            raise failure[0]


class Background:
    """A thread whose failure is the test's failure: join() raises it and returns the result."""

    def __init__(self, function, *args):
        self.result = self.error = None
        self.thread = threading.Thread(target=self.run, args=(function, args), daemon=True)
        self.thread.start()

    def run(self, function, args):
        try:
            self.result = function(*args)
        except BaseException as e:  # pylint: disable=broad-except
            self.error = e

    def join(self, timeout=None):
        self.thread.join(DEADLINE if timeout is None else timeout)
        if self.thread.is_alive():
            raise AssertionError("a background task does not end")
        if self.error:
            raise self.error
        return self.result


# ---- odpd ----------------------------------------------------------------------------------------


def server_command(name, *args):
    """A backend's command line; -I and -S make Python start sooner, -B leaves no caches behind."""
    return " ".join([sys.executable, "-IBS", os.path.join(SERVERS, name), *map(str, args)])


class Gate:
    """What a server waits for before it listens (--gate) or ends (--stop-gate): so a test has the
    time that it needs, however slow the machine is."""

    def __init__(self, case):
        self.path = os.path.join(case.directory(), "open")

    def __str__(self):
        return self.path

    def open(self):
        with open(self.path, "w", encoding="utf-8"):
            pass


class Odpd:
    """One odpd with its directories. `services` maps names to the text of their files."""

    def __init__(self, directory, services):
        self.directory = directory
        self.config, self.runtime = self.path("config"), self.path("run")
        self.process = None
        self.log_path = self.path("log")
        self.control, self.control_lock = None, threading.RLock()
        os.makedirs(os.path.join(self.config, "services"))
        for name, text in services.items():
            self.write_service(name, text)

    def path(self, name):
        return os.path.join(self.directory, name)

    def write_service(self, name, text):
        with open(os.path.join(self.config, "services", name + ".ini"), "w",
                  encoding="utf-8") as f:
            f.write("\n".join(line.strip() for line in text.strip().splitlines()) + "\n")

    # Its life

    def arguments(self):
        return [program("odpd"), "--config", self.config, "--runtime", self.runtime, "--state",
                self.path("state"), "--log-level", "debug"]

    def start(self, before=(), ready=True, **options):
        """`before` is a command that runs odpd; without `ready` nothing is awaited."""
        with open(self.log_path, "a", encoding="utf-8") as log:
            self.process = subprocess.Popen([*before, *self.arguments()], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, **options)
        if ready:
            until(self.is_listening, "odpd listens and knows the state of each service")

    def is_listening(self):
        # Calls are served only once all listeners are open.
        if self.process.poll() is not None:
            raise AssertionError(f"odpd ended with {self.process.returncode}")
        try:
            return all(s["state"] != "unknown" for s in self.all_status())
        except (FileNotFoundError, ConnectionRefusedError, ConnectionResetError):
            return False

    @property
    def pid(self):
        return self.process.pid

    def launcher(self):
        """The launcher's pid, None while there is none."""
        for pid in children_of(self.pid):
            if read_file(f"/proc/{pid}/cmdline").startswith(program("odp-launcher")):
                return pid
        return None

    def kill(self):
        self.hang_up()
        self.process.kill()
        self.process.wait()

    def terminate(self):
        """Ends it in order; returns the exit code."""
        self.hang_up()
        self.process.terminate()
        return self.process.wait(DEADLINE)

    def log(self):
        return read_file(self.log_path)

    # What it says

    def call(self, method, **parameters):
        """One varlink call; returns the reply. All calls share one connection, so that calling
        does not change the number of odpd's descriptors."""
        request = json.dumps({"method": "io.odp.Control." + method,
                              "parameters": parameters}).encode() + b"\0"
        with self.control_lock:
            if self.control is None:
                self.control = connect(os.path.join(self.runtime, "control.sock"))
            try:
                return self.exchange_call(request)
            except BaseException:
                self.hang_up()
                raise

    def exchange_call(self, request):
        self.control.sendall(request)
        reply = bytearray()
        while not reply.endswith(b"\0"):
            chunk = self.control.recv(65536)
            if not chunk:
                raise ConnectionResetError(f"no reply to {request}")
            reply += chunk
        return json.loads(reply[:-1])

    def hang_up(self):
        """Closes the control connection; the next call opens another one."""
        if self.control is not None:
            self.control.close()
            self.control = None

    def all_status(self):
        return self.call("Status")["parameters"]["services"]

    def status(self, name):
        return self.call("Status", names=[name])["parameters"]["services"][0]

    def state(self, name):
        return self.status(name)["state"]

    def await_state(self, name, *states, deadline=None):
        """Returns the status that showed one of the states."""
        def look():
            status = self.status(name)
            return status if status["state"] in states else None
        return until(look, f"{name} is {' or '.join(states)}", deadline)

    def await_status(self, name, deadline=None, **wanted):
        def look():
            status = self.status(name)
            return status if all(status[k] == v for k, v in wanted.items()) else None
        return until(look, f"{name} has {wanted}", deadline)

    def odp(self, *args):
        """Runs the command line; returns the finished process."""
        return subprocess.run([program("odp"), "--runtime", self.runtime, *args],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=DEADLINE, check=False)

    # What it holds

    def descriptors(self):
        """How many of each kind; the relay keeps some pipes in reserve while a service is awake."""
        kinds = collections.Counter()
        for path in glob.glob(f"/proc/{self.pid}/fd/*"):
            try:
                kinds[os.readlink(path).partition(":")[0]] += 1
            except FileNotFoundError:
                pass
        return kinds

    def sockets(self):
        return self.descriptors()["socket"]

    # The end

    def leftovers(self):
        """Everything that was started through this odpd and still lives."""
        pids = set(processes_about(self.directory + "/"))
        for path in glob.glob(os.path.join(self.runtime, "launcher", "**", "*.pid"),
                              recursive=True):
            for line in read_file(path).splitlines():
                if line.startswith("pid="):
                    pids.update(group_of(int(line[4:])))
        return sorted(pid for pid in pids if pid != os.getpid() and is_alive(pid))

    def finish(self):
        """Stops services, ends odpd; returns what was wrong, or ''."""
        if not self.process:
            return ""
        wrong = []
        try:
            if self.process.poll() is None:
                self.stop_services(wrong)
                if self.process.poll() is None and self.terminate() != 0:
                    wrong.append(f"odpd ended with {self.process.returncode} after SIGTERM")
            until(lambda: not self.leftovers(), "all processes are gone")
        except (AssertionError, OSError, subprocess.TimeoutExpired) as e:
            wrong.append(f"{e} (left: {self.leftovers()})")
        self.clear_away()
        if "Sanitizer" in self.log() or "runtime error:" in self.log():
            wrong.append("a sanitizer has something to say")
        return "; ".join(wrong)

    def stop_services(self, wrong):
        for s in self.all_status():
            if s["backend"] == "process" and s["state"] not in ("stopped", "invalid", "disabled"):
                done = self.odp("stop", s["name"])
                if done.returncode != 0:
                    wrong.append(f"odp stop {s['name']}: {done.stderr.strip()}")

    def clear_away(self):
        if self.process.poll() is None:
            self.kill()
        for pid in self.leftovers():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


class Case(unittest.TestCase):
    """A test with any number of odpds. Ends each, and prints its log where something failed."""

    failed = False

    def directory(self):
        path = tempfile.mkdtemp(prefix="odp-test-")
        os.chmod(path, 0o755)
        self.addCleanup(shutil.rmtree, path, ignore_errors=True)
        return path

    def odpd(self, services, start=True, **options):
        d = Odpd(self.directory(), services)
        self.addCleanup(self.finish, d)
        if start:
            d.start(**options)
        return d

    def finish(self, d):
        wrong = d.finish()
        if wrong or self.has_failed():
            print(f"\n---- {self.id()}: log of odpd\n{d.log()}----", file=sys.stderr, flush=True)
        self.assertEqual(wrong, "")

    def _callTestMethod(self, method):
        try:
            super()._callTestMethod(method)
        except BaseException:
            self.failed = True
            raise

    def has_failed(self):
        found = self._outcome.result.failures + self._outcome.result.errors
        return self.failed or any(getattr(t, "test_case", None) is self for t, _ in found)

    def closing(self, *sockets):
        """Closes them with the test; returns the first."""
        for s in sockets:
            self.addCleanup(s.close)
        return sockets[0]

    def connect(self, address, **options):
        return self.closing(connect(address, **options))

    def assert_same(self, got, wanted):
        """Of bytes: says where they differ instead of printing megabytes."""
        if got == wanted:
            return
        at = next((i for i, (a, b) in enumerate(zip(got, wanted)) if a != b),
                  min(len(got), len(wanted)))
        self.fail(f"{len(got)} bytes instead of {len(wanted)}, different from byte {at}: "
                  f"{got[at:at + 40]!r} instead of {wanted[at:at + 40]!r}")

    def assert_closed(self, s):
        """The far side has ended or reset the connection without a byte."""
        try:
            self.assertEqual(s.recv(100), b"")
        except ConnectionResetError:
            pass


class Backend:
    """A server of servers/ as a process service: its file, and what it has left behind."""

    def __init__(self, directory, server="echo.py", *args, listen=None, target=None):
        self.listen = listen or free_port()
        self.target = target or f"{HOST}:{free_port()}"
        self.starts_path = os.path.join(directory, f"starts-{free_port()}")
        self.command = server_command(server, "--listen", self.target, "--starts",
                                      self.starts_path, *args)

    def file(self, idle="5min", backend="", ready="", wait="", service=""):
        return f"""
            [service]
            listen = {self.listen}
            target = {self.target}
            {service}
            [backend]
            type = process
            command = {self.command}
            {backend}
            [ready]
            {ready}
            [wait]
            {wait}
            [idle]
            timeout = {idle}
            """

    def starts(self):
        """The pids of all that were ever started, in order."""
        return [int(word) for word in read_file(self.starts_path).split()]


def plain_file(listen, target, extra=""):
    """A service with nothing to start."""
    return f"""
        [service]
        listen = {listen}
        target = {target}
        {extra}
        [backend]
        type = none
        """
