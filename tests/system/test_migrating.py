# SPDX-License-Identifier: LGPL-2.1-or-later
#
# docs/MIGRATING.md, word for word: the old files are put where it says and work, the new one
# replaces them by the commands that stand there, back again, and once more; then what can be
# deleted is. And docs/SYSTEMD.md, from the installation to the end of it.

import os
import re
import unittest

from installed import InstalledCase
from harness import read_file, until
from machine import USER

DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs")
DOC = os.path.join(DOCS, "MIGRATING.md")
MANIFEST = "/odp/build/install_manifest.txt"
PATHS = "PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin"
PAGE = "the page of the wiki\n"


def sections(doc=DOC):
    """Of each `##` with its `###` ("" for what stands before these): titles to blocks, which are
    lists of lines."""
    found, section, part = {}, None, None
    for line in read_file(doc).splitlines():
        if title := re.match(r"(###?) (.*)", line):
            if title[1] == "##":
                section = found.setdefault(title[2], {})
                part = section.setdefault("", [[]])
            else:
                part = section.setdefault(title[2], [[]])
        elif part is not None:
            if line.startswith("    "):
                part[-1].append(line[4:])
            elif part[-1]:
                part.append([])
    return found


class TestMigrating(InstalledCase):
    def setUp(self):
        super().setUp()
        for program in "socat", "netstat":
            if self.machine.run("which", program, check=False).returncode != 0:
                raise unittest.SkipTest(f"{program} is not installed")
        self.machine.write("/srv/wiki/index.html", PAGE)
        self.serve(18080)
        self.addCleanup(self.machine.daemon_reload)
        self.addCleanup(self.machine.run, "sh", "-c", "systemctl stop 'wiki-*'; rm -rf "
                        "/etc/systemd/system/wiki-* /etc/systemd/system/wiki.service.d "
                        "/etc/systemd/system/*.wants/wiki-* /usr/local/bin/wiki-* "
                        "/etc/cron.d/wiki-idle")
        self.machine.run("mkdir", "-p", "/etc/cron.d")

    def serve(self, port):
        """The service, which takes a moment to listen."""
        if "wiki.service" in (name for name, _ in self.units):
            self.units.remove(("wiki.service", None))
        self.unit("wiki.service", f"""
            [Service]
            ExecStart=/bin/sh -c 'sleep 0.5; exec busybox httpd -f -p {port} -h /srv/wiki'
            """)

    def put_files(self, blocks):
        for block in blocks:
            if block and (path := re.match(r"# (/\S+)$", block[0])):
                self.machine.write(path[1], "\n".join(block[1:]) + "\n",
                                   0o755 if "/bin/" in path[1] else 0o644)
        self.machine.daemon_reload()

    def run_commands(self, blocks):
        """Returns what the last one prints. Each is a line, and must succeed."""
        lines = [line for block in blocks for line in block]
        self.assertGreater(len(lines), 0)
        for line in lines:
            said = self.machine.run("env", PATHS, "sh", "-ec", re.sub(r"^sudo ", "", line)).stdout
        return said

    def visit(self):
        done = self.machine.run("curl", "-sS", "--retry", "8", "--retry-connrefused",
                                "--retry-delay", "1", "http://127.0.0.1:8080/")
        self.assertEqual(done.stdout, PAGE)

    def change(self, section):
        said = self.run_commands(section["The change"])
        self.assertIn("wiki is ready", said)
        self.assert_by_odp()

    def assert_by_odp(self):
        """It sleeps and wakes by odp alone."""
        self.machine.run("/usr/local/bin/odp", "stop", "wiki")
        self.assertFalse(self.is_active("wiki"))
        self.visit()
        self.assertTrue(self.is_active("wiki"))

    def check(self, title, wake_old, in_between=lambda there: None):
        section = sections()[title]
        self.put_files(section["What you have"])
        wake_old()
        self.visit()
        in_between(True)
        self.put_files(section["What replaces it"])
        self.change(section)
        in_between(False)
        self.run_commands(section["Going back"])
        self.assertIn("disabled", self.machine.run("/usr/local/bin/odp", "status", "wiki").stdout)
        self.visit()
        in_between(True)
        self.change(section)
        self.run_commands(section["What you can delete"])
        self.assert_by_odp()
        left = self.machine.run("find", "/etc/systemd/system", "/usr/local/bin", "/etc/cron.d",
                                "-name", "wiki-*").stdout
        self.assertEqual(left, "")

    def test_from_socat_scripts(self):
        def wake_old():
            self.machine.systemctl("enable", "--now", "wiki-proxy.service", "wiki-idle.timer")
        self.check("From socat scripts", wake_old)
        # The old script does what it is said to do, too.

    def test_from_socket_proxyd(self):
        def wake_old():
            self.machine.systemctl("enable", "--now", "wiki-proxy.socket")
        self.check("From systemd-socket-proxyd", wake_old)

    def test_from_an_idle_script(self):
        moves = iter((18080, 8080, 18080))

        def in_between(_):
            self.serve(next(moves))

        def wake_old():
            self.serve(8080)
            self.machine.systemctl("start", "wiki.service")
            line = self.machine.read("/etc/cron.d/wiki-idle")
            command = line.strip().split(" ", 6)[6]
            self.visit()
            self.machine.run("sh", "-c", command)
            self.assertFalse(self.is_active("wiki"))
            self.machine.systemctl("start", "wiki.service")
        self.check("From an idle script alone", wake_old, in_between)

    def test_keys_of_the_table(self):
        keys = set(re.findall(r"`(\w+)`", read_file(DOC.replace("MIGRATING", "CONFIGURATION"))))
        table = read_file(DOC).rpartition("## Old thing, new key")[2]
        named = re.findall(r"`(?:\[\w+\] )?([a-z_]+)(?: = [^`]+)?`", " ".join(
            row.split("|")[2] for row in table.splitlines() if row.startswith("| ")))
        self.assertGreater(len(named), 15)
        self.assertEqual([key for key in named if key not in keys and key != "start"], [])


