# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What `odp why` and `odp logs` tell of a service's containers, with real engines.

import json

import engines
import machine
from harness import until
from test_containers import ContainerCase


class TestDocker(ContainerCase):
    engine_name = "docker"

    def begin(self, command=engines.SERVE, options=()):
        e = self.engine(self.engine_name)
        self.create(e, "wiki", command, options)
        return e, self.odpd({"wiki": self.file("wiki", backend=f"type = {self.engine_name}")})

    def container(self, d):
        return json.loads(self.odp(d, "why", "wiki", "--json").stdout)["containers"][0]

    def test_why(self):
        e, d = self.begin(("/bin/sh", "-c", "echo no disk >&2; exit 3"))
        c = self.container(d)
        self.assertEqual((c["name"], c["status"], c["exit_code"]), ("wiki", "created", None))
        self.assertEqual(self.get(self.port("wiki"))[0], 503)
        c = self.container(d)
        self.assertEqual((c["engine"], c["status"], c["exit_code"], c["last_line"], c["error"]),
                         (self.engine_name, "exited", 3, "no disk", None))
        self.assertTrue(c["started_at"] <= c["ended_at"], c)
        self.assertRegex(self.odp(d, "why", "wiki").stdout,
                         r"\n  runs as  container wiki of image \S*busybox\S*: "
                         r"has exited with status 3 at 20[-0-9: ]+: no disk\n")
        e.remove("wiki")
        self.assertIn(f"container wiki: {self.engine_name} has none of that name",
                      self.odp(d, "why", "wiki").stdout)

    def test_why_of_one_that_runs(self):
        _, d = self.begin(options=["--health-cmd=echo fine", "--health-interval=200ms"])
        self.wake("wiki")
        until(lambda: self.container(d)["health"] == "healthy", "it is healthy")
        c = self.container(d)
        self.assertEqual((c["status"], c["exit_code"], c["health_said"]), ("running", None, "fine"))
        self.assertIn(": running, healthy\n", self.odp(d, "why", "wiki").stdout)

    def test_logs(self):
        serve = "echo first; echo second; echo third >&2; " + engines.SERVE[-1]
        _, d = self.begin(("/bin/sh", "-c", serve))
        self.wake("wiki")
        done = until(lambda: "third" in (r := self.odp(d, "logs", "wiki")).stdout + r.stderr and r,
                     "it has said so")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("demand: stopped -> starting", done.stdout)
        self.assertIn("-- container wiki\n", done.stdout)
        self.assertIn(" first\n", done.stdout)
        self.assertIn(" second\n", done.stdout)
        last = self.odp(d, "logs", "wiki", "-n", "1")
        self.assertNotIn(" first\n", last.stdout)
        # Followed into its next runs, without a line twice or left out, past its engine's end, too.
        lines = self.follow(d)
        self.assertEqual([next(lines) for _ in range(2)], ["first", "second"])
        for again in (False, True):
            if again:
                self.machine.systemctl("restart", f"{self.engine_name}.service")
            self.assertEqual(d.odp("stop", "wiki").returncode, 0)
            self.wake("wiki")
            self.assertEqual([next(lines) for _ in range(2)], ["first", "second"])


class TestPodman(TestDocker):
    engine_name = "podman"


class TestRights(TestDocker):
    who = "as root or as a member of group docker"

    def test_why(self):
        _, d = self.begin()
        self.machine.run("chmod", "-R", "a+rX", d.inside)
        text = self.odp(d, "why", "wiki", user=machine.USER).stdout
        self.assertIn(f"container wiki: {self.engine_name} may not be asked: try {self.who}\n", text)
        done = self.odp(d, "logs", "wiki", user=machine.USER)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"odp: the lines of container wiki cannot be read: try {self.who}\n",
                      done.stderr)

    test_why_of_one_that_runs = test_logs = None


class TestRightsOfPodman(TestRights):
    engine_name = "podman"
    who = "as root"
