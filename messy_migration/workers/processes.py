"""A process that works for a run, whichever way it was started.

A process from nothing is an interpreter of its own that begins in `workers.child`. It never
imports the script that called the run: a script without a guard, one that came from standard
input, or a notebook would run again in each worker.
"""

from __future__ import annotations

import mmap
import os
import pickle
import site
import subprocess
import sys
import sysconfig
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from messy_migration.workers.order import Act, Order
from messy_migration.workers.pulse import BYTES, Pulse, shared_memory

_PROGRAM: Final = "messy_migration.workers.child"
_ROOT: Final = str(Path(__file__).parents[2])


class Process(Protocol):
    """What the supervision needs of a process."""

    @property
    def sentinel(self) -> int:
        """A file descriptor that is readable once the process has ended."""
        ...

    @property
    def exitcode(self) -> int | None:
        """None while it lives; minus the number of the signal that killed it."""
        ...

    def is_alive(self) -> bool:
        """Has it not ended yet?"""
        ...

    def kill(self) -> None:
        """End it at once; of one that has ended already, nothing comes."""
        ...

    def join(self) -> None:
        """Wait until it has ended."""
        ...


class Started(NamedTuple):
    """A process, the run's end of the pipe to it, and the memory that they share."""

    process: Process
    pipe: Connection
    pulse: Pulse


class Spawned:
    """A process that was started from nothing; see `Process`."""

    def __init__(self, process: subprocess.Popen[bytes], sentinel: int) -> None:
        self.sentinel = sentinel
        self._process = process

    @property
    def exitcode(self) -> int | None:
        """See `Process`."""
        return self._process.poll()

    def is_alive(self) -> bool:
        """See `Process`."""
        return self._process.poll() is None

    def kill(self) -> None:
        """See `Process`."""
        self._process.kill()

    def join(self) -> None:
        """See `Process`."""
        self._process.wait()
        if self.sentinel >= 0:
            os.close(self.sentinel)
            self.sentinel = -1


def spawned(act: Act) -> Started:
    """Start a process from nothing: safe everywhere, and it imports all that it needs.

    Args:
        act: a function that can be found by its name, or a `partial` of one.
    """
    order = pickle.dumps(Order.of(act))
    with ExitStack() as stack:
        memory = shared_memory()
        stack.callback(os.close, memory)
        ours, theirs = Pipe()
        stack.enter_context(theirs)
        # Nobody writes there: what ends with the process is its end of this pipe.
        sentinel, life = os.pipe()
        stack.callback(os.close, life)
        files = [theirs.fileno(), memory, life]
        process = subprocess.Popen(
            [sys.executable, *_flags(), "-m", _PROGRAM, *map(str, files), str(os.getpid())],
            env=_environment(),
            stdin=subprocess.DEVNULL,
            pass_fds=files,
        )
        pulse = Pulse(mmap.mmap(memory, BYTES))
    started = Started(Spawned(process, sentinel), ours, pulse)
    with suppress(OSError):  # it is dead already, and its exit code says so
        ours.send_bytes(order)
    return started


def _flags() -> list[str]:
    """How the interpreter starts: like this one, and never with the working folder on its path."""
    flags = ["-I"] if sys.flags.isolated else ["-P"]
    return [*flags, "-X", "utf8"] if sys.flags.utf8_mode else flags


def _environment() -> dict[str, str]:
    """The variables of this process, by which the child finds this package."""
    places = {*site.getsitepackages(), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    if _ROOT in places:
        return dict(os.environ)
    path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), _ROOT)))
    return {**os.environ, "PYTHONPATH": path}
