"""Rows on which encodings disagree: the conformance test of a target's dialect.

A dialect conforms when `nasty` rows, loaded into its database, give the same fingerprint there
as in Arrow, and when every change of a single cell changes it. Rows that the database cannot
hold (NaN in SQLite) have to be named by the dialect and left out.

    table, data = nasty(20_000, seed=1)
"""

from __future__ import annotations

import json
import math
import struct
import uuid
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from messy_migration.fingerprint.json import canonical_json
from messy_migration.model import Column, ColumnType, Table

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["hidden", "nasty", "nasty_table"]

# The stubs of pyarrow know its kernels for arrays of one known type only.
pc: Any = pyarrow.compute

_NULLS = 0.08
_POOL = 400

_TEXTS = (
    "", " ", "  padded  ", "x", "x ", "X", "~", "~~", "|", "||", "a|b", "1:a", "1:a|1:b", "0:",
    "!", "!text:61", "0", "00", "-0", "1.0", "1.50", "1e5", "NaN", "null", "NULL", "\\N", "\\.",
    "\\", "\\\\x41", "'", "''", '"', "`", "--", ";", "%s", "%%", "{}", ":name", "?", "$1", "$$",
    "\n", "\r\n", "a\tb", "line\nbreak", "\x01", "\x1f", "\x7f", "\x80", "\x85", "\u00a0",
    "é", "e\u0301", "ﬁ", "ß", "İ", "i\u0307", "\u0131", "Å", "\u212b", "日本語",
    "שלום", "\u202eabc\u202c",
    "👩\u200d👩\u200d👧", "🏳\ufe0f\u200d🌈", "\U0010ffff", "\ufeffbom", "\uffff", "\u2028",
    "2000-01-01", "true", "t", "a" * 127, "b" * 128, "c" * 4_095, "a" * 999, "b" * 1_000,
    "é" * 500 + "c", "d" * 4_096, "é" * 5_000,
)  # fmt: skip
_INTEGERS = (0, 1, -1, 9, 10, -10, 99, 100, 127, -128, 255, 256, 32_767, -32_768)
_FLOATS = (
    0.0, -0.0, 1.0, -1.0, 0.1, 0.1 + 2**-56, 1 / 3, 1e-20, 1e-16, 1e15, 1e16, 1e17, 1e22, 1e23,
    123456789012.5, 2.0**53, 2.0**53 + 2, 2.0**63, -(2.0**63), 2.0**64, 1e300, -1e300, 5e-324,
    -5e-324, 2.0**-1022, 2.0**-1022 - 5e-324, 1.7976931348623157e308, -1.7976931348623157e308,
    math.inf, -math.inf, math.nan, struct.unpack(">d", bytes.fromhex("fff8000000000001"))[0],
)  # fmt: skip
_DOCUMENTS = (
    "null", "true", "false", "0", "-0", "-0.0", "0e5", "0e-5", "0.00e1", "1.50", "1.500e1",
    "1E400", "1e-400", "-1.5E-3", "12345678901234567890123456789.123456789000", '""', '"null"',
    "[]", "{}", "[ ]", "[[],{}]", '{"b":1,"a":2}', '{"aa":1,"b":2}', '{"é":1,"zz":2,"z":3}',
    '{"a":1,"A":2}', '{"":0," ":1}', '{"a|b":"~","1:a":"|"}', r'"\u0001\u001f\u007f\b\f\n\r\t"',
    r'"\"\\\/"', r'"\ud83d\ude00"', r'"\\u0000"', '"👩\u200d👩\u200d👧"', '{"e\u0301":1,"é":2}',
    '{"k":{"k":{"k":[1,[2,[3]]]}}}', "[1,1.0,1.00,1e0,10e-1]",
    "[" * 64 + "]" * 64,
)  # fmt: skip
_BYTES = (b"", b"\0", b"\0\0", b"~", b"|", b"1:61", b"\\x41", b"\xff", b"\xc3\x28", b"\r\n")
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
_DAYS = (_FIRST_DAY, _FIRST_DAY + 1, -1, 0, 1, 59, 10_956, 10_957, 10_958, 11_016, _LAST_DAY)
_DAY = 86_400_000_000
# Before, in and after the hours that clocks show twice or never: Auckland, London, New York, and
# Lord Howe, which goes back by half an hour.
_FOLDS = (
    *(hour + 1_800 * half for half in range(6) for hour in (
        1_712_408_400, 1_727_528_400, 1_729_987_200, 1_711_843_200, 1_730_608_200)),
    *range(1_712_412_000, 1_712_419_200, 900),
)  # fmt: skip
_INSTANTS = (
    _FIRST_DAY * _DAY, _FIRST_DAY * _DAY + 1, -1_000_001, -1_000_000, -999_999, -1, 0, 1, 999_999,
    10_957 * _DAY - 1, 10_957 * _DAY, 10_957 * _DAY + 1, 2**31 * 1_000_000, 2**32 * 1_000_000,
    (_LAST_DAY + 1) * _DAY - 1, *(second * 1_000_000 + 1 for second in _FOLDS),
)  # fmt: skip
_UUIDS = (
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "01234567-89ab-cdef-0123-456789abcdef",
)
_LETTERS = np.array(list("ab01|~:!\\'\" \n\té\u0301ß日😀\u202e%${}[],.-"))


