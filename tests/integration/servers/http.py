#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Answers each HTTP request with its first line and the pid, and closes.

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import common


def serve(connection):
    request = b""
    while b"\r\n\r\n" not in request:
        data = connection.recv(65536)
        if not data:
            return
        request += data
    body = request.split(b"\r\n")[0] + b" %d\n" % os.getpid()
    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
                       % (len(body), body))


options = common.options().parse_args()
common.prepare(options)
common.run(common.open_listener(options), serve)
