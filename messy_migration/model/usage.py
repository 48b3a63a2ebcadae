"""What work costs: processor time, memory, bytes and calls."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """What a stream, or a piece of it, cost.

    Attributes:
        cpu_seconds: of user and system, of the workers.
        memory_bytes: the most that any one of the workers had.
        bytes: of the records, as they were extracted.
        calls: to an API.
    """

    cpu_seconds: float = 0.0
    memory_bytes: int = 0
    bytes: int = 0
    calls: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.cpu_seconds + other.cpu_seconds,
            max(self.memory_bytes, other.memory_bytes),
            self.bytes + other.bytes,
            self.calls + other.calls,
        )


class Counter:
    """Counts up; read and written by one process."""

    def __init__(self) -> None:
        self.count = 0


CALLS = Counter()
"""Calls that this process has made to APIs. Like its processor time, it only grows."""
