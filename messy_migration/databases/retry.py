"""How long to wait for a target that is away, busy or full, and how to wait.

A restart, a crash or a failover of the server is ridden out: what failed is done again after a
pause (exponential with full jitter, capped) until a deadline that begins with the first failure.
Only what can be done twice without harm may be done again like this.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from messy_migration.errors import TargetBusy, TargetError, TargetFull, TargetUnavailable
from messy_migration.model.event import tell
from messy_migration.model.events import DbReturned, DbUnreachable, ResourceLimit

T = TypeVar("T")

PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 4.0
TOLD_SECONDS = 2.0
"""Of a shorter wait nothing is said."""
_TICK_SECONDS = 0.1


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Retry:
    """What one process does about a target that is not there for a while.

    Attributes:
        outage: seconds from the first failure until the process gives up.
        full: the same where the target is full, since a person has to make space.
        is_stopped: once true, nothing is tried again.
    """

    outage: float = 60.0
    full: float = 600.0
    is_stopped: Callable[[], bool] = _never

    def call(self, act: Callable[[], T]) -> T:
        """What `act` returns, done again while the target is away, busy or full.

        Raises:
            TargetUnavailable, TargetBusy, TargetFull: of the last attempt.
        """
        outage = _Outage(self)
        retrying = Retrying(
            retry=retry_if_exception_type((TargetUnavailable, TargetBusy)),
            wait=wait_random_exponential(multiplier=PAUSE_SECONDS, max=LONGEST_PAUSE_SECONDS),
            stop=outage.is_over,
            sleep=self._sleep,
            reraise=True,
        )
        result = retrying(act)
        outage.end()
        return result

    def limit(self, error: TargetError) -> float:
        """Seconds until the process gives up on a failure of this kind."""
        return self.full if isinstance(error, TargetFull) else self.outage

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self.is_stopped() and (remaining := end - time.monotonic()) > 0:
            time.sleep(min(remaining, _TICK_SECONDS))


class _Outage:
    """The time from the first failure to the end of it; told once at each end.

    A single failure is not told: a connection that was cut is there again at the next attempt.
    """

    def __init__(self, retry: Retry) -> None:
        self._retry = retry
        self._began: float | None = None
        self._is_told = False

    def is_over(self, state: RetryCallState) -> bool:
        """Has the deadline passed? A longer kind of outage may follow on a shorter one."""
        error = state.outcome.exception() if state.outcome else None
        if not isinstance(error, TargetError) or self._retry.is_stopped():
            return True
        limit = self._retry.limit(error)
        if self._began is None:
            self._began = time.monotonic()
        elif limit >= TOLD_SECONDS and not self._is_told:
            self._is_told = True
            kind = ResourceLimit if isinstance(error, TargetFull) else DbUnreachable
            tell(kind(what=error.what, where=error.where, why=error.why, seconds=limit))
        return time.monotonic() - self._began >= limit

    def end(self) -> None:
        """Tell that the target answers again, if its outage was told."""
        if self._began is not None and self._is_told:
            tell(DbReturned(seconds=time.monotonic() - self._began))
