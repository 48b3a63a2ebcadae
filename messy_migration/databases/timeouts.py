"""End a statement that takes longer than its caller will wait."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

_LEAST = 1
_STEPS = 10_000


@contextmanager
def limit_time(connection: Connection, kind: str, seconds: float | None) -> Iterator[None]:
    """Let no statement on a connection take longer; it ends with an error of the driver.

    A kind of database that offers no such limit is asked for nothing: whoever compares looks at
    the clock between two statements anyway.

    Args:
        connection: inside a transaction.
        kind: of the database, as its dialect is named.
        seconds: that are left, or None for no limit.
    """
    if seconds is None:
        yield
        return
    milliseconds = max(_LEAST, int(seconds * 1000))
    if kind == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {milliseconds}")
        yield
        # After an error the caller's savepoint brings back what was set before.
        connection.exec_driver_sql("SET LOCAL statement_timeout = DEFAULT")
        return
    raw: Any = connection.connection.driver_connection
    if kind != "sqlite" or raw is None:
        yield
        return
    end = time.monotonic() + seconds
    raw.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    try:
        yield
    finally:
        raw.set_progress_handler(None, 0)
