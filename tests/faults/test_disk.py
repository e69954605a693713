#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A full or read-only disk under the ledger, and a full one under the launcher's records: what runs
# is served on, each fault is one warning, a start that cannot be recorded fails with the reason, and
# all is well again once there is room. Needs a mount namespace of its own: root, or a user namespace.

import os
import shutil
import subprocess
import unittest

from faults import Service
from harness import Case, connect, read_all, read_file, until

SIZE = 256 * 1024


def namespace():
    """The command that runs another in a mount namespace of its own; skips where there is none."""
    if not shutil.which("unshare"):
        raise unittest.SkipTest("unshare is missing: apt-get install util-linux")
    said = ""
    for options in ([], ["--user", "--map-root-user"]):
        command = ["unshare", *options, "--mount", "--propagation", "private"]
        done = subprocess.run([*command, "mount", "-t", "tmpfs", "odp-test", "/mnt"],
                              capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return command
        said = done.stderr.strip()
    raise unittest.SkipTest(f"needs to mount a tmpfs (root, or user namespaces): {said}")


class DiskTest(Case):
    def begin(self, *on_disk, prepare="", **options):
        """odpd whose directories `on_disk` (of state and run) are small file systems of their own;
        `prepare` is run in there by a shell before it starts."""
        self.inside = namespace()
        self.web, self.other = Service(self.directory()), Service(self.directory())
        d = self.odpd({"web": self.web.process_file(), "other": self.other.exec_file()},
                      start=False)
        script = "set -e\n"
        for name in on_disk:
            os.mkdir(d.path(name))
            script += f"mount -t tmpfs -o size={SIZE} odp-test {d.path(name)}\n"
        d.start(before=[*self.inside, "sh", "-c", f'{script}{prepare.format(d=d)}\nexec "$@"', "sh"],
                ready=False, **options)
        # Its sockets and files are reached through its own root.
        self.root = f"/proc/{d.pid}/root"
        d.runtime = self.root + d.runtime
        until(d.is_listening, "odpd listens")
        return d

    def path(self, d, name):
        return self.root + d.path(name)

    def fill(self, d, name):
        """Takes all the room there is; returns the file that has it."""
        path = os.path.join(self.path(d, name), "fill")
        with open(path, "wb", buffering=0) as f:
            try:
                while True:
                    f.write(bytes(4096))
            except OSError:
                return path

    def visit(self, service):
        with connect(service.listen) as s:
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return read_all(s)

    def wake_and_stop(self, d, n=1):
        for _ in range(n):
            self.assertIn(b"200 OK", self.visit(self.web))
            self.assertEqual(d.odp("stop", "web").returncode, 0)

    def about_ledger(self, d):
        return [line for line in d.log().splitlines() if "/state/ledger" in line]

    def await_wakes(self, d, n):
        ledger = os.path.join(self.path(d, "state"), "ledger")
        until(lambda: f"web {n} " in read_file(ledger), f"the ledger has {n} wakes")

    def test_full_under_the_ledger(self):
        d = self.begin("state")
        self.wake_and_stop(d)
        self.await_wakes(d, 1)
        for n in range(2):
            filler = self.fill(d, "state")
            self.wake_and_stop(d, 3)
            self.assertEqual(d.status("web")["wakes"], 4 + 3 * n + n)
            self.assertEqual(len(self.about_ledger(d)), 2 * n + 1)
            self.assertIn("No space left on device", self.about_ledger(d)[-1])
            # The last whole one is still there, and nothing half beside it.
            self.assertEqual(sorted(os.listdir(self.path(d, "state"))), ["fill", "ledger"])
            self.await_wakes(d, 1 + 4 * n)
            os.unlink(filler)
            self.wake_and_stop(d)
            self.await_wakes(d, 5 + 4 * n)
            self.assertEqual(len(self.about_ledger(d)), 2 * n + 2)
            self.assertIn("is written again", self.about_ledger(d)[-1])

    def test_read_only_under_the_ledger_and_back(self):
        d = self.begin("state")
        self.wake_and_stop(d)
        self.await_wakes(d, 1)
        self.remount(d, "ro")
        self.wake_and_stop(d, 3)
        self.assertEqual(len(self.about_ledger(d)), 1)
        self.assertIn("Read-only file system", self.about_ledger(d)[0])
        self.remount(d, "rw")
        self.wake_and_stop(d)
        self.await_wakes(d, 5)
        self.assertEqual(len(self.about_ledger(d)), 2)

    def remount(self, d, how):
        user = ["--user", "--preserve-credentials"] if "--user" in self.inside else []
        subprocess.run(["nsenter", f"--target={d.pid}", *user, "--mount", "--", "mount", "-o",
                        f"remount,bind,{how}", d.path("state")], check=True)

    def test_damaged_ledger_on_a_full_disk_is_set_aside(self):
        prepare = ("echo rubbish >{d.directory}/state/ledger\n"
                   "cat /dev/zero >{d.directory}/state/fill 2>/dev/null || true")
        d = self.begin("state", prepare=prepare)
        state = self.path(d, "state")
        self.wake_and_stop(d, 2)
        self.assertEqual(read_file(os.path.join(state, "ledger.damaged")), "rubbish\n")
        said = self.about_ledger(d)
        self.assertEqual(len(said), 2, said)
        self.assertIn("is damaged: it is kept as", said[0])
        self.assertIn("No space left on device", said[1])
        os.unlink(os.path.join(state, "fill"))
        self.wake_and_stop(d)
        self.await_wakes(d, 3)
        self.assertEqual(sorted(os.listdir(state)), ["ledger", "ledger.damaged"])

    def test_full_under_the_records(self):
        d = self.begin("run")
        self.assertIn(b"200 OK", self.visit(self.web))
        filler = self.fill(d, "run")
        # What runs is served and can be stopped; what is to start is told why it is not.
        self.assertIn(b"200 OK", self.visit(self.web))
        reply = self.visit(self.other)
        self.assertIn(b"503 Service Unavailable", reply)
        self.assertIn(b"No space left on device", reply)
        self.assertEqual(d.odp("stop", "web").returncode, 0)
        os.unlink(filler)
        filler = self.fill(d, "run")  # also where its records were
        self.assertIn(b"No space left on device", self.visit(self.web))
        self.assertEqual(self.web.running() + self.other.running(), [])
        os.unlink(filler)
        for service in self.web, self.other:
            until(lambda s=service: b"200 OK" in self.visit(s), "it is served again")
            self.assertEqual(len(service.running()), 1)
        for name in "web", "other":
            self.assertEqual(d.odp("stop", name).returncode, 0)
        self.assertFalse(self.web.was_twice() or self.other.was_twice())


if __name__ == "__main__":
    unittest.main()
