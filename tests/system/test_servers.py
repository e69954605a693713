# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Real servers from Debian's packages behind odp, each a unit with a configuration of its own, used by
# their own clients: nginx, redis, postgresql, mosquitto, sshd and syncthing. Each is asleep at first;
# the first connection of its client wakes it and is not refused; it sleeps when the client has gone,
# and wakes again.

import json
import os
import subprocess
import time
import unittest

import machine
from harness import Background, digest
from units import UnitCase

WINDOW = 1  # seconds
IDLE = f"{WINDOW}s"
POSTGRES = "/usr/lib/postgresql"


class ServerCase(UnitCase):
    """One server: NAME.service, with its files below /tmp/NAME in the machine."""

    name, programs = "", ()

    def setUp(self):
        super().setUp()
        missing = [p for p in self.programs if self.machine.run("which", p, check=False).returncode]
        if missing:
            raise unittest.SkipTest(f"not installed: {' '.join(missing)}")
        self.home = f"/tmp/{self.name}"
        self.machine.run("mkdir", "-p", self.home)
        self.text = self.file(self.name, idle=IDLE)
        self.prepare(self.port(self.name), self.target(self.name))

    def prepare(self, port, target):
        """Writes the server's configuration and its unit."""
        raise NotImplementedError

    def begin(self):
        """odpd runs, the server does not; returns odpd."""
        d = self.odpd({self.name: self.text})
        self.assertFalse(self.is_active(self.name))
        status = d.status(self.name)
        self.assertEqual((status["state"], status["wakes"]), ("stopped", 0))
        self.assertIn(f"{self.name} is stopped", d.odp("why", self.name).stdout)
        return d

    def assert_awake(self, d, wakes):
        """What is said while a client is connected, or has just gone."""
        status = d.status(self.name)
        self.assertEqual((status["state"], status["wakes"], status["failed_wakes"]),
                         ("ready", wakes, 0))
        self.assertTrue(self.is_active(self.name))
        why = json.loads(d.odp("why", self.name, "--json").stdout)
        self.assertEqual((why["woken_by"], why["woken_from"]), ("a client", "127.0.0.1"))
        if why["connections"] == 0 and why["state"] == "ready":  # its window may have ended by now
            self.assertLessEqual(why["sleeps_in_seconds"], WINDOW)

    def await_sleep(self, d):
        self.await_unit(self.name, "inactive")
        status = d.await_state(self.name, "stopped")
        self.assertEqual((status["reason"], status["connections"], status["waiting"]),
                         (f"quiet for {IDLE}", 0, 0))
        self.assertIn(f"quiet for {IDLE}", d.odp("why", self.name).stdout)

    def stays_awake(self, d, windows=3):
        """Several windows go by; it has not slept meanwhile."""
        wakes = d.status(self.name)["wakes"]
        end = time.monotonic() + windows * WINDOW
        while time.monotonic() < end:
            self.assertEqual(d.state(self.name), "ready")
        self.assertEqual(d.status(self.name)["wakes"], wakes)
        self.assertGreaterEqual(d.status(self.name)["connections"], 1)

    def client(self, *argv, **options):
        """Runs the client; returns what it prints."""
        return self.machine.run(*argv, **options).stdout

    def spawn(self, *argv, **options):
        """Starts a client that stays; it ends with the test."""
        process = self.machine.spawn(*argv, **options)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def await_line(process, beginning):
        def read():
            while not (line := process.stdout.readline()).startswith(beginning):
                if not line:
                    raise AssertionError(f"it ended and did not say {beginning}")
        Background(read).join()

    @staticmethod
    def end(process):
        process.kill()
        process.communicate()


