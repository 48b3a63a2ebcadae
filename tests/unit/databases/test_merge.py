"""A merge on a database in a file: what is inserted, updated, left alone, beaten, and counted."""

from __future__ import annotations

import json
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messy_migration.databases.errors import KeyTaken, driver_errors_as_ours
from messy_migration.databases.merge import Overtaken, add, merge
from messy_migration.errors import TargetError
from messy_migration.fingerprint.rows import fingerprint, row_hashes, row_texts
from messy_migration.model import RECORD, Fingerprint

from ..sqlite_site import Meddling, data_of, site_in, table_of

AGED = table_of("t", {"id": "int32", "v": "text", "at": "int32"}, ("id",))
PLAIN = table_of("t", {"id": "int32", "v": "text"}, ("id",))
PAID = table_of(
    "t",
    {"id": "int32", "total": "decimal(9,2)", "currency": "text"},
    ("id",),
    amounts=(("total", "currency"),),
)


@pytest.fixture
def site(tmp_path):
    return site_in(tmp_path)


def merged(site, table, *rows, dialect=None, **how):
    how = {"bookmark": None, "is_first": False, **how}
    data = rows[0] if rows and isinstance(rows[0], pa.Table) else data_of(table, *rows)
    with driver_errors_as_ours(f"table {table.name}"), site.begin() as connection:
        return merge(connection, dialect or site.dialect, table, data, **how)


def counts(written):
    return written.inserted, written.updated, written.unchanged


def ranked(table, *rows):
    """Rows in order of their hashes, as independent of merge as can be: SHA-256 over C1 texts."""
    hashes = row_hashes(row_texts(data_of(table, *rows), table.columns)).tolist()
    return [row for _, row in sorted(zip(hashes, rows, strict=True))]


AGES = st.sampled_from([None, 1, 2, 3])
ROWS = st.dictionaries(
    st.integers(0, 5), st.tuples(st.sampled_from(["", "a", "b", None]), AGES), max_size=6
)


@pytest.mark.parametrize("bookmark", [None, "at"])
@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(ROWS, ROWS)
def test_a_merge_does_and_says_what_a_dictionary_does(site, bookmark, there, new):
    def is_older(key):
        mine, other = new[key][1], there[key][1]
        return bookmark is not None and other is not None and (mine is None or mine < other)

    updated = {key for key in new.keys() & there if new[key] != there[key] and not is_older(key)}
    inserted = new.keys() - there.keys()
    after = there | {key: new[key] for key in inserted | updated}
    site.run("DROP TABLE IF EXISTS t")
    site.create(AGED, *((key, *row) for key, row in there.items()))
    start = site.fingerprint(AGED)
    written = merged(site, AGED, *((key, *row) for key, row in new.items()), bookmark=bookmark)
    unchanged = len(new) - len(inserted) - len(updated)
    assert counts(written) == (len(inserted), len(updated), unchanged)
    assert sorted(site.rows("t")) == sorted((key, *row) for key, row in after.items())
    assert site.fingerprint(AGED) == start + written.net
    assert (written.repeated, written.beaten, written.displaced) == ((), (), ())
    assert written.amounts is None


def test_a_row_of_another_scope_with_the_same_key_is_not_ours_to_change(site):
    """The key does not hold the column of the scope, so two sources can meet in one row."""
    kinds = {"id": "int32", "account": "text", "v": "text"}
    oslo, rome = (table_of("t", kinds, ("id",), (("account", name),)) for name in ("oslo", "rome"))
    site.create(oslo, (1, "oslo", "theirs"), (2, "oslo", "theirs"))
    before = site.rows("t")
    with pytest.raises(TargetError):
        merged(site, rome, (1, "rome", "ours"))
    assert site.rows("t") == before
    with pytest.raises(TargetError):
        merged(site, rome, (2, "rome", "ours"), is_first=True)
    assert site.rows("t") == before
    assert counts(merged(site, rome, (3, "rome", "ours"))) == (1, 0, 0)
    assert counts(merged(site, rome, (3, "rome", "changed"))) == (0, 1, 0)
    assert site.rows("t") == [*before, (3, "rome", "changed")]


def test_a_scope_that_is_part_of_the_key_is_merged_by_itself(site):
    kinds = {"shop": "text", "id": "int32", "v": "text"}
    shops = ("oslo", "ber'gen")
    oslo, bergen = (table_of("t", kinds, ("shop", "id"), (("shop", one),)) for one in shops)
    site.create(oslo, ("oslo", 1, "a"), ("ber'gen", 1, "b"))
    start = site.fingerprint(bergen)
    written = merged(site, bergen, ("ber'gen", 1, "c"), ("ber'gen", 2, "d"))
    assert counts(written) == (1, 1, 0)
    assert site.fingerprint(bergen) == start + written.net
    assert ("oslo", 1, "a") in site.rows("t")


