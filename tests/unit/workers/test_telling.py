"""What a worker tells its run, and what it says of its cost."""

from __future__ import annotations

import logging
from multiprocessing import Pipe

import pytest

from messy_migration.events import listening
from messy_migration.model import Fingerprint, Partition, Receipt, TableReceipt
from messy_migration.model.event import CHANNEL, tell
from messy_migration.model.events import HttpFailed
from messy_migration.model.usage import CALLS, Usage
from messy_migration.workers.task import Task
from messy_migration.workers.telling import Meter, Teller, batch_committed, collected, tell_through

TASK = Task("src.s", "berlin", "plan", Partition("page 1", "d1", {}))
CALL = HttpFailed(place="api/x", why="status 503")


@pytest.fixture
def channel():
    """The logger of events, as it was, at the end."""
    logger = logging.getLogger(CHANNEL)
    before = (list(logger.handlers), logger.level, logger.propagate)
    yield logger
    logger.handlers[:], logger.level, logger.propagate = before


def test_an_event_of_a_worker_goes_through_its_pipe_with_the_stream_of_its_task(channel, caplog):
    ours, theirs = Pipe()
    teller = Teller(theirs)
    tell_through(teller)
    teller.task = TASK
    tell(CALL)
    told = ours.recv()
    assert (told.name, told.stream, told.tenant) == ("http.failed", "src.s", "berlin")
    assert not caplog.records
    teller.send({"complete": True})
    assert ours.recv() == {"complete": True}


def test_on_an_executor_events_come_back_with_the_answer_and_are_not_logged_there(channel, caplog):
    with collected(TASK) as events:
        tell(CALL)
    assert [(event.name, event.stream) for event in events] == [("http.failed", "src.s")]
    assert not caplog.records
    assert channel.propagate


def test_an_executor_in_the_process_of_the_run_is_heard_at_once():
    heard = []
    with listening(heard.append), collected(TASK) as events:
        tell(CALL)
    assert heard == [CALL]
    assert events == []


def test_the_meter_counts_since_it_was_read_last():
    meter = Meter()
    CALLS.count += 3
    first, second = meter.read(size=100), meter.read()
    assert (first.calls, first.bytes, second.calls, second.bytes) == (3, 100, 0, 0)
    assert first.memory_bytes > 1_000_000
    total = first + second
    assert total == Usage(
        first.cpu_seconds + second.cpu_seconds,
        max(first.memory_bytes, second.memory_bytes),
        100,
        3,
    )


def test_the_event_of_a_batch_says_what_its_receipt_says():
    part = TableReceipt("s", (), "f", 4, 2, 1, Fingerprint())
    receipt = Receipt("b", "src.s", "", "d1", 0, True, 9, 6, 2, {"rule": 1}, (part, part))
    event = batch_committed(receipt, "page 1", Usage(0.5, 7, 8, 9))
    assert (event.extracted, event.loaded, event.quarantined, event.filtered) == (9, 6, 2, 1)
    assert (event.inserted, event.updated, event.unchanged) == (8, 4, 2)
    assert (event.cpu_seconds, event.memory_bytes, event.bytes, event.calls) == (0.5, 7, 8, 9)
