#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# docs/CONTROL.md says of the control interface what odpd says of it itself and what its replies
# hold: every method, type, error and field, and no other.

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import unittest

from harness import DEADLINE, HOST, Case, free_port, plain_file, until

PROJECT = """
[service]
listen = {listen}
target = 127.0.0.1:{target}
[backend]
project = wiki
container = wiki-db-1
socket = /nowhere/docker.sock
"""
DOCUMENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "CONTROL.md")


def fields(text):
    return [part.partition(":")[0].strip() for part in text.split(",") if part.strip()]


def described(text):
    """{name: sets of field names}: of a method its parameters and its reply."""
    text = re.sub(r"#.*", "", text)
    found = {}
    for kind, name, rest in re.findall(r"^(type|method|error) (\w+)\s*\(([^()]*)\)", text, re.M):
        found[name] = [set(fields(rest))]
        if kind == "method":
            reply = re.search(rf"^method {name}\s*\([^()]*\)\s*->\s*\(([^()]*)\)", text, re.M)
            found[name].append(set(fields(reply[1])))
    return found


def documented():
    """The same from the document's tables: a heading, and the tables below it."""
    found, name = {}, None
    with open(DOCUMENT, encoding="utf-8") as f:
        for line in f:
            if line.startswith("### "):
                name = line[4:].strip()
                found[name] = []
            elif line.startswith("## "):
                name = None
            elif re.match(r"\| (parameter|reply|field) \|", line) and name:
                if line.startswith("| reply") and not found[name]:
                    found[name].append(set())  # a method without parameters
                found[name].append(set())
            elif name and (row := re.match(r"\| `(\w+)` \|", line)):
                found[name][-1].add(row[1])
    return {name: tables or [set()] for name, tables in found.items()}


def examples():
    """The indented blocks, each as one text."""
    with open(DOCUMENT, encoding="utf-8") as f:
        blocks = re.findall(r"(?:^    .*\n)+", f.read(), re.M)
    return ["".join(line[4:] + "\n" for line in block.splitlines()) for block in blocks]


class Grammar:
    """varlink.org's grammar of an interface: raises where the text is not of it."""

    TOKEN = re.compile(r"\s*(?:#[^\n]*\n\s*)*(->|\[\]|\[string\]|[?(),:]|[A-Za-z][A-Za-z0-9._-]*)")
    FIELD = r"[A-Za-z](?:_?[A-Za-z0-9])*"
    MEMBER = r"[A-Z][A-Za-z0-9]*"
    INTERFACE = r"[A-Za-z](?:-*[A-Za-z0-9])*(?:\.[A-Za-z0-9](?:-*[A-Za-z0-9])*)+"

    def __init__(self, text):
        self.tokens, at, text = [], 0, text.rstrip()
        while at < len(text):
            found = self.TOKEN.match(text, at)
            if not found:
                raise AssertionError(f"no token: {text[at:at + 40]!r}")
            self.tokens.append(found[1])
            at = found.end()
        self.types, self.used = set(), set()
        self.expect("interface")
        self.expect(self.INTERFACE)
        while self.tokens:
            self.member()
        if not self.used <= self.types:
            raise AssertionError(f"not defined: {self.used - self.types}")

    def expect(self, pattern):
        token = self.tokens.pop(0)
        if not re.fullmatch(pattern, token):
            raise AssertionError(f"{token} instead of {pattern}")
        return token

    def member(self):
        kind, name = self.expect("type|method|error"), self.expect(self.MEMBER)
        if kind == "type":
            self.types.add(name)
        self.struct()
        if kind == "method":
            self.expect("->")
            self.struct()

    def struct(self):
        self.expect(r"\(")
        while self.tokens[0] != ")":
            self.expect(self.FIELD)
            self.expect(":")
            self.type()
            if self.tokens[0] != ")":
                self.expect(",")
        self.expect(r"\)")

    def type(self):
        if self.tokens[0] == "?":
            self.expect(r"\?")
        while self.tokens[0] in ("[]", "[string]"):
            self.tokens.pop(0)
        name = self.expect(f"bool|int|float|string|object|{self.MEMBER}")
        if name[0].isupper():
            self.used.add(name)


