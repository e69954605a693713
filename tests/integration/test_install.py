#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What `cmake --install` puts where, whatever prefix it is given.

import os
import re
import shutil
import subprocess
import unittest

from harness import BUILD, Case, read_file


class InstallTest(Case):
    def install(self, prefix):
        root = self.directory()
        subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix], check=True,
                       stdout=subprocess.DEVNULL, env={**os.environ, "DESTDIR": root})
        return root + prefix

    @unittest.skipUnless(shutil.which("cmake"), "cmake is missing")
    def test_units_name_the_programs_where_they_are(self):
        for prefix in "/usr", "/opt/odp":
            at = self.install(prefix)
            for name in "odpd", "odp-launcher", "odp":
                self.assertTrue(os.access(f"{at}/bin/{name}", os.X_OK))
            for scope in "system", "user":
                units = f"{at}/lib/systemd/{scope}"
                self.assertEqual(sorted(os.listdir(units)), [
                    "odp-launcher.service", "odp-launcher.socket", "odp.target", "odpd.service"])
                for name in "odpd", "odp-launcher":
                    text = read_file(f"{units}/{name}.service")
                    self.assertRegex(text, re.compile(rf"^ExecStart={prefix}/bin/{name} ", re.M))
                    self.assertNotIn("@ODP", text)
                generator = f"{at}/lib/systemd/{scope}-generators/odp-generator"
                self.assertEqual(os.path.realpath(generator), os.path.realpath(f"{at}/bin/odp"))
            self.assertEqual(sorted(os.listdir(f"{at}/share/doc/odp/example")),
                             ["navidrome.ini", "odp-navidrome.socket"])
            for path in "sysusers.d/odp.conf", "tmpfiles.d/odp.conf", "systemd/catalog/odp.catalog":
                self.assertTrue(os.path.exists(f"{at}/lib/{path}"), path)


if __name__ == "__main__":
    unittest.main()
