#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# odp against a varlink server that answers whatever a test wants, sound or not: the subject is what
# the client makes of replies. ODP_BUILD names the directory with the programs.

import errno
import json
import os
import pty
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest

ODP = os.path.join(os.environ.get("ODP_BUILD", "build/dev"), "odp")
LIMIT = 1024 * 1024

SERVICE = {
    "name": "navidrome", "description": "Music", "state": "ready", "reason": "", "listen": ["4533"],
    "target": "127.0.0.1:14533", "backend": "process", "connections": 2, "waiting": 0,
    "sleeps_in_seconds": None, "memory_bytes": 222298112, "wakes": 14, "failed_wakes": 0,
    "last_wake_seconds": 1.25, "bytes_in": 5000000000, "bytes_out": 0, "awake_seconds": 9,
    "asleep_seconds": 91, "saved_byte_seconds": 0,
}


def service(**changed):
    return {**SERVICE, **changed}


def good(**parameters):
    return json.dumps({"parameters": parameters}).encode() + b"\0"


def status(*services):
    return good(version="0.1.0", services=list(services))


def error(kind, /, **parameters):
    if "." not in kind:
        kind = "io.odp.Control." + kind
    return json.dumps({"error": kind, "parameters": parameters}).encode() + b"\0"


class Server:
    """Answers each request with answer(request): bytes, or a list of bytes and pauses in seconds."""

    def __init__(self, path, answer):
        self.answer, self.requests = answer, []
        self.connections = 0
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen(64)
        self.acceptor = threading.Thread(target=self.accept, daemon=True)
        self.acceptor.start()

    def accept(self):
        while True:
            try:
                connection = self.socket.accept()[0]
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        data = b""
        try:
            while True:
                while b"\0" not in data:
                    chunk = connection.recv(65536)
                    if not chunk:
                        return
                    data += chunk
                message, data = data.split(b"\0", 1)
                request = json.loads(message)
                self.requests.append(request)
                reply = self.answer(request)
                for part in reply if isinstance(reply, list) else [reply]:
                    if part is None:
                        return
                    if isinstance(part, bytes):
                        connection.sendall(part)
                    else:
                        time.sleep(part)
        except OSError:
            pass
        finally:
            connection.close()

    def close(self):
        # Closed under the thread, its number could be the next server's by the time it accepts.
        if self.acceptor.is_alive():
            self.socket.shutdown(socket.SHUT_RDWR)
            self.acceptor.join()
        self.socket.close()


