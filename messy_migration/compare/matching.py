"""Which tables and columns of two databases are held against each other, and what cannot be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from sqlalchemy import Connection

from messy_migration.compare import types as shared
from messy_migration.config.problems import suggestion
from messy_migration.databases import convert
from messy_migration.databases.dialect import Reader
from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.sketch import View
from messy_migration.errors import MigrationError, UsageProblem
from messy_migration.model import Column, Table
from messy_migration.reflection import column_type, reflect, table_names


@dataclass(frozen=True)
class Side:
    """One of two databases, in a snapshot."""

    connection: Connection
    reader: Reader

    @property
    def schema(self) -> str | None:
        """Where its tables are."""
        return self.reader.schema(self.connection)


@dataclass(frozen=True)
class CompareOptions:
    """What the user wants to have compared.

    Attributes:
        tables: patterns (`sales*`) of names on the left; empty for all.
        tables_map: name on the left -> name on the right.
        columns_map: (table, column) on the left -> column on the right.
        ignored: (table, column) pairs, by either side's names, that are left out.
    """

    tables: tuple[str, ...] = ()
    tables_map: Mapping[str, str] = field(default_factory=dict)
    columns_map: Mapping[tuple[str, str], str] = field(default_factory=dict)
    ignored: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Pair:
    """Two tables that are compared.

    Attributes:
        left, right: their names; None where that side has none.
        views: both sides in shared names and types; None if one side has no table.
        columns: shared name -> name on the left.
        compared_as: column on the left -> how, where that is not obvious.
        only_left, only_right: columns that the other side has not.
        ignored: columns that were left out because somebody said so.
        unread: why the table cannot even be looked at, or empty.
    """

    left: str | None
    right: str | None
    views: tuple[View, View] | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    compared_as: Mapping[str, str] = field(default_factory=dict)
    only_left: tuple[str, ...] = ()
    only_right: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    unread: str = ""

    @property
    def label(self) -> str:
        """The table's name for people: that on the left, where there is one."""
        return self.left or self.right or ""


def pairs(left: Side, right: Side, wishes: CompareOptions) -> list[Pair]:
    """Pair the tables of both sides, in order of the names on the left.

    Raises:
        UsageProblem: a wish names nothing, or a column cannot be compared; all are in one error.
        TargetError: a catalogue cannot be read.
    """
    ours, theirs = _names(left), _names(right)
    matched = _matched(ours, theirs, wishes.tables_map, "table")
    chosen = [pair for pair in matched if _is_wanted(pair, wishes.tables)]
    if wishes.tables and not chosen:
        raise UsageProblem(
            "no table has such a name",
            ", ".join(wishes.tables),
            f"the tables are {', '.join(ours[:20]) or 'none'}",
            "correct --tables",
        )
    used: set[object] = set()
    refused: list[str] = []
    matched_pairs = []
    for one, other in chosen:
        pair = _pair(left, right, (one, other), wishes, used, refused)
        matched_pairs.append(pair)
    _refuse_unused(wishes, used, matched_pairs)
    if refused:
        raise UsageProblem(
            "some columns cannot be compared exactly",
            why="; ".join(refused),
            next="leave them out with --ignore TABLE.COLUMN, which the verdict then says",
        )
    return matched_pairs


def _names(side: Side) -> list[str]:
    with driver_errors_as_ours("the list of tables"):
        return table_names(side.connection, side.schema)


def _is_wanted(pair: tuple[str | None, str | None], patterns: Sequence[str]) -> bool:
    names = [name.casefold() for name in pair if name]
    return not patterns or any(
        fnmatchcase(name, pattern.casefold()) for name in names for pattern in patterns
    )


def _matched(
    ours: Sequence[str], theirs: Sequence[str], mapped: Mapping[str, str], what: str
) -> list[tuple[str | None, str | None]]:
    """Names that belong together: as somebody said, else equal, else equal but for case."""
    _check_map(ours, theirs, mapped, what)
    partner = dict(mapped)
    free = [name for name in theirs if name not in partner.values()]
    for same in (_exact, str.casefold):
        ours_by_word = _singles([name for name in ours if name not in partner], same)
        right = _singles([name for name in free if name not in partner.values()], same)
        partner |= {name: right[word] for word, name in ours_by_word.items() if word in right}
    taken = set(partner.values())
    return [
        *((name, partner.get(name)) for name in ours),
        *((None, name) for name in theirs if name not in taken),
    ]


def _exact(name: str) -> str:
    return name


def _singles(names: Sequence[str], same: Callable[[str], str]) -> dict[str, str]:
    """Word -> the one name that has it; two names with one word are nobody's."""
    words = [same(name) for name in names]
    return {word: name for word, name in zip(words, names, strict=True) if words.count(word) == 1}


def _check_map(
    ours: Sequence[str], theirs: Sequence[str], mapped: Mapping[str, str], what: str
) -> None:
    for one, other in mapped.items():
        for side, name, names in (("left", one, ours), ("right", other, theirs)):
            if name not in names:
                raise UsageProblem(
                    f"the {side} side has no {what} {name!r}{suggestion(name, names)}",
                    f"--map {one}={other}",
                )
    doubled = sorted({name for name in mapped.values() if list(mapped.values()).count(name) > 1})
    if doubled:
        raise UsageProblem(f"--map gives two {what}s to {', '.join(doubled)}")


