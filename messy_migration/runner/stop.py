"""SIGINT and SIGTERM: the first ends the run after the batches under way, the second at once."""

from __future__ import annotations

import os
import signal
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """While it is entered, signals are remembered instead of ending the process.

    Attributes:
        number: the signal that came, or 0.
        requested: a signal came, or `request` was called.
    """

    def __init__(self) -> None:
        self.number = 0
        self.requested = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in SIGNALS:
            try:
                self._before[number] = signal.signal(number, self._caught)
            except ValueError:
                # Only the main thread may set handlers; elsewhere the caller stops us.
                break
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def request(self) -> None:
        """Stop without a signal, because going on makes no sense."""
        self.requested = True

    def _caught(self, number: int, _frame: FrameType | None) -> None:
        if self.requested and self.number:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.number = number
        self.requested = True
