"""Every record of a batch is loaded, in quarantine or filtered, whatever the plugins do."""

from __future__ import annotations

import json
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messy_migration.errors import PluginError, SourceError
from messy_migration.hookspecs import hookimpl
from messy_migration.model import (
    RECORD,
    Column,
    ColumnType,
    Filtered,
    Frame,
    Origin,
    Partition,
    Rejected,
    Stream,
    Table,
    Transformed,
    Violation,
)
from messy_migration.pipeline.cut import cut
from messy_migration.pipeline.prepare import prepare_batch

INT, TEXT, MONEY = (ColumnType.parse(kind) for kind in ("int64", "text", "decimal(5,2)"))
RAW = (Column("n", INT), Column("act", TEXT))
MAIN = Table("main", (Column("n", INT), Column("act", TEXT)), ("n",))
SIDE = Table("side", (Column("n", INT), Column("value", TEXT)))
FAN_OUT = Stream("shop.orders", (MAIN, SIDE), record=RAW)
PLAIN = Stream("shop.orders", (MAIN,))
PARTITION = Partition("p", "d")


class Plugin:
    """A plugin whose hooks are the given functions."""

    def __init__(self, transform=None, validate=None):
        self.change, self.rule = transform, validate

    @hookimpl
    def transform(self, stream, table, batch):
        return self.change(table, batch) if self.change else None

    @hookimpl
    def validate(self, stream, table, batch):
        return self.rule(table, batch) if self.rule else None


def nothing_unstorable(table, data):
    return {}


def frame(acts, first=0, *, origin=True):
    numbers = list(range(first, first + len(acts)))
    table = pa.table({"n": pa.array(numbers, pa.int64()), "act": pa.array(acts, pa.string())})
    where = (lambda row: Origin(b"raw", f"line {first + row}")) if origin else None
    return Frame(table, where)


def prepared(registry, stream, *items):
    (batch,) = cut(iter(items), 10_000, 1 << 30)
    return prepare_batch(registry, stream, PARTITION, batch, nothing_unstorable)


def places(found):
    return sorted(entry.place for entry in found.entries)


def of_act(data, *acts):
    return data.filter(pc.is_in(data.column("act"), pa.array(acts)))


def records(data):
    return data.column(RECORD).to_pylist()


def numbered(data, *values):
    return data.set_column(2, RECORD, pa.array(values, pa.int32()))


def acting(table, batch):
    """Do to each record what it asks for."""
    data = batch.table
    if pc.any(pc.equal(data.column("act"), "raise")).as_py():
        raise KeyError("somebody@example.org")
    stays = data.filter(pc.invert(pc.is_in(data.column("act"), pa.array(["filter", "violate"]))))
    side = of_act(stays, "both", "twice")
    side = pa.concat_tables([side, of_act(stays, "twice")])
    clash = pc.if_else(pc.equal(stays.column("act"), "clash"), -1, stays.column("n"))
    return Transformed(
        {
            "main": stays.set_column(0, "n", clash),
            "side": side.rename_columns(["n", "value", RECORD]),
        },
        tuple(
            Violation(record, "main", "act", "shop.bad", "no")
            for record in records(of_act(data, "violate"))
        ),
        {"shop.test": tuple(records(of_act(data, "filter")))},
    )


def judging(table, batch):
    if table == "side":
        return [
            Violation(record, "side", None, "shop.warn", "hm", severity="warning")
            for record in records(batch.table)
        ]
    return [
        Violation(record, "main", "act", "shop.invalid", "no")
        for record in records(of_act(batch.table, "invalid"))
    ]


ACTS = ("keep", "filter", "violate", "raise", "both", "twice", "clash", "invalid")
items = st.lists(
    st.one_of(
        st.lists(st.sampled_from(ACTS), max_size=8),
        st.sampled_from(["rejected", "filtered"]),
    ),
    max_size=8,
)