class DocCase(Case):
    def begin(self, **services):
        self.d = self.odpd({"r": plain_file(free_port(), f"{HOST}:{free_port()}"), "bad": "x",
                            **services})
        reply = self.ask("org.varlink.service.GetInterfaceDescription", interface="io.odp.Control")
        self.text = reply["description"]
        self.described = described(self.text)
        # What every varlink service has is no part of odp's own description.
        self.described["GetInterfaceDescription"] = [{"interface"}, set(reply)]
        self.described["GetInfo"] = [set(), set(self.ask("org.varlink.service.GetInfo"))]

    def ask(self, method, **parameters):
        # The harness calls methods of odp's own interface; this one is varlink's.
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(os.path.join(self.d.runtime, "control.sock"))
            s.sendall(json.dumps({"method": method, "parameters": parameters}).encode() + b"\0")
            reply = b""
            while not reply.endswith(b"\0"):
                reply += s.recv(65536)
        return json.loads(reply[:-1])["parameters"]


class ControlDocTest(DocCase):
    def setUp(self):
        self.begin()

    def test_document_says_what_the_description_says(self):
        self.maxDiff = None
        self.assertIn("Status", self.described)
        self.assertEqual(documented(), self.described)

    def test_description_is_varlink(self):
        Grammar(self.text)
        for broken in (self.text.replace("string,", "strin,", 1), self.text + "type a ()",
                       self.text + "type A (x_: int)", self.text + "method A () ()",
                       self.text + "type A (b: B)"):
            with self.assertRaises((AssertionError, IndexError)):
                Grammar(broken)

    @unittest.skipUnless(shutil.which("socat"), "socat is missing: apt-get install socat")
    def test_shell_example_runs(self):
        (command,) = (e for e in examples() if "socat" in e)
        done = subprocess.run(
            ["/bin/sh", "-c", command.replace("/run/odp", self.d.runtime).replace("wiki", "r")],
            capture_output=True, text=True, timeout=DEADLINE, check=True)
        self.assertEqual(json.loads(done.stdout)["parameters"]["name"], "r")

    def test_python_example_runs(self):
        (code,) = (e for e in examples() if "import" in e)
        code = code.replace("/run/odp", self.d.runtime)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                              timeout=DEADLINE, check=True)
        self.assertIn("'name': 'r'", done.stdout)


class RepliesTest(DocCase):
    def test_replies_hold_what_the_description_says(self):
        self.begin(wiki=PROJECT.format(listen=free_port(), target=free_port()))
        status = self.d.status("r")
        self.assertEqual(set(status), self.described["Service"][0])
        why = self.d.call("Why", name="r")["parameters"]
        self.assertEqual(set(why), self.described["Why"][1])
        with self.connect(int(self.d.status("r")["listen"][0])):
            clients = until(lambda: self.d.call("Why", name="r")["parameters"]["clients"],
                            "it is accepted")
        self.assertEqual(set(clients[0]), self.described["Client"][0])
        self.assertIsNone(why["project"])
        why = self.d.call("Why", name="wiki")["parameters"]
        self.assertEqual(set(why["project"]), self.described["Project"][0])
        self.assertEqual(set(why["containers"][0]), self.described["Container"][0])
        # What the one who types has asked their engine, which is not there.
        told = json.loads(self.d.odp("why", "wiki", "--json").stdout)
        self.assertIn("cannot be asked", told["project"].pop("error"))
        self.assertEqual(told["project"], {**why["project"], "engine": "docker"})
        for reply in (told, json.loads(self.d.odp("why", "r", "--json").stdout),
                      self.d.call("Why", name="bad")["parameters"]):
            self.assertEqual(set(reply), self.described["Why"][1])
        for status in json.loads(self.d.odp("status", "--json").stdout)["services"]:
            self.assertEqual(set(status), self.described["Service"][0])
        error = self.d.call("Status", names=["x"])
        self.assertEqual(error["error"], "io.odp.Control.NoSuchService")
        self.assertEqual(set(error["parameters"]), self.described["NoSuchService"][0])


if __name__ == "__main__":
    unittest.main()
