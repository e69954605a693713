#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Sends bytes that are no two times the same, --mib of them, and then the connection's end. Whoever
# wants to check them has blocks() make them, too.

import hashlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import common

MIB = 1 << 20


def blocks(mib):
    base = hashlib.shake_256(b"odp").digest(MIB - 32)
    for i in range(mib):
        yield hashlib.sha256(str(i).encode()).digest() + base[i % 251:] + base[:i % 251]


def serve(connection):
    for block in blocks(args.mib):
        connection.sendall(block)


if __name__ == "__main__":
    parser = common.options()
    parser.add_argument("--mib", type=int, default=1)
    args = parser.parse_args()
    common.prepare(args)
    common.run(common.open_listener(args), serve)