@settings(deadline=None, max_examples=150)
@given(items)
def test_every_record_is_accounted_for_exactly_once(registry_of, plan):
    registry = registry_of(shop=Plugin(acting), other=Plugin(None, judging))
    found_items, acts, number = [], {}, 0
    for item in plan:
        if isinstance(item, list):
            found_items.append(frame(item, number))
            acts |= dict(enumerate(item, number))
            number += len(item)
        elif item == "rejected":
            found_items.append(Rejected(b"x", "line r", "why", "shop.damaged"))
        else:
            found_items.append(Filtered("shop.old", 3))
    found = prepared(registry, FAN_OUT, *found_items)

    def with_act(*wanted):
        return [n for n, act in acts.items() if act in wanted]

    clashes = with_act("clash")
    # Records that clash are the same but for their number, which the key replaced: duplicates.
    lost = with_act("violate", "raise", "invalid")
    rejected = plan.count("rejected")
    assert places(found) == sorted([f"line {n}" for n in lost] + ["line r"] * rejected)
    assert found.filtered == {
        rule: count
        for rule, count in {
            "shop.old": 3 * plan.count("filtered"),
            "shop.test": len(with_act("filter")),
            "core.duplicate": max(len(clashes) - 1, 0),
        }.items()
        if count
    }
    loaded = set(records(found.tables["main"])) if found.tables else set()
    if acts and set(acts.values()) != {"raise"}:
        assert found.tables["main"].column("n").to_pylist().count(-1) == bool(clashes)
        side = found.tables["side"].column("n").to_pylist()
        assert sorted(side) == sorted(with_act("both", "twice") + with_act("twice"))
    assert found.extracted == len(loaded) + len(found.entries) + sum(found.filtered.values())
    assert found.extracted == len(acts) + rejected + 3 * plan.count("filtered")
    assert found.warnings == len(with_act("both")) + 2 * len(with_act("twice"))


def test_without_any_transform_rows_go_straight_into_the_first_table(registry_of):
    found = prepared(registry_of(shop=Plugin()), PLAIN, frame(["a", "b"]))
    assert found.tables["main"].drop_columns([RECORD]).equals(frame(["a", "b"]).table)
    assert (found.entries, found.filtered, found.warnings) == ((), {}, 0)


def test_transforms_are_folded_in_the_order_of_the_plugins(registry_of):
    def adding(letter):
        def change(table, batch):
            data = batch.table
            text = pc.binary_join_element_wise(data.column("act"), letter, "")
            return data.set_column(data.column_names.index("act"), "act", text)

        return Plugin(change)

    for names in (["x", "y"], ["y", "x"]):
        registry = registry_of(**{name: adding(name) for name in names})
        found = prepared(registry, PLAIN, frame(["-"]))
        assert found.tables["main"].column("act").to_pylist() == ["-" + "".join(names)]


def test_the_next_plugin_sees_the_declared_types_whatever_the_one_before_returned(registry_of):
    seen = []
    table = Table("main", (Column("money", MONEY), Column("text", TEXT)))

    def drift(table, batch):
        data = batch.table
        money = pc.multiply(data.column("money"), pa.scalar(Decimal(1)))
        return data.set_column(0, "money", money).set_column(1, "text", pa.nulls(len(data)))

    def look(table, batch):
        seen.append(batch.table.schema)

    given = pa.table({"money": [Decimal("1.50")], "text": ["a"]})
    registry = registry_of(one=Plugin(drift), two=Plugin(look))
    prepared(registry, Stream("one.s", (table,)), Frame(given))
    assert seen == [pa.schema([*table.arrow_schema(), pa.field(RECORD, pa.int32())])]


def test_frames_whose_inferred_types_differ_make_one_batch(registry_of):
    table = Table("main", (Column("money", MONEY), Column("text", TEXT)))
    frames = [
        Frame(pa.table({"money": values, "text": texts}))
        for values, texts in (
            ([Decimal("1.5")], ["a"]),
            ([Decimal("22.25"), None], [None, "b"]),
            ([None], [None]),
        )
    ]
    found = prepared(registry_of(shop=Plugin()), Stream("shop.s", (table,)), *frames)
    assert found.tables["main"].to_pylist() == [
        {"money": Decimal("1.50"), "text": "a", RECORD: 0},
        {"money": Decimal("22.25"), "text": None, RECORD: 1},
        {"money": None, "text": "b", RECORD: 2},
        {"money": None, "text": None, RECORD: 3},
    ]


def test_a_record_leaves_with_all_its_rows_in_all_tables(registry_of):
    def judge(table, batch):
        if table == "side":
            return [Violation(1, "side", "value", "shop.side", "no")]
        return None

    registry = registry_of(shop=Plugin(acting, judge))
    found = prepared(registry, FAN_OUT, frame(["both", "twice", "both"]))
    assert [records(data) for data in found.tables.values()] == [[0, 2], [0, 2]]
    assert places(found) == ["line 1"]


def test_all_reasons_of_a_record_are_one_entry(registry_of):
    def judge(table, batch):
        return [
            Violation(0, "main", "act", "shop.first", "one"),
            Violation(0, "main", None, "shop.second", "two"),
            Violation(0, "main", "act", "shop.first", "one"),
        ]

    found = prepared(registry_of(shop=Plugin(None, judge)), PLAIN, frame(["a"]))
    (entry,) = found.entries
    assert (entry.rule, entry.column, entry.reason) == ("shop.first", "act", "act: one; two")