def _pair(
    left: Side,
    right: Side,
    names: tuple[str | None, str | None],
    wishes: CompareOptions,
    used: set[object],
    refused: list[str],
) -> Pair:
    one, other = names
    if one is None or other is None:
        return Pair(one, other)
    try:
        with driver_errors_as_ours(f"table {one}"):
            both = _reflected(left, one), _reflected(right, other)
            return _columns((left, right), both, wishes, used, refused)
    except UsageProblem:
        raise
    except MigrationError as error:
        if left.connection.invalidated or right.connection.invalidated:
            raise
        return Pair(one, other, unread=error.why or error.what)


@dataclass(frozen=True)
class _Described:
    """A table of one side, with all of its columns, whatever they are."""

    name: str
    types: Mapping[str, str]
    key: tuple[str, ...]


def _reflected(side: Side, name: str) -> _Described:
    reflected = reflect(side.connection, name, side.schema)
    return _Described(name, reflected.types, reflected.table.key)


@dataclass(frozen=True)
class _Shared:
    """A column of both sides: names there, the column of the comparison, an expression each."""

    names: tuple[str, str]
    column: Column
    expressions: tuple[str, str]
    note: str


def _columns(
    databases: tuple[Side, Side],
    sides: tuple[_Described, _Described],
    wishes: CompareOptions,
    used: set[object],
    refused: list[str],
) -> Pair:
    ours, theirs = sides
    kept, ignored = _kept(ours, theirs, wishes, used)
    both = [(one, other) for one, other in kept if one is not None and other is not None]
    columns = []
    for number, names in enumerate(both):
        column = _shared(databases, sides, names, f"c{number}")
        if isinstance(column, str):
            refused.append(column)
        else:
            columns.append(column)
    pair = Pair(
        ours.name,
        theirs.name,
        columns={common.column.name: common.names[0] for common in columns},
        compared_as={common.names[0]: common.note for common in columns if common.note},
        only_left=tuple(one for one, other in kept if one is not None and other is None),
        only_right=tuple(other for one, other in kept if one is None and other is not None),
        ignored=tuple(ignored),
    )
    if not columns:
        return replace(pair, unread="no column is on both sides")
    key = _key(sides, columns)
    return replace(
        pair,
        views=(
            _view(databases[0], ours.name, columns, 0, key),
            _view(databases[1], theirs.name, columns, 1, key),
        ),
    )


def _kept(
    ours: _Described, theirs: _Described, wishes: CompareOptions, used: set[object]
) -> tuple[list[tuple[str | None, str | None]], list[str]]:
    """Columns that belong together, and those that somebody wants to be left out."""
    mapped = {
        column: other for (table, column), other in wishes.columns_map.items() if table == ours.name
    }
    used |= {(ours.name, column) for column in mapped}
    kept, ignored = [], []
    for one, other in _matched(tuple(ours.types), tuple(theirs.types), mapped, "column"):
        words = {(ours.name, one), (theirs.name, other)} & set(wishes.ignored)
        used |= words
        if words:
            ignored.append(one or other or "")
        else:
            kept.append((one, other))
    return kept, ignored


def _shared(
    databases: tuple[Side, Side],
    sides: tuple[_Described, _Described],
    names: tuple[str, str],
    name: str,
) -> _Shared | str:
    """Two columns as one; or why they cannot be compared."""
    here, there = (
        _described(database.connection.dialect.name, side.types[column])
        for database, side, column in zip(databases, sides, names, strict=True)
    )
    chosen = shared.shared(here, there)
    if chosen is not None:
        left, right = (
            convert.column(
                side.database,
                _quoted(database.connection, column),
                side.type,
                side.spelled,
                chosen,
                other.word,
            )
            for database, side, other, column in zip(
                databases, (here, there), (there, here), names, strict=True
            )
        )
        if left is not None and right is not None:
            note = shared.words(here, there, chosen)
            return _Shared(names, Column(name, chosen), (left, right), note)
    return f"{sides[0].name}.{names[0]} is {here.label} on the left, {there.label} on the right"


def _described(kind: str, spelled: str) -> shared.Side:
    return shared.Side(kind, column_type(kind, spelled), spelled.lower())


def _key(sides: tuple[_Described, _Described], columns: Sequence[_Shared]) -> tuple[str, ...]:
    """The key of either side, in names of the comparison, if all of its columns are compared."""
    for side in (0, 1):
        name_of = {common.names[side]: common.column.name for common in columns}
        if sides[side].key and all(name in name_of for name in sides[side].key):
            return tuple(name_of[name] for name in sides[side].key)
    return ()


def _view(
    database: Side, name: str, columns: Sequence[_Shared], side: int, key: tuple[str, ...]
) -> View:
    selected = ", ".join(
        f"{common.expressions[side]} AS {common.column.name}" for common in columns
    )
    rows = database.reader.rows_of(database.connection, name)
    source = f"(SELECT {selected} FROM {rows}{database.reader.spelling.whole}) t"
    # The table keeps its name, because that is what messages about it say.
    return View(Table(name, tuple(common.column for common in columns), key), source)


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote_identifier(name)


def _refuse_unused(
    wishes: CompareOptions, used: set[object], matched_pairs: Sequence[Pair]
) -> None:
    asked = [
        *(("--ignore", f"{table}.{column}", (table, column)) for table, column in wishes.ignored),
        *(("--map", f"{table}.{column}", (table, column)) for table, column in wishes.columns_map),
    ]
    unread = {pair.left for pair in matched_pairs if pair.unread}
    for option, text, use in asked:
        if use not in used and use[0] not in unread:
            raise UsageProblem(f"{option} {text} names no column that is compared")
