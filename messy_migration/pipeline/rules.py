"""The rules of the core: what no target can hold, and what a key means."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from messy_migration.fingerprint.arrays import as_flags, as_numbers, texts
from messy_migration.fingerprint.json import canonical_json
from messy_migration.fingerprint.rows import row_hashes, row_texts
from messy_migration.model import RECORD, Table, Violation

DUPLICATE = "core.duplicate"
FIRST = "core.first"
"""Another row of the key came first, and stays."""
DUPLICATE_KEY = "core.duplicate_key"
TARGET = "core.target"
CRASH = "core.crash"
# Kinds whose values Arrow tells apart without grouping, which would import pandas.
_COUNTED = frozenset({"text", "uuid", "int16", "int32", "int64", "date", "timestamp"})
_UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"

Unstorable = Callable[[Table, pa.Table], dict[str, list[int]]]
"""Column -> places of rows that the target cannot hold."""


def check(table: Table, data: pa.Table, unstorable: Unstorable) -> tuple[pa.Table, list[Violation]]:
    """The rows with JSON in canonical form, and what breaks a rule of the core.

    `core.required` (NULL in a required or key column, or a scope that is not the stream's),
    `core.nul` (a NUL in text), `core.uuid`, `core.json`, `core.unstorable`.
    """
    records = as_numbers(data.column(RECORD), np.int32)
    violations: list[Violation] = []

    def report(
        indices: npt.NDArray[np.int64] | list[int], column: str, rule: str, why: str
    ) -> None:
        violations.extend(
            Violation(int(records[index]), table.name, column, rule, why) for index in indices
        )

    scope = dict(table.scope)
    for column in table.columns:
        cells = data.column(column.name)
        if column.required or column.name in table.key:
            report(_true(pc.is_null(cells)), column.name, "core.required", "the value is missing")
        if column.name in scope:
            # NULL is outside too: the WHERE of the proof would never see the row.
            inside = _true(pc.equal(cells, texts([scope[column.name]])[0]))
            report(
                np.setdiff1d(np.arange(len(cells)), inside),
                column.name,
                "core.scope",
                "the row is outside its stream's scope",
            )
        if column.type.kind in ("text", "json"):
            report(_with_nul(cells), column.name, "core.nul", "the text holds a NUL")
        if column.type.kind == "uuid":
            wrong = pc.invert(pc.match_substring_regex(cells, _UUID))
            report(_true(wrong), column.name, "core.uuid", "the value is no lower-case UUID")
        if column.type.kind == "json":
            cells, wrong_places = _canonical(cells)
            report(
                wrong_places,
                column.name,
                "core.json",
                "the value is no JSON that a target can hold",
            )
            data = data.set_column(data.column_names.index(column.name), column.name, cells)
    for name, indices in unstorable(table, data).items():
        report(indices, name, "core.unstorable", "this kind of target cannot hold the value")
    return data, violations


def _true(mask: Any) -> npt.NDArray[np.int64]:
    """Places where a mask, chunked or not, holds; NULL does not."""
    if not pc.any(mask, min_count=0).as_py():
        return np.empty(0, dtype=np.int64)
    return np.flatnonzero(as_flags(mask))


def _with_nul(cells: pa.ChunkedArray[Any]) -> npt.NDArray[np.int64]:
    """Places of texts that hold a NUL; a look at the bytes of all tells most often."""
    if not any(_holds_nul(chunk) for chunk in cells.chunks):
        return np.empty(0, dtype=np.int64)
    return _true(pc.match_substring(cells, "\0"))


def _holds_nul(chunk: pa.Array[Any]) -> bool:
    buffers: list[Any] = chunk.buffers()
    _, bounds, content = buffers
    if content is None or not len(chunk):
        return False
    offsets = np.frombuffer(bounds, np.int32)
    start, end = offsets[chunk.offset], offsets[chunk.offset + len(chunk)]
    return bool(end > start and not np.frombuffer(content, np.uint8)[start:end].min())


def _canonical(cells: pa.ChunkedArray[Any]) -> tuple[pa.ChunkedArray[Any], list[int]]:
    texts: list[str | None] = []
    wrong = []
    for index, text in enumerate(cells.to_pylist()):
        try:
            texts.append(None if text is None else canonical_json(text))
        except ValueError:
            texts.append(None)
            wrong.append(index)
    return pa.chunked_array([pa.array(texts, pa.string())]), wrong


@dataclass(frozen=True)
class Repeats:
    """What repeats a key inside a batch.

    Attributes:
        drop: places of rows that are equal to one that stays, or older.
        contradictions: rows that are equally new and lose, one for each content.
        echoes: records whose row is equal to one of those.
    """

    drop: tuple[int, ...] = ()
    contradictions: tuple[Violation, ...] = ()
    echoes: frozenset[int] = frozenset()


def repeated_keys(table: Table, data: pa.Table, bookmark: str | None) -> Repeats:
    """Find the rows of a batch that share a key.

    Equal rows keep their first, and of rows of different age the newest wins. Of rows that are
    equally new, whatever the order of arrival, the one with the greatest hash wins (as in
    `databases.merge`), and each other content breaks `core.duplicate_key` once. Where the table
    says `record`, each older content does too.
    """
    if table.conflict == "first":
        return Repeats()  # only the database knows which is the first
    if not table.key or data.num_rows < 2 or _is_unique(table, data):
        return Repeats()
    keys = row_hashes(row_texts(data, [table.column(name) for name in table.key]))
    rows = row_hashes(row_texts(data, table.columns))
    newness = data.column(bookmark).to_pylist() if bookmark in table.names and bookmark else None
    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, key in enumerate(map(tuple, keys.tolist())):
        groups[key].append(index)
    records = as_numbers(data.column(RECORD), np.int32)
    drop: list[int] = []
    losers: list[Violation] = []
    echoes: set[int] = set()
    for indices in groups.values():
        if len(indices) < 2:
            continue
        best = max(indices, key=lambda index: (_rank(newness, index), *rows[index], -index))
        met = {tuple(rows[best])}
        for index in indices:
            content = tuple(rows[index])
            is_older = _rank(newness, index) < _rank(newness, best)
            is_dropped = is_older and table.conflict != "record"
            if index != best and (is_dropped or content == tuple(rows[best])):
                drop.append(index)
            elif content in met:
                echoes.update({int(records[index])} if index != best else ())
            else:
                met.add(content)
                losers.append(contradiction(table, int(records[index])))
    beaten = {violation.record for violation in losers}
    return Repeats(tuple(drop), tuple(losers), frozenset(echoes - beaten))


def contradiction(table: Table, record: int) -> Violation:
    """The record has the key of another one, and other values."""
    return Violation(
        record,
        table.name,
        ", ".join(table.key),
        DUPLICATE_KEY,
        "another record has the same key and other values",
    )


def _is_unique(table: Table, data: pa.Table) -> bool:
    names = list(table.key)
    if any(table.column(name).type.kind == "float64" for name in names):
        return False  # Arrow groups floats by their bits: 0.0 and -0.0 would be two keys
    if len(names) == 1 and table.column(names[0]).type.kind in _COUNTED:
        return len(pc.unique(data.column(names[0]))) == data.num_rows
    groups = data.select(names).group_by(names, use_threads=False).aggregate([])
    return bool(groups.num_rows == data.num_rows)


def _rank(newness: list[Any] | None, index: int) -> tuple[bool, Any]:
    """NULL is older than anything."""
    if newness is None or newness[index] is None:
        return False, 0
    return True, newness[index]
