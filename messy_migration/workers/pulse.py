"""What a worker shows of itself, in memory that its run reads also when it answers no more.

A beat comes from a thread of its own: it goes on while Python waits for a network or a lock,
and stops when the process is stopped, or when native code keeps the interpreter for itself.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from array import array
from typing import Any, Final

from messy_migration.pipeline.halves import Span

BEAT_SECONDS: Final = 0.5
CELLS: Final = 4
"""Numbers of 64 bits: the count of beats, and the span under way."""
BYTES: Final = 8 * CELLS


def shared_memory() -> int:
    """A file descriptor of `BYTES` zeros, for two processes to map; the caller closes it."""
    if hasattr(os, "memfd_create"):
        memory = os.memfd_create("messy-migration pulse", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            memory = os.dup(file.fileno())
    os.ftruncate(memory, BYTES)
    return memory


class Pulse:
    """Shared by a worker, which beats, and its run, which counts."""

    def __init__(self, memory: Any) -> None:
        """Args: memory: of `CELLS` numbers, which both processes have."""
        self._memory = memory
        self._cells = memoryview(memory).cast("B").cast("q")

    @property
    def beats(self) -> int:
        """How often the worker has shown that it lives."""
        return int(self._cells[0])

    @property
    def span(self) -> Span:
        """The rows that the worker is at; none of the next batch while it extracts that."""
        return Span(*self._cells[1:])

    def at(self, span: Span) -> None:
        """Called by the worker: these rows come next."""
        # Copied at once: a worker may die at any moment, and half a span names the wrong rows.
        self._cells[1:] = memoryview(array("q", span))

    def start(self) -> None:
        """Called by the worker once: beat from now on."""
        threading.Thread(target=self._beat, name="pulse", daemon=True).start()

    def _beat(self) -> None:
        while True:
            self._cells[0] += 1
            time.sleep(BEAT_SECONDS)
