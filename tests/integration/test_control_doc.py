#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# docs/CONTROL.md says of the control interface what odpd says of it itself and what its replies
# hold: every method, type, error and field, and no other.

import json
import os
import re
import socket
import subprocess
import sys
import unittest

from harness import DEADLINE, HOST, Case, free_port, plain_file

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


class ControlDocTest(Case):
    def setUp(self):
        self.d = self.odpd({"r": plain_file(free_port(), f"{HOST}:{free_port()}")})
        reply = self.ask("org.varlink.service.GetInterfaceDescription", interface="io.odp.Control")
        self.described = described(reply["description"])

    def ask(self, method, **parameters):
        # The harness calls methods of odp's own interface; this one is varlink's.
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(os.path.join(self.d.runtime, "control.sock"))
            s.sendall(json.dumps({"method": method, "parameters": parameters}).encode() + b"\0")
            reply = b""
            while not reply.endswith(b"\0"):
                reply += s.recv(65536)
        return json.loads(reply[:-1])["parameters"]

    def test_document_says_what_the_description_says(self):
        self.maxDiff = None
        self.assertIn("Status", self.described)
        self.assertEqual(documented(), self.described)

    def test_example_runs(self):
        with open(DOCUMENT, encoding="utf-8") as f:
            code = re.findall(r"^    (.*)", f.read(), re.M)
        code = "\n".join(code).replace("/run/odp", self.d.runtime)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                              timeout=DEADLINE, check=True)
        self.assertIn("'name': 'r'", done.stdout)

    def test_replies_hold_what_the_description_says(self):
        status = self.d.status("r")
        self.assertEqual(set(status), self.described["Service"][0])
        why = self.d.call("Why", name="r")["parameters"]
        self.assertEqual(set(why), self.described["Why"][1])
        with self.connect(int(self.d.status("r")["listen"][0])):
            clients = self.d.call("Why", name="r")["parameters"]["clients"]
        self.assertEqual(set(clients[0]), self.described["Client"][0])
        error = self.d.call("Status", names=["x"])
        self.assertEqual(error["error"], "io.odp.Control.NoSuchService")
        self.assertEqual(set(error["parameters"]), self.described["NoSuchService"][0])


if __name__ == "__main__":
    unittest.main()
