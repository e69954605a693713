# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Runs under a kernel with all of cgroup2 (uml.py): what odp says of the memory of a unit, of a
# target, of a container that a unit runs, and of one that is a service, which takes more than it may
# have in the end. Says what it sees as one line of JSON.

import json
import os
import socket
import subprocess
import time
import traceback

MARK = "odp-test: "
SERVERS = "/odp/tests/integration/servers"
RUN = "/tmp/run"
BALLAST = 48 << 20

# A server that holds some memory, beside another one.
HEAVY = f"""[Service]
ExecStart=/usr/bin/python3 -IBSc "b = bytes([1]) * {BALLAST}; import time; time.sleep(1e9)"
[Unit]
PartOf=all.target
"""
ECHO = f"""[Service]
ExecStart=/usr/bin/python3 -IBS {SERVERS}/echo.py --listen 127.0.0.1:7001
[Unit]
PartOf=all.target
"""
TARGET = "[Unit]\nWants=echo.service heavy.service\n"
PODMAN = """[Service]
ExecStart=/usr/bin/podman run --rm --name box --network host busybox \
    /bin/sh -c "trap 'exit 0' TERM; httpd -f -p 7003 -h /www & dd if=/dev/zero of=/dev/shm/x bs=1M count=24 2>/dev/null; wait"
ExecStop=/usr/bin/podman stop --time 5 box
"""
# Takes 24 MiB, and more than its 48 once it is let: either by itself, or by a child that it misses.
# (Of its own end Docker may hear before it hears why.)
MORE = "dd if=/dev/zero of=/dev/null bs=64M count=1"
JARS = {"jar": ("podman", 7005, f"exec {MORE}"), "tin": ("docker", 7007, f"{MORE} || sleep 1; exit 5")}
JAR = ("--network", "host", "--memory", "48m", "busybox", "/bin/sh", "-c",
       "trap 'exit 0' TERM; dd if=/dev/zero of=/dev/shm/x bs=1M count=24 2>/dev/null;"
       "httpd -f -p {port} -h /www & until test -e /jar/more; do sleep 0.5; done;"
       "{more}")
JAR_FILE = """[service]
listen = {listen}
target = 127.0.0.1:{port}
[backend]
type = {engine}
container = {name}
start_timeout = 3min
[ready]
timeout = 3min
[wait]
timeout = 5min
"""
FILES = {
    "all": """[service]
listen = 7000
target = 127.0.0.1:7001
[backend]
unit = all.target
""",
    "box": """[service]
listen = 7002
target = 127.0.0.1:7003
[backend]
unit = box.service
container = box
engine = podman
start_timeout = 3min
[ready]
probe = http
timeout = 3min
[wait]
timeout = 5min
""",
    **{name: JAR_FILE.format(name=name, engine=engine, port=port, listen=port - 1)
       for name, (engine, port, _) in JARS.items()},
}
# An overlay cannot lie on the one that the machine stands on, and there is no FUSE.
STORAGE = """[storage]
driver = "vfs"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"
"""
DOCKER = '{"storage-driver": "vfs", "bridge": "none", "iptables": false, "ip6tables": false}'
CONF = '[containers]\npids_limit = 0\n[engine]\nruntime = "runc"\ncgroup_manager = "systemd"\n'


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def call(*argv):
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False)


def await_true(condition, what, limit=150):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {limit} s: {what}")


def odp(*args):
    return call("/odp/build/odp", "--runtime", RUN, *args)


def status(name):
    done = odp("status", name, "--json")
    return json.loads(done.stdout)["services"][0] if done.returncode == 0 else None


def make_image():
    root = "/tmp/image"
    write(f"{root}/www/index.html", "page")
    os.makedirs(f"{root}/bin")
    call("cp", "/usr/bin/busybox", f"{root}/bin/")
    for applet in ("sh", "httpd", "dd", "sleep", "test"):
        os.symlink("busybox", f"{root}/bin/{applet}")
    call("tar", "-C", root, "-cf", f"{root}.tar", ".")
    return call("podman", "import", f"{root}.tar", "busybox").returncode == 0


