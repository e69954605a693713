# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A few words of D-Bus, spoken to the booted systemd on its private socket. systemctl, started in the
# machine, takes a hundred times as long for one property, and tests ask for many.
#
# What is not needed is not here: arguments are strings and numbers, replies one value of a basic type.

import struct
import threading

MANAGER = "org.freedesktop.systemd1"
ROOT = "/org/freedesktop/systemd1"
CALL, ERROR = 1, 3  # kinds of messages
PATH, INTERFACE, MEMBER, ERROR_NAME, REPLY_SERIAL, SIGNATURE = 1, 2, 3, 4, 5, 8  # header fields
# By type: struct's code and the size, which is the alignment, too.
NUMBERS = {"y": ("B", 1), "n": ("h", 2), "q": ("H", 2), "i": ("i", 4), "u": ("I", 4),
           "x": ("q", 8), "t": ("Q", 8), "d": ("d", 8)}
UNSET = 2**64 - 1
NO_PROPERTY = ("org.freedesktop.DBus.Error.UnknownProperty",
               "org.freedesktop.DBus.Error.UnknownInterface")


class Error(Exception):
    """The reply is an error; its D-Bus name is the message."""


class Unreadable(Exception):
    """A value of a type that is not read here."""


class Writer:
    def __init__(self):
        self.data = bytearray()

    def align(self, n):
        self.data += bytes(-len(self.data) % n)

    def string(self, text):
        self.align(4)
        self.data += struct.pack("<I", len(text.encode())) + text.encode() + b"\0"

    def argument(self, value):
        if isinstance(value, int):
            self.align(4)
            self.data += struct.pack("<i", value)
        else:
            self.string(value)

    def field(self, code, kind, value):
        self.align(8)
        self.data += bytes((code, 1)) + kind.encode() + b"\0"
        if kind == "g":
            self.data += bytes((len(value),)) + value.encode() + b"\0"
        else:
            self.string(value)


class Reader:
    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def take(self, n, align=1):
        start = self.at + -self.at % align
        self.at = start + n
        return self.data[start:self.at]

    def value(self, kind):
        if kind in ("s", "o"):
            text = self.take(struct.unpack("<I", self.take(4, 4))[0])
            self.take(1)
            return text.decode()
        if kind == "g":
            text = self.take(self.take(1)[0])
            self.take(1)
            return text.decode()
        if kind == "b":
            return bool(struct.unpack("<I", self.take(4, 4))[0])
        if kind == "v":
            return self.value(self.value("g"))
        if kind not in NUMBERS:
            raise Unreadable(kind)
        code, size = NUMBERS[kind]
        return struct.unpack("<" + code, self.take(size, size))[0]


class Bus:
    """One connection, made anew after systemd has closed it. `connect` returns a connected socket."""

    def __init__(self, connect):
        self.connect_socket = connect
        self.socket = self.input = None
        self.serial = 0
        self.lock = threading.Lock()

    def call(self, path, interface, member, *arguments):
        """Returns the reply's first value, None for an empty reply."""
        with self.lock:
            return self.exchange(self.message(path, interface, member, arguments))

    def exchange(self, message):
        again = self.socket is not None  # what stood before may have been closed since
        while True:
            try:
                self.connect()
                self.socket.sendall(message)
                return self.reply()
            except OSError:
                self.close()
                if not again:
                    raise
                again = False

    def connect(self):
        if self.socket:
            return
        self.socket = self.connect_socket()
        self.socket.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")
        self.input = self.socket.makefile("rb")
        for wanted in b"DATA", b"OK ":
            line = self.input.readline()
            if not line.startswith(wanted):
                raise ConnectionError(f"systemd refuses: {line}")

    def close(self):
        if self.socket:
            self.input.close()
            self.socket.close()
            self.socket = None

    def message(self, path, interface, member, arguments):
        self.serial += 1
        body, fields = Writer(), Writer()
        for argument in arguments:
            body.argument(argument)
        fields.field(PATH, "o", path)
        fields.field(INTERFACE, "s", interface)
        fields.field(MEMBER, "s", member)
        if arguments:
            kinds = ("i" if isinstance(a, int) else "s" for a in arguments)
            fields.field(SIGNATURE, "g", "".join(kinds))
        head = struct.pack("<cBBBIII", b"l", CALL, 0, 1, len(body.data), self.serial, len(fields.data))
        fields.align(8)
        return head + fields.data + body.data

    def exactly(self, n):
        data = self.input.read(n)
        if len(data) < n:
            raise ConnectionResetError("systemd has closed the connection")
        return data

    def reply(self):
        """Signals come between, and are passed over."""
        while True:
            head = self.exactly(16)
            _, kind, _, _, n_body, _, n_fields = struct.unpack("<cBBBIII", head)
            data = head + self.exactly(n_fields + -n_fields % 8)
            fields = self.fields(Reader(data, 16), 16 + n_fields)
            body = self.exactly(n_body)
            if fields.get(REPLY_SERIAL) != self.serial:
                continue
            if kind == ERROR:
                raise Error(fields[ERROR_NAME])
            kinds = fields.get(SIGNATURE, "")
            return Reader(body).value(kinds) if kinds else None

    @staticmethod
    def fields(reader, end):
        found = {}
        while reader.at < end:
            code = reader.take(1, 8)[0]
            found[code] = reader.value("v")
        return found

    # What systemd is asked

    def manager(self, member, *arguments):
        return self.call(ROOT, f"{MANAGER}.Manager", member, *arguments)

    def attempt(self, member, *arguments):
        """The same, where it does not matter whether it can be done."""
        try:
            self.manager(member, *arguments)
        except Error:
            pass

    def is_loaded(self, unit):
        """Whether systemd has it in memory, be it only because another unit names it."""
        try:
            return bool(self.manager("GetUnit", unit))
        except Error as e:
            if str(e) != f"{MANAGER}.NoSuchUnit":
                raise
            return False

    def get(self, unit, name):
        """A property of the unit, as systemctl shows it. Raises Unreadable for what is not shown as
        it is sent."""
        path = self.manager("LoadUnit", unit)
        value = None
        for interface in "Unit", unit.rpartition(".")[2].capitalize():
            try:
                value = self.call(path, "org.freedesktop.DBus.Properties", "Get",
                                  f"{MANAGER}.{interface}", name)
            except Error as e:
                if str(e) not in NO_PROPERTY:
                    raise
        if value is None or name.endswith(("USec", "Timestamp")) or value == UNSET:
            raise Unreadable(name)
        return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
