from __future__ import annotations

import json
from decimal import Decimal

import pyarrow as pa
import pytest

from messy_migration.model import RECORD, Batch, Partition, Stream
from messy_migration_ticketing import (
    Bad,
    Rows,
    at,
    check,
    leftovers,
    money,
    parse,
    stream_tables,
    transform,
)

STREAM = Stream(
    "vivenu.events", stream_tables("vivenu", "auckland", ("events", "ticket_types")), "auckland"
)
EVENT = {"id": "e", "source_id": "1", "kind": "single", "name": "Ärö"}


def batch_of(*payloads, numbers=None):
    records = list(numbers or range(len(payloads)))
    table = pa.table({"payload": list(payloads), RECORD: pa.array(records, pa.int32())})
    return Batch(STREAM, Partition("all", "d"), 0, table)


def test_a_row_gets_its_scope_its_flags_and_null_for_the_rest():
    rows = Rows(STREAM)
    rows.add(3, "events", EVENT)
    (row,) = rows.frames()["events"].to_pylist()
    assert row[RECORD] == 3
    assert (row["source_system"], row["source_account"]) == ("vivenu", "auckland")
    assert (row["is_test"], row["is_stub"], row["extra"], row["venue_name"]) == (
        False, False, "{}", None,
    )  # fmt: skip


def test_frames_of_all_tables_come_in_the_declared_types_even_when_empty():
    frames = Rows(STREAM).frames()
    assert list(frames) == ["events", "ticket_types"]
    for table in STREAM.tables:
        schema = frames[table.name].schema
        assert schema.names == [*table.names, RECORD]
        assert [schema.field(name).type for name in table.names] == list(table.arrow_schema().types)


def test_a_column_that_does_not_exist_is_a_defect_and_not_lost():
    with pytest.raises(KeyError, match="nmae"):
        Rows(STREAM).add(0, "events", {"nmae": "x"})


def test_a_bad_value_takes_all_rows_and_warnings_of_its_record_and_no_others():
    def read(document, out):
        out.add("events", EVENT)
        out.warn("events", "name", "odd", "it is odd")
        with at("ticket_types"):
            money(document["price"], "price")

    found = transform(STREAM, batch_of('{"price": 1.5}', '{"price": "x"}', '{"price": 2}'), read)
    assert found.frames["events"].column(RECORD).to_pylist() == [0, 2]
    bad = [item for item in found.violations if item.severity == "error"]
    assert [(item.record, item.table, item.column, item.rule) for item in bad] == [
        (1, "ticket_types", "price", "vivenu.money")
    ]
    warnings = [item for item in found.violations if item.severity == "warning"]
    assert [(item.record, item.rule) for item in warnings] == [(0, "vivenu.odd"), (2, "vivenu.odd")]


@pytest.mark.parametrize(
    "payload, rule",
    [
        ("[1]", "vivenu.shape"),
        ('"text"', "vivenu.shape"),
        ("{", "vivenu.json"),
        ('{"a": NaN}', "vivenu.json"),
        ("[" * 100_000, "vivenu.json"),
        (r'{"a": "\ud800"}', "vivenu.unicode"),
        (r'{"\uDC00": 1}', "vivenu.unicode"),
    ],
)
def test_a_payload_that_is_no_record_is_a_violation(payload, rule):
    found = transform(STREAM, batch_of(payload), lambda *_: pytest.fail("it was read"))
    assert [item.rule for item in found.violations] == [rule]


def test_records_keep_their_numbers_when_a_batch_was_halved():
    found = transform(
        STREAM, batch_of("{}", "{}", numbers=(7, 9)), lambda _, out: out.add("events", EVENT)
    )
    assert found.frames["events"].column(RECORD).to_pylist() == [7, 9]


def test_payloads_keep_their_digits():
    document = parse('{"a": 19.999999999999999999, "b": 12345678901234567890123, "c": "\\u00e4"}')
    assert document["a"] == Decimal("19.999999999999999999")
    assert document["b"] == 12345678901234567890123
    assert document["c"] == "ä"


def test_json_columns_are_written_exactly():
    rows = Rows(STREAM)
    rows.add(0, "events", {**EVENT, "extra": {"fee": Decimal("1.50"), "list": [1, None]}})
    (cell,) = rows.frames()["events"].column("extra").to_pylist()
    assert "1.50" in cell
    assert json.loads(cell) == {"fee": 1.5, "list": [1, None]}


def test_leftovers_say_something_and_are_not_known():
    record = {"_id": 1, "new": "x", "null": None, "empty": "", "list": [], "zero": 0, "no": False}
    assert leftovers(record, ["_id"]) == {"new": "x", "zero": 0, "no": False}


def frame(table, *rows):
    made = Rows(Stream("vivenu.x", stream_tables("vivenu", "auckland", (table,)), "auckland"))
    for number, row in enumerate(rows):
        made.add(number, table, row)
    return Batch(STREAM, Partition("all", "d"), 0, made.frames()[table])


TYPE = {
    "id": "t", "source_id": "1", "event_id": "e", "name": "Adult", "kind": "paid",
    "price": Decimal(1), "currency": "EUR", "is_active": True,
}  # fmt: skip


def test_what_is_needed_is_missed_in_rows_but_not_in_stubs():
    stub = {"id": "s", "source_id": "2", "is_stub": True}
    found = check("ticket_types", frame("ticket_types", TYPE, {**TYPE, "name": None}, stub))
    assert [(item.record, item.column, item.rule, item.severity) for item in found] == [
        (1, "name", "ticketing.required", "error")
    ]


def test_placeholders_and_reversed_periods_are_warnings():
    absurd = {**TYPE, "price": Decimal(9_999_999), "capacity": 10_000_000}
    found = check("ticket_types", frame("ticket_types", TYPE, absurd))
    assert [(item.column, item.rule, item.severity) for item in found] == [
        ("price", "ticketing.range", "warning"),
        ("capacity", "ticketing.range", "warning"),
    ]
    late = parse_moment("2026-01-02"), parse_moment("2026-01-01")
    event = {**EVENT, "status": "live", "timezone": "UTC", "starts_at": late[0], "ends_at": late[1]}
    found = check("events", frame("events", event))
    assert [(item.column, item.rule, item.severity) for item in found] == [
        ("ends_at", "ticketing.period", "warning")
    ]


def test_a_line_of_nothing_is_an_error():
    line = {
        "id": "l", "source_id": "1", "order_id": "o", "kind": "ticket", "quantity": 0,
        "line_total": Decimal(0),
    }  # fmt: skip
    found = check("order_items", frame("order_items", line, {**line, "quantity": 1}))
    assert [(item.record, item.rule) for item in found] == [(0, "ticketing.quantity")]


def test_tables_of_others_are_left_alone():
    assert check("sales", batch_of("{}")) == []


def test_a_finding_is_text_that_survives_a_process_border():
    error = Bad("enum", "status", "the value is none of a, b")
    assert error.args == ("enum", "status", "the value is none of a, b", "")


def parse_moment(day):
    return pa.scalar(f"{day}T00:00:00Z").cast(pa.timestamp("us", "UTC")).as_py()
