"""When to ask again, and how long to wait before that."""

from __future__ import annotations

import email.utils
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
)

from messy_migration.http.settings import HttpSettings

T = TypeVar("T")

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that may be gone at the next call."""


class Passing(Exception):
    """An attempt failed in a way that may pass.

    Attributes:
        why: in words, without anything of the request or the answer.
        asked: seconds that the answer asks to wait.
        tried: the number of attempts, once they are used up.
    """

    def __init__(self, why: str, asked: float = 0.0) -> None:
        super().__init__(why)
        self.why = why
        self.asked = asked
        self.tried = 1


def call(attempt: Callable[[], T], settings: HttpSettings, tries: int) -> T:
    """What `attempt` returns, tried again while it raises `Passing`.

    Raises:
        Passing: of the last attempt.
    """
    retrying = Retrying(
        retry=retry_if_exception_type(Passing),
        stop=stop_after_attempt(tries) | stop_before_delay(settings.budget),
        wait=lambda state: pause(state.attempt_number, _asked(state), settings),
        sleep=time.sleep,
        reraise=True,
    )
    try:
        return retrying(attempt)
    except Passing as error:
        error.tried = retrying.statistics["attempt_number"]
        raise


def pause(attempt: int, asked: float, settings: HttpSettings) -> float:
    """Seconds to wait after this many failed attempts.

    Full jitter: workers that failed together do not come back together, which is why it is
    also added to what the source asks for.
    """
    longest = min(settings.cap, settings.base * 2.0 ** min(attempt - 1, 32))
    return min(asked, settings.asked) + random.uniform(0, longest)  # noqa: S311 no secret


def retry_after(value: str | None) -> float:
    """Seconds that a Retry-After header asks for; 0 where it is missing, past or nonsense."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _asked(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return error.asked if isinstance(error, Passing) else 0.0
