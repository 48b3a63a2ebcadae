"""The listeners of events: the run, and the observers that the run tells.

An observer is somebody else's code. Each has a thread of its own in the process of the run, and
so has none of them a way to hold a batch up, or another observer. One that hangs is told nothing
more; at the end of a command all of them together get `END_SECONDS`.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from messy_migration.model.event import CHANNEL, Event

CALL_SECONDS: Final = 10.0
"""An observer that takes longer over one event is told nothing more."""
END_SECONDS: Final = 0.7
"""That the end of a command waits for observers to hear what is left."""
MOST: Final = 1_000
"""Events that wait for one observer; what comes beyond is left out, and said so."""

_log = logging.getLogger(__name__)


class _Filter(logging.Filter):
    """Before any log line is written: who listens may change the event, or drop it."""

    def __init__(self, hear: Callable[[Event], Event | None]) -> None:
        super().__init__()
        self._hear = hear

    def filter(self, record: logging.LogRecord) -> bool:
        event = getattr(record, "told", None)
        if not isinstance(event, Event):
            return True
        heard = self._hear(event)
        if heard is None:
            return False
        record.told = heard
        record.args = (heard.text,)
        return True


@contextmanager
def listening(hear: Callable[[Event], Event | None]) -> Iterator[None]:
    """Until the block ends, every event of this process goes through `hear` before it is logged.

    Args:
        hear: gives the event as it is to be logged, or None if it says nothing new. It may be
            called by any thread.
    """
    channel, listener = logging.getLogger(CHANNEL), _Filter(hear)
    channel.setLevel(logging.INFO)
    channel.addFilter(listener)
    try:
        yield
    finally:
        channel.removeFilter(listener)


def is_heard() -> bool:
    """Whether a run listens to events in this process."""
    return any(isinstance(one, _Filter) for one in logging.getLogger(CHANNEL).filters)


class _Observer:
    """One observer, its thread, and what it has not heard yet."""

    def __init__(self, name: str, call: Callable[[Event], object]) -> None:
        self.name = name
        self._call = call
        self._waiting: queue.Queue[Event | None] = queue.Queue(MOST)
        self._began = 0.0
        self._thread: threading.Thread | None = None
        self._left_out = 0
        self._is_over = False

    def put(self, event: Event) -> None:
        if self._is_over:
            return
        if self._began and time.monotonic() - self._began > CALL_SECONDS:
            self._is_over = True
            _log.warning("observer %s hangs, and is told nothing more", self.name)
            return
        try:
            self._waiting.put_nowait(event)
        except queue.Full:
            self._left_out += 1
        if self._thread is None:
            # No thread that must be waited for: a process ends though an observer hangs.
            self._thread = threading.Thread(target=self._work, name=self.name, daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while (event := self._waiting.get()) is not None:
            self._began = time.monotonic()
            try:
                self._call(event)
            except BaseException as error:  # noqa: BLE001 - an observer fails nobody but itself
                _log.warning("observer %s failed at %s: %s", self.name, event.name, error)
            self._began = 0.0

    def close(self, deadline: float) -> None:
        if self._thread is None:
            return
        with suppress(queue.Full):
            self._waiting.put_nowait(None)
        if not self._is_over:
            self._thread.join(max(deadline - time.monotonic(), 0.0))
            if self._thread.is_alive():
                _log.warning("observer %s did not hear of everything before the end", self.name)
        if self._left_out:
            _log.warning("observer %s was too slow for %d events", self.name, self._left_out)


class Observers:
    """The observers of a command."""

    def __init__(self, names: Sequence[str], call: Callable[[str, Event], object]) -> None:
        """Args: names: of the observers; call: tells one of them, in a thread of its own."""

        def calling(name: str) -> Callable[[Event], object]:
            return lambda event: call(name, event)

        self._observers = [_Observer(name, calling(name)) for name in names]

    def tell(self, event: Event) -> None:
        """Hand an event on; returns at once."""
        for observer in self._observers:
            observer.put(event)

    def close(self) -> None:
        """Wait until everything is heard, or the time for it is over."""
        deadline = time.monotonic() + END_SECONDS
        for observer in self._observers:
            observer.close(deadline)
