#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Takes everything; at the client's end of file says how much it was and its SHA-256. With --slow it
# reads 64 KiB, then nothing before the file --slow names exists, then the rest.

import hashlib
import os
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import common

parser = common.options()
parser.add_argument("--slow", help="path of the file that ends the pause")
args = parser.parse_args()
common.prepare(args)


def serve(connection):
    h, n = hashlib.sha256(), 0
    if args.slow:
        data = connection.recv(65536, socket.MSG_WAITALL)
        h.update(data)
        n = len(data)
        while not os.path.exists(args.slow):
            time.sleep(0.01)
    while True:
        data = connection.recv(1 << 20)
        if not data:
            break
        h.update(data)
        n += len(data)
    connection.sendall(f"{n} {h.hexdigest()}\n".encode())


common.run(common.open_listener(args), serve)