def test_a_record_that_makes_a_transform_raise_stands_alone_without_its_message(registry_of):
    found = prepared(registry_of(shop=Plugin(acting)), FAN_OUT, frame([*["keep"] * 20, "raise"]))
    (entry,) = found.entries
    assert (entry.place, entry.rule) == ("line 20", "shop.transform")
    assert entry.reason == "transform raised KeyError"
    assert found.tables["main"].num_rows == 20


def test_an_error_of_ours_from_a_transform_is_no_fault_of_a_record(registry_of):
    def change(table, batch):
        raise SourceError("the price list is not there")

    with pytest.raises(SourceError, match="price list"):
        prepared(registry_of(shop=Plugin(change)), PLAIN, frame(["a", "b"]))


def test_a_transform_that_fails_without_any_record_is_named(registry_of):
    def clear(table, batch):
        return Transformed({"main": batch.table[:0]}, (), {"shop.all": tuple(records(batch.table))})

    def fail(table, batch):
        raise ValueError(batch.table.num_rows)

    registry = registry_of(shop=Plugin(clear), late=Plugin(fail))
    with pytest.raises(PluginError, match="'late' failed"):
        prepared(registry, PLAIN, frame(["a"]))


def test_what_a_source_does_not_show_is_kept_as_the_row(registry_of):
    def judge(table, batch):
        return [Violation(0, "main", None, "shop.no", "no")]

    registry = registry_of(shop=Plugin(None, judge))
    found = prepared(registry, PLAIN, frame(["é"], 7, origin=False))
    assert json.loads(found.entries[0].raw) == {"main": [{"n": 7, "act": "é"}]}


def test_a_batch_without_records_is_a_batch_without_rows(registry_of):
    found = prepared(registry_of(shop=Plugin(acting, judging)), FAN_OUT)
    assert (found.extracted, dict(found.tables), found.entries) == (0, {}, ())


@pytest.mark.parametrize(
    "result, message",
    [
        (lambda data: data[:1], "lost records"),
        (lambda data: {}, "lost records"),
        (lambda data: Transformed(data[:1], (), {"shop.x": ()}), "lost records"),
        (lambda data: Transformed(data[:1], (Violation(1, "main", None, "a.b", "c", "warning"),)),
         "lost records"),
        (lambda data: numbered(data, 0, 7), "lost records"),
        (lambda data: pa.concat_tables([data, numbered(data, 8, 9)]), "made records up"),
        (lambda data: numbered(data, 0, None), "lost records"),
        (lambda data: {"elsewhere": data}, "knows nothing"),
        (lambda data: {None: data}, "declared columns"),
        (lambda data: data.drop_columns(["act"]), "declared columns"),
        (lambda data: data.drop_columns([RECORD]), RECORD),
        (lambda data: Transformed(None, ("violation",)), "no Violation"),
        (lambda data: Transformed(None, (Violation(9, "main", None, "a.b", "c"),)), "not shown"),
        (lambda data: Transformed(None, (), {"shop.x": (9,)}), "not shown"),
        (lambda data: 7, "no frame"),
    ],
)  # fmt: skip
def test_a_transform_that_breaks_its_contract_is_refused(registry_of, result, message):
    registry = registry_of(shop=Plugin(lambda table, batch: result(batch.table)))
    with pytest.raises(PluginError, match=message) as caught:
        prepared(registry, PLAIN, frame(["a", "b"]))
    assert "shop" in caught.value.where


@pytest.mark.parametrize(
    "found, message",
    [([7], "no Violation"), ([Violation(5, "main", None, "a.b", "c")], "not shown")],
)
def test_a_validate_that_breaks_its_contract_is_refused(registry_of, found, message):
    registry = registry_of(shop=Plugin(None, lambda table, batch: found))
    with pytest.raises(PluginError, match=message):
        prepared(registry, PLAIN, frame(["a"]))


def test_records_for_which_no_plugin_makes_tables_are_an_error(registry_of):
    with pytest.raises(PluginError, match="no transform made tables"):
        prepared(registry_of(shop=Plugin()), FAN_OUT, frame(["a"]))


def test_an_extracted_frame_may_not_bring_record_numbers(registry_of):
    given = pa.table({"n": [1], "act": ["a"], RECORD: pa.array([5], pa.int32())})
    with pytest.raises(PluginError, match=RECORD):
        prepared(registry_of(shop=Plugin()), PLAIN, Frame(given))


def test_an_origin_that_fails_is_the_fault_of_its_plugin(registry_of):
    def judge(table, batch):
        return [Violation(0, "main", None, "shop.no", "no")]

    given = Frame(frame(["a"]).table, lambda row: [][row])
    with pytest.raises(PluginError, match="origin"):
        prepared(registry_of(shop=Plugin(None, judge)), PLAIN, given)
