"""The source of the fault tests: a plugin over one file, with an access log.

`customers` and `orders` land, as an API's streams do, and every page that is read of them is
written down. Between them the streams have whatever a crash could tear: keys that come after
the load and keys that are there before, no key at all, one record in two tables, foreign keys
with stubs, a bookmark, records that are rejected, refused and filtered, and records with one
key in several partitions, equal and not.

What it serves is made from a seed, so that a test can say what has to arrive.
"""

from __future__ import annotations

import json
import os
import random
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from messy_migration.errors import SourceError
from messy_migration.hookspecs import hookimpl
from messy_migration.model import (
    RECORD,
    Column,
    ColumnType,
    Filtered,
    ForeignKey,
    Frame,
    Origin,
    Partition,
    Rejected,
    Stream,
    Table,
    Transformed,
    Violation,
)

PAGE = 10
START = datetime(2026, 1, 1, tzinfo=UTC)


def _columns(**kinds):
    return tuple(Column(name, ColumnType.parse(kind)) for name, kind in kinds.items())


_CUSTOMERS = Table(
    "customers",
    _columns(id="int64", name="text", balance="decimal(12,2)", changed="timestamp"),
    ("id",),
)
_ORDER = _columns(id="int64", customer="int64", state="text", total="decimal(12,2)", lines="json")
_ORDERS = Table(
    "orders",
    _columns(id="int64", customer="int64", total="decimal(12,2)"),
    ("id",),
    foreign_keys=(
        ForeignKey(
            ("customer",), "customers", ("id",), (("id", "=customer"), ("name", "(unknown)"))
        ),
    ),
)
_LINES = Table(
    "order_lines",
    _columns(order_id="int64", line="int32", article="text"),
    ("order_id", "line"),
    foreign_keys=(ForeignKey(("order_id",), "orders", ("id",)),),
)
_EVENTS = Table("events", _columns(kind="text", at="timestamp", note="text"))
_ITEMS = Table(
    "items", _columns(id="int64", shop="text", label="text"), ("id",), (("shop", "north"),)
)
STREAMS = {
    "customers": Stream("shop.customers", (_CUSTOMERS,), bookmark="changed", lands=True),
    "orders": Stream(
        "shop.orders",
        (_ORDERS, _LINES),
        record=_ORDER,
        depends_on=("shop.customers",),
        lands=True,
    ),
    "events": Stream("shop.events", (_EVENTS,)),
    "items": Stream("shop.items", (_ITEMS,)),
}


def generated(seed):
    """Stream -> partition -> records, as JSON values; a record that is a text is rejected."""
    chance = random.Random(seed)
    found = {
        "customers": [[_customer(chance, number) for number in range(n, n + 30)] for n in (0, 30)],
        "orders": [[_order(chance, number) for number in range(n, n + 40)] for n in (0, 40)],
        "events": [[_event(chance) for _ in range(40)] for _ in range(3)],
        "items": [[_item(chance, number) for number in range(n, n + 30)] for n in (0, 30)],
    }
    first, second = found["customers"]
    second[3] = first[4]  # the same record again
    second[7] = {**first[9], "name": "newer", "changed": "2026-03-01T00:00:00+00:00"}
    first, second = found["items"]
    second[5] = first[20]
    for place in (2, 17):
        first[place] = {**first[place], "label": "said so"}
        second[place] = {**first[place], "label": "said otherwise"}
    return found


def _customer(chance, number):
    changed = START + timedelta(hours=chance.randrange(1000))
    balance = str(Decimal(chance.randrange(10**6)).scaleb(-2))
    name = chance.choice(("", " ", "Ümlaut", "x\ty", "plain"))
    return {"id": number, "name": name, "balance": balance, "changed": changed.isoformat()}


def _order(chance, number):
    lines = [chance.choice(("cup", "plate", "")) for _ in range(chance.randrange(1, 4))]
    return {
        "id": number,
        "customer": chance.choice((*range(60), 900, 901)),
        "state": "draft" if number % 9 == 5 else "paid",
        "total": str(Decimal(-1 if number % 20 == 7 else chance.randrange(10**5)).scaleb(-2)),
        "lines": json.dumps(lines, separators=(",", ":")),
    }


