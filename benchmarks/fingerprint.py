"""How fast a worker fingerprints rows, against hashing the same bytes with nothing around it.

    python -m benchmarks fingerprint [--rows N] [--json]

The table has 12 columns, as a ticket has. The last figure is the one that travels between
machines: the time of everything over the time of bare hashlib.sha256 on the same texts.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sqlite3
import statistics
import sys
import time
from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa

from messy_migration.databases.sqlite import encoding as sqlite_c1
from messy_migration.fingerprint.rows import fingerprint, fingerprint_texts, row_hashes, row_texts
from messy_migration.model import Column, ColumnType
from messy_migration.model import Table as Described

if TYPE_CHECKING:
    from collections.abc import Callable

BUDGET = 1_000_000
"""Rows per second and core that encoding and hashing together have to reach."""

_PIECE = 16_384
_ROUNDS = 5
_KINDS = {
    "id": "int64",
    "event": "int32",
    "seat": "int32",
    "holder": "text",
    "mail": "text",
    "category": "text",
    "price": "decimal(12,2)",
    "used": "bool",
    "sold": "timestamp",
    "day": "date",
    "rate": "float64",
    "barcode": "uuid",
}


def main(arguments: list[str]) -> int:
    """Measure, print, and return 0; the budget is shown, not enforced."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks fingerprint")
    parser.add_argument("--rows", type=int, default=200_000, help="rows to fingerprint")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    options = parser.parse_args(arguments)
    figures = measure(options.rows)
    if options.json:
        print(json.dumps({"schema": 1, "rows": options.rows, "budget": BUDGET, **figures}))
        return 0
    for name, value in figures.items():
        print(f"{name:<24}{value:>12,.0f}" if value > 1_000 else f"{name:<24}{value:>12,.2f}")
    print(f"{'budget for both':<24}{BUDGET:>12,}")
    return 0


def measure(rows: int) -> dict[str, float]:
    """Rows per second of each step, medians of interleaved rounds, and ratios."""
    table = tickets()
    data = ticket_rows(rows)
    pieces = data.to_batches(max_chunksize=_PIECE)
    texts = [row_texts(piece, table.columns) for piece in pieces]
    listed = cast("list[bytes]", [text for piece in texts for text in piece.to_pylist()])
    connection = _sqlite(table, data)
    query = f"SELECT CAST({sqlite_c1.row_text(table)} AS BLOB) FROM tickets"
    steps: dict[str, Callable[[], object]] = {
        "encode": lambda: [row_texts(piece, table.columns) for piece in pieces],
        "hash": lambda: [row_hashes(piece) for piece in texts],
        "both": lambda: fingerprint(data, table.columns),
        "bare_sha256": lambda: [hashlib.sha256(text).digest() for text in listed],
        "sqlite_store": lambda: sum(1 for _ in sqlite_c1.storage(data, table.columns)),
        "sqlite_stream": lambda: fingerprint_texts(row[0] for row in connection.execute(query)),
    }
    seconds = {name: statistics.median(times) for name, times in _timed(steps).items()}
    figures = {f"{name}_rows_per_s": rows / taken for name, taken in seconds.items()}
    figures["bytes_per_row"] = sum(map(len, listed)) / max(rows, 1)
    figures["both_over_bare_sha256"] = seconds["both"] / seconds["bare_sha256"]
    return figures


def tickets() -> Described:
    """The table that is measured."""
    columns = [Column(name, ColumnType.parse(kind)) for name, kind in _KINDS.items()]
    return Described("tickets", tuple(columns), key=("id",))


def ticket_rows(rows: int) -> pa.Table:
    """Rows of the table, always the same; every tenth holder is NULL."""
    rng = np.random.default_rng(7)
    number = rng.integers(0, 10**8, rows)
    numbers = np.arange(rows)
    names = np.array(["Ana Brown", "Jürgen Groß", "李小龍", "O'Neill, Shaun", "Zoë"], dtype=object)
    holders = names[number % 5].copy()
    holders[numbers % 10 == 0] = None
    cents = pa.array(rng.integers(0, 10**6, rows)).cast(pa.decimal128(19, 0))
    instants = 1_700_000_000_000_000 + number * 1_000_003
    values = {
        "id": numbers,
        "event": number % 500,
        "seat": number % 40_000,
        "holder": holders,
        "mail": [f"holder{one}@example.org" for one in number],
        "category": np.array(["Adult", "Child", "VIP Lounge"], dtype=object)[number % 3],
        "price": pa.Array.from_buffers(pa.decimal128(12, 2), rows, cents.buffers()),
        "used": number % 2 == 0,
        "sold": pa.array(instants).cast(pa.timestamp("us", "UTC")),
        "day": pa.array((number % 20_000).astype(np.int32)).cast(pa.date32()),
        "rate": rng.random(rows),
        "barcode": [f"{one:08x}-1234-4abc-9def-{one:012x}" for one in number],
    }
    schema = tickets().arrow_schema()
    arrays = [pa.array(values[field.name], field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _sqlite(table: Described, data: pa.Table) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    sqlite_c1.register(connection)
    declared = ", ".join(f'"{one.name}" {sqlite_c1.column_type(one)}' for one in table.columns)
    connection.execute(f"CREATE TABLE tickets ({declared})")
    marks = ", ".join("?" * len(table.columns))
    rows = sqlite_c1.storage(data, table.columns)
    connection.executemany(f"INSERT INTO tickets VALUES ({marks})", rows)
    return connection


def _timed(steps: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(_ROUNDS):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - start)
    return times


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
