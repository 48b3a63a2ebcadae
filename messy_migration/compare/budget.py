"""How much of what differs is looked at, and how far a comparison has come against that."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import Connection

from messy_migration.databases.timeouts import limit_time
from messy_migration.errors import TargetError

T = TypeVar("T")


class TimeUp(TargetError):
    """The time that the user allowed for a comparison is over."""


@dataclass(frozen=True)
class Budget:
    """How much is looked at.

    Attributes:
        limit: differences of a table that are listed; all are counted.
        stop_after: differences of all tables after which nothing more is looked at, or None.
        seconds: after which the same, or None.
        show_values: list values too, not only keys, columns and rules.
    """

    limit: int = 50
    stop_after: int | None = None
    seconds: float | None = None
    show_values: bool = False


@dataclass
class Progress:
    """How far a comparison has come against its budget.

    Attributes:
        budget: of all its tables.
        begin: when it began, of the monotonic clock.
        found: differences so far.
    """

    budget: Budget = field(default_factory=Budget)
    begin: float = field(default_factory=time.monotonic)
    found: int = 0

    def left(self) -> float | None:
        """Seconds that are left, or None without a limit."""
        if self.budget.seconds is None:
            return None
        return self.budget.seconds - (time.monotonic() - self.begin)

    def late(self) -> str:
        """That the time is over, in words; empty if it is not."""
        remaining = self.left()
        return (
            ""
            if remaining is None or remaining > 0
            else f"the {self.budget.seconds:g} seconds are over"
        )

    def over(self) -> str:
        """Why nothing more may be looked at; empty if it may."""
        late = self.late()
        if late:
            return f"not looked at: {late}"
        if self.budget.stop_after is not None and self.found >= self.budget.stop_after:
            return f"not looked at: {self.found:,} differences were found before"
        return ""

    def rest(self, most: int) -> int:
        """How many differences of one more table may be looked at, `most` without a limit."""
        if self.budget.stop_after is None:
            return most
        return min(most, max(1, self.budget.stop_after - self.found))

    def check(self, where: str = "") -> None:
        """Go on only while there is time.

        Raises:
            TimeUp: there is none left.
        """
        late = self.late()
        if late:
            raise TimeUp(late, where)

    def watched(self, steps: Iterable[T]) -> Iterator[T]:
        """The items, while there is time.

        Raises:
            TimeUp: there is none left.
        """
        for step in steps:
            self.check()
            yield step

    @contextmanager
    def limited(self, connection: Connection, kind: str) -> Iterator[None]:
        """Let no statement take longer than what is left, behind a savepoint of its own.

        Args:
            connection: inside a transaction.
            kind: of the database, as its dialect is named.

        Raises:
            TimeUp: a statement was ended.
        """
        remaining = self.left()
        if remaining is None:
            yield
            return
        try:
            with connection.begin_nested(), limit_time(connection, kind, remaining):
                yield
        except TargetError as error:
            if self.late():
                raise TimeUp(self.late(), error.where) from error
            raise
