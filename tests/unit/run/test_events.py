"""One command's events: named, masked, told once, and kept until the ledger has them."""

from __future__ import annotations

import pytest

from messy_migration.errors import (
    AccessRefused,
    Locked,
    PluginError,
    SourceError,
    SourceMissing,
    SourceUnreachable,
    TargetFull,
)
from messy_migration.model.event import tell
from messy_migration.model.events import (
    BatchCommitted,
    DbReturned,
    DbUnreachable,
    HttpFailed,
    WorkerDied,
)
from messy_migration.redaction import Redactor
from messy_migration.run.events import RunEvents, condition, telling
from messy_migration.workspace import Request


@pytest.fixture
def request_(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    redactor = Redactor()
    redactor.register("canary-123")
    return Request(run_id="r1", redactor=redactor)


def batch(number, stream="src.s"):
    counts = dict.fromkeys(("extracted", "loaded", "quarantined", "filtered"), 1)
    rows = dict.fromkeys(("inserted", "updated", "unchanged"), 1)
    usage = {"cpu_seconds": 0.5, "memory_bytes": number, "bytes": 10, "calls": 2}
    place = {"stream": stream, "batch": f"b{number}", "partition": "p", "ordinal": number}
    return BatchCommitted(**place, **counts, **rows, **usage)


def test_events_name_the_run_and_hold_no_secret(request_, caplog):
    with telling(request_):
        tell(WorkerDied(how="it had canary-123", stream="src.s"))
    (record,) = caplog.records
    assert record.told.run == "r1"
    assert "canary" not in record.told.how + record.getMessage()


def test_an_outage_that_several_processes_meet_is_told_once_and_so_is_its_end(request_):
    events = RunEvents(request_)
    away, back = DbUnreachable(what="away"), DbReturned(seconds=1)
    told = [events.hear(one) is not None for one in (away, away, back, back, away, back)]
    assert told == [True, False, True, False, True, True]


def test_what_streams_cost_is_added_up_and_the_ledger_keeps_no_batch(request_):
    events = RunEvents(request_)
    for event in (batch(1), batch(2), batch(3, "src.t"), HttpFailed(place="a", why="x")):
        events.hear(event)
    usage = events.usage["src.s", ""]
    assert (usage.cpu_seconds, usage.memory_bytes, usage.bytes, usage.calls) == (1.0, 2, 20, 4)
    assert events.batches == {"b1", "b2", "b3"}
    assert events.kept() == []


def test_the_ledger_gets_each_event_once_and_the_last_ones_before_they_are_told(request_):
    events = RunEvents(request_)
    death = WorkerDied(how="signal 9")
    events.hear(death)
    first = events.kept()
    events.written(first[-1][0])
    events.hear(death)
    second = events.kept(WorkerDied(how="the last"))
    assert [number for number, _ in first] == [1]
    assert [(number, event.how) for number, event in second] == [(2, "signal 9"), (3, "the last")]
    events.written(3, is_closed=True)
    events.hear(WorkerDied(how="the last"))
    assert events.kept() == []


def test_a_command_that_ends_with_an_error_says_so_once(request_, caplog):
    caplog.set_level("INFO")
    with pytest.raises(Locked), telling(request_):
        raise Locked("another run holds the target", "m.db")
    told = [record.told for record in caplog.records]
    assert [(event.name, event.exit_code) for event in told] == [("run.failed", 75)]


@pytest.mark.parametrize(
    "error, name",
    [
        (SourceMissing("x"), "source.missing"),
        (SourceUnreachable("x"), "source.unreachable"),
        (PluginError("x"), "plugin.broken"),
        (AccessRefused("x"), "db.unreachable"),
        (TargetFull("x"), "resource.limit"),
        (SourceError("x"), None),
    ],
)
def test_an_error_is_the_event_of_its_kind(error, name):
    met = condition(error, "src.s")
    assert (met and met.name) == name