class TestNginx(ServerCase):
    name, programs = "nginx", ("nginx", "curl")
    large = 48 << 20

    def prepare(self, port, target):
        self.machine.write(f"{self.home}/nginx.conf", f"""
            daemon off;
            pid {self.home}/pid;
            error_log {self.home}/error.log;
            worker_processes 1;
            events {{ worker_connections 256; }}
            http {{
                access_log off;
                server {{
                    listen 127.0.0.1:{target};
                    root {self.home}/www;
                }}
            }}
            """)
        self.machine.write(f"{self.home}/www/index.html", "a real page\n")
        self.unit("nginx.service",
                  f"[Service]\nExecStart=/usr/sbin/nginx -c {self.home}/nginx.conf\n"
                  "KillSignal=SIGQUIT")
        self.url = f"http://127.0.0.1:{port}"

    def curl(self, *args):
        return self.client("curl", "-sS", "--fail", *args)

    def test_pages(self):
        d = self.begin()
        self.assertEqual(self.curl(f"{self.url}/"), "a real page\n")
        self.assert_awake(d, 1)
        self.await_sleep(d)
        # Two requests of one connection: the second makes none of its own.
        made = self.curl("-w", "%{num_connects}\\n", f"{self.url}/", f"{self.url}/index.html")
        self.assertEqual(made, "a real page\n1\na real page\n0\n")
        self.assert_awake(d, 2)
        self.assertEqual(self.curl("-o", "/dev/null", "-w", "%{http_code}", "--no-fail",
                                   f"{self.url}/none"), "404")
        self.await_sleep(d)

    def test_large_file_and_several_at_once(self):
        data = os.urandom(self.large)
        with open(self.machine.path(f"{self.home}/www/large"), "wb") as f:
            f.write(data)
        self.addCleanup(os.unlink, f.name)
        d = self.begin()
        # All of them come while it sleeps; the slow one takes longer than the window.
        fetch = f"curl -sS --fail {self.url}/large | sha256sum"
        rate = int(self.large / (3 * WINDOW))
        slow = f"curl -sS --fail --limit-rate {rate} {self.url}/large | sha256sum"
        at_once = [Background(self.client, "sh", "-c", c) for c in (slow, fetch, fetch, fetch)]
        for fetched in at_once:
            self.assertEqual(fetched.join().split()[0], digest(data))
        status = d.status("nginx")
        self.assertEqual(status["wakes"], 1)
        self.assertGreaterEqual(status["bytes_out"], 4 * self.large)
        self.await_sleep(d)


