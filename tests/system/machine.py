# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A real systemd to test with, booted in namespaces of its own in half a second: nothing that happens
# in there is seen by this machine, and all of it is gone when the tests end, however they end.
#
#     class Test(machine.Case):
#         def test(self):
#             self.unit("wiki.service", "[Service]\nExecStart=/usr/bin/sleep infinity\n")
#             self.machine.systemctl("start", "wiki.service")
#
# All tests of a process share one machine. It is reached from outside: files through path(), sockets
# through connect(), commands through run(). What a test makes (units, odpds) ends with the test.

import atexit
import contextlib
import ctypes
import errno
import glob
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))
# pylint: disable=wrong-import-position
import bus
import harness
from harness import BUILD, DEADLINE, Background, read_file, until

PREFIX = "odp-machine-"  # of control groups and directories; the pid of the test's process follows
SERVERS = "/odp/tests/integration/servers"  # inside
USER = "ada"  # who is not root, inside
ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}  # of commands inside
PR_SET_PDEATHSIG = 1
CLONE_NEWNET = 0x40000000
NAMESPACES = ["--mount", "--pid", "--fork", "--uts", "--ipc", "--cgroup", "--net"]
# Connects to systemd, and hands the connection on by its standard input.
CONNECT = """
import socket
s = socket.socket(socket.AF_UNIX)
s.connect("/run/systemd/private")
socket.send_fds(socket.socket(fileno=0), [b"x"], [s.fileno()])
"""

libc = ctypes.CDLL(None, use_errno=True)


# ---- control groups --------------------------------------------------------------------------------


def cgroup_parent():
    """Where the control groups of the tests stand: below our own. None without cgroup2."""
    mounts = [line.split() for line in read_file("/proc/self/mountinfo").splitlines()]
    found = [m[4] for m in mounts if m[m.index("-") + 1] == "cgroup2"]
    if not found:
        return None
    own = [line[3:] for line in read_file("/proc/self/cgroup").splitlines() if line[:3] == "0::"]
    path = os.path.normpath(found[0] + (own[0] if own else "/"))
    return path if os.path.isdir(path) else found[0]


def remove_cgroup(path):
    """Kills everything in it, whatever it is, and removes it. So may another test at the same time,
    which has found it left over, too."""
    try:
        with open(os.path.join(path, "cgroup.kill"), "w", encoding="ascii") as f:
            f.write("1")
        until(lambda: "populated 1" not in read_file(os.path.join(path, "cgroup.events")),
              f"{path} is empty")
    except OSError as e:
        if e.errno not in (errno.ENOENT, errno.ENODEV):
            raise
    for directory, _, _ in os.walk(path, topdown=False):
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(directory)


def sweep(parent):
    """Removes what test processes that were killed have left."""
    for path in glob.glob(f"{parent}/{PREFIX}*"):
        if not harness.is_alive(int(path.rpartition("-")[2])):
            remove_cgroup(path)
    for path in glob.glob(f"{tempfile.gettempdir()}/{PREFIX}*-*"):
        if not harness.is_alive(int(os.path.basename(path).split("-")[2])):
            shutil.rmtree(path, ignore_errors=True)


# ---- the machine -----------------------------------------------------------------------------------


def why_not():
    """What this machine lacks to boot another one, None for nothing."""
    if os.geteuid() != 0:
        return "they need root"
    parent = cgroup_parent()
    if parent is None:
        return "no cgroup2 is mounted"
    if not os.access(parent, os.W_OK) or os.statvfs(parent).f_flag & os.ST_RDONLY:
        return f"{parent} is read-only"
    if not any(os.access(f"{d}/systemd/systemd", os.X_OK) for d in ("/usr/lib", "/lib")):
        return "systemd is not installed"
    for program in ("unshare", "nsenter", "ip", "dbus-daemon", "systemd-run"):
        if not shutil.which(program):
            return f"{program} is not installed"
    tried = subprocess.run(["unshare", *NAMESPACES, "true"], capture_output=True, text=True,
                           check=False)
    return f"no namespaces: {tried.stderr.strip()}" if tried.returncode != 0 else None


