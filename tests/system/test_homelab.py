# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The homelab of configs/homelab, all 23 services of it, behind odp as it is installed: units of the
# names that its owner has, three of them with a container, stacks with their databases and networks,
# stopped by their targets as compose2nix writes them. Only the windows are shorter.

import glob
import json
import os
import re
import time

import engines
from doctor import Doctor
from harness import Background, read_file, until
from installed import SERVICES, InstalledCase

HOMELAB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "configs", "homelab")
WINDOWS = {"10min": 1.0, "15min": 1.5, "30min": 2.0, "1h": 2.5, "4h": 3.0, "6h": 3.5}  # seconds
CONTAINERS = ("homepage", "navidrome", "vaultwarden")
MEMBERS = {"docker-compose-grampsweb-root.target":  # a unit that is a target stands for these
           ["docker-grampsweb-redis.service", "docker-grampsweb.service"]}
MOUNT = "/media/EVERYTHING_ELSE"
ORDER = "/tmp/homelab.order"
PAGES = "/srv/homelab"


class Row:
    """One service: what its file says, and the text of that with a shorter window."""

    def __init__(self, path):
        self.name = os.path.splitext(os.path.basename(path))[0]
        text = read_file(path)

        def values(key):
            return re.findall(rf"^{key} = (.*)$", text, re.M)

        self.port = int(values("listen")[0])
        self.target = int(values("target")[0].partition(":")[2])
        self.units = values("unit")
        self.processes = [u for unit in self.units for u in MEMBERS.get(unit, [unit])]
        self.root = (values("stop_unit") or self.units)[0]
        self.mode, self.paths = values("mode")[0], values("path")[1:]
        window = re.search(r"\[idle\]\ntimeout = (.*)\n", text)[1]
        self.window = WINDOWS[window]
        self.text = text.replace(f"[idle]\ntimeout = {window}",
                                 f"[idle]\ntimeout = {round(self.window * 1000)}ms")
        if self.name in CONTAINERS:
            self.text = self.text.replace("[backend]\n", f"[backend]\ncontainer = {self.name}\n")
        self.path = values("path")[0]  # of the probe

    @property
    def network(self):
        return f"docker-network-{self.name}_default.service"


class HomelabCase(InstalledCase, engines.EngineCase):
    def setUp(self):
        super().setUp()
        self.docker = self.engine("docker")
        self.rows = {r.name: r for r in map(Row, sorted(glob.glob(f"{HOMELAB}/*.ini")))}
        self.machine.write(ORDER, "")
        for r in self.rows.values():
            self.put_units(r)
            self.machine.write(f"{SERVICES}/{r.name}.ini", r.text, 0o640)
        self.machine.run("chgrp", "-R", "odp", "/etc/odp")
        self.make_paths()
        self.reload()

    def put_unit(self, name, text):
        """As unit() does, but systemd reads all of them at once."""
        self.machine.write(f"/etc/systemd/system/{name}",
                           "\n".join(line.strip() for line in text.splitlines()) + "\n")
        self.units.append((name, None))

    def put_units(self, r):
        self.put_unit(r.root, f"[Unit]\nWants={' '.join(r.processes)}")
        self.put_unit(r.network, f"""
            [Unit]
            PartOf={r.root}
            [Service]
            Type=oneshot
            RemainAfterExit=yes
            ExecStart=/bin/true
            """)
        for i, unit in enumerate(r.processes):
            is_last = unit == r.processes[-1]
            command = self.container(r) if r.name in CONTAINERS else \
                self.process(unit, r.target if is_last else r.target + 10000 + i)
            page = f"{PAGES}/{unit}/{'settings' if r.path == '/settings' else 'index.html'}"
            self.machine.write(page, f"the page of {unit}\n")
            self.put_unit(unit, f"""
                [Unit]
                PartOf={r.root}
                Requires={r.network}
                After={r.network}
                [Service]
                Restart=always
                ExecStartPre=/bin/sh -c 'echo begins {unit} >>{ORDER}'
                {command}
                ExecStartPost=/bin/sh -c 'echo runs {unit} >>{ORDER}'
                """)

    @staticmethod
    def process(unit, port):
        return f"ExecStart=/bin/busybox httpd -f -p 127.0.0.1:{port} -h {PAGES}/{unit}"

    def container(self, r):
        text = self.docker.unit(r.name, [f"127.0.0.1:{r.target}:80"],
                                [f"--volume={PAGES}/{r.processes[-1]}:/www:ro"])
        return text.replace("[Service]", "")

    def make_paths(self):
        """What the services require; the disk is mounted until the test is over."""
        self.machine.run("mkdir", "-p", MOUNT)
        self.machine.run("mount", "-t", "tmpfs", "disk", MOUNT)
        self.addCleanup(self.machine.run, "umount", "-q", MOUNT, check=False)
        paths = [p for r in self.rows.values() for p in r.paths]
        directories = [p for p in paths if "." not in os.path.basename(p)]
        self.machine.run("mkdir", "-p", *directories)
        for p in paths:
            if p not in directories and not os.path.exists(self.machine.path(p)):
                self.machine.write(p, "")

    def events(self):
        return self.machine.read(ORDER).splitlines()

    def visit(self, r, leave=lambda: None):
        """Asks as a browser does, again and again where the page says so; returns the page. `leave` is
        called before each connection is closed."""
        seen = []

        def ask():
            status, body = self.get(r.port, r.path, leave)
            seen.append(status)
            return body if status == 200 else None
        body = until(ask, f"{r.name} answers")
        if r.mode == "hold":
            self.assertEqual(seen, [200], r.name)
        self.assertLessEqual(set(seen), {200, 503}, r.name)
        return body

    def ask_until(self, r, text):
        """Visits until a 503 has the text in its page."""
        def ask():
            status, body = self.get(r.port, r.path)
            self.assertEqual(status, 503)
            return text in body
        until(ask, f"{r.name} says: {text}")

    def state_of(self, unit):
        return self.machine.show(unit, "ActiveState")

    def status(self):
        services = json.loads(self.odp("status", "--json").stdout)["services"]
        return {s["name"]: s for s in services}