def break_jar(name, seen):
    """Makes it, wakes it, and lets it take more than it may have."""
    engine, port, more = JARS[name]
    os.mkdir(f"/tmp/{name}")
    seen[f"{name} made"] = call(engine, "create", "--name", name, "--volume", f"/tmp/{name}:/jar",
                                *(word.format(port=port, more=more) for word in JAR)).stderr
    seen[f"{name} answer"] = talk(port - 1, b"GET / HTTP/1.0\r\n\r\n").decode()
    seen[name] = memory_of(name, 24 << 20)
    write(f"/tmp/{name}/more", "")
    await_true(lambda: status(name)["state"] == "stopped", f"{name} is broken")
    seen[f"{name} reason"] = status(name)["reason"]
    seen[f"{name} why"] = odp("why", name).stdout


def prepare():
    write("/etc/containers/containers.conf", CONF)
    write("/etc/containers/storage.conf", STORAGE)
    write("/etc/docker/daemon.json", DOCKER)
    for engine in ("containers", "docker", "containerd"):
        os.makedirs(f"/var/lib/{engine}", exist_ok=True)
        call("mount", "-t", "tmpfs", "odp-test", f"/var/lib/{engine}")
    for name, text in {"echo.service": ECHO, "heavy.service": HEAVY, "all.target": TARGET,
                       "box.service": PODMAN}.items():
        write(f"/etc/systemd/system/{name}", text)
    for name, text in FILES.items():
        write(f"/tmp/config/services/{name}.ini", text)
    call("systemctl", "daemon-reload")
    call("systemctl", "start", "podman.socket", "docker.service")
    call("systemd-run", "--quiet", "--unit=odpd.service", "--service-type=exec",
         "--property=KillMode=process", "--property=StandardError=append:/tmp/log",
         "/odp/build/odpd", "--config", "/tmp/config", "--runtime", RUN, "--state", "/tmp/state",
         "--log-level", "debug")
    await_true(lambda: (s := status("all")) and s["state"] == "stopped", "odpd listens")


def talk(port, question, answer=None):
    """Returns what is said until the end, or until `answer` is among it."""
    said = b""
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(question)
        while part := s.recv(4096):
            said += part
            if answer and answer in said:
                break
    return said


def memory_of(name, at_least):
    """Its status, once it uses that much."""
    return await_true(lambda: (s := status(name))["memory_bytes"] is not None and
                      s["memory_bytes"] >= at_least and s, f"{name} uses {at_least}: {status(name)}")


def see():
    seen = {"controllers": open("/sys/fs/cgroup/cgroup.controllers", encoding="ascii").read()}
    prepare()
    seen["image"] = make_image()
    seen["echo"] = talk(7000, b"x", b"x").decode()
    seen["all"] = memory_of("all", BALLAST)
    seen["table"] = odp("status", "all").stdout
    seen["why"] = odp("why", "all").stdout
    odp("stop", "all")
    time.sleep(1)  # what it saves is counted
    seen["all asleep"] = status("all")
    seen["why asleep"] = odp("why", "all").stdout
    seen["box answer"] = talk(7002, b"GET / HTTP/1.0\r\n\r\n").decode()
    seen["box"] = memory_of("box", 24 << 20)
    odp("stop", "box")
    seen["box asleep"] = status("box")
    break_jar("jar", seen)
    call("docker", "import", "/tmp/image.tar", "busybox")
    break_jar("tin", seen)
    with open("/tmp/state/ledger", encoding="ascii") as f:
        seen["ledger"] = f.read()
    return seen


try:
    result = see()
except BaseException:  # pylint: disable=broad-exception-caught
    log = open("/tmp/log", encoding="utf-8").read()[-3000:] if os.path.exists("/tmp/log") else ""
    result = {"failed": traceback.format_exc(), "log": log}
print(MARK + json.dumps(result), flush=True)
