"""The ticket rows that are loaded: seeded, so that every run of a benchmark has the same.

NULL is an empty field and the empty text a quoted one, which is how both `files` (with
`null = [""]`) and COPY read CSV.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from messy_migration.model import Column, ColumnType, Table

SEED = 20_261_121

_KINDS = {
    "ticket_id": "text",
    "order_id": "text",
    "event_id": "text",
    "status": "text",
    "price": "decimal(12,2)",
    "fee": "decimal(12,4)",
    "currency": "text",
    "email": "text",
    "holder": "text",
    "seat": "text",
    "entries": "int32",
    "is_paid": "bool",
    "sold_at": "timestamp",
    "used_at": "timestamp",
    "barcode": "int64",
}
_REQUIRED = ("status", "price", "currency", "sold_at")

TABLE = Table(
    "tickets",
    tuple(
        Column(name, ColumnType.parse(kind), required=name in _REQUIRED)
        for name, kind in _KINDS.items()
    ),
    key=("ticket_id",),
)
"""The table: 15 columns and a text key, as a ticketing platform exports them."""

_STATUS = ("VALID", "VALID", "VALID", "REFUNDED", "TRANSFERRED", "CHECKED_IN")
_CURRENCY = ("EUR", "EUR", "NZD", "USD", "GBP")
_HOLDERS = (
    "Ana Brown",
    "Jürgen Groß",
    "李小龍",
    '"O\'Neill, Shaun"',
    "Zoë de la Vega-Lindström",
    '"Dwayne ""The Rock"" Johnson"',
    " Padded  Name ",
    "",
)
_BLOCK = 50_000


def write(folder: Path, rows: int, files: int = 1) -> Path:
    """Write configuration, schema file, the rows in some files, and again in one.

    Returns:
        The path of the one file that holds them all; the very file if there is one only.
    """
    (folder / "tickets").mkdir()
    _configure(folder)
    bounds = [rows * number // files for number in range(files + 1)]
    parts = [folder / "tickets" / f"part-{number + 1:02d}.csv" for number in range(files)]
    for path, (start, stop) in zip(parts, pairwise(bounds), strict=True):
        _write(path, start, stop)
    if files == 1:
        return parts[0]
    whole = folder / "all.csv"
    with whole.open("wb") as everything:
        for number, path in enumerate(parts):
            with path.open("rb") as part:
                header = part.readline()
                everything.write(b"" if number else header)
                shutil.copyfileobj(part, everything)
    return whole


def _write(path: Path, start: int, stop: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(_KINDS) + "\n")
        for text in _texts(start, stop):
            file.write(text)


def _configure(folder: Path) -> None:
    (folder / "migrate.toml").write_text(
        '[profiles.default]\nplugins = ["files"]\n[files.streams.tickets]\n'
        'path = "tickets/*.csv"\nschema = "tickets.toml"\n',
        encoding="utf-8",
    )
    lines = ['table = "tickets"', 'key = ["ticket_id"]', "[format]", 'kind = "csv"']
    lines += ['encoding = "utf-8"', 'delimiter = ","', 'null = [""]', "[columns]"]
    for name, kind in _KINDS.items():
        required = ", required = true" if name in _REQUIRED else ""
        words = ', true = ["t"], false = ["f"]' if kind == "bool" else ""
        lines.append(f'{name} = {{ type = "{kind}"{required}{words} }}')
    (folder / "tickets.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _texts(start: int, stop: int) -> Iterator[str]:
    for first in range(start, stop, _BLOCK):
        yield _text(first, min(first + _BLOCK, stop))


def _text(start: int, stop: int) -> str:
    """Some rows as CSV; keys are spread like random ones, and unique."""
    count = stop - start
    chance = np.random.default_rng([SEED, start])
    # An odd factor permutes the numbers below a power of two.
    keys = (np.arange(start, stop, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)).tolist()
    picks = chance.integers(0, 100, (5, count)).tolist()
    cents = chance.integers(0, 25_000, (2, count)).tolist()
    orders = chance.integers(0, 1 << 62, count).tolist()
    sold = (chance.integers(1_600_000_000, 1_760_000_000, count)).astype("datetime64[s]")
    used = (sold + chance.integers(3_600, 9_000_000, count)).astype(str).tolist()
    rows = zip(keys, orders, *picks, *cents, sold.astype(str).tolist(), used, strict=True)
    return "".join(
        f"{key:016x}{order & 0xFFFFFFFF:08x},{order:016x}-ord,evt-{order % 4_096:06d},"
        f"{_STATUS[a % 6]},{price // 100}.{price % 100:02d},{fee // 100}.{fee * 37 % 10_000:04d},"
        f"{_CURRENCY[b % 5]},{_email(c, order)},{_HOLDERS[d % 8]},{_seat(e)},{a % 4},"
        f"{'t' if b % 3 else 'f'},{sold}Z,{used + 'Z' if e > 20 else ''},{key >> 2}\n"
        for key, order, a, b, c, d, e, price, fee, sold, used in rows
    )


def _email(pick: int, number: int) -> str:
    if pick < 6:
        return ""
    if pick == 6:
        return '""'
    if pick < 12:
        return f" Buyer.{number % 1_000_000}@Example.ORG "
    return f"buyer.{number % 1_000_000}@example.org"


def _seat(pick: int) -> str:
    return "" if pick < 40 else f"Block {pick % 9} / Row {pick % 31} / Seat {pick}"
