"""What a worker says of its work: events, and what the work cost, over the pipe to its run."""

from __future__ import annotations

import logging
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from multiprocessing.connection import Connection
from typing import Any, Final

from messy_migration.events import is_heard
from messy_migration.model import Receipt
from messy_migration.model.event import CHANNEL, Event
from messy_migration.model.events import BatchCommitted
from messy_migration.model.usage import CALLS, Usage
from messy_migration.workers.task import Task

_RSS_UNIT: Final = 1 if sys.platform == "darwin" else 1024


class Meter:
    """What this process used since it was asked last."""

    def __init__(self) -> None:
        self._cpu = time.process_time()
        self._calls = CALLS.count

    def read(self, size: int = 0) -> Usage:
        """The usage since the last call; `size` is in bytes."""
        cpu, calls = time.process_time(), CALLS.count
        usage = Usage(
            round(cpu - self._cpu, 6),
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT,
            size,
            calls - self._calls,
        )
        self._cpu, self._calls = cpu, calls
        return usage


def batch_committed(receipt: Receipt, partition: str, usage: Usage) -> BatchCommitted:
    """A receipt as an event.

    Args:
        receipt: that is committed.
        partition: its name.
        usage: what the batch cost.
    """
    return BatchCommitted(
        stream=receipt.stream,
        tenant=receipt.tenant,
        batch=receipt.batch_id,
        partition=partition,
        ordinal=receipt.ordinal,
        extracted=receipt.extracted,
        loaded=receipt.loaded,
        quarantined=receipt.quarantined,
        filtered=sum(receipt.filtered.values()),
        inserted=sum(part.inserted for part in receipt.tables),
        updated=sum(part.updated for part in receipt.tables),
        unchanged=sum(part.unchanged for part in receipt.tables),
        **asdict(usage),
    )


class Teller(logging.Handler):
    """A worker's end of the pipe: everything that goes to the run goes through it, one by one.

    Attributes:
        task: that the worker is at, for events that do not know where they happen.
    """

    def __init__(self, pipe: Connection) -> None:
        super().__init__()
        self.task: Task | None = None
        self._pipe = pipe

    def emit(self, record: logging.LogRecord) -> None:
        """Send the event of a log record to the run."""
        with suppress(OSError):  # the run is gone, and so is this process in a moment
            self.send(placed(record.told, self.task))  # type: ignore[attr-defined]

    def send(self, message: Any) -> None:
        """Send plain data; threads of a plugin may tell something at the same time."""
        self.acquire()
        try:
            self._pipe.send(message)
        finally:
            self.release()


def placed(event: Event, task: Task | None) -> Event:
    """The event with the stream of the task in which it happened."""
    if task is None or event.stream:
        return event
    return replace(event, stream=task.stream, tenant=task.tenant)


def tell_through(teller: Teller) -> None:
    """From now on events of this process go to its run, which logs them."""
    channel = logging.getLogger(CHANNEL)
    channel.handlers[:] = [teller]
    channel.setLevel(logging.INFO)
    channel.propagate = False


class _Collector(logging.Handler):
    def __init__(self, task: Task) -> None:
        super().__init__()
        self.events: list[Event] = []
        self._task = task

    def emit(self, record: logging.LogRecord) -> None:
        self.events.append(placed(record.told, self._task))  # type: ignore[attr-defined]


@contextmanager
def collected(task: Task) -> Iterator[list[Event]]:
    """The events of a task on another program's executor, where no pipe leads to the run.

    In the process of the run itself it hears them as they happen, and the list stays empty.
    """
    if is_heard():
        yield []
        return
    channel, collector = logging.getLogger(CHANNEL), _Collector(task)
    channel.addHandler(collector)
    channel.setLevel(logging.INFO)
    channel.propagate = False  # the run logs them
    try:
        yield collector.events
    finally:
        channel.removeHandler(collector)
        channel.propagate = True
