"""What no target can hold, and which of the rows with one key is kept."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messy_migration.fingerprint.rows import row_hashes, row_texts
from messy_migration.model import RECORD, Column, ColumnType, Table
from messy_migration.pipeline.rules import Repeats, check, repeated_keys

UUID = "01234567-89ab-cdef-0123-456789abcdef"


def nothing_unstorable(table, data):
    return {}


def columns(required=(), **kinds):
    return tuple(
        Column(name, ColumnType.parse(kind), name in required) for name, kind in kinds.items()
    )


def rows(table, *values, records=None):
    data = pa.Table.from_pylist(
        [dict(zip(table.names, row, strict=True)) for row in values], table.arrow_schema()
    )
    numbers = range(len(values)) if records is None else records
    return data.append_column(RECORD, pa.array(numbers, pa.int32()))


def broken(table, *values, unstorable=nothing_unstorable):
    _, found = check(table, rows(table, *values), unstorable)
    return [(item.record, item.column, item.rule) for item in found]


def test_rows_that_break_nothing_come_through_unchanged():
    table = Table("t", columns(a="text", b="uuid", c="decimal(5,2)"), ("a",), (("a", "x"),))
    data = rows(table, ("x", UUID, Decimal("1.5")), ("x", None, None))
    assert check(table, data, nothing_unstorable) == (data, [])
    assert check(table, data[:0], nothing_unstorable) == (data[:0], [])


def test_null_is_missing_in_key_and_required_columns_only():
    table = Table("t", columns(required=("b",), a="int32", b="text", c="text"), ("a",))
    assert broken(table, (None, "x", None), (1, None, "x"), (2, "", None)) == [
        (0, "a", "core.required"),
        (1, "b", "core.required"),
    ]


def test_a_row_outside_its_scope_is_refused_and_so_is_one_without_any():
    """A NULL there would be loaded and then not be seen by the WHERE of the proof."""
    table = Table("t", columns(a="int32", shop="text"), (), (("shop", "oslo"),))
    assert broken(table, (1, "oslo"), (2, "Oslo"), (3, None), (4, "")) == [
        (place, "shop", "core.scope") for place in (1, 2, 3)
    ]


@pytest.mark.parametrize("kind", ["text", "json"])
def test_a_nul_is_refused_wherever_it_is(kind):
    table = Table("t", columns(a=kind))
    assert (1, "a", "core.nul") in broken(table, ("1",), ("1\0",), (None,))


@pytest.mark.parametrize(
    "text",
    [
        UUID.upper(),
        UUID.replace("-", ""),
        f"{{{UUID}}}",
        UUID[:-1],
        UUID + "\n",
        " " + UUID,
        "",
        "g" + UUID[1:],
    ],
)
def test_a_uuid_is_36_lower_case_characters_and_nothing_else(text):
    table = Table("t", columns(a="uuid"))
    assert broken(table, (UUID,), (text,), (None,)) == [(1, "a", "core.uuid")]


def test_json_becomes_canonical_and_keeps_the_scale_of_its_numbers():
    table = Table("t", columns(a="json", b="text"))
    data = rows(table, ('{"bb":1.00,\n"a":1.0}', "{ }"), (None, None), ("null", "x"))
    found, violations = check(table, data, nothing_unstorable)
    assert violations == []
    assert found.column("a").to_pylist() == ['{"a": 1.0, "bb": 1.00}', None, "null"]
    assert found.column("b").to_pylist() == ["{ }", None, "x"]
    assert found.schema == data.schema


@pytest.mark.parametrize(
    "text", ["", "{", "NaN", "[1,]", '"\\u0000"', '"\\ud800"', "[" * 65 + "]" * 65]
)
def test_what_no_jsonb_can_hold_is_refused(text):
    table = Table("t", columns(a="json"))
    assert broken(table, ("{}",), (text,)) == [(1, "a", "core.json")]


def test_what_the_target_cannot_hold_is_reported_for_its_records():
    table = Table("t", columns(a="float64"))
    data = rows(table, (1.0,), (2.0,), records=[7, 9])
    _, found = check(table, data, lambda *_: {"a": [1]})
    assert [(item.record, item.rule) for item in found] == [(9, "core.unstorable")]


def test_violations_name_the_record_and_not_the_row():
    table = Table("t", columns(a="text"), ("a",))
    _, found = check(table, rows(table, ("x",), (None,), records=[3, 3]), nothing_unstorable)
    assert [item.record for item in found] == [3]


KEYED = Table("t", columns(a="int32", b="text", value="text", at="int32"), ("a", "b"))
keyed = st.tuples(
    st.integers(0, 2),
    st.sampled_from(["x", "y"]),
    st.sampled_from(["p", "q", "r", None]),
    st.one_of(st.none(), st.integers(0, 2)),
)


def kept(table, values, bookmark):
    """The rows that stay, and how often each content is dropped, contradicts, or echoes that."""
    found = repeated_keys(table, rows(table, *values), bookmark)
    losers = [item.record for item in found.contradictions]
    gone = {*found.drop, *losers, *found.echoes}
    return (
        {row for place, row in enumerate(values) if place not in gone},
        *(Counter(values[place] for place in some) for some in (found.drop, losers, found.echoes)),
    )


@settings(deadline=None)
@given(st.lists(keyed, max_size=12), st.randoms(), st.sampled_from([None, "at"]))
def test_the_row_that_is_kept_does_not_depend_on_the_order(values, random, bookmark):
    shuffled = list(values)
    random.shuffle(shuffled)
    assert kept(KEYED, shuffled, bookmark) == kept(KEYED, values, bookmark)


@settings(deadline=None)
@given(st.lists(keyed, max_size=12), st.sampled_from([None, "at"]))
def test_exactly_one_row_of_each_key_is_kept_and_each_other_content_is_named_once(values, bookmark):
    found = repeated_keys(KEYED, rows(KEYED, *values), bookmark)
    losers = [item.record for item in found.contradictions]
    gone = [*found.drop, *losers, *found.echoes]
    assert len(gone) == len(set(gone))
    left = [row[:2] for place, row in enumerate(values) if place not in gone]
    assert sorted(left) == sorted({row[:2] for row in values})
    assert len({values[place] for place in losers}) == len(losers)
    assert {values[place] for place in found.echoes} <= {values[place] for place in losers}


def test_the_first_of_equal_rows_is_kept_and_the_others_are_no_error():
    row = (1, "x", "p", 1)
    found = repeated_keys(KEYED, rows(KEYED, row, (2, "x", "p", 1), row, row), None)
    assert found == Repeats(drop=(2, 3))


def test_without_a_bookmark_rows_that_contradict_are_errors():
    data = rows(KEYED, (1, "x", "p", 1), (1, "x", "q", 2), records=[5, 6])
    found = repeated_keys(KEYED, data, None)
    (violation,) = found.contradictions
    assert (found.drop, found.echoes) == ((), frozenset())
    assert violation.record in (5, 6)
    assert (violation.rule, violation.column) == ("core.duplicate_key", "a, b")
    assert "q" not in violation.message.split()


def test_with_a_bookmark_the_newest_wins_without_an_error():
    values = [(1, "x", "p", 1), (1, "x", "q", 3), (1, "x", "r", 2), (1, "x", "p", None)]
    stays, dropped, losers, _ = kept(KEYED, values, "at")
    assert (stays, dropped.total(), losers.total()) == ({values[1]}, 3, 0)


def test_rows_that_are_equally_new_contradict_each_other():
    values = [(1, "x", "p", 3), (1, "x", "q", 3), (1, "x", "r", 2)]
    stays, dropped, losers, _ = kept(KEYED, values, "at")
    assert len(stays & set(values[:2])) == 1
    assert (dropped, losers.total()) == (Counter([values[2]]), 1)


def test_null_is_older_than_everything():
    values = [(1, "x", "p", None), (1, "x", "q", -(2**31))]
    assert kept(KEYED, values, "at")[0] == {values[1]}


def test_a_bookmark_that_this_table_does_not_have_is_none():
    table = Table("t", columns(a="int32", b="text"), ("a",))
    assert len(repeated_keys(table, rows(table, (1, "p"), (1, "q")), "at").contradictions) == 1


def test_a_table_without_a_key_keeps_every_row():
    table = Table("t", columns(a="int32"))
    assert repeated_keys(table, rows(table, (1,), (1,)), None) == Repeats()


@pytest.mark.parametrize(
    "kind, one, other",
    [
        ("float64", 0.0, -0.0),
        ("decimal(5,2)", Decimal("1.5"), Decimal("1.50")),
        ("float64", float("nan"), -float("nan")),
    ],
)
def test_keys_that_a_target_calls_equal_are_equal(kind, one, other):
    table = Table("t", columns(a=kind, b="text"), ("a",))
    found = repeated_keys(table, rows(table, (one, "p"), (other, "p")), None)
    assert (len(found.drop), found.contradictions) == (1, ())


@pytest.mark.parametrize("one, other", [("a", "A"), ("a", "a "), ("\u00e9", "e\u0301")])
def test_keys_that_differ_in_a_byte_are_two_keys(one, other):
    table = Table("t", columns(a="text"), ("a",))
    assert repeated_keys(table, rows(table, (one,), (other,)), None) == Repeats()


def test_a_record_that_loses_and_repeats_another_loser_is_counted_once():
    """One record may make several rows of one key: it is a loser then, and no echo beside it."""
    table = Table("t", columns(id="int32", v="text"), ("id",))
    texts = sorted("abc", key=lambda text: tuple(hashes(table, (1, text))))
    low, middle, high = texts
    data = rows(table, (1, high), (1, low), (1, middle), (1, low), records=[9, 1, 2, 2])
    found = repeated_keys(table, data, None)
    assert sorted(item.record for item in found.contradictions) == [1, 2]
    assert found.echoes == frozenset()
    # A third record that only repeats a loser is one.
    more = rows(table, (1, high), (1, low), (1, low), records=[9, 1, 3])
    assert repeated_keys(table, more, None).echoes == {3}


def hashes(table, row):
    return row_hashes(row_texts(rows(table, row), table.columns))[0].tolist()
