#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Gives back what it gets; after the client's end of file says "bye PID".

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import common

parser = common.options()
parser.add_argument("--exit", type=int, help="ends with this status instead of listening")
args = parser.parse_args()
common.prepare(args)
if args.exit is not None:
    common.await_turn(args)
    print("cannot open the database", file=sys.stderr)
    sys.exit(args.exit)
common.run(common.open_listener(args), common.echo)
