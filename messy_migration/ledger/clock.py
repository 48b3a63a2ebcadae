"""The time that the ledger writes down. Nothing is decided by it: clocks jump."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """This moment in UTC, as the ledger writes times; informative only."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
