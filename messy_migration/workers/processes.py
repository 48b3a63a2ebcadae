"""A process that works for a run, whichever way it was started."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import NamedTuple, Protocol

from messy_migration.workers.pulse import CELLS, Pulse

Act = Callable[[Connection, Pulse, int], None]
"""What a process does, given its end of a pipe, its pulse, and the process that started it."""


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


def spawned(act: Act) -> Started:
    """Start a process from nothing: safe everywhere, and it imports all that it needs.

    Args:
        act: a function that can be found by its name, or a `partial` of one.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    pulse = Pulse(context.RawArray("q", CELLS))
    process = context.Process(target=act, args=(theirs, pulse, os.getpid()))
    process.start()
    theirs.close()
    return Started(process, ours, pulse)
