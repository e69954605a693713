#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Speaks first, as mail and ssh servers do, then is an echo.

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import common

args = common.options().parse_args()
common.prepare(args)


def serve(connection):
    connection.sendall(b"220 at your service\n")
    common.echo(connection)


common.run(common.open_listener(args), serve)