class Machine:
    def __init__(self):
        self.parent = cgroup_parent()
        sweep(self.parent)
        self.cgroup = os.path.join(self.parent, f"{PREFIX}{os.getpid()}")
        self.directory = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")
        self.unshare = None
        self.installed = False
        atexit.register(self.end)
        try:
            self.boot()
        except BaseException:
            print(f"\n---- the console\n{self.console()}----", file=sys.stderr, flush=True)
            self.end()
            raise

    def boot(self):
        def enter():  # in the child: it ends with us, and so does all that it starts
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            with open(os.path.join(self.cgroup, "cgroup.procs"), "w", encoding="ascii") as f:
                f.write("0")

        os.mkdir(self.cgroup)
        os.mkdir(os.path.join(self.directory, "fs"))
        with open(os.path.join(self.directory, "console"), "wb") as console:
            self.unshare = subprocess.Popen(
                ["unshare", *NAMESPACES, "--kill-child", os.path.join(HERE, "boot"),
                 self.directory, BUILD, os.path.dirname(HERE)],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, preexec_fn=enter)
        self.pid = until(self.find_init, "PID 1 is systemd")
        until(lambda: os.path.exists(self.path("/run/systemd/private")), "systemd can be asked")
        self.bus = bus.Bus(self.connect_systemd)
        state = self.systemctl("is-system-running", "--wait", check=False)
        if state != "running":
            raise AssertionError(f"the machine is {state}: " + self.systemctl("--failed"))

    def find_init(self):
        if self.unshare.poll() is not None:
            raise AssertionError(f"boot ended with {self.unshare.returncode}")
        for pid in harness.children_of(self.unshare.pid):
            if read_file(f"/proc/{pid}/comm").strip() == "systemd":
                return pid
        return None

    def end(self):
        """Ends everything in there at once, and leaves nothing."""
        if self.unshare:
            self.unshare.kill()
            self.unshare.wait()
        remove_cgroup(self.cgroup)
        shutil.rmtree(self.directory, ignore_errors=True)

    def console(self):
        return read_file(os.path.join(self.directory, "console"))

    # What is in there

    def path(self, inside):
        """A path that leads there from outside. Sockets can be reached through it, too."""
        return f"/proc/{self.pid}/root{inside}"

    def read(self, inside):
        return read_file(self.path(inside))

    def write(self, inside, text, mode=0o644):
        path = self.path(inside)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)

    def enter(self, *argv, user=None):
        """The command line that runs this one in there. `user` has a service manager of his own by
        then."""
        line = ["nsenter", "-t", str(self.pid), "-m", "-u", "-i", "-n", "-p", "-C"]
        if user:
            uid = self.enable_user(user)
            line += ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "env",
                     f"XDG_RUNTIME_DIR=/run/user/{uid}", f"HOME=/home/{user}", f"USER={user}"]
        return [*line, *argv]

    def run(self, *argv, user=None, check=True):
        """Runs a command in there to its end; returns the finished process."""
        done = subprocess.run(self.enter(*argv, user=user), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=DEADLINE, check=False,
                              env=ENVIRONMENT)
        if check and done.returncode != 0:
            raise AssertionError(f"{argv} ended with {done.returncode}: {done.stderr.strip()}")
        return done

    def spawn(self, *argv, user=None, **options):
        """Starts a command in there, with pipes to its input and output, as text. It ends with
        the process that is returned."""
        line = self.enter("setpriv", "--pdeathsig", "KILL", *argv, user=user)
        return subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                env=ENVIRONMENT, **options)

    def connect_systemd(self):
        """A connection to systemd's private socket. It is made in there, since to systemd who
        connects from outside has no pid, and so no rights."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.settimeout(DEADLINE)
            subprocess.run(self.enter("/usr/bin/python3", "-IBSc", CONNECT), stdin=theirs,
                           timeout=DEADLINE, check=True, env=ENVIRONMENT)
            _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
        s = socket.socket(fileno=descriptors[0])
        s.settimeout(DEADLINE)
        return s

    def systemctl(self, *args, user=None, check=True):
        """Returns what systemctl prints."""
        scope = ["--user"] if user else []
        return self.run("systemctl", *scope, *args, user=user, check=check).stdout.strip()

    def show(self, unit, name, user=None):
        """The value of one of the unit's properties."""
        if not user:
            try:
                return self.bus.get(unit, name)
            except bus.Unreadable:
                pass
        return self.systemctl("show", "--value", "-p", name, unit, user=user)

    def daemon_reload(self, user=None):
        if user:
            self.systemctl("daemon-reload", user=user)
        else:
            self.bus.manager("Reload")

    def main_pid(self, unit):
        """The unit's main process, as it is known outside; None while there is none."""
        inside = self.show(unit, "MainPID")
        for path in glob.glob(f"{self.cgroup}{self.show(unit, 'ControlGroup')}/cgroup.procs"):
            for pid in read_file(path).split():
                if re.search(rf"^NSpid:.*\s{inside}$", read_file(f"/proc/{pid}/status"), re.M):
                    return int(pid)
        return None

    def enable_user(self, user):
        """Makes the user and starts his service manager, unless that is done; returns the uid."""
        passwd = re.search(rf"^{user}:[^:]*:(\d+):", self.read("/etc/passwd"), re.M)
        if not passwd:
            self.run("useradd", "--create-home", "--shell", "/bin/sh", user)
            uid = self.run("id", "-u", user).stdout.strip()
            self.run("systemctl", "start", f"user@{uid}.service")
            return uid
        return passwd[1]

    def install(self, prefix="/usr/local"):
        """Installs in there what was built, as `cmake --install` does, and has systemd read it:
        once, however often it is asked for. Stays as long as the machine."""
        if self.installed:
            return
        done = subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix],
                              env={**os.environ, "DESTDIR": f"/proc/{self.pid}/root"},
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"cmake --install: {done.stderr.strip()}")
        if os.path.exists(self.path(f"{prefix}/lib/sysusers.d/odp.conf")):
            self.run("systemd-sysusers", "odp.conf")
        if os.path.exists(self.path(f"{prefix}/lib/tmpfiles.d/odp.conf")):
            self.run("systemd-tmpfiles", "--create", "odp.conf")
        self.daemon_reload()
        self.installed = True

    # Its network

    def in_network(self, function, *args):
        """Calls the function in a thread that is in there; its sockets may be used outside."""
        def call():
            with open(f"/proc/{self.pid}/ns/net", encoding="ascii") as f:
                if libc.setns(f.fileno(), CLONE_NEWNET) < 0:
                    raise OSError(ctypes.get_errno(), "setns")
            return function(*args)
        return Background(call).join()

    def connect(self, address, timeout=None):
        return self.in_network(harness.connect, address, timeout)

    def listener(self, address=None):
        return self.in_network(harness.listener, address)

    # Its journal

    def journal_cursor(self):
        done = self.run("journalctl", "--quiet", "--lines=0", "--show-cursor", check=False)
        return done.stdout.rpartition("-- cursor: ")[2].strip()

    def journal(self, *args):
        self.run("journalctl", "--sync", check=False)
        return self.run("journalctl", "--quiet", "--no-pager", "--all", *args, check=False).stdout


