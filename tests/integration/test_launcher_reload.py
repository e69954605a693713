#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""odp-launcher when files change, as odpd sees it: what runs keeps the settings it was started by,
what odpd has loaded is kept for a respawned launcher, and records follow renamed services."""

import os
import signal
import stat
import unittest

import test_launcher
from test_launcher import (FORGET, HEADER, LOAD, LOOK, RENAME, START, STOP, await_true, digest_of,
                           is_alive, read_text)




class ReloadTest(test_launcher.LauncherTest):
    def write(self, name, text):
        with open(self.path(f"config/services/{name}.ini"), "w", encoding="utf-8") as f:
            f.write(text)

    def file(self, name, port, *backend):
        """As service(), on a port that stays the same; returns the digest."""
        lines = "".join(f"{k} = {v}\n" for k, v in backend)
        self.write(name, f"[service]\nlisten = {port}\ntarget = 127.0.0.1:{port + 1}\n"
                         f"[backend]\n{lines}")
        self.digests[name] = digest_of(backend)
        return self.digests[name]

    def remove(self, name):
        os.unlink(self.path(f"config/services/{name}.ini"))
        self.digests.pop(name, None)

    def stored(self, name, suffix="ini"):
        return read_text(self.path(f"run/launcher/{name}.{suffix}"))

    def send_rename(self, *pairs):
        request = self.next_id
        self.next_id += 1
        for i, (old, new) in enumerate(pairs):
            raw = (old + new).encode()
            self.link.send(HEADER.pack(1, RENAME, 0, len(old), len(new), 0, request, 0,
                                       len(pairs) - 1 - i) + raw)
        return request

    def rename(self, *pairs):
        """One batch; awaits its end."""
        request = self.send_rename(*pairs)
        done = [self.report(request) for _ in pairs]
        self.assertEqual([(r.name, r.state) for r in done], [(new, "DONE") for _, new in pairs])

    def respawn(self):
        self.kill_launcher()
        self.run_launcher()

    def echo(self, word, name="ran"):
        return self.script(f"{word}.sh", f"echo {word} >>{self.path(name)}\n")


class TestKeptTexts(ReloadTest):
    def test_what_odpd_has_loaded_is_kept(self):
        self.file("a", 2000, ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.assertEqual(self.ask(LOOK, "a", digest=1).state, "STALE")
        self.assertEqual(self.stored("a"), "")
        self.expect(LOOK, "a", "INACTIVE")
        self.assertEqual(self.stored("a"), read_text(self.path("config/services/a.ini")))
        path = self.path("run/launcher/a.ini")
        before = os.stat(path)
        self.assertEqual(stat.S_IMODE(before.st_mode), 0o600)
        self.expect(LOOK, "a", "INACTIVE")
        self.expect(LOAD, "a", "DONE")
        self.respawn()
        self.expect(LOOK, "a", "INACTIVE")
        self.assertEqual(os.stat(path).st_ino, before.st_ino, "written again for nothing")
        self.write("a", read_text(self.path("config/services/a.ini")) + "# a comment\n")
        self.expect(LOAD, "a", "DONE")
        self.assertIn("a comment", self.stored("a"))

    def test_faulty_edit_and_respawn(self):
        self.file("a", 2000, ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(LOOK, "a", "INACTIVE")
        for text in ("nonsense\n", "", None):
            if text is None:
                os.unlink(self.path("config/services/a.ini"))
            else:
                self.write("a", text)
            self.respawn()
            self.expect(START, "a", "RUNNING")
            self.assertIn("1000", read_text(f"/proc/{self.pid('a')}/cmdline"))
            self.respawn()
            self.expect(LOOK, "a", "RUNNING")
            self.expect(STOP, "a", "INACTIVE")

    def test_sound_edit_that_odpd_has_not_loaded(self):
        old = self.file("a", 2000, ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(LOOK, "a", "INACTIVE")
        self.file("a", 2000, ("command", "/bin/sleep 2000"))
        self.respawn()
        self.assertEqual(self.ask(START, "a", old).state, "RUNNING")
        self.assertIn("1000", read_text(f"/proc/{self.pid('a')}/cmdline"))
        self.assertEqual(self.ask(STOP, "a", old).state, "INACTIVE")
        self.expect(START, "a", "RUNNING")
        self.assertIn("2000", read_text(f"/proc/{self.pid('a')}/cmdline"))

    def test_loaded_and_then_made_faulty(self):
        self.file("a", 2000, ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(LOOK, "a", "INACTIVE")
        self.file("a", 2000, ("command", "/bin/sleep 2000"))
        self.expect(LOAD, "a", "DONE")
        self.write("a", "nonsense\n")
        self.expect(LOAD, "a", "DONE")  # odpd reloads, and keeps what it had
        self.respawn()
        self.expect(START, "a", "RUNNING")
        self.assertIn("2000", read_text(f"/proc/{self.pid('a')}/cmdline"))

    def test_edited_once_more_before_it_was_told(self):
        self.file("a", 2000, ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(LOOK, "a", "INACTIVE")
        report = self.ask(LOAD, "a", digest=1)
        self.assertEqual((report.state, report.reason),
                         ("STALE", "a.ini is not what odpd has loaded: run odp reload"))

    def test_damaged_text_is_passed_over(self):
        self.file("a", 2000, ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(LOOK, "a", "INACTIVE")
        self.kill_launcher()
        with open(self.path("run/launcher/a.ini"), "w", encoding="utf-8") as f:
            f.write("an older odp wrote this\n")
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        self.assertEqual(self.stored("a"), read_text(self.path("config/services/a.ini")))


    def test_text_of_somebody_else_is_passed_over(self):
        """It would say which commands are run."""
        digest = self.file("a", 2000, ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(LOOK, "a", "INACTIVE")
        self.kill_launcher()
        os.chmod(self.path("run/launcher/a.ini"), 0o666)
        self.write("a", "nonsense\n")
        self.run_launcher()
        self.assertEqual(self.ask(START, "a", digest).state, "STALE")


class TestWaitingSettings(ReloadTest):
    def exec_file(self, word):
        return self.file("a", 2000, ("start", self.echo(f"start-{word}")),
                         ("stop", self.echo(f"stop-{word}")))

    def test_what_runs_is_stopped_by_its_own_command(self):
        self.exec_file("one")
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        one = self.stored("a")
        self.exec_file("two")
        self.expect(LOAD, "a", "DONE")
        self.assertEqual((self.stored("a", "old"), self.stored("a") == one), (one, False))
        self.exec_file("three")
        self.expect(LOAD, "a", "DONE")
        self.assertEqual(self.stored("a", "old"), one)
        self.expect(LOOK, "a", "RUNNING")
        self.expect(STOP, "a", "INACTIVE")
        self.expect(START, "a", "RUNNING")
        self.assertEqual(self.stored("a", "old"), "")
        self.expect(STOP, "a", "INACTIVE")
        self.assertEqual(self.lines("ran"), ["start-one", "stop-one", "start-three", "stop-three"])

    def test_across_a_respawn(self):
        self.exec_file("one")
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        self.exec_file("two")
        self.expect(LOAD, "a", "DONE")
        self.write("a", "nonsense\n")
        self.respawn()
        self.expect(LOOK, "a", "RUNNING")
        self.expect(STOP, "a", "INACTIVE")
        self.respawn()
        self.expect(START, "a", "RUNNING")
        self.expect(STOP, "a", "INACTIVE")
        self.assertEqual(self.lines("ran"), ["start-one", "stop-one", "start-two", "stop-two"])

    def test_taken_back(self):
        self.exec_file("one")
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        self.exec_file("two")
        self.expect(LOAD, "a", "DONE")
        self.exec_file("one")
        self.expect(LOAD, "a", "DONE")
        self.assertEqual(self.stored("a", "old"), "")
        self.expect(STOP, "a", "INACTIVE")
        self.assertEqual(self.lines("ran"), ["start-one", "stop-one"])

    def test_stop_that_fails_is_mended_by_the_next(self):
        self.file("a", 2000, ("start", self.echo("start")), ("stop", "/nonexistent/stop"))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        self.file("a", 2000, ("start", self.echo("start")), ("stop", self.echo("stop")))
        self.expect(LOAD, "a", "DONE")
        self.assertEqual(self.ask(STOP, "a").state, "RUNNING")
        self.expect(STOP, "a", "INACTIVE")
        self.assertEqual(self.lines("ran"), ["start", "stop"])

    def test_stop_timeout_of_what_runs(self):
        stubborn = self.script("stubborn", "trap '' TERM\necho x >>%s\n"
                               "while :; do sleep 0.05; done\n" % self.path("trapped"))
        self.file("a", 2000, ("command", stubborn), ("stop_timeout", "100ms"))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        self.await_lines("trapped", 1)
        self.file("a", 2000, ("command", stubborn), ("stop_timeout", "1h"))
        self.expect(LOAD, "a", "DONE")
        self.expect(STOP, "a", "INACTIVE", "had to be killed: it did not end within stop_timeout")

    def test_other_sections_apply_at_once(self):
        digest = self.file("a", 2000, ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        self.write("a", read_text(self.path("config/services/a.ini")) + "[idle]\ntimeout = 1h\n")
        self.assertEqual(self.ask(LOAD, "a", digest).state, "DONE")
        self.assertIn("1h", self.stored("a"))
        self.assertEqual(self.stored("a", "old"), "")


class TestRename(ReloadTest):
    def start(self, name, port):
        self.file(name, port, ("command", f"/bin/sleep {port}"))
        self.expect(START, name, "RUNNING")
        return self.pid(name)

    def move(self, old, new):
        os.rename(self.path(f"config/services/{old}.ini"), self.path(f"config/services/{new}.ini"))
        self.digests[new] = self.digests.pop(old)

    def test_record_and_output_follow(self):
        script = self.script("talk", "read line <%s\necho \"it says $line\"\nsleep 1000\n"
                             % self.path("fifo"))
        os.mkfifo(self.path("fifo"))
        self.file("a", 2000, ("command", script))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        pid = self.pid("a")
        self.move("a", "b")
        self.rename(("a", "b"))
        self.expect(LOAD, "b", "DONE")
        self.expect(LOOK, "b", "RUNNING")
        self.assertEqual(self.pid("b"), pid)
        self.assertEqual(self.files(), ["b.out", "b.pid", "lock"])
        with open(self.path("fifo"), "w", encoding="utf-8") as f:
            f.write("hello\n")
        await_true(lambda: "b: it says hello" in self.log(), "its output under its new name")
        self.respawn()
        self.expect(LOOK, "b", "RUNNING")
        self.expect(STOP, "b", "INACTIVE")
        self.assertFalse(is_alive(pid))
        self.assertEqual(sorted(os.listdir(self.path("run/launcher"))), ["b.ini", "lock"])

    def test_names_exchanged(self):
        self.run_launcher()
        pids = [self.start(name, port) for name, port in (("a", 2000), ("b", 2010), ("c", 2020))]
        for old, new in (("a", "x"), ("b", "a"), ("c", "b"), ("x", "c")):
            self.move(old, new)
        self.rename(("a", "c"), ("b", "a"), ("c", "b"))
        for name in "abc":
            self.expect(LOAD, name, "DONE")
            self.expect(LOOK, name, "RUNNING")
        self.assertEqual([self.pid(name) for name in "cab"], pids)
        self.expect(STOP, "a", "INACTIVE")
        self.assertEqual([is_alive(pid) for pid in pids], [True, False, True])

    def test_end_is_told_under_the_new_name(self):
        self.run_launcher()
        pid = self.start("a", 2000)
        self.move("a", "b")
        self.rename(("a", "b"))
        os.kill(pid, signal.SIGTERM)
        report = self.report(0)
        self.assertEqual((report.name, report.state), ("b", "INACTIVE"))

    def test_during_a_start(self):
        """The child must find its output, whatever its service is called by then."""
        self.file("a", 2000, ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(LOOK, "a", "INACTIVE")
        names = ["a", "b"]
        for _ in range(50):
            self.process.send_signal(signal.SIGSTOP)  # so that it reads both in one go
            start = self.send(START, names[0])
            self.move(*names)
            rename = self.send_rename(tuple(names))
            self.process.send_signal(signal.SIGCONT)
            self.assertEqual(self.report(rename).state, "DONE")
            report = self.report(start)
            self.assertEqual(report.state, "RUNNING", report.reason)
            names.reverse()
            self.expect(STOP, names[0], "INACTIVE")

    def test_during_commands(self):
        self.file("a", 2000, ("start", self.script("wait", f"while ! [ -e {self.path('go')} ]; do "
                                                            "sleep 0.02; done\n")),
                  ("stop", self.echo("stop")))
        self.run_launcher()
        start = self.send(START, "a")
        await_true(lambda: os.path.exists(self.path("run/launcher/a.pid")), "it runs")
        self.move("a", "b")
        self.rename(("a", "b"))
        self.assertEqual(self.files(), ["b.out", "b.pid", "b.up", "lock"])
        with open(self.path("go"), "w", encoding="utf-8"):
            pass
        self.assertEqual(self.report(start), (start, "b", "RUNNING", ""))
        self.respawn()
        self.expect(LOOK, "b", "RUNNING")
        self.expect(STOP, "b", "INACTIVE")
        await_true(lambda: self.files() == ["lock"], "nothing is left")

    def test_name_of_one_that_runs_on(self):
        """A removed service keeps its process and its record, not its name."""
        self.run_launcher()
        gone, moved = self.start("a", 2000), self.start("b", 2010)
        self.remove("a")
        self.assertEqual(self.ask(FORGET, "a").state, "DONE")
        self.move("b", "a")
        self.rename(("b", "a"))
        self.expect(LOOK, "a", "RUNNING")
        self.assertEqual(self.pid("a"), moved)
        self.assertEqual(self.pid("a.was1"), gone)
        self.expect(STOP, "a", "INACTIVE")
        self.assertTrue(is_alive(gone))
        os.kill(gone, signal.SIGTERM)
        await_true(lambda: not os.path.exists(self.path("run/launcher/a.was1.pid")), "collected")

    def test_name_of_one_that_sleeps(self):
        self.file("a", 2000, ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(LOOK, "a", "INACTIVE")
        pid = self.start("b", 2010)
        self.remove("a")
        self.move("b", "a")
        self.rename(("b", "a"))
        self.expect(LOOK, "a", "RUNNING")
        self.assertEqual((self.pid("a"), self.files()), (pid, ["a.out", "a.pid", "lock"]))

    def write_note(self, name, text):
        with open(self.path("run/launcher/" + name), "w", encoding="utf-8") as f:
            os.fchmod(f.fileno(), 0o600)
            f.write(text)

    def finish(self, note, *files):
        """A launcher was killed amid exchanging a and b; the next one finishes."""
        self.run_launcher()
        pids = [self.start("a", 2000), self.start("b", 2010)]
        self.kill_launcher()
        for old, new in (("a", "x"), ("b", "a"), ("x", "b")):
            self.move(old, new)
        for old, new in files:
            os.rename(self.path("run/launcher/" + old), self.path("run/launcher/" + new))
        self.write_note(note, "a b\nb a\n")
        self.run_launcher()
        for name in "ab":
            self.expect(LOOK, name, "RUNNING")
        self.assertEqual([self.pid("b"), self.pid("a")], pids)
        self.assertEqual(self.files(), ["a.out", "a.pid", "b.out", "b.pid", "lock"])

    def test_killed_before_the_first_file(self):
        self.finish("renames.aside")

    def test_killed_amid_the_first_step(self):
        self.finish("renames.aside", ("a.pid", "b.pid.aside"), ("a.ini", "b.ini.aside"))

    def test_killed_amid_the_second_step(self):
        self.finish("renames.back", ("a.out", "b.out.aside"), ("a.ini", "b.ini.aside"),
                    ("a.pid", "tmp"), ("b.out", "a.out"), ("b.ini", "a.ini"),
                    ("b.pid", "a.pid.aside"), ("tmp", "b.pid"))

    def test_damaged_note(self):
        self.file("a", 2000, ("command", "/bin/sleep 1000"))
        os.makedirs(self.path("run/launcher"), 0o700)
        for note in ("renames.back", "renames.aside"):
            self.write_note(note, "a ../b\n")
        self.run_launcher()
        self.expect(LOOK, "a", "INACTIVE")
        self.assertEqual(self.log().count("cannot go by"), 2)
        self.assertEqual(self.log().count("Bad message"), 2)

    def test_while_no_launcher_was_there(self):
        """odpd asks under the new name at once: the file tells whose it is."""
        self.run_launcher()
        pid = self.start("a", 2000)
        self.kill_launcher()
        self.move("a", "b")
        self.run_launcher()
        self.expect(LOOK, "b", "RUNNING")
        self.assertEqual((self.pid("b"), self.files()), (pid, ["b.out", "b.pid", "lock"]))
        self.expect(STOP, "b", "INACTIVE")
        self.assertFalse(is_alive(pid))

    def test_exchanged_while_no_launcher_was_there(self):
        self.run_launcher()
        pids = [self.start("a", 2000), self.start("b", 2010)]
        self.kill_launcher()
        for old, new in (("a", "x"), ("b", "a"), ("x", "b")):
            self.move(old, new)
        self.run_launcher()
        self.expect(LOOK, "b", "RUNNING")
        self.expect(LOOK, "a", "RUNNING")
        self.assertEqual([self.pid("b"), self.pid("a")], pids)

    def test_exchanged_files_that_odpd_has_not_loaded(self):
        self.run_launcher()
        pids = [self.start("a", 2000), self.start("b", 2010)]
        before = dict(self.digests)
        self.kill_launcher()
        for old, new in (("a", "x"), ("b", "a"), ("x", "b")):
            self.move(old, new)
        self.run_launcher()
        for name, pid in zip("ab", pids):
            self.assertEqual(self.ask(LOOK, name, before[name]).state, "RUNNING")
            self.assertEqual(self.pid(name), pid)
        self.assertEqual(self.ask(STOP, "a", before["a"]).state, "INACTIVE")
        self.assertEqual([is_alive(pid) for pid in pids], [False, True])


class TestForget(ReloadTest):
    def test_sleeping_one_goes_at_once(self):
        self.file("a", 2000, ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(LOOK, "a", "INACTIVE")
        self.remove("a")
        self.assertEqual(self.ask(FORGET, "a", 0).state, "DONE")
        self.assertEqual(os.listdir(self.path("run/launcher")), ["lock"])
        self.assertEqual(self.ask(LOOK, "a", 1).state, "FAILED")

    def test_running_one_is_looked_after(self):
        script = self.script("loud", "while :; do echo %s; sleep 0.01; done\n" % ("x" * 900))
        self.file("a", 2000, ("command", script))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        pid, digest = self.pid("a"), self.digests["a"]
        self.remove("a")
        self.assertEqual(self.ask(FORGET, "a").state, "DONE")
        n = self.log().count("\n")
        await_true(lambda: self.log().count("\n") > n + 50, "its output is read on")
        self.respawn()
        n = self.log().count("\n")
        await_true(lambda: self.log().count("\n") > n + 50, "its output is read on")
        self.assertTrue(is_alive(pid))
        # The file comes back: so does the service.
        self.file("a", 2000, ("command", script))
        self.assertEqual(self.ask(LOOK, "a", digest).state, "RUNNING")
        self.assertEqual(self.pid("a"), pid)

    def test_what_ended_goes_later(self):
        self.file("a", 2000, ("command", "/bin/sleep 1000"))
        self.file("b", 2010, ("command", "/bin/sleep 1000"))
        self.run_launcher()
        self.expect(START, "a", "RUNNING")
        pid = self.pid("a")
        self.remove("a")
        self.assertEqual(self.ask(FORGET, "a").state, "DONE")
        self.assertNotEqual(self.stored("a"), "")
        os.kill(pid, signal.SIGTERM)
        self.assertEqual(self.report(0).name, "a")
        self.expect(LOOK, "b", "INACTIVE")
        self.assertEqual(self.stored("a"), "")


if __name__ == "__main__":
    unittest.main()
