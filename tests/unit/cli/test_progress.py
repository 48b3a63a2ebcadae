"""What a person sees of a run while it goes, told by its events."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from messy_migration.cli import progress
from messy_migration.cli.progress import Lines, Live
from messy_migration.ledger.totals import StreamTotals
from messy_migration.model import Column, ColumnType, Partition, Stream, Table
from messy_migration.model.events import BatchCommitted, HttpFailed, RunResumed, RunStarted
from messy_migration.run.plan import StreamPlan

STREAM = Stream(
    "shop.s", (Table("s", (Column("id", ColumnType("int64")),)),), assumed=("its clock is right",)
)
PLANS = [StreamPlan(STREAM, "p", (Partition("a", "a", {}, records=10),))]
BEGUN = {
    "run": "0192-run",
    "target": "sqlite:///t",
    "profile": "default",
    "plugins": ("shop",),
    "streams": ("shop.s",),
}


def batch(records, stream="shop.s"):
    counts = dict.fromkeys(("quarantined", "filtered", "inserted", "updated", "unchanged"), 0)
    return BatchCommitted(
        stream=stream, partition="a", ordinal=0, extracted=records, loaded=records, **counts
    )


@pytest.fixture
def shown(monkeypatch):
    """What the live display has drawn so far."""
    text = StringIO()
    monkeypatch.setattr(
        "rich.console.Console",
        lambda **_: Console(file=text, force_terminal=True, width=100, color_system=None),
    )
    return text.getvalue


@pytest.fixture
def said(capsys, monkeypatch):
    """The lines that a run of these events says; `seconds` pass between two of them."""
    clock = iter(range(10**6))

    def say(*steps, seconds):
        monkeypatch.setattr(progress.time, "monotonic", lambda: 1_000 + next(clock) * seconds)
        with Lines() as lines:
            for step in steps:
                step(lines)
        return capsys.readouterr().err.splitlines()

    return say


def heard(event):
    return lambda view: view.hear(event)


def planned(*before):
    return lambda view: view.planned(PLANS, 4, before)


def test_lines_say_what_begins_what_moved_and_what_comes_next(said):
    lines = said(
        heard(RunStarted(**BEGUN)),
        planned(),
        heard(batch(4)),
        heard(HttpFailed(place="api", why="status 503")),
        heard(batch(6)),
        lambda view: view.proving(),
        seconds=2.0,
    )
    assert lines == [
        "run 0192-run started: plugins shop, streams shop.s -> sqlite:///t",
        "assumed: its clock is right",
        "1 partitions to read with up to 4 workers",
        "4 records committed",
        "10 records committed",
        "reading the target back",
    ]


def test_batches_that_come_fast_share_a_line(said):
    lines = said(*[heard(batch(1))] * 1_000, lambda view: view.proving(), seconds=0.01)
    assert lines[-2:] == ["1,000 records committed", "reading the target back"]
    assert len(lines) <= 12


def test_a_run_that_breaks_off_says_what_it_had_committed(said):
    assert said(*[heard(batch(5))] * 2, seconds=0.1)[-1] == "10 records committed"


def test_a_resumed_run_counts_what_it_did_before(said):
    begun = heard(RunResumed(**BEGUN))
    lines = said(begun, planned(StreamTotals("shop.s", "", 7)), heard(batch(3)), seconds=2.0)
    assert lines[0].startswith("run 0192-run resumed: ")
    assert lines[-1] == "10 records committed"


def test_the_live_display_has_a_bar_for_each_stream_that_follows_its_batches(shown):
    with Live() as live:
        live.hear(RunResumed(**BEGUN))
        live.planned(PLANS, 4, [StreamTotals("shop.s", "", 7)])
        live.hear(batch(2))
        live.hear(batch(100, "another.s"))
        live.proving()
    text = shown()
    assert "run 0192-run (resumed) -> sqlite:///t" in text
    assert "assumed: its clock is right" in text
    assert "shop.s" in text
    assert "9 records" in text
    assert "reading the target back" in text
