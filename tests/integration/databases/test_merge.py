"""Writing a batch into a table: what changed is said exactly, as an oracle of its own says it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messy_migration.databases.errors import KeyTaken
from messy_migration.databases.merge import add, merge
from messy_migration.errors import TargetError
from messy_migration.fingerprint.rows import fingerprint, row_hashes, row_texts
from messy_migration.model import RECORD, Fingerprint

KINDS = {
    "id": "int32",
    "part": "text",
    "money": "decimal(12,2)",
    "name": "text",
    "doc": "json",
    "ratio": "float64",
    "at": "timestamp",
    "raw": "bytes",
    "day": "date",
    "flag": "bool",
    "user": "uuid",
}
UUID = "01234567-89ab-cdef-0123-456789abcdef"
INSTANTS = [None, *(datetime(2020, 1, day, tzinfo=UTC) for day in (1, 2, 3))]
FLOATS = [None, 0.0, -0.0, 0.1, 0.1 + 2**-56, float("inf")]
VALUES = {
    "money": [None, Decimal("1.5"), Decimal("1.50"), Decimal("-1.50"), Decimal(0)],
    "name": [None, "", " ", "a", "A", "~", "e\u0301", "é"],
    "doc": [None, "null", '{"a": 1.0}', '{"a": 1.00}', '{"a": 1}'],
    "at": INSTANTS,
    "raw": [None, b"", b"\0", b"a"],
    "day": [None, date(1, 1, 1), date(2020, 2, 29)],
    "flag": [None, True, False],
    "user": [None, UUID, UUID[:-1] + "0"],
}

per_example = settings(
    deadline=None,
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def full_rows(ratios):
    values = [
        st.sampled_from(ratios if name == "ratio" else VALUES[name]) for name in list(KINDS)[2:]
    ]
    keys = st.tuples(st.integers(0, 3), st.sampled_from(["x", "X"]))
    return st.dictionaries(keys, st.tuples(*values), max_size=6).map(
        lambda found: [(*key, *row) for key, row in found.items()]
    )


def texts(table, data):
    """Key -> C1 text of its row."""
    keys = row_texts(data, [table.column(name) for name in table.key]).to_pylist()
    return dict(zip(keys, row_texts(data, table.columns).to_pylist(), strict=True))


def merged(site, table, data, **how):
    how = {"bookmark": None, "is_first": False, **how}
    with site.begin() as connection:
        return merge(connection, site.dialect, table, data, **how)


def empty(site, table):
    site.run(f'DELETE FROM "{table.name}"')


@pytest.fixture
def full(site, table_of):
    table = table_of("t", KINDS, ("id", "part"))
    site.create(table)
    return table


@pytest.fixture
def aged(site, table_of):
    table = table_of("t", {"id": "int32", "v": "text", "at": "int32"}, ("id",))
    site.create(table)
    return table


@pytest.mark.parametrize("with_bookmark", [False, True], ids=["plain", "bookmark"])
@per_example
@given(st.data())
def test_a_merge_does_and_says_what_the_oracle_does(site, full, with_bookmark, data):
    ratios = FLOATS if site.kind == "sqlite" else [*FLOATS, float("nan")]
    before, batch = (
        site.data(full, *data.draw(full_rows(ratios), label=label)) for label in ("table", "batch")
    )
    there, new = texts(full, before), texts(full, batch)
    ages = {}
    for name, rows in (("there", before), ("new", batch)):
        at = rows.column("at").to_pylist()
        ages[name] = dict(zip(texts(full, rows), at, strict=True))

    def is_older(key):
        mine, other = ages["new"][key], ages["there"][key]
        return with_bookmark and other is not None and (mine is None or mine < other)

    inserted = new.keys() - there.keys()
    updated = {key for key in new.keys() & there if new[key] != there[key] and not is_older(key)}
    after = there | {key: new[key] for key in inserted | updated}

    empty(site, full)
    site.fill(full, before)
    start = site.fingerprint(full)
    written = merged(site, full, batch, bookmark="at" if with_bookmark else None)
    end = site.fingerprint(full)
    unchanged = len(new) - len(inserted) - len(updated)
    assert (written.inserted, written.updated, written.unchanged) == (
        len(inserted),
        len(updated),
        unchanged,
    )
    assert end == start + written.net
    assert end == total(after.values())
    assert (written.repeated, written.beaten, written.displaced) == ((), (), ())


def total(rows):
    hashes = row_hashes(pa.array(list(rows), pa.binary()))
    return Fingerprint(
        len(hashes), sum(map(int, hashes[:, 0])) % 2**64, sum(map(int, hashes[:, 1])) % 2**64
    )


@per_example
@given(st.data())
def test_rows_that_are_added_are_the_rows_that_are_there(site, full, data):
    batch = site.data(full, *data.draw(full_rows(FLOATS)))
    empty(site, full)
    with site.begin() as connection:
        written = add(connection, site.dialect, full, batch)
    assert site.fingerprint(full) == written.net == fingerprint(batch, full.columns)
    assert (written.inserted, written.updated, written.unchanged) == (batch.num_rows, 0, 0)


def test_a_merge_repeated_changes_nothing(site, full):
    row = (1, "x", Decimal("1.5"), "", '{"a": 1.0}', -0.0, INSTANTS[1], b"", None, True, UUID)
    batch = site.data(full, row, (2, *row[1:]))
    assert merged(site, full, batch).inserted == 2
    again = merged(site, full, batch)
    assert (again.inserted, again.updated, again.unchanged) == (0, 0, 2)
    assert again.net == Fingerprint()


def test_a_key_that_is_there_stops_an_add_and_nothing_stays(site, table_of):
    table = table_of("t", {"id": "int32", "v": "text"}, ("id",))
    site.create(table)
    site.fill(table, (1, "a"))
    with pytest.raises(KeyTaken), site.begin() as connection:
        add(connection, site.dialect, table, site.data(table, (2, "b"), (1, "b")))
    assert site.rows("t") == [(1, "a")]


def test_a_table_of_nothing_but_its_key_is_merged(site, table_of):
    table = table_of("t", {"a": "int32", "b": "text"}, ("a", "b"))
    site.create(table)
    site.fill(table, (1, "x"))
    written = merged(site, table, site.data(table, (1, "x"), (1, "y")), is_first=False)
    assert (written.inserted, written.updated, written.unchanged) == (1, 0, 1)


@pytest.mark.parametrize(
    "mine, other, wins",
    [
        (2, 1, True),
        (1, 2, False),
        (2, 2, True),
        (None, 1, False),
        (1, None, True),
        (None, None, True),
    ],
)
def test_a_row_is_not_replaced_by_an_older_one(site, aged, mine, other, wins):
    site.fill(aged, (1, "there", other))
    written = merged(site, aged, site.data(aged, (1, "new", mine)), bookmark="at")
    assert (written.updated, written.unchanged) == ((1, 0) if wins else (0, 1))
    assert site.rows("t", "v") == [("new" if wins else "there",)]


contested = st.dictionaries(
    st.integers(0, 4), st.tuples(st.sampled_from("pqr"), st.sampled_from([None, 1, 2])), max_size=5
).map(lambda found: [(key, *row) for key, row in found.items()])


@pytest.mark.parametrize("bookmark", [None, "at"])
@per_example
@given(contested, contested)
def test_workers_may_arrive_in_any_order_at_a_table_that_was_empty(site, aged, bookmark, one, two):
    ends = set()
    for order in ((one, two), (two, one)):
        empty(site, aged)
        start = Fingerprint()
        for rows in order:
            if not rows:
                continue
            batch = site.data(aged, *rows)
            found = merged(site, aged, batch, bookmark=bookmark, is_first=True)
            start += found.net
            assert found.unchanged == 0
            parts = found.inserted + found.updated + len(found.repeated) + len(found.beaten)
            assert parts == len(rows)
        assert site.fingerprint(aged) == start
        ends.add(tuple(site.rows("t")))
    assert len(ends) == 1


def test_rows_that_contradict_each_other_are_named_on_both_sides(site, table_of):
    table = table_of("t", {"id": "int32", "v": "text"}, ("id",))
    site.create(table)
    rows = [(1, value) for value in "abcdefgh"]
    texts_of = row_texts(site.data(table, *rows), table.columns)
    ranked = [
        rows[place] for place in sorted(range(8), key=lambda p: tuple(row_hashes(texts_of)[p]))
    ]
    low, middle, high = ranked[0], ranked[4], ranked[7]
    site.fill(table, middle)
    worse = merged(site, table, site.data(table, (2, "x"), low), is_first=True)
    assert (worse.beaten, worse.displaced, worse.inserted) == ((1,), (), 1)
    better = merged(site, table, site.data(table, high), is_first=True)
    assert better.beaten == ()
    ((_, shown),) = better.displaced
    assert json.loads(shown) == {"id": 1, "v": middle[1]}
    assert site.rows("t") == [high, (2, "x")]


def test_a_scope_is_not_touched_by_the_batches_of_another(site, table_of):
    kinds = {"shop": "text", "id": "int32", "v": "text"}
    oslo, bergen = (
        table_of("t", kinds, ("shop", "id"), (("shop", shop),)) for shop in ("oslo", "ber'gen")
    )
    site.create(oslo)
    site.fill(oslo, ("oslo", 1, "a"), ("ber'gen", 1, "b"))
    before = {table.scope: site.fingerprint(table) for table in (oslo, bergen)}
    batch = site.data(bergen, ("ber'gen", 1, "c"), ("ber'gen", 2, "d"))
    written = merged(site, bergen, batch)
    assert (written.inserted, written.updated) == (1, 1)
    assert site.fingerprint(oslo) == before[oslo.scope]
    assert site.fingerprint(bergen) == before[bergen.scope] + written.net


def test_a_trigger_that_keeps_rows_out_is_found_out(site, table_of):
    table = table_of("t", {"id": "int32", "v": "text"}, ("id",))
    site.create(table)
    site.fill(table, (1, "a"))
    if site.kind == "postgresql":
        site.run(
            "CREATE FUNCTION keep_out() RETURNS trigger LANGUAGE plpgsql"
            " AS 'BEGIN IF NEW.id = 3 THEN RETURN NULL; END IF; RETURN NEW; END'",
            "CREATE TRIGGER keep_out BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION keep_out()",
        )
    else:
        site.run(
            "CREATE TRIGGER keep_out BEFORE INSERT ON t WHEN NEW.id = 3"
            " BEGIN SELECT RAISE(IGNORE); END"
        )
    with pytest.raises(TargetError, match="different number of rows"):
        merged(site, table, site.data(table, (2, "b"), (3, "c")))
    with pytest.raises(TargetError, match="different number of rows"), site.begin() as connection:
        add(connection, site.dialect, table, site.data(table, (2, "b"), (3, "c")))
    assert site.rows("t") == [(1, "a")]


def test_a_collation_that_calls_different_texts_equal_hides_no_change(site, table_of):
    table = table_of("t", {"id": "int32", "v": "text"}, ("id",))
    if site.kind == "postgresql":
        site.run(
            "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2',"
            " deterministic = false)",
            "CREATE TABLE t (id integer PRIMARY KEY, v text COLLATE loose)",
        )
    else:
        site.run("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT COLLATE NOCASE)")
    site.fill(table, (1, "straße"))
    start = site.fingerprint(table)
    written = merged(site, table, site.data(table, (1, "STRAßE")))
    assert (written.updated, written.unchanged) == (1, 0)
    assert site.rows("t", "v") == [("STRAßE",)]
    assert site.fingerprint(table) == start + written.net


def test_a_batch_without_rows_changes_nothing(site, table_of):
    table = table_of("t", {"id": "int32", "v": "text"}, ("id",))
    site.create(table)
    written = merged(site, table, site.data(table))
    assert (written.inserted, written.net) == (0, Fingerprint())


def test_record_numbers_and_not_places_name_the_losers(site, table_of):
    table = table_of("t", {"id": "int32", "v": "text"}, ("id",))
    site.create(table)
    site.fill(table, (1, "a"), (2, "b"))
    batch = site.data(table, (2, "b"), (3, "c"))
    batch = batch.set_column(2, RECORD, pa.array([41, 42], pa.int32()))
    assert merged(site, table, batch, is_first=True).repeated == (41,)
