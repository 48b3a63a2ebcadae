"""Faults that the sandbox can be told to show, and on which calls."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Literal

Kind = Literal[
    "status",
    "hang",
    "reset",
    "truncated",
    "html",
    "empty",
    "envelope",
    "duplicate_key",
    "not_a_number",
]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, on the calls that all its conditions fit.

    Attributes:
        kind: `status` answers with `status`; `hang` stays silent for `seconds`; `reset` breaks
            the connection in the middle of the body, `truncated` ends the JSON early; `html` is
            a page with status 200, `empty` nothing with 200, `envelope` an object that no
            endpoint gives; `duplicate_key` and `not_a_number` are JSON that nobody should take.
        status: of the answer, where the kind is `status`.
        path: the beginning of the path; empty for all.
        tenant: only calls of that tenant; empty for all.
        above_top: only calls that ask for more records than this.
        every: each so many-th of those calls; 0 for all of them.
        calls: these of those calls, counted from 1; empty for all of them.
        per_minute: only calls beyond so many in the last 60 seconds.
        times: at most so often; 0 for no limit.
        retry_after: for 429 and 503: seconds to wait, written as a number or a date.
        as_date: write `retry_after` as an HTTP date.
        seconds: how long a hang takes, unless the client gives up before.
    """

    kind: Kind = "status"
    status: int = 503
    path: str = ""
    tenant: str = ""
    above_top: int = 0
    every: int = 0
    calls: tuple[int, ...] = ()
    per_minute: int = 0
    times: int = 0
    retry_after: int | None = None
    as_date: bool = False
    seconds: float = 60.0

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The header that says when to come again, if the fault has one."""
        if self.retry_after is None:
            return []
        text = str(self.retry_after)
        if self.as_date:
            moment = datetime.now(UTC) + timedelta(seconds=self.retry_after)
            text = format_datetime(moment, usegmt=True)
        return [(b"retry-after", text.encode())]


@dataclass
class _Tally:
    calls: int = 0
    shown: int = 0
    recent: deque[float] = field(default_factory=deque)


class Faults:
    """The faults that are set, and how often each has been shown."""

    def __init__(
        self, faults: tuple[Fault, ...] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self.set(faults)

    def set(self, faults: tuple[Fault, ...]) -> None:
        """Show these from now on, and count from the beginning."""
        self._faults = [(fault, _Tally()) for fault in faults]

    def strike(self, path: str, tenant: str, top: int) -> Fault | None:
        """The first fault that this call meets."""
        for fault, tally in self._faults:
            if not path.startswith(fault.path) or fault.tenant not in ("", tenant):
                continue
            if top <= fault.above_top and fault.above_top:
                continue
            tally.calls += 1
            if self._hits(fault, tally):
                tally.shown += 1
                return fault
        return None

    def _hits(self, fault: Fault, tally: _Tally) -> bool:
        if fault.times and tally.shown >= fault.times:
            return False
        if fault.every and tally.calls % fault.every:
            return False
        if fault.calls and tally.calls not in fault.calls:
            return False
        if fault.per_minute:
            now = self._clock()
            tally.recent.append(now)
            while tally.recent[0] <= now - 60:
                tally.recent.popleft()
            return len(tally.recent) > fault.per_minute
        return True
