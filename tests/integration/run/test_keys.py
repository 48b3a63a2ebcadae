"""A key that comes after the load: the same rows and counts as with the key in place."""

from __future__ import annotations

import random
from collections import Counter
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from messy_migration.databases.postgresql import keys as postgresql_keys
from messy_migration.errors import Locked, TargetError
from messy_migration.hookspecs import hookimpl
from messy_migration.ledger import fence, known_tables, receipts
from messy_migration.ledger.lanes import Signature
from messy_migration.ledger.totals import stream_totals, table_totals
from messy_migration.model import Frame, Origin, Partition, Stream
from messy_migration.pipeline.commit import commit
from messy_migration.reconcile.prove import prove
from messy_migration.run.keys import add_earlier_keys, add_keys
from messy_migration.run.prepare import Site as Prepared
from messy_migration.run.prepare import prepare_tables

PARTITION = Partition("file", "digest")
KINDS = {"id": "int32", "age": "int64", "v": "text"}
postgresql = pytest.mark.parametrize("url", ["postgresql"], indirect=True)


class Nothing:
    """A plugin without an opinion."""


class Twice:
    """A plugin that makes two rows of each record."""

    @hookimpl
    def transform(self, table, batch):
        more = batch.table.set_column(
            0, "id", pc.add(batch.table.column("id"), pa.scalar(1, pa.int32()))
        )
        return pa.concat_tables([batch.table, more])


class Run:
    """A run that leaves keys for later, step by step."""

    def __init__(self, site, registry, streams, run_id="run", **options):
        self.site, self.registry, self.streams, self.run_id = site, registry, streams, run_id
        with site.begin() as connection:
            self.fresh = prepare_tables(self.on(connection), streams, keys_later=True, **options)

    def on(self, connection):
        signature = Signature(self.run_id, 1, 7, "2026-01-01T00:00:00+00:00")
        return Prepared(connection, self.site.dialect, self.site.ledger, signature)

    def load(self, *batches):
        """Commit each list of rows as one batch."""
        (stream,) = self.streams
        writer = self.site.writer(self.registry, *stream.tables)
        for ordinal, rows in enumerate(batches):
            data = self.site.data(stream.tables[0], *rows).drop_columns(["_record"])
            frame = Frame(data, lambda row, rows=rows: Origin(repr(rows[row]).encode(), f"{row}"))
            prepared = self.site.prepared(self.registry, stream, PARTITION, frame, ordinal=ordinal)
            commit(writer, PARTITION, "plan", prepared)

    def finish(self, unfinished=()):
        with self.site.begin() as connection:
            signature = self.on(connection).signature
        add_keys(
            SimpleNamespace(
                workspace=SimpleNamespace(target=self.site.target, ledger=self.site.ledger),
                run=SimpleNamespace(run_id=self.run_id),
                unfinished=dict.fromkeys(unfinished, "why"),
                signature=lambda: signature,
            )
        )

    def finish_another(self, run_id="later"):
        """Another run is about to write to the same tables."""
        self.run_id, own = run_id, self.run_id
        with self.site.begin() as connection:
            add_earlier_keys(self.on(connection), self.streams)
        self.run_id = own

    def verdicts(self):
        with self.site.reading() as connection:
            table_states = known_tables.all_states(connection, self.site.ledger).values()
            sums = receipts.expected(connection, self.site.ledger)
            return [
                item.verdict
                for item in prove(connection, self.site.dialect, table_states, sums, {})
            ]


@pytest.fixture
def stream_of(table_of):
    """A function that makes a stream of one table `t` with a key."""

    def make(bookmark=None, **changes):
        table = table_of("t", KINDS, **{"key": ("id",), **changes})
        return Stream("shop.s", (table,), bookmark=bookmark)

    return make


@pytest.fixture
def run_of(site, registry_of):
    """A function that begins a run of some streams."""

    def begin(*streams, plugin=None, **options):
        return Run(site, registry_of(shop=plugin or Nothing()), list(streams), **options)

    return begin


def has_key(site, table="t"):
    with site.begin() as connection:
        return connection.exec_driver_sql(
            f"SELECT count(*) FROM pg_index WHERE indisprimary AND indrelid = '{table}'::regclass"
        ).scalar_one()


def outcome(site):
    """Rows, counts of records, filters, and what is in quarantine."""
    with site.reading() as connection:
        (totals,) = stream_totals(connection, site.ledger, "run")
    counts = (totals.extracted, totals.loaded, totals.quarantined, totals.filtered)
    return (
        site.rows("t", "id, age, v"),
        counts,
        dict(totals.filters),
        sorted(site.entries("quarantine", "rule", "identity")),
    )


def state(site):
    return [row for (row,) in site.entries("table_state", "state")]


