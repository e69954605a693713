# SPDX-License-Identifier: LGPL-2.1-or-later
"""The proxies under test: where each is found, and the file and command line that run it.

Each relays 127.0.0.1:listen to 127.0.0.1:target, nothing more: no log, no checks, one worker, and
without privilege, each as a user of its own.
"""

import os
import re
import resource
import shutil
import subprocess
from pathlib import Path

NAMES = ["haproxy", "haproxy-256k", "nginx", "socket-proxyd", "socat", "floor", "odp"]
FLOOR = "floor"  # is no peer
FIRST_UID = 61600  # of nobody: between systemd's dynamic users and its containers
# Of the limit of descriptors, for all that is no connection; HAProxy's pipes alone are 512.
SPARE_FDS = 1000
MAX_FDS = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - SPARE_FDS
MAX_CONNECTIONS = min(12000, MAX_FDS // 2)  # more than are ever opened, where the limit lets them
PLACES = ["", "bin", "tests/bench", "src", "src/proxy", "src/launcher"]  # of a program in a build folder


class Missing(Exception):
    """A mandatory peer is not installed; the text names the Debian package."""


def find_program(name, build):
    for place in PLACES:
        path = Path(build) / place / name
        if path.is_file() and os.access(path, os.X_OK):
            return path.resolve()
    return None


def find_installed(name, *more):
    path = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"
    return next((str(p) for p in more if os.access(p, os.X_OK)), None) or shutil.which(name, path=path)


def output_of(*argv):
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=10,
                              check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return "version unknown: %s" % error
    return done.stdout


def first_match(pattern, text):
    found = re.search(pattern, text)
    return found.group(1) if found else "(version unknown)"


class Proxy:
    """What differs from one to the other. `n_fds`: descriptors a connection. `forks`: a process for each
    connection, which makes a crowd of them another kind of measurement. `simple`: only one thing at a time."""

    name, skip, n_fds, forks, simple = "", None, 2, False, False

    def uid(self):
        return FIRST_UID + (NAMES.index(self.name) if self.name in NAMES else len(NAMES))

    def prepare(self, folder):
        """The programs it runs, where its user can read them."""


class HAProxy(Proxy):
    name = "haproxy"
    pipe_size = ""

    def __init__(self, _build):
        self.program = find_installed("haproxy")
        if not self.program:
            raise Missing("haproxy is missing: install the Debian package haproxy")

    def version(self):
        return "HAProxy " + first_match(r"version (\S+)", output_of(self.program, "-v"))

    def command(self, folder, listen, target):
        # Not splice-auto: that falls back to recv and send in the middle of a stream.
        (folder / "haproxy.cfg").write_text("""\
global
    nbthread 1
    maxconn %d
    maxpipes 256
    %s
defaults
    mode tcp
    option splice-request
    option splice-response
    backlog 4096
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen bench
    bind 127.0.0.1:%d
    server service 127.0.0.1:%d
""" % (MAX_CONNECTIONS, self.pipe_size, listen, target))
        return [self.program, "-db", "-f", folder / "haproxy.cfg"]


class HAProxy256K(HAProxy):
    name = "haproxy-256k"
    pipe_size = "tune.pipesize 262144"

    def version(self):
        return "the same with tune.pipesize 262144"


class Nginx(Proxy):
    name = "nginx"

    def __init__(self, _build):
        self.program = find_installed("nginx")
        if not self.program:
            raise Missing("nginx is missing: install the Debian packages nginx-light and libnginx-mod-stream")
        text = output_of(self.program, "-V")
        folder = re.search(r"--modules-path=(\S+)", text)
        module = Path(folder.group(1) if folder else "", "ngx_stream_module.so")
        self.load_module = ""
        if re.search(r"--with-stream(?=\s|$)", text) is None:  # not built in
            if not module.is_file():
                raise Missing("nginx has no stream module: install the Debian package libnginx-mod-stream")
            self.load_module = "load_module %s;" % module

    def version(self):
        return "nginx " + first_match(r"nginx/(\S+)", output_of(self.program, "-v"))

    def command(self, folder, listen, target):
        (folder / "nginx.conf").write_text("""\
%s
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr;
events { worker_connections %d; }
stream {
    server {
        listen 127.0.0.1:%d backlog=4096;
        proxy_pass 127.0.0.1:%d;
        proxy_timeout 1h;
        proxy_half_close on;
    }
}
""" % (self.load_module, 2 * MAX_CONNECTIONS + 100, listen, target))
        return [self.program, "-p", str(folder) + "/", "-e", "stderr", "-c", folder / "nginx.conf"]


class SocketProxyd(Proxy):
    name = "socket-proxyd"
    n_fds = 6

    def __init__(self, _build):
        self.program = find_installed("systemd-socket-proxyd", "/lib/systemd/systemd-socket-proxyd",
                                      "/usr/lib/systemd/systemd-socket-proxyd")
        self.activate = find_installed("systemd-socket-activate")
        if not self.program or not self.activate:
            self.skip = "socket-proxyd: skipped, systemd-socket-proxyd is not installed"

    def version(self):
        return "systemd-socket-proxyd " + first_match(r"systemd (\S+)", output_of(self.program, "--version"))

    def command(self, _folder, listen, target):
        # socket-activate becomes the proxy at the first connection: the same process, no parent.
        return [self.activate, "-l", "127.0.0.1:%d" % listen, self.program, "--connections-max=%d" % MAX_CONNECTIONS,
                "127.0.0.1:%d" % target]


class Socat(Proxy):
    name = "socat"
    forks = True

    def __init__(self, _build):
        self.program = find_installed("socat")
        if not self.program:
            self.skip = "socat: skipped, it is not installed"

    def version(self):
        return "socat " + first_match(r"socat version (\S+)", output_of(self.program, "-V"))

    def command(self, _folder, listen, target):
        listener = "TCP4-LISTEN:%d,bind=127.0.0.1,reuseaddr,fork,nodelay,backlog=4096" % listen
        return [self.program, "-t", "3600", listener, "TCP4:127.0.0.1:%d,nodelay" % target]


class Floor(Proxy):
    """What no proxy can be below in ping-pong: see floor.c."""

    name, simple = FLOOR, True

    def __init__(self, build):
        self.program = find_program("odp-bench-floor", build)
        if not self.program:
            self.skip = "floor: skipped, there is no odp-bench-floor in the build folder"

    def prepare(self, folder):
        self.program = shutil.copy(self.program, folder / "floor")

    def version(self):
        return "floor (the least for a round trip: tests/bench/floor.c)"

    def command(self, _folder, listen, target):
        return [self.program, str(listen), str(target)]


class Odp(Proxy):
    name = "odp"

    def __init__(self, build):
        self.build, self.program = build, find_program("odpd", build)
        self.skip = None if self.program else "odp: not measured, there is no odpd in the build folder"
        self.sanitized = bool(self.program) and b"__asan_init" in self.program.read_bytes()

    def prepare(self, folder):
        copies = folder / ("programs-" + self.name)
        copies.mkdir()
        for name in ("odpd", "odp-launcher"):
            found = find_program(name, self.build)
            if found:
                shutil.copy(found, copies / name)
        self.program = copies / "odpd"

    def version(self):
        first = output_of(self.program, "--version").strip().partition("\n")[0]
        return first + (", BUILT WITH SANITIZERS: its figures mean nothing" if self.sanitized else "")

    def command(self, folder, listen, target):
        for name in ("config/services", "runtime", "state"):
            (folder / name).mkdir(parents=True)
        (folder / "config/services/bench.ini").write_text("""\
[service]
listen = 127.0.0.1:%d
target = 127.0.0.1:%d

[backend]
type = none

[client]
max_connections = 65536
""" % (listen, target))
        return [self.program, "--config", folder / "config", "--runtime", folder / "runtime",
                "--state", folder / "state"]


class Before(Odp):
    name = "odp-before"


def choose(names, build, before=None):
    """(the proxies of this run, what is left out and need not be there, what is missing). `before`: the build
    folder of another odp that is to run beside this one."""
    classes = {c.name: c for c in (HAProxy, HAProxy256K, Nginx, SocketProxyd, Socat, Floor, Odp)}
    proxies = [classes[name](build) for name in names]
    if before:
        proxies.append(Before(before))
    left_out = [p for p in proxies if p.skip]
    return ([p for p in proxies if p not in left_out], [p.skip for p in left_out if p.name != "odp"],
            [p.skip for p in left_out if p.name == "odp"])