def test_all_columns_are_merged_of_a_key_of_two(site):
    table = table_of("t", {"a": "int32", "b": "text", "v": "text", "w": "text"}, ("a", "b"))
    site.create(table, (1, "x", "p", "q"), (1, "y", "p", "q"), (2, "x", "p", "q"))
    assert counts(merged(site, table, (1, "y", "r", "s"), (2, "y", "p", "q"))) == (1, 1, 0)
    assert site.rows("t") == [
        (1, "x", "p", "q"), (1, "y", "r", "s"), (2, "x", "p", "q"), (2, "y", "p", "q"),
    ]  # fmt: skip


def test_a_change_in_any_one_column_is_a_change(site):
    table = table_of("t", {"id": "int32", "v": "text", "w": "text"}, ("id",))
    site.create(table, (1, "a", "b"), (2, "a", "b"), (3, "a", "b"), (4, None, "b"))
    written = merged(site, table, (1, "x", "b"), (2, "a", "x"), (3, "a", "b"), (4, None, "b"))
    assert counts(written) == (0, 2, 2)


def test_a_table_of_nothing_but_its_key_has_nothing_to_update(site):
    table = table_of("t", {"a": "int32", "b": "text"}, ("a", "b"))
    site.create(table, (1, "x"))
    assert counts(merged(site, table, (1, "x"), (1, "y"))) == (1, 0, 1)


@pytest.mark.parametrize(
    "mine, other, wins",
    [(2, 1, 1), (1, 2, 0), (2, 2, 1), (None, 1, 0), (1, None, 1), (None, None, 1)],
)
def test_a_row_is_replaced_by_none_that_is_older(site, mine, other, wins):
    site.create(AGED, (1, "there", other))
    written = merged(site, AGED, (1, "new", mine), bookmark="at")
    assert counts(written) == (0, wins, 1 - wins)
    assert site.rows("t", "v", "1") == [("new" if wins else "there",)]


def test_what_this_run_has_written_already_is_a_repeat_and_names_its_records(site):
    site.create(PLAIN, (1, "a"), (2, "b"))
    data = data_of(PLAIN, (2, "b"), (3, "c"), (1, "a"))
    data = data.set_column(2, RECORD, pa.array([41, 42, 43], pa.int32()))
    written = merged(site, PLAIN, data, is_first=True)
    assert counts(written) == (1, 0, 0)
    assert sorted(written.repeated) == [41, 43]
    assert written.net == fingerprint(data_of(PLAIN, (3, "c")), PLAIN.columns)
    again = merged(site, PLAIN, data)
    assert (counts(again), again.repeated) == ((0, 0, 3), ())
    assert again.net == Fingerprint()


def test_of_two_contradictions_the_greater_hash_wins_on_either_side(site):
    low, middle, high = ranked(PLAIN, (1, "a"), (1, "b"), (1, "c"))
    site.create(PLAIN, middle)
    start = site.fingerprint(PLAIN)
    worse = data_of(PLAIN, (2, "x"), low).set_column(2, RECORD, pa.array([7, 8], pa.int32()))
    beaten = merged(site, PLAIN, worse, is_first=True)
    assert (beaten.beaten, beaten.displaced, counts(beaten)) == ((8,), (), (1, 0, 0))
    assert site.rows("t") == [middle, (2, "x")]
    assert site.fingerprint(PLAIN) == start + beaten.net
    start = site.fingerprint(PLAIN)
    better = merged(site, PLAIN, (3, "y"), high, is_first=True)
    assert (better.beaten, counts(better)) == ((), (1, 1, 0))
    ((lanes, shown),) = better.displaced
    assert json.loads(shown) == {"id": 1, "v": middle[1]}
    assert lanes == fingerprint(data_of(PLAIN, middle), PLAIN.columns).lanes
    assert site.fingerprint(PLAIN) == start + better.net


def test_each_row_that_was_displaced_is_put_away_with_its_own_values(site):
    pairs = [ranked(PLAIN, (number, "é"), (number, "ü")) for number in (1, 2, 3)]
    site.create(PLAIN, *(low for low, _ in pairs))
    written = merged(site, PLAIN, *(high for _, high in pairs), is_first=True)
    assert sorted(written.displaced, key=lambda one: one[1]) == [
        (
            fingerprint(data_of(PLAIN, low), PLAIN.columns).lanes,
            f'{{"id": {low[0]}, "v": "{low[1]}"}}'.encode(),
        )
        for low, _ in pairs
    ]
    assert site.rows("t") == [high for _, high in pairs]


@pytest.mark.parametrize("first, second", [(5, 5), (None, None)])
def test_rows_of_one_age_contradict_each_other_and_of_others_the_newer_wins(site, first, second):
    low, high = ranked(AGED, (1, "a", first), (1, "b", second))
    site.create(AGED, high)
    written = merged(site, AGED, low, bookmark="at", is_first=True)
    assert (written.beaten, counts(written)) == ((0,), (0, 0, 0))
    newer = merged(site, AGED, (1, low[1], 9), bookmark="at", is_first=True)
    assert (newer.beaten, newer.displaced, counts(newer)) == ((), (), (0, 1, 0))
    older = merged(site, AGED, (1, "z", 8), bookmark="at", is_first=True)
    assert (older.repeated, counts(older)) == ((0,), (0, 0, 0))


