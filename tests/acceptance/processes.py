"""What the operating system knows of the processes of a command."""

from __future__ import annotations

import subprocess
import time
from contextlib import suppress
from pathlib import Path

PATIENCE = 15.0


def descendants(run):
    """The process ids of all processes below a started command."""
    parents, below = _parents(), {run.pid}
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    return sorted(below - {run.pid})


def all_end(pids):
    """Wait until none of the processes is alive; whether that came to be."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if not set(pids) & set(_parents()):
            return True
        time.sleep(0.01)
    return False


def _parents():
    """Process id -> parent's id, of all processes that are not dead already."""
    if not Path("/proc/self/stat").exists():
        listed = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True
        )
        cells = [line.split() for line in listed.stdout.splitlines()]
        return {int(pid): int(parent) for pid, parent, state in cells if not state.startswith("Z")}
    found = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = place.read_text().rpartition(")")[2].split()[:2]
            if state not in "ZX":
                found[int(place.parent.name)] = int(parent)
    return found
