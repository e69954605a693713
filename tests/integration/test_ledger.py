#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The ledger's file: sums outlive odpd, however it ends; nothing that happens to the file touches a
# service; nothing is written while no service changes its state.

import os
import re
import shutil
import stat
import subprocess
import time
import unittest

from harness import Backend, Case, connect, exchange, read_exactly, read_file, until

FIELDS = ("wakes", "failed_wakes", "bytes_in", "bytes_out", "awake_usec", "asleep_usec",
          "last_wake_usec", "starts_usec")


def warnings(d):
    return [line for line in d.log().splitlines() if re.search(r"\bledger\b|/state\b", line)]


class LedgerCase(Case):
    def begin(self, start=True, **options):
        self.backend = Backend(self.directory())
        d = self.odpd({"web": self.backend.file(**options)}, start=start)
        self.path = os.path.join(d.path("state"), "ledger")
        return d

    def visit(self, data=b"hello", backend=None):
        backend = backend or self.backend
        with connect(backend.listen) as s:
            reply = exchange(s, data)
        self.assert_same(reply, data + b"bye %d\n" % backend.starts()[-1])
        return len(reply)

    def stop(self, d, name="web"):
        done = d.odp("stop", name)
        self.assertEqual(done.returncode, 0, done.stderr)

    def line(self, name="web"):
        """The fields of a service as they stand in the file, None while it has no line there."""
        for line in read_file(self.path).splitlines():
            if line.startswith(name + " "):
                return dict(zip(FIELDS, line.split(" ")[1:]))
        return None

    def await_line(self, name="web", **wanted):
        def look():
            line = self.line(name)
            return line if line and all(line[k] == str(v) for k, v in wanted.items()) else None
        return until(look, f"the file says {wanted} (now {self.line(name)})")


class RestartTest(LedgerCase):
    def check_sums(self, d, before):
        after = d.status("web")
        for key in ("wakes", "failed_wakes", "bytes_in", "bytes_out", "last_wake_seconds"):
            self.assertEqual(after[key], before[key], key)
        return after

    def test_sigterm(self):
        d = self.begin()
        self.visit(bytes(100_000))
        self.stop(d)
        self.visit(bytes(5))
        before = d.status("web")
        self.assertEqual((before["wakes"], before["bytes_in"]), (2, 100_005))
        self.assertEqual(d.terminate(), 0)
        self.assertEqual(len(self.line()["starts_usec"].split(",")), 2)
        boot_id = read_file("/proc/sys/kernel/random/boot_id")
        self.assertEqual(read_file(self.path).splitlines()[:2],
                         ["odp-ledger 1", "boot " + boot_id.strip()])
        d.start()
        after = self.check_sums(d, before)
        self.assertGreaterEqual(after["awake_seconds"], before["awake_seconds"])
        self.stop(d)
        self.visit()
        self.assertEqual(d.status("web")["wakes"], 3)
        self.assertEqual(warnings(d), [])

    def test_sigterm_with_a_connection(self):
        d = self.begin()
        s = self.connect(self.backend.listen)
        s.sendall(b"seven b")
        read_exactly(s, 7)
        d.await_status("web", bytes_in=7)
        d.terminate()
        line = self.line()
        self.assertEqual((line["wakes"], line["bytes_in"]), ("1", "7"))
        d.start()  # for the service to be stopped
        d.await_state("web", "ready")

    def test_sigkill(self):
        d = self.begin()
        n_out = self.visit(bytes(1000))
        self.stop(d)
        self.await_line(wakes=1, bytes_in=1000, bytes_out=n_out)
        before = d.status("web")
        d.kill()
        d.start()
        self.check_sums(d, before)
        self.visit()
        self.await_line(wakes=2)
        d.kill()  # while it is awake
        d.start()
        d.await_state("web", "ready")
        self.assertEqual(d.status("web")["wakes"], 2)
        self.assertEqual(len(self.backend.starts()), 2)
        self.assertEqual(warnings(d), [])

    def test_time_between_two_odpds_counts_for_neither(self):
        d = self.begin()
        d.terminate()
        line = self.line()
        before = (int(line["awake_usec"]) + int(line["asleep_usec"])) / 1e6
        time.sleep(1.5)  # the gap itself is what is measured
        began = time.monotonic()
        d.start()
        status = d.status("web")
        now = status["awake_seconds"] + status["asleep_seconds"]
        self.assertTrue(before <= now + 0.001 <= before + time.monotonic() - began + 0.002,
                        (before, now))

    def test_service_that_left_and_came_back(self):
        other = Backend(self.directory())
        d = self.begin(start=False)
        d.write_service("other", other.file())
        d.start()
        self.visit(backend=other)
        self.stop(d, "other")
        d.terminate()
        os.unlink(os.path.join(d.config, "services", "other.ini"))
        left = self.line("other")
        d.start()
        self.visit()
        self.await_line(wakes=1)
        self.assertEqual(self.line("other"), left)
        d.terminate()
        self.assertEqual(self.line("other"), left)
        d.write_service("other", other.file())
        d.start()
        self.assertEqual(d.status("other")["wakes"], 1)
        self.assertEqual([s["wakes"] for s in d.all_status()], [1, 1])

    def test_directory_is_made(self):
        d = self.begin()
        self.assertEqual(stat.S_IMODE(os.stat(d.path("state")).st_mode), 0o750)
        self.visit()
        self.await_line(wakes=1)
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
        self.assertEqual(os.listdir(d.path("state")), ["ledger"])


