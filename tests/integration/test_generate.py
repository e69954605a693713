# SPDX-License-Identifier: LGPL-2.1-or-later
#
# odp generate: socket units as files in somebody's directory, of which only odp's own are touched.

import os
import subprocess
import unittest

import harness
from harness import program, read_file

TEXT = """[service]
listen = {port}
target = 127.0.0.1:{target}
[backend]
type = none
"""


class TestGenerate(harness.Case):
    def setUp(self):
        super().setUp()
        self.config = self.directory()
        self.out = f"{self.directory()}/new/units"
        os.mkdir(f"{self.config}/services")

    def put(self, name, number=1, text=TEXT):
        with open(f"{self.config}/services/{name}.ini", "w", encoding="utf-8") as f:
            f.write(text.format(port=number, target=1000 + number))

    def generate(self, *args, code=0):
        done = subprocess.run([program("odp"), "--config", self.config, "generate",
                               *(args or [self.out])], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def units(self):
        return sorted(os.path.relpath(os.path.join(d, f), self.out)
                      for d, _, files in os.walk(self.out) for f in files)

    def links(self, name):
        return sorted([f"odp-{name}.socket", f"odpd.service.wants/odp-{name}.socket",
                       f"sockets.target.wants/odp-{name}.socket"])

    def test_written_once(self):
        self.put("a")
        self.assertEqual(self.generate().stdout, f"written  {self.out}/odp-a.socket\n")
        self.assertEqual(self.units(), self.links("a"))
        path = f"{self.out}/odp-a.socket"
        text = read_file(path)
        self.assertIn(f"\nSourcePath={os.path.realpath(self.config)}/services/a.ini\n", text)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o644)
        before = os.stat(path)
        self.assertEqual(self.generate().stdout, "nothing has changed\n")
        self.assertEqual(os.stat(path).st_ino, before.st_ino)
        self.put("a", 2)
        self.assertEqual(self.generate().stdout, f"written  {path}\n")
        self.assertIn("ListenStream=2\n", read_file(path))

    def test_the_example(self):
        """What stands in units/example is what comes of the file beside it."""
        example = os.path.join(os.path.dirname(harness.SERVERS), "../../units/example")
        self.put("navidrome", 0, read_file(f"{example}/navidrome.ini").replace("{", "{{"))
        self.generate(self.out, "--system")
        self.assertEqual(read_file(f"{self.out}/odp-navidrome.socket").replace(
            os.path.realpath(self.config), "/etc/odp"),
            read_file(f"{example}/odp-navidrome.socket"))

    def test_removed_with_its_file(self):
        self.put("a", 1)
        self.put("b", 2)
        self.put("c", 3)
        self.generate()
        os.unlink(f"{self.config}/services/a.ini")
        self.put("b", 2, TEXT.replace("[backend]", "enabled = no\n[backend]"))
        self.assertEqual(self.generate().stdout, f"removed  {self.out}/odp-a.socket\n"
                         f"removed  {self.out}/odp-b.socket\n")
        self.assertEqual(self.units(), self.links("c"))

    def test_faulty_file_keeps_its_unit(self):
        self.put("a", 1)
        self.put("b", 2)
        self.generate()
        self.put("a", 3, TEXT + "[nonsense]\n")
        done = self.generate(code=1)
        self.assertIn("/services/a.ini:6: unknown section [nonsense]", done.stdout)
        self.assertEqual(done.stderr, "odp: 1 faulty file: no unit is written for it; mend the "
                         "lines above\n")
        self.assertEqual(self.units(), sorted(self.links("a") + self.links("b")))
        self.assertIn("ListenStream=1\n", read_file(f"{self.out}/odp-a.socket"))

    def test_what_is_not_ours(self):
        self.put("a", 1)
        self.put("b", 2)
        os.makedirs(self.out)
        others = {"odp-a.socket": "[Socket]\nListenStream=7\n", "odp-gone.socket": "", "x.socket": "",
                  "odp-other.socket": "# Made by odp from /somewhere/else/other.ini: x\n"}
        for name, text in others.items():
            with open(f"{self.out}/{name}", "w", encoding="ascii") as f:
                f.write(text)
        done = self.generate(code=1)
        self.assertEqual(done.stdout, f"written  {self.out}/odp-b.socket\n")
        self.assertEqual(done.stderr, f"odp: a: {self.out}/odp-a.socket is not odp's: it stays as "
                         "it is (--force replaces it)\n")
        for name, text in others.items():
            self.assertEqual(read_file(f"{self.out}/{name}"), text)
        self.assertFalse(os.path.exists(f"{self.out}/sockets.target.wants/odp-a.socket"))
        self.generate(self.out, "--force")
        self.assertIn("ListenStream=1\n", read_file(f"{self.out}/odp-a.socket"))
        self.assertEqual(read_file(f"{self.out}/odp-gone.socket"), "")

    def test_for_whom(self):
        self.put("a", 1, TEXT.replace("{port}", "/run/a.sock"))
        self.generate(self.out, "--system")
        self.assertIn("SocketUser=odp\n", read_file(f"{self.out}/odp-a.socket"))
        self.generate(self.out, "--user")
        self.assertNotIn("SocketUser=", read_file(f"{self.out}/odp-a.socket"))

    def test_wrong_usage(self):
        for args in (["generate"], [self.out, self.out], [""], [self.out, "--no"],
                     [self.out, "--user", "--system"]):
            with self.subTest(args=args):
                args = args if args != ["generate"] else ["--force"]
                done = self.generate(*args, code=2)
                self.assertRegex(done.stderr, r"^odp: .*\(odp help generate\)\n$")

    def test_what_fails(self):
        self.put("a")
        with open(f"{self.config}/file", "w", encoding="ascii"):
            pass
        self.assertIn("cannot be made: Not a directory",
                      self.generate(f"{self.config}/file/x", code=1).stderr)
        os.makedirs(f"{self.out}/odp-a.socket")  # a directory of that name
        self.assertIn("is not odp's", self.generate(code=1).stderr)
        os.unlink(f"{self.config}/services/a.ini")
        os.rmdir(f"{self.config}/services")
        self.assertIn("/services cannot be read: No such file", self.generate(code=1).stderr)
        self.config += "/nowhere"
        self.assertIn("there is no directory", self.generate(code=1).stderr)


if __name__ == "__main__":
    unittest.main()
