# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A service manager played by the test, as far as a restart of odpd needs one: the notify socket with
# its descriptor store, and descriptors that are passed to the next odpd. Much faster than the real
# one (tests/system has that), and what is stored can be looked at and changed on the way.

import os
import socket
import sys
import threading

from harness import Odpd, listener, until

CARRIER = "odp-carrier"
PASS = """
import fcntl, os, sys
fds, names, rest = sys.argv[1], sys.argv[2], sys.argv[3:]
fds = fds.split(",")
fds = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 3 + len(fds)) for fd in fds]
for i, fd in enumerate(fds):
    os.dup2(fd, 3 + i)
    os.close(fd)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=names)
os.execv(rest[0], rest)
"""


class Store:
    """Takes what odpd wants to have stored. `keeps` false: as with FileDescriptorStoreMax=0."""

    def __init__(self, path, keeps=True):
        self.path, self.keeps = path, keeps
        self.stored = []  # (name, descriptor)
        self.messages = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self.socket, 4096, 16)
            except OSError:
                return
            self.take(data.decode(), fds)

    def take(self, text, fds):
        self.messages.append(text)
        fields = dict(line.partition("=")[::2] for line in text.splitlines())
        if "FDSTORE" in fields and self.keeps:
            assert fields.get("FDPOLL") == "0", text
            self.stored += [(fields["FDNAME"], fd) for fd in fds]
            return
        if "FDSTOREREMOVE" in fields:
            gone = [s for s in self.stored if s[0] == fields["FDNAME"]]
            self.stored = [s for s in self.stored if s not in gone]
            fds = [*fds, *(fd for _, fd in gone)]
        for fd in fds:  # of a barrier, too: that is its answer
            os.close(fd)

    def close(self):
        self.socket.close()
        for _, fd in self.stored:
            os.close(fd)
        self.stored = []


class Manager:
    """Runs one odpd after the other over the same listening sockets and the same store."""

    def __init__(self, case, services, listens, keeps=True, limit=None):
        """`listens` maps names of services to their addresses."""
        self.case, self.limit = case, limit
        self.odpd = Odpd(case.directory(), services)
        case.addCleanup(case.finish, self.odpd)
        self.store = Store(self.odpd.path("notify"), keeps)
        case.addCleanup(self.store.close)
        self.listeners = [(name, case.closing(listener(address)))
                          for name, address in listens.items()]
        self.start()

    def start(self, ready=True):
        passed = [(name, s.fileno()) for name, s in self.listeners] + self.store.stored
        fds = [fd for _, fd in passed]
        before = [sys.executable, "-IBSc", PASS, ",".join(map(str, fds)),
                  ":".join(name for name, _ in passed)]
        if self.limit:
            before = ["prlimit", f"--nofile={self.limit}", *before]
        self.store.messages.clear()
        self.odpd.start(before, ready, pass_fds=fds,
                        env={**os.environ, "NOTIFY_SOCKET": self.store.path})
        if ready:  # the message may still be on its way
            until(lambda: not self.store.stored, "the carrier is removed from the store")

    def stop(self):
        self.case.assertEqual(self.odpd.terminate(), 0)

    def restart(self, between=None):
        self.stop()
        if between:
            between()
        self.start()

    # What lies in the store

    def carrier(self):
        found = [fd for name, fd in self.store.stored if name == CARRIER]
        self.case.assertEqual(len(found), 1)
        return found[0]

    def change(self, change, n_dropped=0):
        """The text in the carrier becomes change(text); the last messages can be dropped."""
        fd = self.carrier()
        messages = []
        store = socket.socket(fileno=os.dup(fd))
        store.setblocking(False)
        while True:
            data, fds, _, _ = socket.recv_fds(store, 16, 253)
            if not data:
                break
            messages.append((data, fds))
        store.close()
        text_fd = messages[0][1][0]
        text = os.pread(text_fd, os.fstat(text_fd).st_size, 0)
        text = change(text)
        os.ftruncate(text_fd, 0)
        os.pwrite(text_fd, text, 0)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.setblocking(False)
        for data, fds in messages[:len(messages) - n_dropped]:
            socket.send_fds(ours, [data], fds)
        for _, fds in messages:
            for one in fds:
                os.close(one)
        ours.close()
        os.dup2(theirs.fileno(), fd)
        theirs.close()