class TestRedis(ServerCase):
    name, programs = "redis", ("redis-server", "redis-cli")
    pipelined = 20000

    def prepare(self, port, target):
        # It keeps what it has been told when it is stopped in order.
        self.machine.write(f"{self.home}/redis.conf",
                           f"bind 127.0.0.1\nport {target}\ndir {self.home}\nsave 3600 1\n")
        self.unit("redis.service",
                  f"[Service]\nExecStart=/usr/bin/redis-server {self.home}/redis.conf")

    def cli(self, *args):
        return self.client("redis-cli", "-p", str(self.port("redis")), *args).strip()

    def test_values_outlive_its_sleep(self):
        d = self.begin()
        self.assertEqual(self.cli("SET", "greeting", "good morning"), "OK")
        self.assert_awake(d, 1)
        self.await_sleep(d)
        self.assertEqual(self.cli("GET", "greeting"), "good morning")
        self.assert_awake(d, 2)
        self.await_sleep(d)

    def test_pipelining(self):
        d = self.begin()
        done = self.client("sh", "-c", f"seq -f 'INCRBY sum %.0f' {self.pipelined} | redis-cli "
                           f"-p {self.port('redis')} --pipe")
        self.assertIn(f"errors: 0, replies: {self.pipelined}\n", done)
        self.assertEqual(self.cli("GET", "sum"), str(self.pipelined * (self.pipelined + 1) // 2))
        self.assert_awake(d, 1)
        self.await_sleep(d)


class TestPostgres(ServerCase):
    name, programs = "postgres", ("psql",)

    def prepare(self, port, target):
        versions = sorted(os.listdir(POSTGRES), key=float)
        bin_dir = f"{POSTGRES}/{versions[-1]}/bin"
        data = f"{self.home}/data"
        if not os.path.exists(self.machine.path(data)):
            self.machine.run("chown", "postgres:", self.home)
            self.machine.run("runuser", "-u", "postgres", "--", f"{bin_dir}/initdb", "-D", data,
                             "-A", "trust", "--no-sync", "--no-locale", "-E", "UTF8")
        # It takes its time to come up, and is not ready when it accepts: it says that it starts.
        self.unit("postgres.service", f"""
            [Service]
            Type=notify
            User=postgres
            ExecStartPre=/bin/sleep 1
            ExecStart={bin_dir}/postgres -D {data} -c port={target} -c unix_socket_directories={data}
            KillMode=mixed
            KillSignal=SIGINT
            """)
        self.text = self.file("postgres", idle=IDLE, ready=f"""
            probe = exec
            command = {bin_dir}/pg_isready -q -h 127.0.0.1 -p {self.target('postgres')}
            """)
        self.url = f"postgresql://postgres@127.0.0.1:{self.port('postgres')}/postgres"

    def psql(self, *args):
        return self.client("psql", "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", *args, self.url)

    def test_transaction_of_a_held_connection(self):
        d = self.begin()
        began = time.monotonic()
        got = self.psql("-c", "BEGIN",
                        "-c", "CREATE TABLE books (title text)",
                        "-c", "INSERT INTO books SELECT 'no ' || n FROM generate_series(1, 1000) n",
                        "-c", "COMMIT", "-c", "SELECT count(*) FROM books")
        self.assertEqual(got.strip(), "1000")
        self.assertGreater(time.monotonic() - began, 1)
        self.assert_awake(d, 1)
        self.await_sleep(d)
        self.assertEqual(self.psql("-c", "SELECT max(title) FROM books").strip(), "no 999")
        self.assert_awake(d, 2)
        self.await_sleep(d)

    def test_silent_transaction_keeps_it_awake(self):
        d = self.begin()
        client = self.spawn("psql", "-X", "-q", "-t", "-A", self.url)
        client.stdin.write("BEGIN; CREATE TABLE silent AS SELECT 7 AS n;\n"
                           "\\echo begun\n")
        client.stdin.flush()
        self.await_line(client, "begun")
        self.stays_awake(d)
        said, _ = client.communicate("COMMIT; SELECT n FROM silent;\n")
        self.assertEqual((said, client.returncode), ("7\n", 0))
        self.await_sleep(d)

    def test_killed_it_recovers_while_the_client_is_held(self):
        d = self.begin()
        self.psql("-c", "CREATE TABLE kept AS SELECT 'safe' AS t")
        self.machine.systemctl("kill", "--signal=KILL", "postgres.service")
        d.await_state("postgres", "stopped")
        self.assertEqual(self.psql("-c", "SELECT t FROM kept").strip(), "safe")
        self.assert_awake(d, 2)
        self.await_sleep(d)


class TestMosquitto(ServerCase):
    name, programs = "mosquitto", ("mosquitto", "mosquitto_pub", "mosquitto_sub")

    def prepare(self, port, target):
        self.machine.write(f"{self.home}/mosquitto.conf",
                           f"listener {target} 127.0.0.1\nallow_anonymous true\nuser root\n")
        self.unit("mosquitto.service",
                  f"[Service]\nExecStart=/usr/sbin/mosquitto -c {self.home}/mosquitto.conf")
        self.options = ["-h", "127.0.0.1", "-p", str(port), "-q", "1", "-t", "garden/door"]

    def publish(self, text):
        self.client("mosquitto_pub", *self.options, "-m", text)

    def test_publish(self):
        d = self.begin()
        self.publish("open")
        self.assert_awake(d, 1)
        self.await_sleep(d)
        self.publish("shut")
        self.assert_awake(d, 2)
        self.await_sleep(d)

    def test_subscriber_keeps_it_awake(self):
        d = self.begin()
        subscriber = self.spawn("stdbuf", "-oL", "mosquitto_sub", *self.options, "-d")
        self.await_line(subscriber, "Subscribed")
        self.assert_awake(d, 1)
        self.stays_awake(d)
        self.assertIn("1 connected", d.odp("why", "mosquitto").stdout)
        self.publish("open")
        self.await_line(subscriber, "open")
        self.assertEqual(d.status("mosquitto")["wakes"], 1)
        subscriber.kill()
        self.await_sleep(d)


class TestSsh(ServerCase):
    name, programs = "sshd", ("sshd", "ssh", "ssh-keygen")

    def prepare(self, port, target):
        self.machine.enable_user(machine.USER)
        self.machine.run("usermod", "-p", "*", machine.USER)  # no password, and not locked
        for key in ("host", "client"):
            if not os.path.exists(self.machine.path(f"{self.home}/{key}")):
                self.machine.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
                                 f"{self.home}/{key}")
        self.machine.write(f"{self.home}/sshd_config", f"""
            ListenAddress 127.0.0.1:{target}
            HostKey {self.home}/host
            AuthorizedKeysFile {self.home}/client.pub
            StrictModes no
            UsePAM no
            PasswordAuthentication no
            PidFile none
            """)
        self.unit("sshd.service", "[Service]\nRuntimeDirectory=sshd\n"
                  f"ExecStart=/usr/sbin/sshd -D -e -f {self.home}/sshd_config")
        # The key of the server behind is known for the address that clients use.
        host = self.machine.read(f"{self.home}/host.pub")
        self.machine.write(f"{self.home}/known_hosts", f"[127.0.0.1]:{port} {host}")
        self.ssh = ["ssh", "-p", str(port), "-i", f"{self.home}/client", "-o", "BatchMode=yes",
                    "-o", f"UserKnownHostsFile={self.home}/known_hosts", "-o",
                    "StrictHostKeyChecking=yes", f"{machine.USER}@127.0.0.1"]

    def test_command(self):
        d = self.begin()
        self.assertEqual(self.client(*self.ssh, "id -un"), f"{machine.USER}\n")
        self.assert_awake(d, 1)
        self.await_sleep(d)
        # Bytes in both directions, and how the command ended.
        data = os.urandom(6 << 20)
        self.addCleanup(os.unlink, self.machine.path(f"{self.home}/data"))
        with open(self.machine.path(f"{self.home}/data"), "wb") as f:
            f.write(data)
        there_and_back = subprocess.list2cmdline([*self.ssh, "cat; exit 7"])
        got = self.client("bash", "-c", f"{there_and_back} <{self.home}/data | sha256sum; "
                          "echo ${PIPESTATUS[0]}")
        self.assertEqual(got.split(), [digest(data), "-", "7"])
        self.assert_awake(d, 2)
        self.await_sleep(d)

    def test_silent_session_keeps_it_awake(self):
        d = self.begin()
        session = self.spawn(*self.ssh, "echo in; cat")
        self.await_line(session, "in")
        self.stays_awake(d)
        said, _ = session.communicate("still there\n")
        self.assertEqual((said, session.returncode), ("still there\n", 0))
        self.await_sleep(d)


class TestSyncthing(ServerCase):
    name, programs = "syncthing", ("syncthing", "curl")
    key = "a-key-of-the-test"

    def prepare(self, port, target):
        self.machine.run("chown", "-R", "nobody:", self.home)
        self.unit("syncthing.service", f"""
            [Service]
            User=nobody
            Environment=STNODEFAULTFOLDER=1 HOME={self.home}
            ExecStart=/usr/bin/syncthing serve --no-browser --no-restart --no-upgrade \
                --home={self.home} --gui-address=http://127.0.0.1:{target} --gui-apikey={self.key}
            """)
        self.url = f"http://127.0.0.1:{port}"

    def check(self):
        d = self.begin()
        page = self.client("curl", "-sS", "--fail", f"{self.url}/")
        self.assertIn("Syncthing", page)
        self.assert_awake(d, 1)
        self.await_sleep(d)
        said = self.client("curl", "-sS", "--fail", "-H", f"X-API-Key: {self.key}",
                           f"{self.url}/rest/system/ping")
        self.assertEqual(json.loads(said), {"ping": "pong"})
        self.assert_awake(d, 2)
        self.await_sleep(d)

    def test_tcp(self):
        self.check()

    def test_http(self):
        self.text = self.file("syncthing", idle=IDLE, ready="probe = http")
        self.check()
