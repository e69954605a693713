# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Container engines in the machine: a real dockerd and a real podman, with one small image that
# comes from no registry: static busybox and a page.
#
#     class Test(engines.EngineCase):
#         def test(self):
#             self.docker_unit("wiki", ports=["127.0.0.1:8001:80"])
#             self.machine.systemctl("start", "docker-wiki.service")
#
# An engine is started when it is first asked for and stays for the other tests of the process;
# containers end with their test.

import json
import os
import re
import shutil

import machine
import units
from harness import read_all, read_file, until

IMAGE = "busybox"
PAGE = "a page from a container\n"
APPLETS = ("sh", "httpd", "sleep", "nc", "cat", "dd", "echo", "wget")
# PID 1 of a container ignores SIGTERM unless it handles it.
SERVE = ("/bin/sh", "-c", "trap 'exit 0' TERM; httpd -f -p 80 -h /www & wait")

# In cgroup2 without the controllers crun and limits of processes fail.
CONTAINERS_CONF = '[containers]\npids_limit = 0\n[engine]\nruntime = "runc"\n'
PROGRAMS = {"docker": ("dockerd", "containerd", "runc", "iptables"), "podman": ("runc", "conmon"),
            "rootless podman": ("runc", "conmon", "newuidmap", "slirp4netns")}
# Docker's own unit may be started three times a minute, which is for people, not for tests.
UNLIMITED = "[Unit]\nStartLimitIntervalSec=0\n"
SOCKETS = {"docker": "/run/docker.sock", "podman": "/run/podman/podman.sock"}
FIELD = r"\{\{\.([\w.]+)\}\}"  # the simplest template of --format

IMAGE_ROOT = "/tmp/image"

running = {}  # by machine and name


def why_not(name):
    """What this machine lacks for the engine, None for nothing."""
    programs = {p: shutil.which(p, path="/usr/sbin:/usr/bin:/sbin:/bin")
                for p in (name.rpartition(" ")[2], "busybox", *PROGRAMS[name])}
    missing = [p for p, found in programs.items() if not found]
    if missing:
        return f"{', '.join(missing)} not installed"
    if b"/ld-linux" in read_file(programs["busybox"], "rb"):
        return "busybox is not static"
    return None


def fill_in(template, found):
    """As the command does, for templates of FIELDs alone."""
    def value(match):
        at = found
        for name in match[1].split("."):
            at = at[name]
        return json.dumps(at) if isinstance(at, bool) else str(at)
    return re.sub(FIELD, value, template)


