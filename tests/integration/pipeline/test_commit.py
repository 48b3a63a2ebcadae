"""One batch, one transaction: rows, quarantine and receipt together, once, or not at all."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from decimal import Decimal
from itertools import permutations

import pyarrow as pa
import pytest
from sqlalchemy import delete, event, insert

from messy_migration.databases.open import open_target
from messy_migration.databases.retry import Retry
from messy_migration.errors import Locked, TargetError, TargetUnavailable
from messy_migration.hookspecs import hookimpl
from messy_migration.ledger import fence
from messy_migration.model import Filtered, Frame, LoadCounts, Origin, Partition, Rejected, Stream
from messy_migration.pipeline import commit as committing
from messy_migration.pipeline.commit import batch_id, commit
from messy_migration.pipeline.cut import Cut

PARTITION = Partition("file", "digest")
PLAN = "plan"
LOST = Rejected(b"\xff\0", "file:9", "damaged", "shop.damaged", "v")


class Plugin:
    """A plugin that only loads, with the given function."""

    def __init__(self, load=None):
        self.write = load

    @hookimpl
    def load(self, stream, table, batch, connection):
        return self.write(table, batch, connection) if self.write else None


@pytest.fixture
def items(site, table_of):
    """A keyed table on the target, and the stream that writes it."""
    table = table_of("t", {"id": "int32", "v": "text"}, ("id",))
    site.create(table)
    return Stream("shop.s", (table,))


@pytest.fixture
def batch(site, registry_of):
    """A function that prepares a batch of rows: `batch(stream, rows, *more, ordinal=0)`."""

    def make(stream, rows, *more, ordinal=0):
        data = site.data(stream.tables[0], *rows).drop_columns(["_record"])
        frame = Frame(data, lambda row: Origin(repr(rows[row]).encode(), f"file:{row}"))
        registry = registry_of(shop=Plugin())
        return site.prepared(registry, stream, PARTITION, frame, *more, ordinal=ordinal)

    return make


@pytest.fixture
def no_pause(monkeypatch):
    monkeypatch.setattr("messy_migration.databases.retry.PAUSE_SECONDS", 0.01)


def receipts_of(site):
    counts = ("ordinal", "kind", "extracted", "loaded", "quarantined", "filtered")
    return site.entries("receipt", *counts)


def nothing_is_there(site):
    found = [site.rows("t"), *(site.entries(name, "batch_id") for name in LEDGER)]
    return found == [[]] * len(found)


LEDGER = ("receipt", "receipt_table", "quarantine")


@pytest.mark.parametrize("is_fresh", [True, False])
def test_rows_quarantine_and_receipt_of_a_batch_are_all_there(
    site, items, batch, registry_of, is_fresh
):
    writer = site.writer(registry_of(shop=Plugin()), *(items.tables if is_fresh else ()))
    prepared = batch(items, [(1, "a"), (2, None)], LOST, Filtered("shop.old", 3))
    receipt = commit(writer, PARTITION, PLAN, prepared)
    assert site.rows("t") == [(1, "a"), (2, None)]
    assert receipts_of(site) == [(0, "load", 6, 2, 1, 3)]
    assert site.entries(
        "receipt", "batch_id", "run_id", "partition", "last", "filters", "epoch"
    ) == [(receipt.batch_id, "run", "digest", 1, '{"shop.old": 3}', 1)]
    assert site.entries(
        "quarantine", "place", "rule", "column_name", "payload", "payload_encoding", "state"
    ) == [("file:9", "shop.damaged", "v", "/wA=", "base64", "open")]
    assert site.entries("receipt_table", "table_name", "inserted", "updated", "unchanged") == [
        ("t", 2, 0, 0)
    ]
    assert site.expected(items.tables[0]) == site.fingerprint(items.tables[0])


def test_a_batch_without_rows_leaves_a_receipt(site, items, batch, registry_of):
    commit(site.writer(registry_of(shop=Plugin())), PARTITION, PLAN, batch(items, []))
    assert receipts_of(site) == [(0, "load", 0, 0, 0, 0)]
    assert site.entries("receipt_table", "table_name") == []


def test_a_batch_that_is_committed_again_changes_nothing(site, items, batch, registry_of):
    writer = site.writer(registry_of(shop=Plugin()), *items.tables)
    for _ in range(2):
        commit(writer, PARTITION, PLAN, batch(items, [(1, "a")], LOST))
    assert site.rows("t") == [(1, "a")]
    assert len(site.entries("receipt", "batch_id")) == 1
    assert len(site.entries("quarantine", "place")) == 1


def test_the_identity_of_a_batch_is_the_work_and_nothing_else(items):
    first = batch_id(items, PARTITION, PLAN, Cut(0))
    assert batch_id(items, Partition("other name", "digest", {"port": 1}), PLAN, Cut(0)) == first
    others = {
        batch_id(items, PARTITION, PLAN, Cut(1)),
        batch_id(items, PARTITION, "plan 2", Cut(0)),
        batch_id(items, Partition("file", "digest 2"), PLAN, Cut(0)),
        batch_id(Stream("shop.s", items.tables, tenant="oslo"), PARTITION, PLAN, Cut(0)),
        batch_id(Stream("shop.t", items.tables), PARTITION, PLAN, Cut(0)),
    }
    assert len(others | {first}) == 6


def test_a_fenced_batch_leaves_nothing(site, items, batch, registry_of):
    prepared = batch(items, [(1, "a")], LOST)
    with site.begin() as connection:
        assert fence.raise_epoch(connection, site.ledger) == 2
    with pytest.raises(Locked, match="newer run"):
        commit(site.writer(registry_of(shop=Plugin()), epoch=1), PARTITION, PLAN, prepared)
    assert nothing_is_there(site)


def test_a_batch_whose_receipt_is_refused_leaves_nothing(site, items, batch, registry_of):
    """Somebody commits the same batch between our question and our receipt."""
    identity = batch_id(items, PARTITION, PLAN, Cut(0))

    def doubled(table, batch, connection):
        values = dict.fromkeys(("kind", "run_id", "stream", "tenant", "partition", "filters"), "")
        values |= dict.fromkeys(("ordinal", "last", "extracted", "loaded", "quarantined"), 0)
        values |= dict.fromkeys(("filtered", "warnings", "epoch", "pid"), 0)
        values |= {"batch_id": identity, "started_at": "", "committed_at": ""}
        connection.execute(insert(site.ledger.receipt).values(values))

    writer = site.writer(registry_of(shop=Plugin(doubled)))
    with pytest.raises(TargetError, match="refused a receipt"):
        commit(writer, PARTITION, PLAN, batch(items, [(1, "a")], LOST))
    assert nothing_is_there(site)


def test_what_a_plugin_loads_and_then_fails_over_is_rolled_back(site, items, batch, registry_of):
    def half(table, batch, connection):
        connection.exec_driver_sql("INSERT INTO t VALUES (1, 'half')")
        raise KeyError

    with pytest.raises(Exception, match="'shop' failed in its hook 'load'"):
        commit(
            site.writer(registry_of(shop=Plugin(half))), PARTITION, PLAN, batch(items, [(1, "a")])
        )
    assert nothing_is_there(site)


def test_what_a_plugin_loads_is_counted_as_it_says(site, items, batch, registry_of):
    def load(table, batch, connection):
        connection.exec_driver_sql("INSERT INTO t VALUES (1, 'a')")
        return LoadCounts(1)

    commit(site.writer(registry_of(shop=Plugin(load))), PARTITION, PLAN, batch(items, [(1, "a")]))
    assert site.expected(items.tables[0]) == site.fingerprint(items.tables[0])


def test_a_connection_lost_after_commit_is_no_second_batch(
    site, items, batch, registry_of, no_pause, backends
):
    """The server committed, the client never heard of it."""
    lost = []

    def lose(connection):
        raw = connection.connection.driver_connection
        if not lost:
            lost.append(True)
            if site.kind == "postgresql":
                raw.commit()
                backends(site)
                connection.exec_driver_sql("SELECT 1")
            else:
                raw.execute("COMMIT")
                raise TargetUnavailable("the disk went away")

    event.listen(site.target.engine, "commit", lose)
    commit(site.writer(registry_of(shop=Plugin())), PARTITION, PLAN, batch(items, [(1, "a")], LOST))
    event.remove(site.target.engine, "commit", lose)
    assert lost
    assert site.rows("t") == [(1, "a")]
    assert receipts_of(site) == [(0, "load", 2, 1, 1, 0)]
    assert len(site.entries("quarantine", "place")) == 1


def test_a_connection_lost_before_commit_is_tried_again(
    site, items, batch, registry_of, no_pause, backends
):
    lost = []

    def lose(connection):
        if len(lost) < 2:
            lost.append(True)
            if site.kind == "postgresql":
                backends(site)
            else:
                connection.connection.driver_connection.execute("ROLLBACK")
                raise TargetUnavailable("the disk went away")

    event.listen(site.target.engine, "commit", lose)
    commit(site.writer(registry_of(shop=Plugin())), PARTITION, PLAN, batch(items, [(1, "a")], LOST))
    event.remove(site.target.engine, "commit", lose)
    assert len(lost) == 2
    assert site.rows("t") == [(1, "a")]
    assert receipts_of(site) == [(0, "load", 2, 1, 1, 0)]


def test_a_target_that_stays_away_is_given_up(site, items, batch, registry_of, no_pause):
    tried = []

    def lose(connection):
        tried.append(True)
        raise TargetUnavailable("the network went away")

    prepared = batch(items, [(1, "a")])
    event.listen(site.target.engine, "commit", lose)
    writer = replace(site.writer(registry_of(shop=Plugin())), retry=Retry(outage=0.5))
    # Each transaction's COMMIT gets no answer, and neither do the looks into the ledger.
    with pytest.raises(TargetUnavailable, match="the outcome of a batch is unknown"):
        commit(writer, PARTITION, PLAN, prepared)
    event.remove(site.target.engine, "commit", lose)
    assert len(tried) > 2
    assert nothing_is_there(site)


@pytest.mark.parametrize("culprits", [[0], [9], [3, 4], [0, 5, 9], list(range(10))])
def test_rows_that_the_target_refuses_are_the_only_ones_in_quarantine(
    site, table_of, batch, registry_of, culprits
):
    table = table_of("t", {"id": "int32", "v": "text"}, ("id",))
    site.run("CREATE TABLE t (id integer PRIMARY KEY, v text CHECK (length(v) < 5))")
    rows = [(n, "secret" if n in culprits else "fine") for n in range(10)]
    stream = Stream("shop.s", (table,))
    receipt = commit(
        site.writer(registry_of(shop=Plugin()), table), PARTITION, PLAN, batch(stream, rows, LOST)
    )
    assert site.rows("t") == [row for row in rows if row[0] not in culprits]
    found = site.entries("quarantine", "place", "rule", "payload")
    expected = [(f"file:{n}", "core.target", repr(rows[n])) for n in culprits]
    assert found == sorted([*expected, ("file:9", "shop.damaged", "/wA=")])
    assert (receipt.extracted, receipt.loaded, receipt.quarantined) == (
        11,
        10 - len(culprits),
        1 + len(culprits),
    )
    assert not any("secret" in reason for (reason,) in site.entries("quarantine", "reason"))
    assert site.expected(table) == site.fingerprint(table)


def test_of_rows_that_refuse_each_other_only_one_leaves(site, table_of, batch, registry_of):
    table = table_of("t", {"id": "int32", "v": "text"}, ("id",))
    site.run("CREATE TABLE t (id integer PRIMARY KEY, v text UNIQUE)")
    rows = [(0, "a"), (1, "b"), (2, "c"), (3, "a"), (4, "d")]
    stream = Stream("shop.s", (table,))
    commit(site.writer(registry_of(shop=Plugin())), PARTITION, PLAN, batch(stream, rows))
    assert site.rows("t") == [row for row in rows if row[0] != 3]
    assert site.entries("quarantine", "place", "rule") == [("file:3", "core.target")]
    assert receipts_of(site) == [(0, "load", 5, 4, 1, 0)]


def test_records_leave_with_their_rows_in_every_table(site, table_of, registry_of):
    one = table_of("one", {"id": "int32"}, ("id",))
    two = table_of("two", {"id": "int32", "v": "int32"})
    site.create(one)
    site.run("CREATE TABLE two (id integer, v integer CHECK (v > 0))")

    class FanOut:
        @hookimpl
        def transform(self, table, batch):
            return {"one": batch.table.drop_columns(["v"]), "two": batch.table}

    stream = Stream("shop.s", (one, two), record=two.columns)
    data = pa.table({"id": pa.array([1, 2], pa.int32()), "v": pa.array([5, 0], pa.int32())})
    registry = registry_of(shop=FanOut())
    prepared = site.prepared(registry, stream, PARTITION, Frame(data))
    commit(site.writer(registry), PARTITION, PLAN, prepared)
    assert (site.rows("one"), site.rows("two")) == ([(1,)], [(1, 5)])
    assert receipts_of(site) == [(0, "load", 2, 1, 1, 0)]


def test_equal_records_of_two_batches_are_duplicates_and_others_contradictions(
    site, items, batch, registry_of
):
    writer = site.writer(registry_of(shop=Plugin()), *items.tables)
    for ordinal, rows in enumerate(([(1, "a"), (2, "b")], [(1, "a"), (2, "c"), (3, "d")])):
        commit(writer, PARTITION, PLAN, batch(items, rows, ordinal=ordinal))
    left = site.rows("t")
    assert left in ([(1, "a"), (2, "b"), (3, "d")], [(1, "a"), (2, "c"), (3, "d")])
    sums = [sum(column) for column in zip(*(row[2:] for row in receipts_of(site)), strict=True)]
    assert sums == [5, 3, 1, 1]
    ((rule, payload),) = site.entries("quarantine", "rule", "payload")
    assert rule == "core.duplicate_key"
    assert ("'c'" in payload or '"c"' in payload) == (left[1] == (2, "b"))
    assert site.expected(items.tables[0]) == site.fingerprint(items.tables[0])


@pytest.mark.parametrize("values", ["aab", "abc", "abb"])
def test_counts_do_not_depend_on_the_order_in_which_batches_arrive(
    site, items, batch, registry_of, values
):
    ends = set()
    writer = site.writer(registry_of(shop=Plugin()), *items.tables)
    for order in sorted(set(permutations(values))):
        for ordinal, value in enumerate(order):
            rows = [(1, value), (10 + ordinal, "own")]
            commit(writer, PARTITION, PLAN, batch(items, rows, ordinal=ordinal))
        counts = (row[2:] for row in receipts_of(site))
        ends.add(
            (
                tuple(site.rows("t")),
                tuple(sum(column) for column in zip(*counts, strict=True)),
                len(site.entries("quarantine", "rule")),
            )
        )
        assert site.expected(items.tables[0]) == site.fingerprint(items.tables[0])
        site.run("DELETE FROM t")
        with site.begin() as connection:
            for name in LEDGER:
                connection.execute(delete(getattr(site.ledger, name)))
    ((rows, totals, held),) = ends
    extracted, loaded, quarantined, filtered = totals
    assert extracted == 6
    assert loaded == len(rows)
    assert held == quarantined == len(set(values)) - 1
    assert filtered == len(values) - len(set(values))


def test_a_multiset_keeps_equal_rows_within_and_between_batches(site, table_of, batch, registry_of):
    table = table_of("t", {"money": "decimal(5,2)"})
    site.create(table)
    stream = Stream("shop.s", (table,))
    writer = site.writer(registry_of(shop=Plugin()), table)
    rows = [(Decimal("1.5"),), (Decimal("1.50"),)]
    for ordinal in range(2):
        commit(writer, PARTITION, PLAN, batch(stream, rows, ordinal=ordinal))
    assert len(site.rows("t")) == 4
    assert site.expected(table) == site.fingerprint(table)


def test_batches_of_many_workers_at_once_all_arrive_once(site, items, batch, registry_of):
    workers = 4
    writer = site.writer(registry_of(shop=Plugin()), *items.tables)
    batches = [batch(items, [(n, "a"), (99, "same")], ordinal=n) for n in range(workers)]
    failed = []

    def work(prepared):
        try:
            commit(writer, PARTITION, PLAN, prepared)
        except Exception as error:  # noqa: BLE001 - shown by the assert below
            failed.append(error)

    threads = [threading.Thread(target=work, args=(prepared,)) for prepared in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert site.rows("t") == [*((n, "a") for n in range(workers)), (99, "same")]
    assert [sum(row[2:][place] for row in receipts_of(site)) for place in range(4)] == [8, 5, 0, 3]
    assert site.expected(items.tables[0]) == site.fingerprint(items.tables[0])


def test_the_receipt_names_the_process_that_wrote_it(site, items, batch, registry_of):
    commit(site.writer(registry_of(shop=Plugin())), PARTITION, PLAN, batch(items, [(1, "a")]))
    assert site.entries("receipt", "pid") == [(os.getpid(),)]


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("times, is_taken", [(1, True), (9, False)])
def test_a_batch_that_another_one_overtakes_is_written_again(
    site, items, batch, registry_of, times, is_taken
):
    """Between what it compared and what it inserts, a row with one of its keys is committed."""
    site.create(*items.tables)
    other = open_target(site.target.engine.url, "mm:run")
    came = []

    def overtake(connection, cursor, statement, *_):
        if statement.startswith("INSERT INTO") and "mm_stage" in statement and len(came) < times:
            with other.engine.begin() as between:
                between.exec_driver_sql(f"INSERT INTO t VALUES ({len(came) + 1}, 'first')")
            came.append(True)

    prepared = batch(items, [(number, "later") for number in range(1, 11)])
    writer = site.writer(registry_of(shop=Plugin()))
    event.listen(site.target.engine, "before_cursor_execute", overtake)
    try:
        if is_taken:
            receipt = commit(writer, PARTITION, PLAN, prepared)
            assert (receipt.tables[0].inserted, receipt.tables[0].updated) == (9, 1)
        else:
            with pytest.raises(TargetError, match="different number of rows"):
                commit(writer, PARTITION, PLAN, prepared)
    finally:
        event.remove(site.target.engine, "before_cursor_execute", overtake)
    assert len(came) == (1 if is_taken else committing.ATTEMPTS)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_batch_that_a_dead_worker_still_commits_is_there_once(site, table_of, batch, registry_of):
    """Its COMMIT was under way when it was killed, and the batch is written again meanwhile."""
    table = table_of("t", {"id": "int32", "v": "text"})
    site.create(table)
    stream = Stream("shop.s", (table,))
    writer = site.writer(registry_of(shop=Plugin()), table)
    dead = replace(writer, target=open_target(site.target.engine.url, "mm:run"))
    prepared = batch(stream, [(1, "a"), (2, "b")])
    came = []

    def arrive(connection, cursor, statement, *_):
        if "receipt" in statement and statement.startswith("INSERT INTO") and not came:
            came.append(commit(dead, PARTITION, PLAN, prepared))

    event.listen(site.target.engine, "before_cursor_execute", arrive)
    try:
        assert commit(writer, PARTITION, PLAN, prepared) is None
    finally:
        event.remove(site.target.engine, "before_cursor_execute", arrive)
    assert came[0].loaded == 2
    assert site.rows("t") == [(1, "a"), (2, "b")]
    assert site.expected(table) == site.fingerprint(table)