def kinds(site):
    return Counter(kind for (kind,) in site.entries("receipt", "kind"))


@postgresql
def test_the_key_comes_with_the_finish_and_only_once(site, run_of, stream_of):
    run = run_of(stream_of())
    assert (has_key(site), state(site)) == (0, ["key_pending"])
    run.load([(1, None, "a"), (2, None, "b")], [(3, None, "c")])
    assert run.verdicts() == ["MATCH"]
    for _ in range(2):
        run.finish()
        assert (has_key(site), state(site)) == (1, ["ready"])
        assert kinds(site) == {"load": 2}
    counted = "SELECT reltuples::int FROM pg_class WHERE oid = 't'::regclass"
    with site.begin() as connection:
        assert connection.exec_driver_sql(counted).scalar_one() == 3
    assert run.verdicts() == ["MATCH"]


@postgresql
@pytest.mark.parametrize("bookmark", [None, "age"])
@pytest.mark.parametrize("seed", range(6))
def test_rows_and_counts_are_those_of_one_batch_with_all_records(
    site, run_of, stream_of, bookmark, seed, monkeypatch
):
    """In whatever order batches arrive; one batch settles in memory, by other code."""
    monkeypatch.setattr(postgresql_keys, "ROWS_PER_FETCH", 2)
    chance = random.Random(seed)
    ages = [-1, 2, 10, None]
    batches = [
        [(n, chance.choice(ages), chance.choice("xyz")) for n in range(30) if chance.random() < 0.7]
        for _ in range(5)
    ]
    whole = run_of(stream_of(bookmark))
    whole.load([row for rows in batches for row in rows])
    whole.finish()
    expected = outcome(site)
    site.run("DROP TABLE t", *(f"DELETE FROM messy_migration.{name}" for name in LEDGER))
    chance.shuffle(batches)
    run = run_of(stream_of(bookmark))
    run.load(*batches)
    assert run.verdicts() == ["MATCH"]
    assert len(site.rows("t")) == sum(map(len, batches))
    run.finish()
    assert outcome(site) == expected
    assert kinds(site) == {"load": 5, "late": 1}
    assert expected[1][2] > 0
    assert expected[1][3] > 0
    assert run.verdicts() == ["MATCH"]
    assert has_key(site) == 1
    with site.reading() as connection:
        (rows,) = table_totals(connection, site.ledger, "run")
    assert (rows.inserted, rows.updated, rows.unchanged) == (len(expected[0]), 0, 0)


LEDGER = ("receipt", "receipt_table", "quarantine", "table_state")


@postgresql
def test_a_loser_that_its_own_batch_refused_already_is_not_refused_again(site, run_of, stream_of):
    run = run_of(stream_of())
    run.load([(1, None, "a"), (1, None, "b")])
    (winner,) = site.rows("t", "v")
    loser = {"a": "b", "b": "a"}[winner[0]]
    run.load([(1, None, "a"), (1, None, "b")], [(1, None, loser)])
    run.finish()
    rows, counts, filters, refused = outcome(site)
    assert rows == [(1, None, winner[0])]
    assert (counts, filters) == ((3, 1, 1, 1), {"core.duplicate": 1})
    assert len(refused) == 1


@postgresql
def test_what_is_refused_late_keeps_its_row_and_says_why(site, run_of, stream_of):
    run = run_of(stream_of())
    run.load([(1, 1, "a")], [(1, 2, "b")])
    run.finish()
    ((kept,),) = site.rows("t", "v")
    found = site.entries("quarantine", "rule", "table_name", "column_name", "payload", "reason")
    ((rule, table, column, payload, reason),) = found
    assert (rule, table, column) == ("core.duplicate_key", "t", "id")
    assert f'"v": "{ {"a": "b", "b": "a"}[kept] }"' in payload
    assert reason == "another record has the same key and other values"


@postgresql
def test_an_orphan_of_an_older_run_adds_no_key_and_removes_nothing(site, run_of, stream_of):
    run = run_of(stream_of())
    run.load([(1, None, "a")], [(1, None, "b")], [(1, None, "b")])
    with site.begin() as connection:
        fence.raise_epoch(connection, site.ledger)
    with pytest.raises(Locked):
        run.finish()
    assert (has_key(site), state(site), len(site.rows("t"))) == (0, ["key_pending"], 3)
    assert kinds(site) == {"load": 3}
    assert site.entries("quarantine", "rule") == []
    assert run.verdicts() == ["MATCH"]


@postgresql
def test_rows_that_a_trigger_keeps_from_being_removed_stop_the_key(site, run_of, stream_of):
    run = run_of(stream_of())
    run.load([(1, None, "a")], [(1, None, "b")])
    site.run(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER keep BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION keep()",
    )
    with pytest.raises(TargetError, match="different number of rows"):
        run.finish()
    assert (has_key(site), state(site), len(site.rows("t"))) == (0, ["key_pending"], 2)
    assert site.entries("quarantine", "rule") == []