class Engine:
    """`docker` or `podman`, as it is installed here, in the machine."""

    def __init__(self, machine, name):
        self.machine, self.name = machine, name
        self.program, self.socket = f"/usr/bin/{name}", SOCKETS[name]
        if name == "docker":
            # An overlay cannot lie on another one.
            self.mount("/var/lib/docker", "/var/lib/containerd")
            machine.write("/etc/systemd/system/docker.service.d/unlimited.conf", UNLIMITED)
            machine.daemon_reload()
            machine.systemctl("start", "docker.service")
        else:
            self.mount("/var/lib/containers")
            machine.write("/etc/containers/containers.conf", CONTAINERS_CONF)
            machine.systemctl("start", "podman.socket")
        self.make_image()

    def mount(self, *directories):
        for directory in directories:
            self.machine.run("mkdir", "-p", directory)
            self.machine.run("mount", "-t", "tmpfs", "odp-test", directory)

    def make_image(self):
        root = IMAGE_ROOT
        if not os.path.exists(self.machine.path(f"{root}.tar")):
            self.machine.write(f"{root}/www/index.html", PAGE)
            links = "".join(f"ln -s busybox {root}/bin/{a};" for a in APPLETS)
            self.machine.run("sh", "-ec", f"mkdir -p {root}/bin {root}/tmp;"
                             f"cp /usr/bin/busybox {root}/bin/; {links}"
                             f"tar -C {root} -cf {root}.tar .")
        self.command("import", f"{root}.tar", IMAGE)

    def command(self, *args, check=True):
        """Runs the engine's own command; returns what it prints."""
        return self.machine.run(self.program, *args, check=check).stdout.strip()

    def run(self, name, *options, command=SERVE):
        """Starts a container that stays; returns its id."""
        return self.command("run", "--detach", "--name", name, *options, IMAGE, *command)

    def ask(self, path):
        """GETs from Docker's socket, in a fiftieth of the time that its command takes to start. None
        for what is not there."""
        with self.machine.connect(self.machine.path(self.socket)) as s:
            s.sendall(f"GET /v1.40{path} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
            head, _, body = read_all(s).partition(b"\r\n\r\n")
        status = int(head.split()[1])
        if status not in (200, 404):
            raise AssertionError(f"{path}: {status} {body}")
        return json.loads(body) if status == 200 else None

    def inspect(self, name, what):
        """`what` as in --format; '' where there is no such container."""
        if self.name == "docker" and not re.sub(FIELD, "", what).strip():
            try:
                found = self.ask(f"/containers/{name}/json")
                return fill_in(what, found) if found else ""
            except (OSError, KeyError):
                pass  # the command has its own way with this
        return self.command("inspect", "--format", what, name, check=False)

    def is_running(self, name):
        return self.inspect(name, "{{.State.Running}}") == "true"

    def remove(self, *names):
        self.command("rm", "--force", *names, check=False)

    def remove_all(self):
        if self.name == "docker":
            names = [c["Id"] for c in self.ask("/containers/json?all=true")]
        else:
            names = self.command("ps", "--all", "--quiet").split()
        if names:
            self.remove(*names)

    def unit(self, name, ports=(), options=(), command=SERVE):
        """The text of a unit that runs a container in its foreground, as people write them."""
        # Who waits for a container's end may find it removed with Podman 4.3, and exits with 127.
        remove = ["--rm"] if self.name == "docker" else []
        words = [*remove, *(f"--publish={p}" for p in ports), *options, IMAGE, *map(quote, command)]
        return f"""
            [Service]
            ExecStartPre=-{self.program} rm --force {name}
            ExecStart={self.program} run --name {name} {' '.join(words)}
            ExecStop={self.program} stop --time 5 {name}
            """


class RootlessPodman(Engine):
    """The user's own, behind podman.socket of his service manager."""

    # pylint: disable=super-init-not-called
    def __init__(self, machine, user):
        self.machine, self.name, self.user = machine, "podman", user
        self.program = "/usr/bin/podman"
        uid, home = machine.enable_user(user), f"/home/{user}"
        self.socket = f"/run/user/{uid}/podman/podman.sock"
        # Native overlays cannot lie on the one that the machine stands on.
        machine.write(f"{home}/.config/containers/containers.conf", CONTAINERS_CONF)
        machine.write(f"{home}/.config/containers/storage.conf", '[storage]\ndriver = "vfs"\n')
        machine.run("chown", "-R", f"{user}:{user}", home)
        if not os.path.exists(machine.path("/dev/net/tun")):
            machine.run("sh", "-ec", "mkdir -p /dev/net; mknod -m 0666 /dev/net/tun c 10 200")
        machine.systemctl("start", "podman.socket", user=user)
        self.make_image()

    def command(self, *args, check=True):
        return self.machine.run(self.program, *args, check=check, user=self.user).stdout.strip()


def quote(word):
    """As systemd reads it."""
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$") + '"'


class EngineCase(units.UnitCase):
    def engine(self, name):
        """The engine, which runs by then; "rootless podman" is USER's. Its containers end with the
        test."""
        reason = why_not(name)
        if reason:
            self.skipTest(reason)
        key = (self.machine.pid, name)
        if key not in running:
            running[key] = (RootlessPodman(self.machine, machine.USER) if name == "rootless podman"
                            else Engine(self.machine, name))
        self.addCleanup(running[key].remove_all)
        return running[key]

    def docker_unit(self, name, ports=(), options=(), command=SERVE, engine="docker"):
        """Writes ENGINE-NAME.service, which runs the container NAME; returns the unit's name."""
        e = self.engine(engine)
        return self.unit(f"{engine}-{name}.service", e.unit(name, ports, options, command))

    def get(self, address, path="/", leave=lambda: None):
        """One HTTP exchange from within the machine; returns status and body. `leave` is called
        before the connection is closed."""
        with self.machine.connect(address) as s:
            s.sendall(f"GET {path} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
            reply = b""
            while part := s.recv(65536):
                reply += part
            leave()
        head, _, body = reply.decode().partition("\r\n\r\n")
        return int(head.split()[1]), body

    def await_gone(self, engine, name):
        until(lambda: not engine.is_running(name), f"the container {name} has ended")
