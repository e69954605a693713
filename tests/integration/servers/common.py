# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the servers share: their options, the record of their starts, a thread for each connection.
# Each server is a service's backend as users have them: it may take its time to listen and to stop.

import argparse
import os
import signal
import socket
import struct
import sys
import threading
import time


def options():
    p = argparse.ArgumentParser()
    p.add_argument("--listen", required=True, help="HOST:PORT or the path of a unix socket")
    p.add_argument("--delay", type=float, default=0, help="seconds before it listens")
    p.add_argument("--gate", help="file that must be there before it listens")
    p.add_argument("--stop-delay", type=float, default=0, help="seconds from SIGTERM to the end")
    p.add_argument("--stop-gate", help="file that must be there before it ends by SIGTERM")
    p.add_argument("--starts", help="file that gets a line with the pid for each start")
    p.add_argument("--child", action="store_true", help="has a child in its process group")
    return p


def await_gate(path):
    while path and not os.path.exists(path):
        time.sleep(0.005)


def await_turn(args):
    """Before it listens, or ends instead."""
    time.sleep(args.delay)
    await_gate(args.gate)


def prepare(args):
    """To be called first: records the start, says how to stop. Serves on while it is stopping."""
    def on_term(signum, frame):
        def leave():
            time.sleep(args.stop_delay)
            await_gate(args.stop_gate)
            os._exit(0)
        threading.Thread(target=leave, daemon=True).start()

    if args.stop_delay or args.stop_gate:
        signal.signal(signal.SIGTERM, on_term)
    if args.child and os.fork() == 0:
        while True:
            signal.pause()
    if args.starts:
        with open(args.starts, "a", encoding="utf-8") as f:
            f.write(f"{os.getpid()}\n")


def open_listener(args):
    await_turn(args)
    if args.listen.startswith("/"):
        s = socket.socket(socket.AF_UNIX)
        if os.path.exists(args.listen):
            os.unlink(args.listen)
        s.bind(args.listen)
    else:
        host, _, port = args.listen.rpartition(":")
        host = host.strip("[]")
        s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((host, int(port)))
    s.listen(1024)
    return s


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def handle(serve, connection):
    try:
        serve(connection)
    except OSError as e:
        print(f"a connection broke: {e}", file=sys.stderr)
    finally:
        connection.close()


def run(listener, serve):
    """serve(connection) in a thread for each, for ever. Signals wake the accepting main thread."""
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=handle, args=(serve, connection), daemon=True).start()


def echo(connection):
    """Gives everything back, and has last words after the client ended its sending side."""
    while True:
        data = connection.recv(65536)
        if not data:
            break
        connection.sendall(data)
    connection.sendall(f"bye {os.getpid()}\n".encode())
