"""SIGINT and SIGTERM: the first ends the run after the batches under way, the second at once.

A target that does not answer must not keep a run that was told to stop: when the time for an
orderly end is over, whatever the run is waiting for is given up.
"""

from __future__ import annotations

import os
import signal
from types import FrameType, TracebackType
from typing import Any, Self

from messy_migration.errors import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM)
ORDERLY_SECONDS = 25.0
"""From the signal to the end of patience; the workers' own grace is within it."""
LAST_SECONDS = 3.0


class Overdue(BaseException):
    """The time for an orderly end is over; no handler of errors may hold this up."""


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
        self._is_overdue = False

    def __enter__(self) -> Self:
        handlers = {signal.SIGALRM: self._overdue, **dict.fromkeys(SIGNALS, self._caught)}
        for number, handler in handlers.items():
            try:
                self._before[number] = signal.signal(number, handler)
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
        if self._before:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def request(self) -> None:
        """Stop without a signal, because going on makes no sense."""
        self.requested = True

    def interrupted(self, where: str) -> Interrupted:
        """The error of a run that was told to stop, with the exit code of its signal."""
        error = Interrupted("the run was stopped", where, "", "the same command resumes it")
        error.exit_code = 128 + self.number
        return error

    def _overdue(self, _number: int, _frame: FrameType | None) -> None:
        if self._is_overdue:
            signal.signal(self.number, signal.SIG_DFL)
            os.kill(os.getpid(), self.number)
        self._is_overdue = True
        raise Overdue

    def _caught(self, number: int, _frame: FrameType | None) -> None:
        if self.requested and self.number:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.number = number
        self.requested = True
        signal.setitimer(signal.ITIMER_REAL, ORDERLY_SECONDS, LAST_SECONDS)