class Case(unittest.TestCase):
    def setUp(self):
        self.runtime = tempfile.mkdtemp(prefix="odp-cli-")
        self.addCleanup(shutil.rmtree, self.runtime)
        self.path = os.path.join(self.runtime, "control.sock")

    def serve(self, answer):
        server = Server(self.path, answer if callable(answer) else lambda request: answer)
        self.addCleanup(server.close)
        return server

    def odp(self, *args, env=None, **options):
        options.setdefault("stdout", subprocess.PIPE)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("ODP_", "XDG_"))}
        environment.update({"ODP_RUNTIME": self.runtime} if env is None else env)
        return subprocess.run([ODP, *args], stderr=subprocess.PIPE, env=environment, timeout=60,
                              encoding="utf-8", errors="surrogateescape", **options)

    def fails(self, code, message, *args, **options):
        """The command fails with this code and exactly one line on stderr."""
        done = self.odp(*args, **options)
        self.assertEqual(done.returncode, code, done)
        self.assertIn(message, done.stderr)
        self.assertTrue(done.stderr.startswith("odp: "), done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        return done

    def works(self, *args, **options):
        done = self.odp(*args, **options)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        return done.stdout


class Usage(Case):
    def test_version_and_help(self):
        self.assertRegex(self.works("--version"), r"^odp \d+\.\d+\.\d+\n$")
        for args in (["--help"], ["-h"], ["help"]):
            text = self.works(*args)
            self.assertIn("status [NAME...]", text)
            columns = {line.index(summary) for line in text.splitlines()
                       for summary in ("what each service is doing", "wake services",
                                       "find what is wrong with") if summary in line}
            self.assertEqual(len(columns), 1, text)
        for verb in ("status", "start", "stop", "check", "help"):
            text = self.works(verb, "--help")
            self.assertTrue(text.startswith("Usage: odp " + verb), text)
            self.assertEqual(self.works("help", verb), text)

    def test_help_of_odpd(self):
        for argument in "--help", "-h":
            done = subprocess.run([ODP + "d", argument], capture_output=True, text=True,
                                  check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), argument)
            self.assertTrue(done.stdout.startswith("Usage: odpd "), done.stdout)

    def test_wrong_usage(self):
        for args, message in (
            ([], "what is to be done"),
            (["stauts"], "no verb stauts, is it status?"),
            (["xyzzy"], "no verb xyzzy (odp help"),
            (["--bad"], "no option --bad"),
            (["status", "--bad"], "status has no option --bad"),
            (["start"], "which service?"),
            (["stop", "--no-wait"], "which service?"),
            (["logs", "x", "-n"], "-n wants a number of lines\n"),
            (["logs", "x", "-n", "few"], "-n wants a number of lines: few\n"),
            (["--runtime"], "--runtime wants a directory"),
            (["--runtime="], "a directory has"),
            (["help", "status", "stop"], "one verb"),
        ):
            with self.subTest(args=args):
                self.fails(2, message, *args)

    def test_unbuilt_verbs_are_named(self):
        for verb in ("hold", "release", "ledger", "import"):
            self.fails(2, f"odp: {verb} is not built yet in odp ", verb, "x", "--help")


