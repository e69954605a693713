# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rows of cells as a Markdown table, and the facts that stand above each."""

import datetime
import os
import platform
import re
import shlex
import sys
from pathlib import Path


def lines(rows):
    """The first row is the head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    text = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return text


def cpu_model():
    text = Path("/proc/cpuinfo").read_text()
    found = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1) if found else platform.machine()


def facts(command):
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text()).group(1)) / 1024 / 1024
    return {
        "date": datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %z"),
        "command": shlex.join([command, *sys.argv[1:]]),
        "machine": "%s, %d cores, %.1f GiB, Linux %s %s"
                   % (cpu_model(), os.cpu_count(), memory, platform.release(), platform.machine()),
    }