def test_any_number_of_beaten_rows_is_left_out(site):
    pairs = [ranked(PLAIN, (number, "a"), (number, "b")) for number in range(1_201)]
    site.create(PLAIN, *(high for _, high in pairs))
    before = site.rows("t")
    written = merged(site, PLAIN, *(low for low, _ in pairs), is_first=True)
    assert sorted(written.beaten) == list(range(1_201))
    assert (counts(written), written.net) == ((0, 0, 0), Fingerprint())
    assert site.rows("t") == before


def test_money_is_counted_as_it_comes_and_goes(site):
    eur, nzd = ("total", "EUR"), ("total", "NZD")
    site.create(PAID, (1, Decimal("1.50"), "EUR"), (2, Decimal(7), "EUR"))
    rows = [(1, Decimal("2.25"), "EUR"), (2, Decimal(7), "EUR"), (3, Decimal(10), "NZD")]
    written = merged(site, PAID, *rows)
    assert counts(written) == (1, 1, 1)
    moved = {key: total for key, total in written.amounts.items() if total}
    assert moved == {eur: Decimal("0.75"), nzd: Decimal(10)}
    with site.begin() as connection:
        added = add(connection, site.dialect, PAID, data_of(PAID, (9, Decimal(3), "EUR")))
    assert {key: total for key, total in added.amounts.items() if total} == {eur: Decimal(3)}


def test_rows_are_added_with_their_fingerprint_and_a_taken_key_stops_all(site):
    site.create(PLAIN)
    data = data_of(PLAIN, (1, "a"), (2, None))
    with site.begin() as connection:
        written = add(connection, site.dialect, PLAIN, data)
    assert counts(written) == (2, 0, 0)
    assert site.fingerprint(PLAIN) == written.net == fingerprint(data, PLAIN.columns)
    assert written.amounts is None
    with pytest.raises(KeyTaken), site.begin() as connection:
        add(connection, site.dialect, PLAIN, data_of(PLAIN, (3, "c"), (1, "b")))
    assert site.rows("t") == [(1, "a"), (2, None)]


def test_a_row_that_is_not_updated_is_noticed_though_all_others_are_inserted(site):
    site.create(PLAIN, (1, "a"), (2, "b"))
    site.run(
        "CREATE TRIGGER keep BEFORE UPDATE ON t WHEN NEW.id = 1 BEGIN SELECT RAISE(IGNORE); END"
    )
    with pytest.raises(Overtaken) as caught:
        merged(site, PLAIN, (1, "x"), (3, "y"))
    assert caught.value.why == "updated 0 of 1, inserted 1 of 1"
    assert site.rows("t") == [(1, "a"), (2, "b")]


def test_a_row_that_vanishes_between_the_comparison_and_the_update_is_noticed(site):
    site.create(PLAIN, (1, "a"), (2, "b"))

    def vanish(connection, *_):
        connection.exec_driver_sql("DELETE FROM t WHERE id = 1")

    meddling = Meddling(site.dialect, fingerprint=vanish)
    with pytest.raises(Overtaken, match="different number of rows") as caught:
        merged(site, PLAIN, (1, "x"), (3, "y"), dialect=meddling)
    assert "updated 0 of 1" in caught.value.why
    assert site.rows("t") == [(1, "a"), (2, "b")]


def test_a_row_that_appears_between_the_comparison_and_the_insert_is_noticed(site):
    site.create(PLAIN, (1, "a"))

    def appear(connection, *_):
        connection.exec_driver_sql("INSERT INTO t VALUES (3, 'other')")

    meddling = Meddling(site.dialect, fingerprint=appear)
    with pytest.raises(Overtaken):
        merged(site, PLAIN, (1, "x"), (3, "y"), dialect=meddling)
    assert site.rows("t") == [(1, "a")]


def test_a_trigger_that_keeps_rows_out_is_found_out(site):
    site.create(PLAIN, (1, "a"))
    site.run(
        "CREATE TRIGGER keep BEFORE INSERT ON t WHEN NEW.id = 3 BEGIN SELECT RAISE(IGNORE); END"
    )
    with pytest.raises(Overtaken, match="different number of rows") as caught:
        merged(site, PLAIN, (2, "b"), (3, "c"))
    assert "inserted 1 of 2" in caught.value.why
    assert caught.value.where == "table t"
    assert site.rows("t") == [(1, "a")]


def test_a_batch_without_rows_changes_nothing(site):
    site.create(PLAIN, (1, "a"))
    written = merged(site, PLAIN)
    assert (counts(written), written.net) == ((0, 0, 0), Fingerprint())
