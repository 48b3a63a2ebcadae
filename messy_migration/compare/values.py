"""Compare a table with the rows that should be in it, value by value.

No fingerprint is asked. With a third side, what was loaded, a difference is told apart by who
moved since: the source, the target, or both.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal

from messy_migration.compare.buckets import Buckets, Row
from messy_migration.compare.budget import Progress
from messy_migration.compare.differences import Names, values
from messy_migration.compare.explain import rule
from messy_migration.compare.findings import Difference, Findings, Kind
from messy_migration.compare.readable import readable
from messy_migration.compare.tolerance import is_within, number, tolerances
from messy_migration.model import Column, Fingerprint, Table

Since = Literal["", "source", "target", "both"]
EXPECTED, STUBS, LOADED, TARGET = "expected", "stubs", "loaded", "target"
"""The sides: what should be there, rows that stand for missing parents, what was loaded, what is
there."""
MOST = 200_000
"""Differences of a table that are listed; all are counted."""


@dataclass(frozen=True)
class Unequal:
    """A difference with both rows, as a repair needs them; `count` times without a key.

    Attributes:
        kind: missing, extra or changed.
        expected, actual: the row that should be there, and the one that is.
        count: how many of it; 1 with a key.
        is_doubled: the target has another row with the same key.
    """

    kind: Kind
    expected: Row | None
    actual: Row | None
    count: int = 1
    is_doubled: bool = False


@dataclass
class Compared:
    """What a comparison found; filled bucket by bucket.

    Attributes:
        expected, actual: the rows of both sides.
        differences: the first of them.
        total: how many rows differ.
        columns: column -> changed rows in which it differs.
        since: who moved since the load -> rows.
        tolerated: values that differ and are within their column's tolerance.
        rows: the rows of `differences`, one for one.
        newest: the greatest bookmark of the expected rows, as a number.
        most: how many differences are listed.
        show_values: list their values too.
    """

    expected: Fingerprint = field(default_factory=Fingerprint)
    actual: Fingerprint = field(default_factory=Fingerprint)
    differences: list[Difference] = field(default_factory=list)
    total: int = 0
    columns: Counter[str] = field(default_factory=Counter)
    since: Counter[str] = field(default_factory=Counter)
    tolerated: int = 0
    rows: list[Unequal] = field(default_factory=list)
    newest: Decimal | None = None
    most: int = MOST
    show_values: bool = False

    def findings(self, table: Table) -> Findings:
        """The differences in order of their keys."""
        listed = self.differences
        if self.show_values:
            listed = [_with_values(table, *pair) for pair in zip(listed, self.rows, strict=True)]
        ordered = tuple(sorted(listed, key=lambda difference: (difference.key, difference.kind)))
        return Findings(table.name, ordered, self.total, tuple(self.columns.most_common()))


@dataclass(frozen=True)
class LoadedRows:
    """What is known of the rows as they were loaded.

    Attributes:
        is_known: the side `loaded` is filled.
        is_target: it was proven that they are those of the target.
    """

    is_known: bool = False
    is_target: bool = False


def _with_values(table: Table, difference: Difference, rows: Unequal) -> Difference:
    indices = [table.names.index(name) for name in difference.columns]
    return replace(difference, values=values(Names.of(table), rows.expected, rows.actual, indices))


def compare(
    buckets: Buckets,
    *,
    bookmark: str | None,
    is_one_read: bool,
    third: LoadedRows | None = None,
    progress: Progress | None = None,
) -> Compared:
    """Hold the side `target` against the side `expected`.

    Args:
        buckets: of one table, closed.
        bookmark: the column that says which of two rows with one key is newer, or None.
        is_one_read: the expected rows were read at once, so that of two that are equally new
            the greater hash wins, as in a run; else the later one does.
        third: what was loaded, where the source was read again.
        progress: what is left of a budget, and whether values are listed.

    Raises:
        TimeUp: there was no time to compare all of it.
    """
    progress = progress or Progress()
    comparison = Compared(most=progress.rest(MOST), show_values=progress.budget.show_values)
    is_first = buckets.table.conflict == "first"
    bookmark = None if is_first else bookmark
    bookmark_index = buckets.table.names.index(bookmark) if bookmark else None
    column = buckets.table.column(bookmark) if bookmark else None
    newer = _by_hash if is_one_read else _by_order
    newer, later = (_never, _never) if is_first else (newer, _by_order)

    def side(name: str, bucket: int, tie: Callable[[Row, Row], bool]) -> dict[Row, Row]:
        return _newest(buckets, name, bucket, bookmark_index, column, tie)

    for bucket in progress.watched(range(buckets.count)):
        there = list(buckets.rows(TARGET, bucket))
        comparison.actual += fingerprint_of(there)
        if not buckets.table.key:
            should = Counter(buckets.rows(EXPECTED, bucket))
            comparison.expected += fingerprint_of(should.elements())
            loaded = Counter(buckets.rows(LOADED, bucket)) if third and third.is_known else None
            _multisets(comparison, buckets.table, should, Counter(there), loaded, third)
            continue
        rows = {**side(STUBS, bucket, _by_order), **side(EXPECTED, bucket, newer)}
        comparison.expected += fingerprint_of(rows.values())
        if bookmark_index is not None and column is not None:
            # Different ones are few among many rows.
            ages = (number(column, cell) for cell in {row[bookmark_index] for row in rows.values()})
            comparison.newest = max(
                (age for age in (comparison.newest, *ages) if age is not None), default=None
            )
        loaded_rows = side(LOADED, bucket, later) if third and third.is_known else None
        _keyed(comparison, buckets, rows, there, loaded_rows, third)
    return comparison


def _by_order(_old: Row, _new: Row) -> bool:
    return True


def _never(_old: Row, _new: Row) -> bool:
    return False


def _by_hash(old: Row, new: Row) -> bool:
    return _digest(new) > _digest(old)


def _digest(row: Row) -> bytes:
    return hashlib.sha256(b"|".join(row)).digest()[:16]


def fingerprint_of(rows: Iterable[Row]) -> Fingerprint:
    """The fingerprint of rows of C1 fields."""
    count = lane0 = lane1 = 0
    for row in rows:
        digest = _digest(row)
        count += 1
        lane0 += int.from_bytes(digest[:8], "big")
        lane1 += int.from_bytes(digest[8:], "big")
    return Fingerprint() + Fingerprint(count, lane0, lane1)


def _newest(
    buckets: Buckets,
    side: str,
    bucket: int,
    bookmark_index: int | None,
    column: Column | None,
    tie: Callable[[Row, Row], bool],
) -> dict[Row, Row]:
    """Of rows with one key the newest, NULL being older than all; of equals as `tie` says."""

    def age(row: Row) -> tuple[bool, object]:
        position = (
            number(column, row[bookmark_index])
            if column is not None and bookmark_index is not None
            else None
        )
        return position is not None, position or 0

    chosen: dict[Row, Row] = {}
    for row in buckets.rows(side, bucket):
        key = buckets.key(row)
        old = chosen.setdefault(key, row)
        if old is row:
            continue
        if age(row) > age(old) or (age(row) == age(old) and tie(old, row)):
            chosen[key] = row
    return chosen


def _keyed(
    comparison: Compared,
    buckets: Buckets,
    expected: Mapping[Row, Row],
    there: list[Row],
    loaded: Mapping[Row, Row] | None,
    third: LoadedRows | None,
) -> None:
    table = buckets.table
    lenient = tolerances(table)
    met: set[Row] = set()
    for row in there:
        key = buckets.key(row)
        mine = expected.get(key)
        if key in met:
            # Two rows with one key.
            _note(comparison, table, key, (), "", Unequal("extra", None, row, is_doubled=True))
            continue
        met.add(key)
        if mine == row:
            continue
        columns: tuple[str, ...] = ()
        rules: tuple[tuple[str, str], ...] = ()
        if mine is not None:
            differing = [index for index, cell in enumerate(mine) if cell != row[index]]
            close = {
                index
                for index in differing
                if index in lenient and is_within(lenient[index], mine[index], row[index])
            }
            comparison.tolerated += len(close)
            wrong = [index for index in differing if index not in close]
            columns = tuple(table.names[index] for index in wrong)
            if not columns:
                continue
            rules = tuple(
                (table.names[index], why)
                for index in wrong
                if (why := rule(table.columns[index].type, mine[index], row[index]))
            )
        since = _since(mine, row, loaded.get(key) if loaded is not None else row, third)
        kind: Kind = "extra" if mine is None else "changed"
        _note(comparison, table, key, columns, since, Unequal(kind, mine, row), rules)
    for key, mine in expected.items():
        if key not in met:
            since = _since(mine, None, loaded.get(key) if loaded is not None else None, third)
            _note(comparison, table, key, (), since, Unequal("missing", mine, None))


def _since(
    mine: Row | None, there: Row | None, loaded: Row | None, third: LoadedRows | None
) -> Since:
    """Who moved: `loaded` is the row of the target where that was proven."""
    if third is None or not (third.is_known or third.is_target):
        return ""
    if loaded == there:
        return "source"
    return "target" if loaded == mine else "both"


def _note(
    comparison: Compared,
    table: Table,
    key: Row,
    columns: tuple[str, ...],
    since: Since,
    rows: Unequal,
    rules: tuple[tuple[str, str], ...] = (),
) -> None:
    comparison.total += 1
    comparison.columns.update(columns)
    if since:
        comparison.since[since] += 1
    if len(comparison.differences) < comparison.most:
        named = tuple(
            (name, readable(table, name, cell)) for name, cell in zip(table.key, key, strict=True)
        )
        comparison.differences.append(
            Difference(table.name, named, rows.kind, columns, since=since, rules=rules)
        )
        comparison.rows.append(rows)


def _multisets(
    comparison: Compared,
    table: Table,
    expected: Counter[Row],
    there: Counter[Row],
    loaded: Counter[Row] | None,
    third: LoadedRows | None,
) -> None:
    """Without a key a difference is a whole row, with its multiplicity."""
    if loaded is None:
        loaded = there
    kinds: tuple[tuple[Kind, Counter[Row]], ...] = (
        ("missing", expected - there),
        ("extra", there - expected),
    )
    for kind, rows in kinds:
        for row, count in rows.items():
            since: Since = ""
            if third is not None and (third.is_known or third.is_target):
                moved = loaded[row]
                since = (
                    "source"
                    if moved == there[row]
                    else "target"
                    if moved == expected[row]
                    else "both"
                )
                comparison.since[since] += count
            comparison.total += count
            if len(comparison.differences) < comparison.most:
                comparison.differences.append(Difference(table.name, (), kind, (), count, since))
                mine, other = (row, None) if kind == "missing" else (None, row)
                comparison.rows.append(Unequal(kind, mine, other, count))
