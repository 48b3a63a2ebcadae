"""Name the rows and columns behind a mismatch.

The input is replayed and gives the rows that should be there; the target gives the rows that
are. Both sides are reduced to row hashes first, so that only rows that differ are ever held as
values. Rows of one key are paired and compared column by column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute
from sqlalchemy import Connection

from messy_migration.errors import MigrationError
from messy_migration.fingerprint import fields, row_hashes, row_texts
from messy_migration.model import Fingerprint, Table
from messy_migration.reconcile.readable import readable
from messy_migration.reconcile.verdict import Difference, Findings, Kind
from messy_migration.target.dialect import Dialect, scoped

# The stubs of pyarrow know its kernels for arrays of one known type only.
pc: Any = pyarrow.compute

Replay = Callable[[], Iterator[pa.Table]]
"""Gives the rows that were loaded into a table, oldest first; can be called again."""

Row = tuple[bytes, ...]
_HASHES = np.dtype([("lane0", "<u8"), ("lane1", "<u8")])


def locate(
    connection: Connection,
    dialect: Dialect,
    table: Table,
    expected: Fingerprint,
    replay: Replay,
    limit: int,
    bookmark: str | None = None,
) -> Findings:
    """The rows in which the target differs from what was loaded.

    Args:
        connection: in a read-only snapshot of the target.
        dialect: of the target.
        table: with the scope to look at.
        expected: the sum of the receipts, against which the replay itself is checked.
        replay: gives the loaded rows again.
        limit: how many differences to list; all are counted.
        bookmark: the column that says which of two rows with one key is newer, or None.
    """
    try:
        ours = _expected_hashes(table, replay, bookmark if bookmark in table.names else None)
    except MigrationError as error:
        return Findings(table.name, (), 0, (), f"the input cannot be read again: {error}")
    note = (
        ""
        if _total(ours) == expected
        else (
            "the input read again does not give the rows that were loaded; differences may be "
            "incomplete"
        )
    )
    theirs = _actual_hashes(connection, dialect, table)
    missing = _collect_expected(table, replay, _surplus(ours, theirs))
    extra = _collect_actual(connection, dialect, table, _surplus(theirs, ours))
    differences = _paired(table, missing, extra) if table.key else _unpaired(table, missing, extra)
    columns: Counter[str] = Counter()
    for item in differences:
        if item.kind == "changed" or not table.key:
            columns.update(dict.fromkeys(item.columns, item.rows))
    total = sum(item.rows for item in differences)
    return Findings(
        table.name, tuple(islice(differences, limit)), total, tuple(columns.most_common()), note
    )


def _structured(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.void]:
    return np.ascontiguousarray(hashes, dtype="<u8").view(_HASHES).reshape(-1)


def _expected_hashes(table: Table, replay: Replay, bookmark: str | None) -> npt.NDArray[np.void]:
    """Hashes of the rows that should be there; of rows with one key the newest, then the last."""
    rows: list[npt.NDArray[np.void]] = []
    keys: list[npt.NDArray[np.void]] = []
    ages: list[pa.Array[Any]] = []
    for data in replay():
        rows.append(_structured(row_hashes(row_texts(data, table.columns))))
        if table.key:
            key = [table.column(name) for name in table.key]
            keys.append(_structured(row_hashes(row_texts(data, key))))
        if bookmark is not None:
            ages += data.column(bookmark).chunks
    if not rows:
        return np.empty(0, dtype=_HASHES)
    joined = np.concatenate(rows)
    if not table.key:
        return joined
    order = _by_age(ages) if bookmark is not None else np.arange(len(joined))
    _, last = np.unique(np.concatenate(keys)[order][::-1], return_index=True)
    return joined[order][::-1][last]


def _by_age(ages: list[pa.Array[Any]]) -> npt.NDArray[np.intp]:
    """Places of rows from the oldest to the newest, NULL first; of equals the first first."""
    joined = pa.chunked_array(ages)
    ranks = np.where(joined.is_null().to_numpy(), 0, pc.rank(joined, tiebreaker="dense").to_numpy())
    return np.argsort(ranks, kind="stable")


def _actual_hashes(connection: Connection, dialect: Dialect, table: Table) -> npt.NDArray[np.void]:
    chunks = [
        _structured(_hashes_of(chunk))
        for chunk in dialect.row_fields(connection, table, scoped(table))
    ]
    return np.concatenate(chunks) if chunks else np.empty(0, dtype=_HASHES)


def _hashes_of(rows: Sequence[Row]) -> npt.NDArray[np.uint64]:
    return row_hashes(pa.array([b"|".join(row) for row in rows], pa.large_binary()))


def _total(hashes: npt.NDArray[np.void]) -> Fingerprint:
    with np.errstate(over="ignore"):
        return Fingerprint(len(hashes), int(hashes["lane0"].sum()), int(hashes["lane1"].sum()))


def _surplus(left: npt.NDArray[np.void], right: npt.NDArray[np.void]) -> Counter[bytes]:
    """How often each hash is on the left more often than on the right."""
    values, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    counts = np.zeros(len(values), dtype=np.int64)
    np.add.at(counts, places[: len(left)], 1)
    np.subtract.at(counts, places[len(left) :], 1)
    chosen = np.flatnonzero(counts > 0)
    return Counter({values[place].tobytes(): int(counts[place]) for place in chosen})


def _collect_expected(table: Table, replay: Replay, wanted: Counter[bytes]) -> Counter[Row]:
    found: Counter[Row] = Counter()
    if wanted:
        for data in replay():
            rows = (
                tuple(bytes(cell, "utf-8") if isinstance(cell, str) else cell for cell in row)
                for row in zip(
                    *(field.to_pylist() for field in fields(data, table.columns)), strict=True
                )
            )
            _pick(found, wanted, row_hashes(row_texts(data, table.columns)), rows)
    return found


def _collect_actual(
    connection: Connection, dialect: Dialect, table: Table, wanted: Counter[bytes]
) -> Counter[Row]:
    found: Counter[Row] = Counter()
    if wanted:
        for chunk in dialect.row_fields(connection, table, scoped(table)):
            _pick(found, wanted, _hashes_of(chunk), chunk)
    return found


def _pick(
    found: Counter[Row],
    wanted: Counter[bytes],
    hashes: npt.NDArray[np.uint64],
    rows: Iterable[Row],
) -> None:
    for digest, row in zip(_structured(hashes), rows, strict=True):
        surplus = wanted.get(digest.tobytes())
        if surplus and found[row] < surplus:
            found[row] += 1


def _paired(table: Table, missing: Counter[Row], extra: Counter[Row]) -> list[Difference]:
    places = [table.names.index(name) for name in table.key]

    def by_key(rows: Counter[Row]) -> dict[Row, Row]:
        return {tuple(row[place] for place in places): row for row in rows}

    ours, theirs = by_key(missing), by_key(extra)
    found = []
    for key in sorted(ours.keys() | theirs.keys()):
        mine, other = ours.get(key), theirs.get(key)
        kind: Kind = "changed" if mine and other else "missing" if mine else "extra"
        columns = tuple(
            name
            for name, left, right in zip(table.names, mine or (), other or (), strict=False)
            if left != right
        )
        names = tuple(
            zip(
                table.key,
                (readable(table, table.key[n], cell) for n, cell in enumerate(key)),
                strict=True,
            )
        )
        found.append(Difference(table.name, names, kind, columns))
    return found


def _unpaired(table: Table, missing: Counter[Row], extra: Counter[Row]) -> list[Difference]:
    """Without a key a difference is a whole row, with its multiplicity."""
    columns = tuple(
        name
        for place, name in enumerate(table.names)
        if missing and extra and _column(missing, place) != _column(extra, place)
    )
    found = [Difference(table.name, (), "missing", columns, count) for count in missing.values()]
    found += [Difference(table.name, (), "extra", columns, count) for count in extra.values()]
    return found


def _column(rows: Counter[Row], place: int) -> Counter[bytes]:
    cells: Counter[bytes] = Counter()
    for row, count in rows.items():
        cells[row[place]] += count
    return cells