booted = []


def shared():
    """The one machine of this process, booted when it is first asked for."""
    if not booted:
        reason = why_not()
        if reason:
            print(f"system tests skipped: {reason}", file=sys.stderr, flush=True)
            raise unittest.SkipTest(reason)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that atexit has its turn
        booted.append(Machine())
    return booted[0]


# ---- what tests are made of ------------------------------------------------------------------------


class Odpd(harness.Odpd):
    """One odpd in the machine, run by its systemd: root's, or with `user` that user's. Paths are
    those outside, but for self.inside."""

    numbers = itertools.count(1)

    def __init__(self, machine, services, user=None):
        self.machine, self.user = machine, user
        # Found by its command line from outside, where those of other machines are seen, too.
        self.unit = f"odpd-{os.getpid()}-{next(self.numbers)}.service"
        self.inside = f"/tmp/{self.unit}"
        os.mkdir(machine.path(self.inside))
        super().__init__(machine.path(self.inside), services)
        if user:
            machine.enable_user(user)
            machine.run("chown", "-R", f"{user}:{user}", self.inside)

    def arguments(self):
        inside = [a.replace(self.directory, self.inside) for a in super().arguments()]
        return ["/odp/build/odpd", *inside[1:]]

    def start(self, properties=(), ready=True):  # pylint: disable=arguments-differ
        """`properties` are those of its unit, NAME=VALUE."""
        scope = ["--user"] if self.user else []
        log = f"append:{self.inside}/log"
        # Of its processes systemd ends none: the launcher leaves by itself. And it would send
        # SIGCONT along, by which a leak sanitizer that is at work waits for ever.
        options = [f"--property={p}" for p in (f"StandardOutput={log}", f"StandardError={log}",
                                               "KillMode=process", *properties)]
        self.process = self.unit
        self.machine.run("systemd-run", *scope, "--quiet", f"--unit={self.unit}",
                         "--service-type=exec", *options, *self.arguments(), user=self.user)
        if ready:
            until(self.is_listening, "odpd listens and knows the state of each service")

    def is_active(self):
        return self.machine.show(self.unit, "ActiveState", self.user) not in ("inactive", "failed")

    def is_listening(self):
        try:
            return all(s["state"] != "unknown" for s in self.all_status())
        except (FileNotFoundError, ConnectionRefusedError, ConnectionResetError):
            if not self.is_active():
                raise AssertionError("odpd has ended") from None
            return False

    @property
    def pid(self):
        found = [pid for pid in harness.processes_about(f"{self.inside}/config")
                 if b"--link" not in read_file(f"/proc/{pid}/cmdline", "rb")]
        return found[0] if found else None

    def launcher(self):
        for pid in harness.children_of(self.pid):
            if read_file(f"/proc/{pid}/comm").strip() == "odp-launcher":
                return pid
        return None

    def signal(self, name):
        self.hang_up()
        if self.user:
            self.machine.systemctl("kill", f"--signal={name}", "--kill-whom=main", self.unit,
                                   user=self.user)
        else:
            self.machine.bus.manager("KillUnit", self.unit, "main",
                                     signal.Signals[f"SIG{name}"].value)
        until(lambda: not self.is_active(), "odpd has ended")

    def forget(self):
        if self.user:
            self.machine.systemctl("reset-failed", self.unit, user=self.user, check=False)
        else:
            self.machine.bus.attempt("ResetFailedUnit", self.unit)

    def kill(self):
        self.signal("KILL")
        self.forget()
        # Its launcher leaves by itself, and no other unit of the name can be made before.
        until(lambda: self.machine.show(self.unit, "LoadState", self.user) == "not-found",
              "the unit is forgotten")

    def terminate(self):
        """Ends it in order; returns '' or how it failed."""
        self.signal("TERM")
        result = self.machine.show(self.unit, "Result", self.user)
        self.forget()
        return "" if result == "success" else result

    def leftovers(self):
        return [pid for pid in harness.processes_about(f"{self.inside}/") if harness.is_alive(pid)]

    def odp(self, *args):
        return self.machine.run("/odp/build/odp", "--runtime", f"{self.inside}/run", *args,
                                user=self.user, check=False)

    def finish(self):
        """Ends odpd; returns what was wrong, or ''. What its services started ends elsewhere."""
        wrong = []
        if self.process and self.is_active():
            result = self.terminate()
            wrong += [f"odpd ended with {result}"] if result else []
        until(lambda: not self.leftovers(), "the launcher has ended")
        if "Sanitizer" in self.log() or "runtime error:" in self.log():
            wrong.append("a sanitizer has something to say")
        return "; ".join(wrong)


