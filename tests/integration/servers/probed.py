#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A service that is up before it is well. odpd's probes get what --before names, from --ready seconds
# on (--first: from the Nth probe on; --sick: while that file is not there) what --after names.
# Everybody else is at an echo.
#
# Behaviours: a status code, a name of `odd` below, or an integer and `s`: 200 after so many seconds.

import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import common

parser = common.options()
parser.add_argument("--ready", type=float, default=0)
parser.add_argument("--first", type=int, default=0)
parser.add_argument("--sick", default="/nonexistent")
parser.add_argument("--before", default="503")
parser.add_argument("--after", default="200")
parser.add_argument("--probes", help="file that gets for each probe how many are under way, and it")
parser.add_argument("--early", help="file that gets a line for each other client that came before")
args = parser.parse_args()
common.prepare(args)
listener = common.open_listener(args)
ready_at = time.monotonic() + args.ready
lock = threading.Lock()
n_probes = n_under_way = 0


def is_well(n):
    return time.monotonic() >= ready_at and n > args.first and not os.path.exists(args.sick)


def append(path, text):
    if path:
        with lock, open(path, "a", encoding="utf-8") as f:
            f.write(text + "\n")


def send_for_ever(connection, data, begin=b""):
    connection.sendall(begin)
    while True:
        connection.sendall(data)


def send_slowly(connection, data):
    for byte in data:
        connection.sendall(bytes([byte]))
        time.sleep(0.005)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer: test\r\n\r\n"
odd = {
    "hang": lambda c: c.recv(1),  # until the other side has had enough
    "close": lambda c: None,
    "reset": common.reset,
    "half": lambda c: c.sendall(OK[:-2]),
    "garbage": lambda c: c.sendall(b"\x16\x03\x01\x02\x00 200 OK\r\n\r\n"),
    "ssh": lambda c: c.sendall(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "endless": lambda c: send_for_ever(c, b"X: y\r\n" * 100, OK[:-2]),
    "interims": lambda c: send_for_ever(c, b"HTTP/1.1 102 Processing\r\n\r\n" * 100),
    "slow": lambda c: send_slowly(c, OK + b"ok"),
    "interim": lambda c: c.sendall(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n"
                                   b"Link: </x>\r\n\r\n" + OK + b"ok"),
    "http10": lambda c: c.sendall(b"HTTP/1.0 200\nServer: old\n\nok"),
    "body": lambda c: send_for_ever(c, b"x" * 100000, OK.replace(b"2\r\n", b"9999999999\r\n")),
}


def meet(connection, behaviour):
    if behaviour in odd:
        odd[behaviour](connection)
        return
    if behaviour.endswith("s"):
        time.sleep(float(behaviour[:-1]))
        behaviour = "200"
    connection.sendall(OK.replace(b"200", behaviour.encode()) + b"ok")


def serve_probe(connection, request):
    global n_probes, n_under_way
    with lock:
        n_probes += 1
        n_under_way += 1
        n, under_way = n_probes, n_under_way
    append(args.probes, f"{under_way} {request!r}")
    try:
        connection.recv(len(request))
        meet(connection, args.after if is_well(n) else args.before)
    finally:
        with lock:
            n_under_way -= 1


def serve(connection):
    request = connection.recv(65536, socket.MSG_PEEK)
    if b"\r\nUser-Agent: odp/" in request:
        serve_probe(connection, request)
        return
    if not is_well(n_probes):
        append(args.early, "a client")
    common.echo(connection)


common.run(listener, serve)
