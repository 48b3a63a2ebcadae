"""A plan id names all that turns an input into rows."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from messy_migration.model import Column, ColumnType, Stream, Table
from messy_migration.pipeline.cut import Cutting
from messy_migration.pipeline.plan_id import basis, plan_id

COLUMNS = (Column("id", ColumnType("int32")), Column("v", ColumnType("decimal", 9, 3)))
TABLE = Table("t", COLUMNS, ("id",))
STREAM = Stream("shop.s", (TABLE,))
CUTTING = Cutting(10, 100)


def workspace(**versions):
    registry = SimpleNamespace(
        versions=versions,
        names=tuple(versions),
        implements=lambda _plugin, hook: hook == "transform",
        takes_settings=lambda _plugin, _hook: False,
        secrets=frozenset(),
    )
    return SimpleNamespace(registry=registry)


def identity(stream=STREAM, cutting=CUTTING, **versions):
    return plan_id(workspace(**(versions or {"shop": "1.0"})), stream, cutting)


def with_column(**changes):
    return Stream("shop.s", (Table("t", (COLUMNS[0], replace(COLUMNS[1], **changes)), ("id",)),))


def test_the_same_work_has_the_same_plan_id():
    assert identity() == identity(Stream("shop.other", (TABLE,)), Cutting(10, 100))
    assert len(identity()) == 16


def test_half_of_an_input_may_not_lose_other_digits_than_the_other_half():
    losses = ["", "round(2)", "round(1)"]
    assert len({identity(with_column(loss=loss)) for loss in losses}) == len(losses)
    two = Stream("shop.s", (TABLE, replace(with_column(loss="round(2)").tables[0], name="u")))
    other = Stream("shop.s", (with_column(loss="round(2)").tables[0], replace(TABLE, name="u")))
    assert identity(two) != identity(other)


def test_a_loss_of_one_column_is_not_that_of_another():
    texts = [Column(name, ColumnType("text")) for name in "ab"]
    plans = {
        identity(
            Stream(
                "s",
                (Table("t", tuple(replace(one, loss="trim" * (one is lossy)) for one in texts)),),
            )
        )
        for lossy in texts
    }
    assert len(plans) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"stream": with_column(type=ColumnType("decimal", 9, 2))},
        {"cutting": Cutting(11, 100)},
        {"cutting": Cutting(10, 101)},
        {"shop": "1.1"},
        {"shop": "1.0", "other": "1.0"},
    ],
    ids=["type", "records", "bytes", "version", "plugins"],
)
def test_whatever_makes_other_rows_or_batches_makes_another_plan(changed):
    assert identity(**changed) != identity()


def test_plugins_in_another_order_are_another_plan():
    one, other = {"shop": "1", "clean": "2"}, {"clean": "2", "shop": "1"}
    assert identity(**one) != identity(**other)


def test_a_tolerance_changes_no_row():
    assert identity(with_column(tolerance="0.01")) == identity()


def test_what_a_stream_is_made_with_counts_and_is_a_part_of_no_older_plan_id():
    one, other = (replace(STREAM, settings={"currency": currency}) for currency in ("EUR", "USD"))
    assert len({identity(), identity(one), identity(other)}) == 3
    bases = [basis(workspace(shop="1.0"), stream, CUTTING) for stream in (STREAM, one, other)]
    assert {before.former for before in bases} == {identity()}