@postgresql
def test_a_stream_that_is_not_complete_leaves_its_key_for_later(site, run_of, stream_of):
    run = run_of(stream_of())
    run.load([(1, None, "a")])
    run.finish(unfinished=["shop.s"])
    assert (has_key(site), state(site)) == (0, ["key_pending"])
    run.finish()
    assert (has_key(site), state(site)) == (1, ["ready"])


@postgresql
def test_another_run_adds_the_key_first_and_signs_for_the_run_that_loaded(site, run_of, stream_of):
    run = run_of(stream_of())
    run.load([(1, None, "a")], [(1, None, "a")], [(2, None, "x")], [(2, None, "y")])
    run.finish_another("run")
    assert has_key(site) == 0, "its own keys are added at its end"
    run.finish_another()
    assert (has_key(site), state(site)) == (1, ["ready"])
    assert set(site.entries("receipt", "run_id")) == {("run",)}
    assert outcome(site)[1] == (4, 2, 1, 1)
    assert run.verdicts() == ["MATCH"]
    again = run_of(*run.streams, run_id="again")
    assert again.fresh == frozenset()


@postgresql
def test_a_table_of_a_run_that_is_not_asked_for_is_left_alone(site, run_of, stream_of, table_of):
    run = run_of(stream_of())
    run.streams = [Stream("shop.other", (table_of("other", KINDS),))]
    run.finish_another()
    assert (has_key(site), state(site)) == (0, ["key_pending"])


@postgresql
def test_keys_are_in_place_where_others_may_need_them_during_the_load(
    site, run_of, stream_of, table_of
):
    both = [table_of(name, KINDS, ("id",)) for name in ("one", "two")]
    shared = [
        Stream(f"shop.{tenant}", (table_of("three", KINDS, ("id",), (("v", tenant),)),), tenant)
        for tenant in ("oslo", "rome")
    ]
    run_of(Stream("shop.fan", tuple(both)), *shared)
    assert [has_key(site, name) for name in ("one", "two", "three")] == [1, 1, 1]
    assert state(site) == ["ready"] * 4


@postgresql
def test_a_table_of_the_user_without_the_key_is_refused_and_never_altered(site, run_of, stream_of):
    site.run("CREATE TABLE t (id integer, age bigint, v text)")
    with pytest.raises(TargetError, match="no unique key on id"):
        run_of(stream_of())
    assert has_key(site) == 0


@pytest.mark.parametrize(
    "role", [{"key": ("name",)}, {"scope": (("name", "shop"),)}], ids=["key", "scope"]
)
def test_a_collation_that_folds_what_tells_rows_apart_is_refused(bare_site, table_of, role):
    table = table_of("t", {"name": "text", "v": "text"}, **role)
    if bare_site.kind == "postgresql":
        bare_site.run(
            "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2',"
            " deterministic = false)"
        )
    folding = ["loose"] if bare_site.kind == "postgresql" else ["NOCASE", "RTRIM"]
    for collation in folding:
        bare_site.run(
            "DROP TABLE IF EXISTS t",
            f"CREATE TABLE t (name TEXT COLLATE {collation} PRIMARY KEY, v TEXT)",
        )
        with pytest.raises(TargetError, match="column name tells rows apart") as caught:
            bare_site.create(table)
        assert caught.value.exit_code == 6
    bare_site.run("DROP TABLE t", "CREATE TABLE t (name TEXT PRIMARY KEY, v TEXT)")
    bare_site.create(table)


@postgresql
def test_a_table_of_the_user_is_never_altered(site, run_of, stream_of):
    site.run("CREATE TABLE t (id integer, age bigint, v text, CONSTRAINT mine UNIQUE (id))")
    run = run_of(stream_of())
    run.load([(1, None, "a")])
    run.finish()
    assert (has_key(site), state(site)) == (0, ["ready"])


@postgresql
def test_a_record_with_several_rows_stays_loaded_when_one_repeats(site, run_of, stream_of):
    run = run_of(stream_of(), plugin=Twice())
    run.load([(1, None, "a")], [(2, None, "a")])
    run.finish()
    assert site.rows("t", "id, v") == [(1, "a"), (2, "a"), (3, "a")]
    assert outcome(site)[1:3] == ((2, 2, 0, 0), {})
    assert run.verdicts() == ["MATCH"]


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_sqlite_keeps_its_key_in_place(site, run_of, stream_of):
    run = run_of(stream_of())
    assert state(site) == ["ready"]
    run.load([(1, None, "a")], [(1, None, "a")])
    run.finish()
    assert outcome(site)[0] == [(1, None, "a")]
    assert kinds(site) == {"load": 2}