def nasty_table() -> Table:
    """The table of the nasty rows: every type, decimals of every scale, names to be quoted."""
    kinds = {
        "id": "int64",
        "order": "text",
        "select": "text",
        "small": "int16",
        "medium": "int32",
        "big": "int64",
        "flag": "bool",
        "ratio": "float64",
        "price": "decimal(12,2)",
        **{f"d{scale:02d}": f"decimal(38,{scale})" for scale in range(39)},
        "day": "date",
        "instant": "timestamp",
        "user": "uuid",
        "document": "json",
        "content": "bytes",
        "last": "text",
    }
    columns = [Column(name, ColumnType.parse(kind), name == "id") for name, kind in kinds.items()]
    return Table("nasty", tuple(columns), key=("id",))


def nasty(rows: int, seed: int) -> tuple[Table, pa.Table]:
    """A table and that many rows, the same for the same seed.

    The first 400 rows go once through the special values of every column; all later ones
    combine special and random values. About one cell in twelve is NULL, none in `id`, which
    counts from 0. No text holds NUL, which PostgreSQL cannot store.
    """
    table = nasty_table()
    rng = np.random.default_rng(seed)
    arrays: list[pa.Array[Any]] = [pa.array(np.arange(rows, dtype=np.int64))]
    for column in table.columns[1:]:
        values = _pool(column.type, rng)
        pool: Any = pa.array(values[:_POOL], column.type.arrow)
        indices = rng.integers(0, len(pool), rows)
        indices[: len(pool)] = np.arange(len(pool))[:rows]
        absent = rng.random(rows) < _NULLS
        absent[: len(pool)] = False
        arrays.append(pool.take(pa.array(indices, mask=absent)))
    return table, pa.Table.from_arrays(arrays, schema=table.arrow_schema())


def hidden(data: pa.Table) -> pa.Table:
    """The same rows as slices of longer arrays, with values under their NULLs.

    Arrow allows both, and neither is anything that a reader may see.
    """
    arrays = [_hidden(column.combine_chunks()) for column in data.columns]
    return pa.Table.from_arrays(arrays, schema=data.schema)


