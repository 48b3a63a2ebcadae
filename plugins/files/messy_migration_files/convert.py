"""Text columns to typed columns: whole columns at once, single cells only where that fails.

Both ways must agree on every text, or a record's fate would depend on its neighbours. A cell
that is not of its type becomes null here and a fault, and its reason never quotes the value: it
may be personal data.
"""

from __future__ import annotations

import binascii
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn, cast
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from messy_migration.model.conversion import decimals
from messy_migration_files.moments import DAY, Pattern, iso_patterns, read_cells
from messy_migration_files.schema import SourceColumn
from messy_migration_files.zones import MAX_INSTANT, MIN_INSTANT, to_utc

_GRAMMAR = {
    "int": r"-?[0-9]+",
    "decimal": r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)",
    "float64": r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?",
    "uuid": r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
}
# In these alphabets Arrow reads exactly the texts of the grammar, and no others.
_PLAIN_LENGTHS = {"date": (10,), "timestamp": (20, 24, 27)}
_ALPHABET = {"int": b"0123456789-", "decimal": b"0123456789-.", "float64": b"0123456789-.eE"}


@dataclass(frozen=True, slots=True)
class Converted:
    """A typed column; `faults` says for each cell that did not convert, by row, why."""

    values: pa.Array[Any]
    faults: Mapping[int, str] = field(default_factory=dict)


def convert(cells: pa.StringArray, column: SourceColumn) -> Converted:
    """Give a column of texts its declared type.

    Args:
        cells: the texts; null where the file holds a declared null word.
        column: its type, and how it is written.
    """
    readers: dict[str, Callable[[pa.StringArray, SourceColumn], Converted]] = {
        "text": lambda cells, _: Converted(cells),
        "date": _moments,
        "timestamp": _moments,
        "bool": _bools,
        "uuid": _uuids,
        "json": lambda cells, column: _each(cells, column, _json),
        "bytes": _binaries,
        "decimal": _decimals,
    }
    if column.wide is not None:
        converted = _decimals(cells, replace(column, type=column.wide))
        return replace(converted, faults=dict.fromkeys(converted.faults, _reason(column)))
    return readers.get(column.type.kind, _numbers)(cells, column)


def _reason(column: SourceColumn) -> str:
    article = "an" if str(column.type)[0] in "aeiou" else "a"
    return f"{column.name} is not {article} {column.type}"


def _checked(values: pa.Array[Any], bad: NDArray[np.bool_], column: SourceColumn) -> Converted:
    """Values without the bad ones, which are faults."""
    if not bad.any():
        return Converted(values)
    without = pc.if_else(pa.array(bad), pa.scalar(None, values.type), values)
    return Converted(without, dict.fromkeys(np.flatnonzero(bad).tolist(), _reason(column)))


def _flags(values: Any) -> NDArray[np.bool_]:
    """Booleans without null, out of their bits: `to_numpy` would import pandas."""
    end = values.offset + len(values)
    bits = values.buffers()[1]
    if not end:
        return np.empty(0, np.bool_)
    flags = np.unpackbits(np.frombuffer(bits, np.uint8), count=end, bitorder="little")
    return flags[values.offset :].astype(np.bool_)


def _mismatches(cells: pa.StringArray, grammar: str) -> NDArray[np.bool_]:
    array = pc.match_substring_regex(cells, rf"\A(?:{grammar})\z")
    return ~_flags(pc.fill_null(array, pa.scalar(True)))  # noqa: FBT003