def _event(chance):
    if chance.random() < 0.05:
        return f"broken {chance.randrange(10**6)}"
    at = START + timedelta(minutes=chance.randrange(30))
    return {"kind": chance.choice("ab"), "at": at.isoformat(), "note": None}


def _item(chance, number):
    return {"id": number, "shop": "north", "label": chance.choice(("", "red", "blue"))}


@hookimpl
def streams():
    return tuple(STREAMS.values())


@hookimpl
def partitions(stream):
    parts = _read(stream)
    return [
        Partition(
            f"part {number}",
            f"{stream.name} part {number}",
            {"part": number},
            until=f"2026-0{number + 2}-01T00:00:00+00:00" if stream.lands else None,
        )
        for number in range(len(parts))
    ]


@hookimpl
def extract(stream, partition):
    number = partition.bounds["part"]
    records = _read(stream)[number]
    for start in range(0, len(records), PAGE):
        if stream.lands:
            _log(stream, partition, start)
        _fail_once(stream, number, start)
        yield from _frames(stream, records[start : start + PAGE], f"{number}:{start}")


@hookimpl
def transform(stream, table, batch):
    if stream.name != "shop.orders" or table is not None:
        return None
    data = batch.table
    drafts = pc.equal(data["state"], "draft")
    kept = data.filter(pc.invert(drafts))
    gone = tuple(data.filter(drafts)[RECORD].to_pylist())
    lines = [
        {RECORD: row[RECORD], "order_id": row["id"], "line": place, "article": article}
        for row in kept.to_pylist()
        for place, article in enumerate(json.loads(row["lines"]))
    ]
    schema = pa.schema([(RECORD, pa.int32()), *_LINES.arrow_schema()])
    return Transformed(
        {
            "orders": kept.select([RECORD, "id", "customer", "total"]),
            "order_lines": pa.Table.from_pylist(lines, schema),
        },
        filtered={"shop.draft": gone} if gone else {},
    )


@hookimpl
def validate(stream, table, batch):
    _poison(table, batch)
    if table != "orders":
        return None
    return [
        Violation(row[RECORD], table, "total", "shop.negative", "the total is negative")
        for row in batch.table.to_pylist()
        if row["total"] < 0
    ]


def _read(stream):
    source = json.loads(Path(os.environ["FAULTS_SOURCE"]).read_text())
    return source[stream.name.partition(".")[2]]


def _frames(stream, records, place):
    """Rows as frames, what is no row as rejected records; the order is kept."""
    columns = stream.record or stream.tables[0].columns
    rows = [item for item in records if isinstance(item, dict)]
    if rows:
        cells = {column.name: [row[column.name] for row in rows] for column in columns}
        arrays = {
            column.name: pc.cast(pa.array(cells[column.name], _plain(column)), column.type.arrow)
            for column in columns
        }
        raw = [json.dumps(row).encode() for row in rows]
        yield Frame(pa.table(arrays), lambda row: Origin(raw[row], f"{place}:{row}"))
    for item in records:
        if isinstance(item, str):
            yield Rejected(item.encode(), place, "not a record", "shop.broken")
    if stream.name == "shop.events" and place.endswith(":0"):
        yield Filtered("shop.header")


def _plain(column):
    return {"int64": pa.int64(), "int32": pa.int32()}.get(column.type.kind, pa.string())


def _log(stream, partition, start):
    line = {"at": time.time(), "stream": stream.name, "partition": partition.digest, "page": start}
    with Path(os.environ["FAULTS_ACCESS"]).open("a") as file:
        file.write(json.dumps(line) + "\n")


def _poison(table, batch):
    """A record of which whoever takes it on dies, if a test says so."""
    name, number, way = os.environ.get("FAULTS_POISON", "none 0 none").split()
    if table == name and int(number) in batch.table["id"].to_pylist():
        import failpoints  # only where a run is under test

        failpoints.fire({"point": "poison", "action": way})


def _fail_once(stream, number, start):
    """The second page of a stream's last partition is not to be had, if a test says so."""
    is_meant = os.environ.get("FAULTS_PAGE") == stream.name
    if is_meant and start == PAGE and number == len(_read(stream)) - 1:
        raise SourceError("the page cannot be read", f"stream {stream.name}", "status 502")