def _hidden(array: pa.Array[Any]) -> pa.Array[Any]:
    values = array.drop_null()
    if not len(values):
        return array
    some = values[len(values) // 2]
    filled = pc.fill_null(array, some)
    padding = pa.array([some.as_py()] * 3, array.type)
    long = pa.concat_arrays([padding, filled, padding])
    bits = np.ones(len(long), np.uint8)
    bits[3 : 3 + len(array)] = ~np.array(array.is_null().to_pylist(), bool)
    valid: Any = np.packbits(bits, bitorder="little")
    buffers = [pa.py_buffer(valid), *long.buffers()[1:]]
    return pa.Array.from_buffers(array.type, len(long), buffers).slice(3, len(array))


def _pool(kind: ColumnType, rng: np.random.Generator) -> list[Any]:
    if kind.kind == "decimal":
        special, make = _decimals(kind, rng)
    else:
        special, make = _SOURCES[kind.kind]
    values = list(special)
    while len(values) < _POOL:
        values.append(make(rng))
    return values


def _decimals(
    kind: ColumnType, rng: np.random.Generator
) -> tuple[list[Decimal], Callable[[np.random.Generator], Decimal]]:
    exact = Context(prec=kind.precision)

    def scaled(digits: int) -> Decimal:
        return Decimal(digits).scaleb(-kind.scale, exact)

    def make(rng: np.random.Generator) -> Decimal:
        count = int(rng.integers(1, kind.precision + 1))
        text = "".join(str(digit) for digit in rng.integers(0, 10, count))
        return scaled(int(text) * (1 if rng.random() < 0.5 else -1))

    one, largest = 10**kind.scale, 10**kind.precision - 1
    digits = [
        0,
        1,
        9,
        10,
        100,
        largest,
        largest - 1,
        largest // 10 * 10,
        10 ** (kind.precision - 1),
    ]
    digits += [number for number in (one, 10 * one, one + 1, one // 2) if number <= largest]
    del rng
    return [scaled(sign * number) for number in digits for sign in (1, -1)], make


def _text(rng: np.random.Generator) -> str:
    return "".join(rng.choice(_LETTERS, rng.integers(0, 40)))


def _float(rng: np.random.Generator) -> float:
    return float(np.frombuffer(rng.bytes(8), np.float64)[0])


def _document(rng: np.random.Generator) -> str:
    return canonical_json(_raw_document(rng, 0))


def _raw_document(rng: np.random.Generator, depth: int) -> str:
    choice = rng.integers(0, 3 if depth == 4 else 5)
    if choice == 0:
        return json.dumps(_text(rng), ensure_ascii=bool(rng.random() < 0.5))
    if choice == 1:
        return f"{rng.integers(-(10**9), 10**9)}.{rng.integers(0, 10**6)}e{rng.integers(-30, 30)}"
    if choice == 2:
        return str(rng.choice(["null", "true", "-0", "1.10", "1e3"]))
    elements = [_raw_document(rng, depth + 1) for _ in range(rng.integers(0, 5))]
    if choice == 3:
        return "[" + ",".join(elements) + "]"
    members = {_text(rng)[:4]: element for element in elements}
    return (
        "{" + ",".join(f"{json.dumps(name)}:{element}" for name, element in members.items()) + "}"
    )


def _integers(bits: int) -> tuple[list[int], Callable[[np.random.Generator], int]]:
    ends = [2 ** (bits - 1) - 1, -(2 ** (bits - 1)), 2 ** (bits - 2)]
    return [*_INTEGERS, *ends], lambda rng: int.from_bytes(rng.bytes(bits // 8), signed=True)


def _uuid(rng: np.random.Generator) -> str:
    return str(uuid.UUID(bytes=rng.bytes(16)))


_SOURCES: dict[str, tuple[list[Any], Callable[[np.random.Generator], Any]]] = {
    "text": (list(_TEXTS), _text),
    "int16": _integers(16),
    "int32": _integers(32),
    "int64": _integers(64),
    "bool": ([False, True], lambda rng: bool(rng.integers(0, 2))),
    "float64": (list(_FLOATS), _float),
    "date": (list(_DAYS), lambda rng: int(rng.integers(_FIRST_DAY, _LAST_DAY + 1))),
    "timestamp": (
        list(_INSTANTS),
        lambda rng: int(rng.integers(_FIRST_DAY * _DAY, (_LAST_DAY + 1) * _DAY)),
    ),
    "uuid": (list(_UUIDS), _uuid),
    "json": ([canonical_json(text) for text in _DOCUMENTS], _document),
    "bytes": (
        [*_BYTES, bytes(range(256)), *(bytes([value]) for value in range(256))],
        lambda rng: rng.bytes(int(rng.integers(0, 300))),
    ),
}