class Reaching(Case):
    def test_no_socket(self):
        done = self.fails(3, "", "status")
        self.assertEqual(done.stderr, f"odp: cannot reach odpd at {self.path}: No such file or "
                         "directory: is it running? (systemctl start odpd; under systemd the first "
                         "visitor starts it, too)\n")

    def test_nobody_listens(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(self.path)
        self.fails(3, "Connection refused", "status")
        self.fails(3, "Connection refused", "start", "a", "b", "c")

    def test_path_too_long(self):
        self.fails(3, "at most 107 bytes", "--runtime", "/tmp/" + "a" * 120, "status")

    def test_runtime_option_before_and_after_the_verb(self):
        self.serve(status())
        for args in (["--runtime", self.runtime, "status"], ["status", "--runtime=" + self.runtime]):
            self.works(*args, env={"ODP_RUNTIME": "/nowhere"})

    def test_closed_without_a_reply(self):
        self.serve([None])
        self.fails(3, "closed the connection before it answered", "status")

    def test_closed_within_a_reply(self):
        self.serve([status(service())[:100], None])
        self.fails(3, "closed the connection before it answered", "status")

    def test_odpd_ends_during_a_start(self):
        self.serve([0.1, None])
        self.fails(3, "closed the connection", "start", "a", "b")

    @unittest.skipIf(os.geteuid() != 0, "needs root to become somebody else")
    @unittest.skipIf(os.path.exists("/run/odp/control.sock"), "the system's own odpd runs")
    def test_a_user_without_odpd_asks_the_system(self):
        os.chmod(self.runtime, 0o755)
        for env in ({}, {"HOME": "/nowhere"}, {"XDG_RUNTIME_DIR": self.runtime}):
            self.fails(3, "at /run/odp/control.sock: No such file", "status", env=env, user=65534)
        # Who has files of their own misses their own odpd.
        os.makedirs(os.path.join(self.runtime, "odp", "services"))
        env = {"XDG_RUNTIME_DIR": self.runtime, "XDG_CONFIG_HOME": self.runtime}
        done = self.fails(3, f"at {self.runtime}/odp/control.sock: No such file", "status", env=env,
                          user=65534)
        self.assertIn("(systemctl --user start odpd;", done.stderr)

    @unittest.skipIf(os.geteuid() != 0, "needs root to become somebody else")
    def test_a_user_with_odpd_asks_that_one(self):
        os.chmod(self.runtime, 0o755)
        os.mkdir(os.path.join(self.runtime, "odp"))
        self.path = os.path.join(self.runtime, "odp", "control.sock")
        self.serve(status(service()))
        os.chmod(self.path, 0o666)
        self.assertIn("navidrome",
                      self.works("status", env={"XDG_RUNTIME_DIR": self.runtime}, user=65534))

    @unittest.skipIf(os.geteuid() != 0, "needs root to become somebody else")
    def test_a_directory_closed_to_me(self):
        self.serve(status())
        os.chmod(self.runtime, 0o700)
        self.fails(3, "Permission denied", "status", user=65534)


class Broken(Case):
    def test_nonsense(self):
        for reply in (b"\0", b"nonsense\0", b"{\0", b"[]\0", b"\xff\xfe\0", b"{} {}\0",
                      b'{"parameters": 1}\0', b'{"error": 5}\0', b"[" * 100000 + b"\0",
                      good(), good(version="1", services={}), status() + status()):
            with self.subTest(reply=reply[:40]):
                server = self.serve(reply)
                self.fails(1, "sent a reply that makes no sense", "status")
                server.close()
                os.unlink(self.path)

    def test_endless_reply(self):
        self.serve([b'{"parameters": {"x": "'] + [b"y" * 65536] * 40)
        self.fails(1, "more than 1 MiB", "status")

    def test_largest_reply_in_small_pieces(self):
        filled = status(service(description=""))
        whole = status(service(description="d" * (LIMIT - len(filled) + 1)))
        self.assertEqual(len(whole), LIMIT + 1)
        self.serve([whole[i:i + 7001] for i in range(0, len(whole), 7001)])
        self.assertEqual(len(json.loads(self.works("status", "--json"))["services"]), 1)

    def test_reply_byte_by_byte(self):
        self.serve([status(service())[i:i + 1] for i in range(len(status(service())))])
        self.assertIn("navidrome", self.works("status"))

    def test_start_without_a_state(self):
        self.serve(good())
        self.fails(1, "makes no sense", "start", "x")


class Status(Case):
    def test_table(self):
        server = self.serve(status(
            service(), service(name="memos", state="stopped", connections=0, memory_bytes=None)))
        self.assertEqual(
            self.works("status"),
            "SERVICE    STATE    LISTEN  CONNS  WAITING  SLEEPS IN  MEMORY  WAKES  ASLEEP\n"
            "navidrome  ready    4533        2        0  -          212M       14     91%\n"
            "memos      stopped  4533        0        0  -          -          14     91%\n")
        self.assertEqual(server.requests, [{"method": "io.odp.Control.Status", "parameters": {}}])

    def test_names_are_passed_on(self):
        server = self.serve(status(service()))
        self.works("status", "navidrome", "--json", "memos")
        self.assertEqual(server.requests[0]["parameters"], {"names": ["navidrome", "memos"]})

    def test_no_services(self):
        self.serve(status())
        self.assertEqual(self.works("status"),
                         "no services: write /etc/odp/services/NAME.ini\n")

    def test_json_is_the_parameters(self):
        parameters = {"version": "0.1.0", "services": [service(), service(reason="a\n\u001b[2J\u009b")]}
        self.serve(good(**parameters))
        text = self.works("status", "--json")
        self.assertEqual(json.loads(text), parameters)
        self.assertTrue(text.endswith("}\n"))
        self.assertNotRegex(text, "[\u0000-\u0009\u000b-\u001f\u007f-\u009f]")

    def test_nothing_steers_the_terminal(self):
        self.serve(status(service(name="a\u001b[31m", state="failed", reason="x\r\u009b2J\ny")))
        text = self.works("status")
        self.assertIn("a?[31m: x??2J?y\n", text)
        self.assertNotIn("\u001b", text)

    def terminal(self, **env):
        master, slave = pty.openpty()
        self.works("status", stdout=slave,
                   env={"ODP_RUNTIME": self.runtime, "TERM": "xterm", **env})
        os.close(slave)
        parts = []
        try:  # the kernel hands on line by line, each when it comes to it
            while part := os.read(master, 65536):
                parts.append(part)
        except OSError as e:
            self.assertEqual(e.errno, errno.EIO)  # nobody has the other end any more
        os.close(master)
        return b"".join(parts).decode()

    def test_colour_only_on_a_terminal(self):
        self.serve(status(service()))
        self.assertIn("\033[32mready\033[0m", self.terminal())
        self.assertNotIn("\033", self.terminal(NO_COLOR="1"))
        self.assertNotIn("\033", self.terminal(TERM="dumb"))
        self.assertNotIn("\033", self.works("status"))

    def test_unknown_name(self):
        def answer(request):
            if request["parameters"].get("names"):
                return error("NoSuchService", name="navidrom")
            return status(service())
        self.serve(answer)
        done = self.fails(1, "odp: no service named navidrom, is it navidrome? (odp status lists them)",
                          "status", "navidrom")
        self.assertEqual(done.stdout, "")

    def test_full_disk_and_closed_output(self):
        self.serve(status(service()))
        with open("/dev/full", "w") as full:
            self.fails(1, "No space left on device", "status", stdout=full)
        reader, writer = os.pipe()
        os.close(reader)
        self.fails(1, "Broken pipe", "status", stdout=writer)
        os.close(writer)
        done = subprocess.run(["sh", "-c", f'"{ODP}" --runtime "{self.runtime}" status >&-'],
                              stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("Bad file descriptor", done.stderr)


class Jobs(Case):
    def test_start_and_stop(self):
        server = self.serve(lambda r: good(state="ready" if "Start" in r["method"] else "stopped"))
        self.assertEqual(self.works("start", "navidrome"), "navidrome: ready\n")
        self.assertEqual(self.works("stop", "navidrome"), "navidrome: stopped\n")
        self.assertEqual([(r["method"], r["parameters"]) for r in server.requests],
                         [("io.odp.Control.Start", {"name": "navidrome", "wait": True}),
                          ("io.odp.Control.Stop", {"name": "navidrome", "wait": True})])

    def test_no_wait(self):
        server = self.serve(good(state="starting"))
        self.assertEqual(self.works("start", "--no-wait", "a"), "a: starting\n")
        self.assertEqual(server.requests[0]["parameters"], {"name": "a", "wait": False})

    def test_several_run_at_the_same_time(self):
        server = self.serve([2, good(state="ready")])
        names = [f"s{i}" for i in range(10)]
        began = time.monotonic()
        self.assertEqual(self.works("start", *names), "".join(f"{n}: ready\n" for n in names))
        self.assertLess(time.monotonic() - began, 12)
        self.assertEqual(server.connections, 10)

    def test_one_fails_and_the_others_go_on(self):
        def answer(request):
            if request["parameters"]["name"] == "b":
                return error("JobFailed", name="b", reason="exit status 7\nlook")
            return good(state="ready")
        self.serve(answer)
        done = self.fails(1, "odp: b: exit status 7?look\n", "start", "a", "b", "c")
        self.assertEqual(done.stdout, "a: ready\nc: ready\n")

    def test_refusals(self):
        for reply, message in (
            (error("NotPossible", name="x", reason="it is disabled"), "odp: x: it is disabled\n"),
            (error("JobFailed", name="x", reason="no port"), "odp: x: no port\n"),
            (error("NoSuchService", name="x"), "odp: no service named x (odp status lists them)\n"),
            (error("org.varlink.service.PermissionDenied"),
             "odp: only root and members of group odp may start services\n"),
            (error("org.varlink.service.MethodNotFound", method="m"),
             "odpd refused to start: org.varlink.service.MethodNotFound"),
            (error("NoSuchService"), "io.odp.Control.NoSuchService"),
            (error("JobFailed", name=1, reason=[]), "io.odp.Control.JobFailed"),
        ):
            with self.subTest(message=message):
                server = self.serve(reply)
                self.fails(1, message, "start", "x")
                server.close()
                os.unlink(self.path)

    def test_permission_is_said_once(self):
        self.serve(error("org.varlink.service.PermissionDenied"))
        self.fails(1, "may stop services", "stop", "a", "b", "c")

    def test_waits_longer_than_for_a_status(self):
        self.serve([11, good(state="ready")])
        self.assertEqual(self.works("start", "slow"), "slow: ready\n")

    def test_a_silent_odpd_is_given_up(self):
        self.serve([30])
        self.fails(3, "did not answer in time", "status")

    def test_request_too_long(self):
        self.serve(good(state="ready"))
        self.fails(1, "longer than odpd takes", "start", "n" * 70000)


class Check(unittest.TestCase):
    """Files that nobody means to write: each gets a clear line, and the others are checked."""

    SOUND = b"[service]\nlisten = %d\ntarget = 127.0.0.1:%d\n[backend]\ntype = none\n"

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="odp-test-")
        self.addCleanup(shutil.rmtree, self.directory)
        os.mkdir(self.path(""))
        self.n = 0

    def path(self, name):
        return os.path.join(self.directory, "services", name)

    def sound(self):
        self.n += 1
        return self.SOUND % (10000 + self.n, 20000 + self.n)

    def write(self, name, data):
        with open(self.path(name), "wb") as f:
            f.write(data)

    def check(self, *paths, **options):
        return subprocess.run([ODP, "check", *(paths or [self.directory])], capture_output=True,
                              text=True, timeout=30, check=False, stdin=subprocess.DEVNULL,
                              **options)

    def expect(self, name, line, words, n=1):
        """Named alone and in its directory, beside a sound file."""
        self.write("zz.ini", self.sound())
        for paths in ([self.path(name)], []):
            done = self.check(*paths)
            lines = done.stdout.splitlines()
            self.assertEqual((done.returncode, len(lines)), (1, n), done.stdout + done.stderr)
            self.assertTrue(lines[0].startswith(f"{self.path(name)}:{line}: "), lines[0])
            self.assertIn(words, lines[0])
            faults = f"{n} fault{'s' * (n > 1)} in 1 of "
            self.assertIn(faults, done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1)

    def test_not_utf8(self):
        self.write("a.ini", self.sound().replace(b"[backend]", b"description = caf\xe9\n[backend]"))
        self.expect("a.ini", 4, "the line is no sound UTF-8 at byte 18: save the file as UTF-8")

    def test_utf16(self):
        self.write("a.ini", self.sound().decode().encode("utf-16"))
        self.expect("a.ini", 1, "no sound UTF-8 at byte 1", n=6)

    def test_nul_bytes(self):
        self.write("a.ini", self.sound().replace(b"none", b"no\0ne"))
        self.expect("a.ini", 5, "the line holds a NUL byte: the file is no plain text")
        self.write("a.ini", b"\0" * 5000)
        self.expect("a.ini", 1, "the line holds a NUL byte: the file is no plain text")

    def test_crlf(self):
        self.write("a.ini", self.sound().replace(b"\n", b"\r\n"))
        self.expect("a.ini", 1, "CR LF: convert the file to Unix line endings")

    def test_what_is_sound_after_all(self):
        self.write("mark.ini", b"\xef\xbb\xbf" + self.sound())
        self.write("end.ini", self.sound().rstrip(b"\n"))
        self.write("not-read.ini~", b"\0")
        self.write(".hidden.ini", b"\0")
        done = self.check()
        self.assertEqual((done.returncode, done.stdout), (0, "2 files, no faults\n"))

    def test_ten_megabytes(self):
        self.write("a.ini", b"# x\n" * 2_500_000)
        self.expect("a.ini", 1, "the file is longer than 1048576 bytes")

    def test_empty(self):
        self.write("a.ini", b"")
        self.expect("a.ini", 1, "the file is empty: write [service] with `listen` and `target`")

    def test_no_regular_file(self):
        makers = {
            "this is a directory, not a file": os.mkdir,
            "this is not a regular file": os.mkfifo,
        }
        for words, make in makers.items():
            with self.subTest(words=words):
                make(self.path("a.ini"))
                self.expect("a.ini", 1, words)
                (os.rmdir if make is os.mkdir else os.unlink)(self.path("a.ini"))
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(self.path("a.ini"))
            self.expect("a.ini", 1, "this is not a regular file")
        os.unlink(self.path("a.ini"))
        os.symlink("/dev/zero", self.path("a.ini"))
        self.expect("a.ini", 1, "this is not a regular file")

    def test_links(self):
        for target, words in (("a.ini", "Too many levels of symbolic links"),
                              ("nowhere", "No such file or directory")):
            os.symlink(target, self.path("a.ini"))
            self.write("zz.ini", self.sound())
            done = self.check()
            self.assertEqual(done.stdout,
                             f"{self.path('a.ini')}:1: the file cannot be read: {words}\n")
            done = self.check(self.path("a.ini"))
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertEqual(done.stderr, f"odp: {self.path('a.ini')} cannot be read: {words}\n")
            os.unlink(self.path("a.ini"))
        self.write("real", self.sound())
        os.symlink("real", self.path("a.ini"))
        self.assertEqual(self.check().returncode, 0)

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to be somebody else")
    def test_unreadable(self):
        self.write("a.ini", self.sound())
        os.chmod(self.path("a.ini"), 0)
        self.write("zz.ini", self.sound())
        os.chmod(self.directory, 0o755)
        odp = shutil.copy(ODP, os.path.join(self.directory, "odp"))
        done = subprocess.run([odp, "check", self.directory], capture_output=True, text=True,
                              timeout=30, check=False, user=65534, group=65534, extra_groups=[])
        self.assertEqual(done.stdout,
                         f"{self.path('a.ini')}:1: the file cannot be read: Permission denied\n")
        self.assertIn("1 fault in 1 of 2 files", done.stderr)

    def test_a_hundred_thousand_faulty_lines(self):
        for line in (b"x\n", b"[\n", b"=\n", b" x\n", b"a:b\n", b"lsn=\n"):
            with self.subTest(line=line):
                self.write("a.ini", b"[service]\n" + line * 100_000)
                begin = time.monotonic()
                self.expect("a.ini", 2, "", n=1001)
                self.assertLess(time.monotonic() - begin, 10)
        last = self.check(self.path("a.ini")).stdout.splitlines()[-1]
        self.assertIn("more than 1000 faults: the rest of the file is not shown", last)

    def test_five_hundred_files(self):
        for i in range(500):
            self.write(f"s{i}.ini", self.sound())
        begin = time.monotonic()
        done = self.check()
        taken = time.monotonic() - begin
        self.assertEqual(done.stdout, "500 files, no faults\n")
        # And all of them of one address: each is told which file was first.
        for i in range(500):
            self.write(f"s{i}.ini", self.SOUND % (80, 81))
        begin = time.monotonic()
        done = self.check()
        print(f"500 files: {taken * 1000:.0f} ms, with {done.stdout.count(chr(10))} faults "
              f"{(time.monotonic() - begin) * 1000:.0f} ms", flush=True)
        self.assertIn("faults in 500 of 500 files", done.stderr)
        self.assertLess(time.monotonic() - begin, 5)
        self.assertLess(taken, 5)


if __name__ == "__main__":
    unittest.main(verbosity=2)
