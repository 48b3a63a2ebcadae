"""What a plugin is told when it is asked for its partitions: since when, and how many at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import make_url

from messy_migration.config import settings as configuration
from messy_migration.databases.open import open_target
from messy_migration.errors import PluginError
from messy_migration.hookspecs import hookimpl
from messy_migration.ledger.history import History
from messy_migration.ledger.receipts import batch_id
from messy_migration.ledger.runs import Planned
from messy_migration.ledger.tables import ledger
from messy_migration.model import Column, ColumnType, Partition, Stream, Table
from messy_migration.pipeline.cut import Cutting
from messy_migration.pipeline.plan_id import plan_id
from messy_migration.run.plan import build
from messy_migration.workspace import Request, Workspace

from ..sqlite_site import Meddling

COLUMNS = (Column("id", ColumnType("int32")), Column("v", ColumnType("decimal", 9, 3)))
STREAM = Stream("shop.s", (Table("t", COLUMNS, ("id",)),), bookmark="id", overlap=90)
CUTTING = Cutting(10, 100)
ONE = Partition("one.csv", "digest of one")


class Plugin:
    """A source that keeps what it was told."""

    def __init__(self):
        self.told = []

    @hookimpl
    def partitions(self, stream, since, records, settings):
        self.told.append((since, records))
        return [ONE]


@pytest.fixture
def workspace(tmp_path, monkeypatch, registry_of):
    """A function that makes a workspace of one plugin."""

    def make(plugin, batch_records=None):
        monkeypatch.chdir(tmp_path)
        target = open_target(make_url(f"sqlite:///{tmp_path / 'unused.db'}"), "mm:test")
        if batch_records is not None:
            dialect = Meddling(target.dialect)
            dialect.batch_records = batch_records
            target = replace(target, dialect=dialect)
        settings = configuration.load(None, None, {})
        return Workspace(Request(), settings, registry_of(shop=plugin), target, ledger("sqlite"))

    return make


NOON, LONG_AGO = datetime(2026, 1, 2, 12, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "bookmark, since, told",
    [
        ("2026-01-02T12:00:00+00:00", None, datetime(2026, 1, 2, 11, 58, 30, tzinfo=UTC)),
        (None, None, None),
        ("2026-01-02T12:00:00+00:00", LONG_AGO, LONG_AGO),
        (None, NOON, NOON),
    ],
)  # fmt: skip
def test_a_stream_goes_on_where_its_overlap_begins(workspace, bookmark, since, told):
    """The overlap is taken off: what was written late lies before the bookmark, not after it."""
    plugin = Plugin()
    bookmarks = {("shop.s", ""): bookmark} if bookmark else {("shop.s", "other"): NOON.isoformat()}
    build(workspace(plugin), [STREAM], History(bookmarks=bookmarks), CUTTING, since=since)
    assert [since for since, _ in plugin.told] == [told]


@pytest.mark.parametrize("limit, told", [(4, 4), (10, 10), (400, 10)])
def test_no_partition_is_asked_for_that_is_larger_than_a_transaction_bears(workspace, limit, told):
    plugin = Plugin()
    build(workspace(plugin, limit), [STREAM], History(), CUTTING)
    assert [records for _, records in plugin.told] == [told]


def test_a_half_loaded_run_is_not_gone_on_with_under_another_loss(workspace):
    space = workspace(Plugin())
    lossy = replace(STREAM, tables=(
        Table("t", (COLUMNS[0], replace(COLUMNS[1], loss="round(2)")), ("id",)),
    ))  # fmt: skip
    before = plan_id(space, STREAM, CUTTING)
    planned = (Planned("0197-earlier", "shop.s", "", before, 0, ONE),)
    place = ("shop.s", "", ONE.digest)
    batches = {0: {batch_id("shop.s", "", before, ONE.digest, 0)}}
    history = History(planned, frozenset({place}), half={place: batches})
    (same,) = build(space, [STREAM], history, CUTTING)
    assert (same.partitions, same.problems) == ((ONE,), ())
    (plan,) = build(space, [lossy], history, CUTTING)
    assert plan.partitions == ()
    (problem,) = plan.problems
    assert isinstance(problem, PluginError)
    assert "half loaded" in problem.what