class QuietTest(LedgerCase):
    def test_connections_alone_write_nothing(self):
        d = self.begin()
        self.visit()
        self.await_line(wakes=1)
        d.hang_up()
        before = os.stat(self.path)
        for _ in range(100):
            self.visit()
        d.await_status("web", connections=0, bytes_in=505)
        after = os.stat(self.path)
        self.assertEqual((after.st_ino, after.st_mtime_ns), (before.st_ino, before.st_mtime_ns))
        self.stop(d)
        self.await_line(bytes_in=505)
        self.assertNotEqual(os.stat(self.path).st_mtime_ns, before.st_mtime_ns)


class DamageTest(LedgerCase):
    def begin_with(self, make):
        d = self.begin(start=False)
        os.mkdir(d.path("state"))
        make()
        d.start()
        return d

    def write(self, data):
        with open(self.path, "wb") as f:
            f.write(data)

    def check(self, d, said):
        self.visit()
        self.stop(d)
        self.visit()
        self.assertEqual(d.status("web")["wakes"], 2)
        self.assertEqual(len(warnings(d)), 1, warnings(d))
        self.assertIn(said, warnings(d)[0])
        d.terminate()
        self.assertEqual(self.line()["wakes"], "2")
        d.start()
        self.assertEqual(d.status("web")["wakes"], 2)
        self.assertEqual(len(warnings(d)), 1, warnings(d))

    def test_damaged(self):
        for data in (b"", b"\0" * 300, os.urandom(5000), b"odp-ledger 1\nboot -\nweb 9 0 0"):
            with self.subTest(data=data[:40]):
                d = self.begin_with(lambda data=data: self.write(data))
                self.assertEqual(read_file(self.path + ".damaged", "rb"), data)
                self.check(d, "ledger is damaged: it is kept as")

    def test_torn(self):
        d = self.begin()
        self.visit()
        d.terminate()
        whole = read_file(self.path, "rb")
        self.write(whole[:-20])
        d.start()
        self.assertEqual(d.status("web")["wakes"], 0)
        self.assertEqual(read_file(self.path + ".damaged", "rb"), whole[:-20])
        self.assertEqual(len(warnings(d)), 1, warnings(d))

    def test_too_long(self):
        self.check(self.begin_with(lambda: self.write(bytes(5 << 20))), "ledger File too large: ")

    def test_directory_of_its_name(self):
        self.check(self.begin_with(lambda: os.mkdir(self.path)), "ledger Is a directory: ")

    @unittest.skipIf(os.geteuid() == 0, "root may read everything")
    def test_unreadable(self):
        def make():
            self.write(b"x")
            os.chmod(self.path, 0)
        self.check(self.begin_with(make), "ledger Permission denied: ")


class NoRoomTest(LedgerCase):
    def check_serves(self, d, said):
        for _ in range(3):
            self.visit()
            self.stop(d)
        self.assertEqual(d.status("web")["wakes"], 3)
        self.assertEqual(len(warnings(d)), 1, warnings(d))
        self.assertRegex(warnings(d)[0], "cannot write .*ledger: " + said)

    def test_state_directory_is_a_file(self):
        d = self.begin(start=False)
        with open(d.path("state"), "w", encoding="utf-8"):
            pass
        d.start()
        self.check_serves(d, "Not a directory")
        d.terminate()
        self.assertEqual(len(warnings(d)), 1, warnings(d))

    @unittest.skipIf(os.geteuid() == 0, "root may write everywhere")
    def test_state_directory_is_not_ours(self):
        d = self.begin(start=False)
        os.mkdir(d.path("state"), 0o500)
        d.start()
        self.check_serves(d, "Permission denied")

    def begin_on_tmpfs(self, options, fill=0):
        """odpd with a file system of its own as its state directory, `fill` bytes of it taken."""
        inside = ["unshare", "--mount", "--propagation", "private", "sh", "-c"]
        if not shutil.which("unshare"):
            self.skipTest("unshare is missing: apt-get install util-linux")
        done = subprocess.run([*inside, f"mount -t tmpfs odp-test {self.directory()}"],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.skipTest(f"needs to mount a tmpfs (root): {done.stderr.strip()}")
        d = self.begin(start=False)
        os.mkdir(d.path("state"))
        script = f"mount -t tmpfs -o {options} odp-test {d.path('state')}"
        if fill:
            script += f" && head -c {fill} /dev/zero > {d.path('state')}/fill"
        d.start(before=[*inside, script + ' && exec "$@"', "sh"])
        self.path = f"/proc/{d.pid}/root{self.path}"
        return d

    def test_read_only(self):
        d = self.begin_on_tmpfs("ro,size=64k")
        self.check_serves(d, "Read-only file system")

    def test_disk_full_and_free_again(self):
        d = self.begin_on_tmpfs("size=64k", 64 * 1024)
        state = os.path.dirname(self.path)
        self.check_serves(d, "No space left on device")
        self.assertEqual(os.listdir(state), ["fill"])
        os.unlink(os.path.join(state, "fill"))
        self.visit()
        self.await_line(wakes=4)
        self.visit()
        self.stop(d)
        self.await_line(bytes_in=25)
        self.assertEqual(len(warnings(d)), 2, warnings(d))
        self.assertIn("ledger is written again", warnings(d)[1])


if __name__ == "__main__":
    unittest.main()
