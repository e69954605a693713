#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The forwarder in front of a service that does not listen yet: accepts, takes what comes, resets.
# From --ready seconds on it is the service: an echo, with --greet one that speaks first, with
# --digest one that says nothing before it has all, with --http one that odpd's probes find well.

import hashlib
import os
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import common

parser = common.options()
parser.add_argument("--ready", type=float, default=1.5)
parser.add_argument("--greet", action="store_true")
parser.add_argument("--digest", action="store_true")
parser.add_argument("--http", action="store_true")
parser.add_argument("--resets", help="file that gets a line for each connection it has reset")
args = parser.parse_args()
common.prepare(args)
listener = common.open_listener(args)
ready_at = time.monotonic() + args.ready


def swallow_and_reset(connection):
    connection.settimeout(0.03)  # a dial that fails takes a moment, too
    n_bytes = 0
    try:
        n_bytes = len(connection.recv(65536))
    except TimeoutError:
        pass
    common.reset(connection)
    if args.resets:
        with open(args.resets, "a", encoding="utf-8") as f:
            f.write(f"{n_bytes}\n")


def say_digest(connection):
    h, n = hashlib.sha256(), 0
    while True:
        data = connection.recv(65536)
        if not data:
            break
        h.update(data)
        n += len(data)
    connection.sendall(f"{n} {h.hexdigest()}\n".encode())


def serve(connection):
    if time.monotonic() < ready_at:
        swallow_and_reset(connection)
        return
    if args.greet:
        connection.sendall(b"220 at your service\n")
    if args.http and b"User-Agent: odp/" in connection.recv(65536, socket.MSG_PEEK):
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
    elif args.digest:
        say_digest(connection)
    else:
        common.echo(connection)


common.run(listener, serve)