class Case(harness.Case):
    """A test in the shared machine. Where it fails, the machine's journal of its time is kept in
    ODP_BUILD/Testing/system/."""

    machine: Machine

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine = shared()

    def setUp(self):
        super().setUp()
        self.cursor = self.machine.journal_cursor()
        self.units = []
        self.addCleanup(self.keep_journal)
        self.addCleanup(self.remove_units)

    def odpd(self, services, start=True, user=None, **options):  # pylint: disable=arguments-differ
        d = Odpd(self.machine, services, user)
        self.addCleanup(self.finish, d)
        if start:
            d.start(**options)
        return d

    def unit(self, name, text, user=None):
        """Writes a unit that ends and goes with the test; returns its name."""
        where = f"/etc/systemd/{'user' if user else 'system'}"
        self.machine.write(f"{where}/{name}", "\n".join(s.strip() for s in text.splitlines()) + "\n")
        # What systemd has not in memory it will read when it is first asked for, since by its time
        # it sees that the directory has changed. A reload takes a hundred times as long.
        os.utime(self.machine.path(where))
        if user or self.machine.bus.is_loaded(name):
            self.machine.daemon_reload(user)
        self.units.append((name, user))
        return name

    def remove_units(self):
        self.remove_units_of_system([name for name, user in self.units if not user])
        for user in {user for _, user in self.units if user}:
            names = [name for name, whose in self.units if whose == user]
            self.machine.systemctl("kill", "--signal=KILL", *names, user=user, check=False)
            self.machine.systemctl("stop", *names, user=user, check=False)
            for name in names:
                os.unlink(self.machine.path(f"/etc/systemd/user/{name}"))
            self.machine.daemon_reload(user)
            self.machine.systemctl("reset-failed", *names, user=user, check=False)

    def remove_units_of_system(self, names):
        systemd = self.machine.bus
        loaded = [name for name in names if systemd.is_loaded(name)]
        for name in loaded:
            systemd.attempt("KillUnit", name, "all", signal.SIGKILL)

        def have_ended():
            # More than once: until it has ended itself, a unit starts again what it upholds.
            for name in reversed(loaded):
                systemd.attempt("StopUnit", name, "replace")
            return all(systemd.get(name, "ActiveState") in ("inactive", "failed")
                       for name in reversed(loaded))

        until(have_ended, f"{', '.join(loaded)} have ended")
        for name in loaded:
            systemd.attempt("ResetFailedUnit", name)
        for name in names:
            os.unlink(self.machine.path(f"/etc/systemd/system/{name}"))
        # What another unit names stays in memory, and would be remembered.
        if any(systemd.is_loaded(name) for name in names):
            self.machine.daemon_reload()

    def connect(self, address, **options):
        return self.closing(self.machine.connect(address, **options))

    def keep_journal(self):
        if not self.has_failed():
            return
        directory = os.path.join(BUILD, "Testing", "system")
        os.makedirs(directory, exist_ok=True)
        path = os.path.join(directory, self.id() + ".journal")
        with open(path, "w", encoding="utf-8") as f:
            f.write(self.machine.journal(f"--after-cursor={self.cursor}", "--output=short-precise"))
        print(f"the machine's journal is in {path}", file=sys.stderr, flush=True)