class TestSystemd(InstalledCase):
    """docs/SYSTEMD.md. What it says is done at a keyboard, but for the build."""

    def setUp(self):
        super().setUp()
        self.sections = {title: [block for block in section[""] if block] for title, section in
                         sections(os.path.join(DOCS, "SYSTEMD.md")).items()}
        self.machine.write("/srv/wiki/index.html", PAGE)
        self.unit("wiki.service", """
            [Service]
            ExecStart=/usr/bin/busybox httpd -f -p 127.0.0.1:18080 -h /srv/wiki
            [Install]
            WantedBy=multi-user.target
            """)
        self.machine.systemctl("enable", "--now", "wiki.service")

    def run_block(self, block, user=None):
        """Each line as it stands there, without what is said beside it; what they print."""
        said = ""
        for line in block:
            line = re.sub(r"^sudo ", "", re.split(r" {2,}", line)[0]).replace("NAME", "wiki")
            done = self.machine.run("env", PATHS, f"USER={USER}", "sh", "-ec", line, user=user,
                                    check=False)
            self.assertEqual(done.returncode, 0, f"{line}: {done.stdout}{done.stderr}")
            said += done.stdout
        return said

    def first_service(self):
        blocks = self.sections["The first service in five minutes"]
        ini = "\n\n".join("\n".join(block) for block in blocks if block[0].startswith("["))
        self.run_block(blocks[0])
        self.machine.write("/etc/odp/services/wiki.ini", ini + "\n")
        said = self.run_block(blocks[-1])
        self.assertIn(PAGE, said)
        self.assertRegex(said, r"(?m)^wiki +ready +8080 ")

    def test_what_it_says(self):
        self.machine.enable_user(USER)
        self.addCleanup(self.machine.run, "gpasswd", "--delete", USER, "odp", check=False)
        for block in self.sections["Install"][1:]:
            self.run_block(block)
        self.first_service()
        # Group odp may do this, and see what is there.
        self.assertIn("wiki: ready", self.run_block(["odp start wiki", "odp reload"], user=USER))
        said = self.run_block(self.sections["Add, change, remove"][0])
        self.assertRegex(said, "(?s)wiki: enabled.*wiki: disabled.*1 file, no faults")
        self.run_block(["sudo odp enable wiki"])
        self.check_drop_ins()
        said = self.run_block(self.sections["Logs"][0])
        self.assertIn("woken by a connection", said)
        off, on, for_good = self.sections["Off and on"][0]
        for line, is_on in ((off, False), (on, True), (for_good, False)):
            self.run_block([line])
            # What a stopped target takes along systemctl does not wait for.
            until(lambda is_on=is_on: self.is_up("odp-wiki.socket") == is_on, line)
        self.assertTrue(self.is_active("wiki"))

    def check_drop_ins(self):
        """As the editor leaves them."""
        odpd, socket = (["\n".join(b) + "\n"] for b in self.sections["Changes to the units"])
        odpd, socket = odpd[0], socket[0].replace("eth0", "lo")
        self.addCleanup(self.machine.run, "sh", "-c", "rm -r /etc/systemd/system/odp*.d")
        self.machine.write("/etc/systemd/system/odpd.service.d/override.conf", odpd)
        self.machine.write("/etc/systemd/system/odp-wiki.socket.d/override.conf", socket)
        self.run_block(["systemctl daemon-reload", "sudo systemctl restart odpd"])
        self.assertEqual(self.machine.systemctl("show", "-P", "LimitNOFILE", "odpd"), "200000")
        text = read_file(os.path.join(DOCS, "SYSTEMD.md"))
        line = re.search(r"port was given back: `(.*)`", text)[1]
        self.run_block(line.split(" && "))
        self.assertIn("%lo:8080", self.machine.run("ss", "-ltn").stdout)
        self.assertIn(PAGE, self.run_block(["curl -sS http://localhost:8080/"]))

    def test_a_users_own(self):
        home = f"/home/{USER}"
        self.machine.enable_user(USER)
        self.unit("memo.service", """
            [Service]
            ExecStart=/usr/bin/busybox httpd -f -p 127.0.0.1:18081 -h /srv/wiki
            """, user=USER)
        self.addCleanup(self.machine.run, "rm", "-rf", f"{home}/.config/odp",
                        f"{home}/.local/state/odp")
        self.machine.write(f"{home}/.config/odp/services/memo.ini",
                           "[service]\nlisten = 8081\ntarget = 127.0.0.1:18081\n"
                           "[backend]\nunit = memo.service\n")
        self.machine.run("chown", "-R", USER, f"{home}/.config")
        self.run_block(self.sections["As a user"][0], user=USER)
        said = self.run_block(["odp enable memo", "curl -sS http://localhost:8081/", "odp status"],
                              user=USER)
        self.assertRegex(said, rf"(?s){PAGE}.*\nmemo +ready")
        self.run_block(["systemctl --user disable --now odp.target"], user=USER)

    def reinstall(self):
        """What `cmake --install` has put there; another test may do it elsewhere, from the same
        build."""
        self.machine.installed = False
        self.machine.install()
        paths = self.machine.read(MANIFEST).split()
        return paths and all(p.startswith("/usr/local/") for p in paths) and paths

    def test_uninstall(self):
        self.run_block(self.sections["Install"][1])
        self.first_service()
        paths = until(self.reinstall, "it is installed")
        self.machine.write("/tmp/manifest", "\n".join(paths) + "\n")
        self.machine.enable_user(USER)
        self.run_block(self.sections["Install"][2])
        self.machine.installed = False  # the next test does it again
        self.run_block([line.replace("build/release/install_manifest.txt", "/tmp/manifest")
                        .replace("/usr/share", "/usr/local/share")
                        for line in self.sections["Uninstall"][0]])
        left = self.machine.run("sh", "-c", "find /usr/local /etc /var/lib /run -name 'odp*' "
                                "-not -name odp-test.conf -not -path '/run/user/*'; "
                                "grep ^odp: /etc/passwd /etc/group; "
                                "systemctl list-unit-files --no-legend 'odp*'", check=False).stdout
        self.assertEqual(left, "")
        self.assertTrue(self.is_active("wiki"))
