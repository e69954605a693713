# SPDX-License-Identifier: LGPL-2.1-or-later
"""odpd from exec to READY=1, as sd_notify(3) says it; then `odp status`. Outside of any sandbox, which
would cost more than odpd does."""

import os
import signal
import socket
import statistics
import subprocess
import time

from . import meter

LIMIT_SEC = 20
N_STATUS = 5
FIRST_PORT, FIRST_TARGET = 24000, 25000


class Start:
    def __init__(self, build, folder, n_services):
        self.build, self.folder = build, folder
        (folder / "config/services").mkdir(parents=True)
        for i in range(n_services):
            (folder / ("config/services/s%d.ini" % i)).write_text(
                "[service]\nlisten = 127.0.0.1:%d\ntarget = 127.0.0.1:%d\n\n[backend]\ncommand = /bin/true %d\n"
                % (FIRST_PORT + i, FIRST_TARGET + i, i))

    def run(self, status=False):
        path = str(self.folder / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.bind(path)
            s.settimeout(LIMIT_SEC)
            begun = time.monotonic()
            odpd = subprocess.Popen(
                [self.build / "odpd", "--config", self.folder / "config", "--runtime", self.folder / "run",
                 "--state", self.folder / "state"], env={**os.environ, "NOTIFY_SOCKET": path},
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                while b"READY=1" not in s.recv(4096):
                    pass
                self.wall_ms = (time.monotonic() - begun) * 1e3
                self.cpu_ms = meter.process_clock_usec(odpd.pid) / 1e3
                if status:
                    time.sleep(0.3)  # the launcher has answered
                    self.status_ms = statistics.median(self.status() for _ in range(N_STATUS))
            finally:
                odpd.send_signal(signal.SIGTERM)
                odpd.wait(LIMIT_SEC)

    def status(self):
        begun = time.monotonic()
        subprocess.run([self.build / "odp", "--runtime", self.folder / "run", "status"], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        return (time.monotonic() - begun) * 1e3