class TestHomelab(HomelabCase):
    def test_all_wake_and_sleep(self):
        self.assertEqual(len(self.rows), 23)
        self.assertEqual(self.odp("check", SERVICES).stdout, "23 files, no faults\n")
        self.assertEqual(self.socket_units(), sorted(f"odp-{name}.socket" for name in self.rows))
        bystander = self.unit("bystander.service", "[Service]\nExecStart=/bin/sleep infinity")
        self.machine.systemctl("start", bystander)
        invocation = self.machine.show(bystander, "InvocationID")
        self.assertEqual(self.events(), [])

        asleep_from = self.wake_all()
        self.assert_started_in_order()
        self.assert_slept_by_their_windows(asleep_from)
        self.assert_all_down()
        for name in "mealie", "navidrome":
            self.assertIn("the page of", self.visit(self.rows[name]))
            self.assertEqual(self.status()[name]["wakes"], 2)
        self.assertEqual(self.machine.show(bystander, "InvocationID"), invocation)

    def wake_all(self):
        """All at once, through their public ports; returns when each was left."""
        def visit(r):
            left = []
            body = self.visit(r, lambda: left.append(time.monotonic()))
            self.assertEqual(body, f"the page of {r.processes[-1]}\n")
            return left[-1]
        visits = {name: Background(visit, r) for name, r in self.rows.items()}
        return {name: visit.join(60) for name, visit in visits.items()}

    def assert_started_in_order(self):
        events = self.events()
        for r in self.rows.values():
            for unit in r.processes:
                self.assertEqual(events.count(f"begins {unit}"), 1, unit)
            for before, after in zip(r.units, r.units[1:]):
                self.assertLess(events.index(f"runs {before}"), events.index(f"begins {after}"))

    def assert_slept_by_their_windows(self, left):
        awake = dict(self.rows)

        def look():
            for name, status in self.status().items():
                if name in awake and status["state"] == "stopped":
                    r = awake.pop(name)
                    self.assertGreaterEqual(time.monotonic() - left[name], r.window, name)
                    self.assertEqual(status["reason"], f"quiet for {span(r.window)}")
                    self.assertEqual((status["wakes"], status["failed_wakes"]), (1, 0), name)
            return not awake
        until(look, "all sleep")

    def assert_all_down(self):
        """The units, and what goes with the target alone."""
        for r in self.rows.values():
            for unit in [*r.processes, r.root, r.network]:
                until(lambda unit=unit: self.state_of(unit) == "inactive", f"{unit} is down")
        self.assertEqual(self.docker.command("ps", "--quiet"), "")


def span(seconds):
    whole, ms = divmod(round(seconds * 1000), 1000)
    return " ".join([f"{whole}s"] * (whole > 0) + [f"{ms}ms"] * (ms > 0))


class TestGates(HomelabCase):
    def begins(self, r):
        return self.events().count(f"begins {r.processes[0]}")

    def assert_not_started(self, r, what):
        """Told to each visitor, and nothing is done but for them."""
        self.ask_until(r, what)
        failed = self.status()[r.name]
        self.assertEqual(failed["state"], "failed")
        self.assertIn(what, failed["reason"])
        self.assertIn(what, self.odp("why", r.name).stdout)
        self.assertEqual((self.begins(r), self.state_of(r.units[0])), (0, "inactive"))
        cursor = self.machine.journal_cursor()
        self.ask_until(r, what)
        log = self.machine.journal(f"--after-cursor={cursor}", "-u", r.units[0])
        self.assertEqual(log, "")

    def test_missing_mount(self):
        r = self.rows["jellyfin"]
        self.machine.run("umount", MOUNT)
        self.assert_not_started(r, f"{MOUNT} is not mounted")
        # Others are not touched by it.
        self.assertEqual(self.visit(self.rows["memos"]), "the page of docker-memos.service\n")
        self.machine.run("mount", "-t", "tmpfs", "disk", MOUNT)
        self.machine.run("mkdir", "-p", *r.paths)
        self.assertEqual(self.visit(r), "the page of docker-jellyfin.service\n")
        self.assertEqual(self.begins(r), 1)

    def test_missing_path(self):
        r = self.rows["nitter"]
        path = r.paths[1]
        os.unlink(self.machine.path(path))
        self.assert_not_started(r, path)
        self.machine.write(path, "")
        self.assertEqual(self.visit(r), "the page of docker-nitter.service\n")
        self.assertEqual(self.begins(r), 1)


class TestDoctor(Doctor, HomelabCase):
    def test_nothing_is_found_in_a_sound_homelab(self):
        self.assert_healthy()
        for name in ("navidrome", "mealie"):  # a container, and a stack
            self.visit(self.rows[name])
        self.assert_healthy()