def _bytes_of(cells: pa.StringArray) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The bytes of all cells, and where each one starts and the last one ends."""
    _, offsets, data = cells.buffers()
    if offsets is None or not len(cells):
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    bounds = np.frombuffer(memoryview(offsets), np.int32)[
        cells.offset : cells.offset + len(cells) + 1
    ]
    text = np.empty(0, np.uint8) if data is None else np.frombuffer(memoryview(data), np.uint8)
    return text, bounds.astype(np.int64)


def _within(cells: pa.StringArray, alphabet: bytes) -> bool:
    text, bounds = _bytes_of(cells)
    return not text[bounds[0] : bounds[-1]].tobytes().translate(None, alphabet)


def _decimals(cells: pa.StringArray, column: SourceColumn) -> Converted:
    bad = np.zeros(len(cells), bool)
    if not _within(cells, _ALPHABET["decimal"]):
        bad = _mismatches(cells, _GRAMMAR["decimal"])
        cells = pc.if_else(pa.array(bad), pa.scalar(None, pa.string()), cells)
    values, misfits = decimals(cells, column.type)
    bad[misfits] = True
    return _checked(values, bad, column)


def _numbers(cells: pa.StringArray, column: SourceColumn) -> Converted:
    name = "int" if column.type.kind.startswith("int") else column.type.kind
    if _within(cells, _ALPHABET[name]):
        values = _cast(cells, column)
        if values is not None:
            return Converted(values)
    bad = _mismatches(cells, _GRAMMAR[name])
    fitting = pc.if_else(pa.array(bad), pa.scalar(None, pa.string()), cells)
    values = _cast(fitting, column)
    if values is not None:
        return _checked(values, bad, column)
    if name == "int":
        bits = int(column.type.kind[3:])
        return _each(cells, column, _integers(1 << (bits - 1)))
    return _each(cells, column, _float)


def _cast(cells: pa.StringArray, column: SourceColumn) -> pa.Array[Any] | None:
    try:
        values = cells.cast(column.type.arrow)
    except pa.ArrowInvalid:
        return None
    if column.type.kind == "float64" and not pc.all(pc.is_finite(values), min_count=0).as_py():
        return None
    return values


def _each(cells: pa.StringArray, column: SourceColumn, read: Callable[[str], Any]) -> Converted:
    """Cell by cell; `read` raises ValueError for a text that is not of the type."""
    values: list[Any] = []
    bad = np.zeros(len(cells), bool)
    for row, text in enumerate(cells.to_pylist()):
        value = None
        if text is not None:
            try:
                value = read(text)
            except (ValueError, RecursionError):
                bad[row] = True
        values.append(value)
    return _checked(pa.array(values, column.type.arrow), bad, column)


def _uuids(cells: pa.StringArray, column: SourceColumn) -> Converted:
    return _checked(pc.ascii_lower(cells), _mismatches(cells, _GRAMMAR["uuid"]), column)


def _binaries(cells: pa.StringArray, column: SourceColumn) -> Converted:
    return _each(cells, column, _unhex if column.encoding == "hex" else _unbase64)


def _integers(limit: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        digits = text.removeprefix("-").lstrip("0")
        if re.fullmatch(_GRAMMAR["int"], text) is None or len(digits) > 19:
            raise ValueError
        value = int(text)
        if not -limit <= value < limit:
            raise ValueError
        return value

    return read


def _float(text: str) -> float:
    if re.fullmatch(_GRAMMAR["float64"], text) is None:
        raise ValueError
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


def _bools(cells: pa.StringArray, column: SourceColumn) -> Converted:
    # One look-up for both: the place of the word among all, NULL where it is none of them.
    array = pc.index_in(cells, value_set=_words((*column.true, *column.false)))
    read = _flags(array.is_valid())
    content: Any = array.buffers()[1]
    indices = np.frombuffer(content, np.int32, len(cells))
    bits: list[pa.Buffer | None] = [_bits(read), _bits(indices < len(column.true))]
    values = pa.Array.from_buffers(pa.bool_(), len(cells), bits)
    return _checked(values, _flags(cells.is_valid()) & ~read, column)


def _words(words: Sequence[str]) -> pa.StringArray:
    encoded = [word.encode() for word in words]
    bounds = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    buffers = [None, pa.py_buffer(cast("Any", bounds)), pa.py_buffer(b"".join(encoded))]
    return cast("pa.StringArray", pa.Array.from_buffers(pa.string(), len(encoded), buffers))


def _bits(flags: NDArray[np.bool_]) -> pa.Buffer:
    return pa.py_buffer(cast("Any", np.packbits(flags, bitorder="little")))


def _json(text: str) -> str:
    value = json.loads(text, parse_constant=_refuse, parse_float=_float, object_pairs_hook=_object)
    if "\\u" in text:
        # Half of a surrogate pair is JSON but no text that any database could store.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return text


def _refuse(_: str) -> NoReturn:
    raise ValueError


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError
    return members


def _unhex(text: str) -> bytes:
    return binascii.unhexlify(text)


def _unbase64(text: str) -> bytes:
    return binascii.a2b_base64(text, strict_mode=True)


def _moments(cells: pa.StringArray, column: SourceColumn) -> Converted:
    plain = _plain_moments(cells, column)
    if plain is not None:
        return plain
    kind, zone = column.type.kind, column.timezone
    patterns = (
        iso_patterns(kind, local=zone is not None)
        if column.pattern is None
        else (Pattern(column.pattern),)
    )
    valid = _flags(cells.is_valid())
    text, bounds = _bytes_of(cells)
    read = read_cells(text, bounds, valid, patterns)
    bad = valid & ~read.good
    if kind == "date":
        days = _array((read.local // DAY).astype(np.int32), read.good, column)
        return _checked(days, bad, column)
    instants = read.local - read.offset
    faults: dict[int, str] = {}
    naive = np.flatnonzero(read.good & ~read.zoned)
    if zone is not None and len(naive):
        instants[naive], wrong = to_utc(read.local[naive], ZoneInfo(zone), column.ambiguous)
        for fault, word in ((1, "comes twice"), (2, "is skipped")):
            reason = f"{column.name} is a local time that {word} in {zone}"
            faults.update(dict.fromkeys(naive[wrong == fault].tolist(), reason))
    bad |= read.good & ((instants < MIN_INSTANT) | (instants > MAX_INSTANT))
    faults.update(dict.fromkeys(np.flatnonzero(bad).tolist(), _reason(column)))
    good = read.good.copy()
    good[list(faults)] = False
    return Converted(_array(instants, good, column), faults)


def _array(values: NDArray[Any], valid: NDArray[np.bool_], column: SourceColumn) -> pa.Array[Any]:
    """Numbers as cells of the column's type, null where they are not valid."""
    # Straight from the buffers: pyarrow imports pandas to look at an array that it is given.
    bits = None if valid.all() else _bits(valid)
    content = pa.py_buffer(cast("Any", values))
    return pa.Array.from_buffers(column.type.arrow, len(values), [bits, content])


def _plain_moments(cells: pa.StringArray, column: SourceColumn) -> Converted | None:
    """ISO dates, and ISO instants that end in Z; None if there is any other text among them.

    Arrow reads more forms than these, but none of the same length and end, and it checks the
    calendar.
    """
    if column.pattern is not None or not len(cells):
        return None
    text, limits = _bytes_of(cells)
    lengths = np.diff(limits)
    has_length = np.isin(lengths, _PLAIN_LENGTHS[column.type.kind])
    ends = text[np.maximum(limits[1:] - 1, 0)] if len(text) else np.zeros(len(cells), np.uint8)
    if column.type.kind == "timestamp":
        has_length &= ends == ord("Z")
    if cells.null_count:
        has_length |= _flags(cells.is_null())
    if not has_length.all():
        return None
    values = _cast(cells, column)
    if values is None:
        return None
    unit, size = (DAY, pa.int32()) if column.type.kind == "date" else (1, pa.int64())
    bounds = pc.min_max(values.view(size))
    first, last = (bounds[name].as_py() for name in ("min", "max"))
    if first is not None and (first * unit < MIN_INSTANT or last * unit > MAX_INSTANT):
        return None
    return Converted(values)
