"""Rows that are left over become differences: paired by key, column by column, with a rule."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest

from messy_migration.compare import explain
from messy_migration.compare.findings import Difference, Findings, Kind
from messy_migration.compare.readable import readable
from messy_migration.compare.resolve import Leftover
from messy_migration.model import Table

Row = tuple[bytes, ...]


@dataclass(frozen=True)
class Names:
    """How a table and its columns are called in front of people, and what may be shown.

    Attributes:
        table: what was compared, in the names of the comparison.
        label: the table's name.
        columns: name in the comparison -> name for people.
        show_values: values may be shown, not only keys.
    """

    table: Table
    label: str
    columns: Mapping[str, str]
    show_values: bool = False

    @classmethod
    def of(cls, table: Table, *, show_values: bool = False) -> Names:
        """Of a table that is compared under its own names."""
        return cls(table, table.name, {name: name for name in table.names}, show_values)


def findings(names: Names, leftover: Leftover, limit: int) -> Findings:
    """What is behind a mismatch.

    Args:
        names: of what was compared.
        leftover: the rows; those on the left are expected.
        limit: how many differences to list.
    """
    left = [row.fields for row in leftover.left]
    right = [row.fields for row in leftover.right]
    differences = list(
        _paired(names, left, right) if names.table.key else _whole(names, left, right)
    )
    columns: Counter[str] = Counter()
    rules: dict[str, Counter[str]] = defaultdict(Counter)
    for difference in differences:
        if difference.kind == "changed" or not names.table.key:
            columns.update(dict.fromkeys(difference.columns, difference.rows))
        for column, word in difference.rules:
            rules[column][word] += 1
    seen = sum(difference.rows for difference in differences)
    total = seen
    if not leftover.is_whole:
        total = max(seen, round(leftover.about * seen / max(1, len(left) + len(right))))
    return Findings(
        names.label,
        tuple(islice(differences, limit)),
        total,
        tuple(columns.most_common()),
        leftover.note,
        rules=tuple((column, tuple(counter.most_common())) for column, counter in rules.items()),
        is_exact=leftover.is_whole,
        looked_at=seen,
    )


def _paired(names: Names, left: Sequence[Row], right: Sequence[Row]) -> Iterable[Difference]:
    table = names.table
    key_indices = [table.names.index(name) for name in table.key]
    ours, theirs = _by_key(key_indices, left), _by_key(key_indices, right)
    pairs = [
        (key, mine, other)
        for key in sorted(ours.keys() | theirs.keys(), key=lambda key: _order(table, key))
        for mine, other in zip_longest(sorted(ours[key]), sorted(theirs[key]))
    ]
    crossed = _crossed([(mine, other) for _, mine, other in pairs if mine and other])
    for key, mine, other in pairs:
        yield _difference(names, key, mine, other, crossed)


def _by_key(key_indices: Sequence[int], rows: Iterable[Row]) -> defaultdict[Row, list[Row]]:
    rows_of: defaultdict[Row, list[Row]] = defaultdict(list)
    for row in rows:
        rows_of[tuple(row[index] for index in key_indices)].append(row)
    return rows_of


def _order(table: Table, key: Row) -> tuple[tuple[int, int, bytes], ...]:
    """Numbers by their value, everything else by its text."""
    parts = []
    for name, cell in zip(table.key, key, strict=True):
        is_number = table.column(name).type.kind.startswith("int") and cell.lstrip(b"-").isdigit()
        parts.append((0, int(cell), b"") if is_number else (1, 0, cell))
    return tuple(parts)


def _difference(
    names: Names, key: Row, mine: Row | None, other: Row | None, crossed: Mapping[_Change, int]
) -> Difference:
    table = names.table
    kind: Kind = "changed" if mine and other else "missing" if mine else "extra"
    differ = [
        index
        for index in range(len(table.columns))
        if mine and other and mine[index] != other[index]
    ]
    rules: list[tuple[str, str]] = []
    if mine and other:
        turned = explain.swapped(mine, other, differ)
        for index in differ:
            name = names.columns[table.names[index]]
            if index in turned:
                partner = names.columns[table.names[turned[index]]]
                rules.append((name, f"exchanged with {partner}"))
            elif _is_crossed(table, crossed, index, mine[index], other[index]):
                rules.append((name, "exchanged with another row"))
            else:
                kind_of = table.columns[index].type
                rules.append((name, explain.rule(kind_of, mine[index], other[index])))
    shown = tuple(
        (names.columns[name], readable(table, name, cell))
        for name, cell in zip(table.key, key, strict=True)
    )
    return Difference(
        names.label,
        shown,
        kind,
        tuple(names.columns[table.names[index]] for index in differ),
        rules=tuple(rules),
        values=values(names, mine, other, differ) if names.show_values else (),
    )


_Change = tuple[int, bytes, bytes]


def _crossed(pairs: Iterable[tuple[Row, Row]]) -> Counter[_Change]:
    """How often a column's value changed from one to another."""
    return Counter(
        (index, before, after)
        for mine, other in pairs
        for index, (before, after) in enumerate(zip(mine, other, strict=True))
        if before != after and b"~" not in (before, after)
    )


def _is_crossed(
    table: Table, crossed: Mapping[_Change, int], index: int, before: bytes, after: bytes
) -> bool:
    """One other row changed the other way round; of two words for yes and no that says nothing."""
    ways = (index, before, after), (index, after, before)
    return table.columns[index].type.kind != "bool" and all(crossed.get(way) == 1 for way in ways)


def values(
    names: Names, mine: Row | None, other: Row | None, differ: Sequence[int]
) -> tuple[tuple[str, str, str], ...]:
    """(column, expected, actual) as text, empty for a row that is not there.

    Args:
        names: of what was compared.
        mine: the row that is expected, or None.
        other: the row that is there, or None.
        differ: places of the columns that are shown; none for all of them.
    """
    table = names.table
    indices = differ or range(len(table.columns))

    def shown(row: Row | None, index: int) -> str:
        return readable(table, table.names[index], row[index]) if row else ""

    return tuple(
        (names.columns[table.names[index]], shown(mine, index), shown(other, index))
        for index in indices
    )


def _whole(names: Names, left: Sequence[Row], right: Sequence[Row]) -> Iterable[Difference]:
    """Without a key a difference is a whole row, with its multiplicity."""
    ours, theirs = Counter(left), Counter(right)
    columns = tuple(
        names.columns[name]
        for index, name in enumerate(names.table.names)
        if left and right and _column(ours, index) != _column(theirs, index)
    )
    kinds: tuple[tuple[Kind, Counter[Row]], ...] = (("missing", ours), ("extra", theirs))
    for kind, rows in kinds:
        for row, count in sorted(rows.items()):
            mine, other = (row, None) if kind == "missing" else (None, row)
            shown = values(names, mine, other, ()) if names.show_values else ()
            yield Difference(names.label, (), kind, columns, count, values=shown)


def _column(rows: Counter[Row], index: int) -> Counter[bytes]:
    cells: Counter[bytes] = Counter()
    for row, count in rows.items():
        cells[row[index]] += count
    return cells
