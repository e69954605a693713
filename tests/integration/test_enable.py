# SPDX-License-Identifier: LGPL-2.1-or-later
#
# odp enable and odp disable where no service manager listens: the files are changed, as their owner
# would, and odpd follows them.

import os
import stat
import unittest

from harness import HOST, Backend, Case, connect, free_port, listener, read_file


class EnableCase(Case):
    def begin(self, *names, extra=""):
        self.backends = {name: Backend(self.directory()) for name in names}
        self.d = self.odpd({name: b.file(service=extra) for name, b in self.backends.items()})

    def path(self, name):
        return f"{self.d.config}/services/{name}.ini"

    def run_odp(self, *args, code=0):
        done = self.d.odp("--config", self.d.config, *args)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def edit(self, name, old, new):
        text = read_file(self.path(name))
        self.assertIn(old, text)
        self.d.write_service(name, text.replace(old, new))

    def talk(self, address):
        s = self.connect(address)
        s.sendall(b"x")
        self.assertEqual(s.recv(1), b"x")

    def assert_refused(self, address):
        with self.assertRaises(ConnectionRefusedError):
            connect(address)


class TestEnable(EnableCase):
    def test_off_and_on(self):
        self.begin("a", "b")
        a, b = self.backends["a"].listen, self.backends["b"].listen
        before = read_file(self.path("a"))
        self.assertEqual(self.run_odp("disable", "a").stdout, "a: disabled\n")
        self.assertEqual(read_file(self.path("a")),
                         before.replace("[service]", "[service]\nenabled = no", 1))
        self.assert_refused(a)
        self.assertEqual(self.d.state("a"), "disabled")
        self.talk(b)
        self.assertEqual(self.run_odp("enable", "a", "b", "a").stdout, "a: enabled\nb: enabled\n")
        self.talk(a)
        self.assertEqual(self.run_odp("enable", "a").stdout, "a: enabled\n")  # twice over

    def test_new_file_and_new_port(self):
        self.begin("a")
        new = Backend(self.directory())
        self.d.write_service("new", new.file())
        self.assert_refused(new.listen)
        self.assertEqual(self.run_odp("enable", "new").stdout, "new: enabled\n")
        self.talk(new.listen)
        port = free_port()
        self.edit("new", f"listen = {new.listen}", f"listen = {port}")
        self.run_odp("enable", "new")
        self.assert_refused(new.listen)
        self.talk(port)

    def test_access_and_links_stay(self):
        self.begin("a")
        real = f"{self.directory()}/real.ini"
        os.rename(self.path("a"), real)
        os.symlink(real, self.path("a"))
        os.chmod(real, 0o604)
        if os.geteuid() == 0:
            os.chown(real, 12, 34)
        before = os.stat(real)
        self.run_odp("disable", "a")
        self.assertTrue(os.path.islink(self.path("a")))
        self.assertIn("enabled = no", read_file(real))
        after = os.stat(real)
        self.assertEqual((after.st_uid, after.st_gid, stat.S_IMODE(after.st_mode)),
                         (before.st_uid, before.st_gid, 0o604))
        self.assertEqual(os.listdir(os.path.dirname(real)), ["real.ini"])

    def test_access_list_stays(self):
        self.begin("a")
        try:
            os.setxattr(self.path("a"), "user.odp-test", b"kept")
        except OSError:
            self.skipTest("no extended attributes here")
        self.run_odp("disable", "a")
        self.assertEqual(os.getxattr(self.path("a"), "user.odp-test"), b"kept")

    def test_all_or_nothing(self):
        self.begin("a", "b")
        self.edit("b", "[backend]", "nonsense = 1\n[backend]")
        before = read_file(self.path("a"))
        for names in (("a", "b"), ("b", "a"), ("a", "none")):
            self.run_odp("disable", *names, code=1)
            self.assertEqual(read_file(self.path("a")), before)
        self.talk(self.backends["a"].listen)

    def test_a_faulty_file_elsewhere_is_no_hindrance(self):
        self.begin("a", "b")
        self.edit("b", "[backend]", "nonsense = 1\n[backend]")
        self.assertEqual(self.run_odp("disable", "a").stdout, "a: disabled\n")

    def test_the_way_out_of_a_clash(self):
        self.begin("a")
        self.d.write_service("b", self.backends["a"].file())
        done = self.run_odp("enable", "b", code=1)
        self.assertIn("b.ini:", done.stdout)
        self.assertIn("is also that of a", done.stdout)
        self.run_odp("disable", "b")
        self.run_odp("enable", "a")
        self.talk(self.backends["a"].listen)

    def test_taken_port(self):
        self.begin("a")
        new = Backend(self.directory())
        self.closing(listener((HOST, new.listen)))
        self.d.write_service("new", new.file())
        done = self.run_odp("enable", "new", code=1)
        self.assertRegex(done.stderr, r"^odp: new: cannot listen on \d+: Address already in use: "
                         "another program listens there")

    def test_odpd_of_other_files(self):
        self.begin("a")
        other = f"{self.directory()}/other"
        os.makedirs(f"{other}/services")
        os.rename(self.path("a"), f"{other}/services/b.ini")
        done = self.d.odp("--config", other, "enable", "b")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"does not read {os.path.realpath(other)}/services", done.stderr)

    def test_without_odpd(self):
        self.begin("a")
        self.assertEqual(self.d.terminate(), 0)
        done = self.run_odp("disable", "a", code=3)
        self.assertIn("cannot reach odpd", done.stderr)
        self.assertIn("enabled = no", read_file(self.path("a")))  # for when it comes

    def test_wrong_usage(self):
        self.begin("a")
        self.assertIn("which service?", self.run_odp("enable", code=2).stderr)
        self.assertIn("no option --now", self.run_odp("disable", "--now", "a", code=2).stderr)
        for name in ("../a", "", "a.ini", "x" * 300):
            self.assertIn("there is no file", self.run_odp("enable", name, code=1).stderr)


class TestFiles(EnableCase):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("needs root to be somebody else")

    def as_nobody(self, *args):
        """Returns the exit code and what was said."""
        r, w = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            done = self.d.odp("--config", self.d.config, *args)
            os.write(w, (done.stdout + done.stderr).encode())
            os._exit(done.returncode)
        os.close(w)
        with os.fdopen(r) as f:
            said = f.read()
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said

    def test_of_somebody_else(self):
        self.begin("a")
        for path in (self.d.directory, self.d.config, f"{self.d.config}/services"):
            os.chmod(path, 0o755)
        os.chmod(self.path("a"), 0o644)
        code, said = self.as_nobody("disable", "a")
        self.assertEqual(code, 1)
        self.assertIn(f"{self.path('a')} cannot be changed: Permission denied: run it as root", said)
        os.chmod(self.path("a"), 0o600)
        code, said = self.as_nobody("disable", "a")
        self.assertEqual(code, 1)
        self.assertIn("a.ini:1: the file cannot be read: Permission denied", said)
        self.assertNotIn("enabled", read_file(self.path("a")))


if __name__ == "__main__":
    unittest.main()
