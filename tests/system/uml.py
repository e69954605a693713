# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A machine with a kernel of its own, for the few things that this machine's may not have: all of
# cgroup2, its memory controller above all. Debian's user-mode-linux is an ordinary process; it sees
# this machine's files, with a layer in memory over them, and runs systemd as machine.py's does. It
# is several times slower, has no network but lo, and runs one program, to its end:
#
#     lines = uml.run("inside_memory.py", limit=240)    what that has printed after uml.MARK
#
# The program is root in there, /odp/build and /odp/tests are what they are in machine.py.

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import machine

HERE = machine.HERE
MARK = "odp-test: "  # before what the program has to say
KERNEL = "linux.uml"
# Lets it run where this processor has more registers (AMX) than that kernel has room for.
REGISTERS = os.path.join(os.path.abspath(machine.BUILD), "tests", "system", "libodp-uml-registers.so")
# Said by a kernel to whom that is of no help.
TOO_MANY_REGISTERS = "ptrace set fp regs failed"
# What takes its time, and nothing in there needs.
MASKED = """dev-hugepages.mount dev-mqueue.mount sys-fs-fuse-connections.mount sys-kernel-config.mount
    sys-kernel-debug.mount sys-kernel-tracing.mount modprobe@.service modprobe@configfs.service
    modprobe@dm_mod.service modprobe@drm.service modprobe@efi_pstore.service modprobe@fuse.service
    modprobe@loop.service kmod-static-nodes.service systemd-sysusers.service
    systemd-tmpfiles-setup-dev.service systemd-tmpfiles-setup.service systemd-tmpfiles-clean.timer
    systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-logind.service
    systemd-user-sessions.service systemd-journal-flush.service systemd-ask-password-wall.path
    systemd-ask-password-console.path ldconfig.service systemd-machine-id-commit.service"""

INIT = """#!/bin/bash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
busybox insmod {overlay}
mount -t tmpfs -o mode=0755 odp-test /mnt
mkdir /mnt/fs
mknod /mnt/console c 5 1
exec {here}/boot /mnt {build} {tests} {tree}
"""

SERVICE = """[Unit]
After=dbus.socket
Wants=dbus.socket
[Service]
Type=oneshot
StandardOutput=tty
StandardError=tty
TTYPath=/dev/console
ExecStart=/usr/bin/python3 -IBS /odp/tests/system/{program}
ExecStopPost=/bin/systemctl poweroff -ff
"""


def overlay_module():
    """The module for the installed kernel; None where there is none."""
    root = "/usr/lib/uml/modules"
    for version in os.listdir(root) if os.path.isdir(root) else []:
        path = f"{root}/{version}/kernel/fs/overlayfs/overlay.ko"
        if os.path.exists(path):
            return path
    return None


def why_not():
    """What this machine lacks, None for nothing."""
    if machine.why_not():
        return machine.why_not()
    if not shutil.which(KERNEL) or not overlay_module():
        return "user-mode-linux is not installed"
    if not shutil.which("busybox"):
        return "busybox is not installed"
    return None


def skip(reason):
    print(f"system tests skipped: {reason}", file=sys.stderr, flush=True)
    raise unittest.SkipTest(reason)


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)


def prepare(directory, program):
    tree = f"{directory}/tree"
    units = f"{tree}/etc/systemd/system"
    write(f"{tree}/etc/systemd/system.conf.d/odp-test.conf", "[Manager]\nShowStatus=no\n")
    write(f"{units}/odp-test.service", SERVICE.format(program=program))
    os.makedirs(f"{units}/multi-user.target.wants")
    os.symlink("../odp-test.service", f"{units}/multi-user.target.wants/odp-test.service")
    for unit in MASKED.split():
        os.symlink("/dev/null", f"{units}/{unit}")
    write(f"{directory}/init", INIT.format(overlay=overlay_module(), here=HERE, tree=tree,
                                           build=os.path.abspath(machine.BUILD),
                                           tests=os.path.dirname(HERE)), 0o755)


def run(program, limit):
    """Runs tests/system/PROGRAM in there; returns the lines that it printed after MARK. Fails where
    that took more than `limit` seconds. Skips where there can be no such machine."""
    reason = why_not()
    if reason:
        skip(reason)
    parent = machine.cgroup_parent()
    machine.sweep(parent)
    cgroup = os.path.join(parent, f"{machine.PREFIX}{os.getpid()}")
    directory = tempfile.mkdtemp(prefix=f"{machine.PREFIX}{os.getpid()}-")

    def enter():  # in the child: it ends with us, and all that it starts with the group
        machine.libc.prctl(machine.PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        with open(f"{cgroup}/cgroup.procs", "w", encoding="ascii") as f:
            f.write("0")

    os.mkdir(cgroup)
    try:
        prepare(directory, program)
        done = subprocess.run(
            [KERNEL, "mem=1G", "rootfstype=hostfs", "rootflags=/", "ro", f"init={directory}/init",
             "quiet", "con=null", "con0=fd:0,fd:1", f"uml_dir={directory}", "umid=odp"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=limit, check=False, preexec_fn=enter,
            env={"PATH": os.environ["PATH"], "LD_PRELOAD": REGISTERS})
        output = done.stdout.decode(errors="replace").replace("\r", "")
    except subprocess.TimeoutExpired as e:
        said = (e.stdout or b"").decode(errors="replace")[-4000:]
        raise AssertionError(f"not within {limit} s:\n{said}") from None
    finally:
        machine.remove_cgroup(cgroup)
        shutil.rmtree(directory, ignore_errors=True)
    if TOO_MANY_REGISTERS in output:
        skip("user-mode-linux does not know all registers of this processor")
    lines = re.findall(rf"^{MARK}(.*)$", output, re.M)
    if not lines:
        raise AssertionError(f"it has said nothing:\n{output[-4000:]}")
    return lines
