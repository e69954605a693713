# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Runs under a kernel without IPv6 (uml.py loads no module for it): what becomes of bare ports, which odpd
# binds by itself, and which it gets from socket units. Says what it sees as one line of JSON.

import json
import os
import socket
import subprocess
import time
import traceback

MARK = "odp-test: "
ODP = "/odp/build/odp"
CONFIG = "/etc/odp"
FILE = """[service]
listen = {listen}
target = 127.0.0.1:{port}
[backend]
command = /usr/bin/python3 -IBS /odp/tests/integration/servers/echo.py --listen 127.0.0.1:{port}
"""
UNIT = """[Service]
Type=notify
ExecStart=/odp/build/odpd --system
FileDescriptorStoreMax=16
"""


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def call(*argv):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def echo(port):
    """What comes back. It may take a moment until the first odpd listens."""
    end = time.monotonic() + 60
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=60) as s:
                s.sendall(b"words")
                return s.recv(100).decode()
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def see():
    seen = {}
    try:
        socket.socket(socket.AF_INET6).close()
        seen["ipv6"] = "is there"
    except OSError as e:
        seen["ipv6"] = e.strerror
    write(f"{CONFIG}/services/wiki.ini", FILE.format(listen=7000, port=7001))
    seen["check"] = call(ODP, "check")

    # By itself.
    odpd = subprocess.Popen(["/odp/build/odpd", "--state", "/tmp/state"], stdin=subprocess.DEVNULL,
                            stderr=open("/tmp/log", "w", encoding="ascii"))
    seen["echo"] = echo(7000)
    seen["status"] = json.loads(call(ODP, "status", "--json"))["services"][0]["listen"]
    call(ODP, "stop", "wiki")
    odpd.terminate()
    odpd.wait()

    # By socket units.
    write("/etc/systemd/system/odpd.service", UNIT)
    seen["generate"] = call(ODP, "generate", "/run/systemd/system")
    call("systemctl", "daemon-reload")
    seen["start"] = call("systemctl", "start", "odp-wiki.socket")
    seen["echo by a unit"] = echo(7000)
    seen["sockets"] = call("ss", "-Hltn", "sport", "=", ":7000")
    seen["status by a unit"] = json.loads(call(ODP, "status", "--json"))["services"][0]["listen"]
    seen["enable"] = call(ODP, "enable", "wiki")
    seen["echo after enable"] = echo(7000)
    return seen


def main():
    seen = {}
    try:
        seen = see()
    except BaseException:  # pylint: disable=broad-except
        seen["failed"] = traceback.format_exc()
        seen["log"] = open("/tmp/log", encoding="ascii", errors="replace").read() + \
            call("journalctl", "-b", "-n", "50", "--no-pager")
    print(MARK + json.dumps(seen), flush=True)


main()
