"""Run a program to its end, and say what it and all its children took."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from messy_migration.testing.servers.postgres import Server

_PAUSE = 0.05
_KIB = 1024
_SETTLE_SECONDS = 5.0


@dataclass(frozen=True)
class Usage:
    """What a program took.

    Attributes:
        seconds: from start to end.
        cpu: seconds of all its processes.
        peak: most bytes in memory of its largest process; None where the system does not tell.
        peak_sum: the peaks of all its processes together, likewise.
        output: what it printed.
    """

    seconds: float
    cpu: float
    peak: int | None
    peak_sum: int | None
    output: str = ""


def command_beside(name: str) -> str:
    """A program that is installed beside this Python.

    Raises:
        SystemExit: it is not.
    """
    program = shutil.which(name, path=str(Path(sys.executable).parent))
    if program is None:
        sys.exit(f"{name} is not installed beside this Python: pip install . ./plugins/*")
    return program


def measured(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    fine: Collection[int] = (0,),
) -> Usage:
    """Run a program; one that fails ends the benchmark, it measures nothing.

    Args:
        command: and its arguments.
        folder: in which it runs.
        environment: variables on top of those of this process.
        fine: exit codes with which it does not fail.

    Raises:
        SystemExit: the program failed.
    """
    clean = {name: text for name, text in os.environ.items() if not name.startswith("MIGRATE_")}
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        begin = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**clean, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
        )
        watch = _Watch(process.pid)
        watch.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.ended.set()
        watch.join()
        output.seek(0)
        errors.seek(0)
        if process.returncode not in fine:
            said = (errors.read() + output.read()).decode(errors="replace").strip()
            sys.exit(f"{Path(command[0]).name} ended with {process.returncode}: {said}")
        peaks = watch.peaks.values()
        return Usage(
            seconds,
            usage.ru_utime + usage.ru_stime,
            max(peaks, default=None),
            sum(peaks) if peaks else None,
            output.read().decode(),
        )


class _Watch(threading.Thread):
    """Reads the peaks of a tree of processes until it has ended.

    What the kernel tells of ended children would do, but counts the memory of the process that
    started them.
    """

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.root = root
        self.ended = threading.Event()
        self.peaks: dict[int, int] = {}

    def run(self) -> None:
        while not self.ended.wait(_PAUSE):
            for pid in _tree(self.root):
                peak = _peak(pid)
                if peak:
                    self.peaks[pid] = max(peak, self.peaks.get(pid, 0))


def cpu_of_server(server: Server) -> float:
    """CPU seconds of a server of ours and its backends, once the last backend has ended.

    Its own helpers, as the one that writes checkpoints, live on and are not in it.
    """
    if server.cluster is None:
        return 0.0
    end = time.monotonic() + _SETTLE_SECONDS
    while _backends(server.pid) and time.monotonic() < end:
        time.sleep(_PAUSE)
    try:
        text = Path(f"/proc/{server.pid}/stat").read_text()
    except OSError:
        return 0.0
    # utime, stime, cutime and cstime; the name before them may hold blanks.
    ticks = text.rpartition(")")[2].split()[11:15]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def _backends(postmaster: int) -> list[int]:
    """Processes of the server that serve a client, or are about to end."""
    pids = []
    for pid in _children(postmaster):
        with suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
            # A process that is ending has lost its words before its seconds are added up.
            if not words or b"127.0.0.1(" in words:
                pids.append(pid)
    return pids


def _tree(root: int) -> Iterator[int]:
    yield root
    for pid in _children(root):
        yield from _tree(pid)


def _children(pid: int) -> list[int]:
    pids: list[int] = []
    with suppress(OSError):
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            with suppress(OSError):
                pids += map(int, path.read_text().split())
    return pids


def _peak(pid: int) -> int:
    with suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * _KIB
    return 0
