# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A disk that has died: a FUSE file system of which nobody answers a question, as linux/fuse.h has
# them. Who looks at what is in there hangs until this ends. Says so to systemd when it is mounted.
#
#     dead_disk.py DIRECTORY

import ctypes
import os
import signal
import socket
import stat
import sys

FUSE = "/dev/fuse"


def tell_systemd():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.connect(os.environ["NOTIFY_SOCKET"])
        s.send(b"READY=1")


def main():
    directory = sys.argv[1]
    if not os.path.exists(FUSE):
        os.mknod(FUSE, stat.S_IFCHR | 0o600, os.makedev(10, 229))
    fd = os.open(FUSE, os.O_RDWR)
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0"
    if libc.mount(b"dead", directory.encode(), b"fuse", 0, options.encode()) < 0:
        sys.exit(f"mount: {os.strerror(ctypes.get_errno())}")
    tell_systemd()
    signal.pause()


if __name__ == "__main__":
    main()
