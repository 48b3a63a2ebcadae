"""What a worker shows of itself, in memory that its parent reads also when it answers no more.

A beat comes from a thread of its own: it goes on while Python waits for a network or a lock,
and stops when the process is stopped, or when native code keeps the interpreter for itself.
"""

from __future__ import annotations

import threading
import time
from multiprocessing.context import SpawnContext
from typing import Final

from messy_migration.pipeline.halves import Span

BEAT_SECONDS: Final = 0.5


class Pulse:
    """Shared by a worker, which beats, and its parent, which counts."""

    def __init__(self, context: SpawnContext) -> None:
        # The count of beats, and the span under way.
        self._cells = context.RawArray("q", [0, 0, 0, 0])

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
        self._cells[1:] = list(span)

    def start(self) -> None:
        """Called by the worker once: beat from now on."""
        threading.Thread(target=self._beat, name="pulse", daemon=True).start()

    def _beat(self) -> None:
        while True:
            self._cells[0] += 1
            time.sleep(BEAT_SECONDS)
