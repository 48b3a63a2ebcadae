"""Which type two columns are compared in, and which pairs cannot be compared at all.

    here                         there                 compared as
    --------------------------   -------------------   ------------------------------------
    any                          the same              that; decimals of any scale by value
    int16, int32, int64          another, bool         int64
    int, bool, float64           decimal               decimal; a float by its shortest text
    int                          float64               decimal
    date                         timestamp             timestamp, midnight in UTC
    text                         uuid                  text, a uuid as a uuid is written
    text where it is looked at   json                  json
    text                         json, enum            text
    a type of no other kind      the same, or text     text, as the database spells it

Text is looked at in MySQL, MariaDB (whose JSON is a longtext), DuckDB and SQLite: what is no
document stays the text that it is. A timestamp without a zone is UTC. A time has no zeros at the
end of its fraction. Padding of char(n) is no part of the value. A database whose
types bind nobody (SQLite) takes the type of the other side, and every value is checked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from messy_migration.databases import convert
from messy_migration.model import ColumnType

_INTEGERS = frozenset({"int16", "int32", "int64"})
_NUMBERS = frozenset({*_INTEGERS, "bool", "decimal", "float64"})
_TEXTS = frozenset({"text", "uuid", "json", ""})
_PARSED = ("mysql", "mariadb", "duckdb")
"""Kinds of databases whose documents are put into their one form here, and so can be texts."""
_DIGITS = 38
_SCALE = 18


@dataclass(frozen=True)
class Side:
    """A column on one side: kind of database, type as reflected (None: none of ours), spelled."""

    database: str
    type: ColumnType | None
    spelled: str

    @property
    def kind(self) -> str:
        """The kind of its type, or empty."""
        return self.type.kind if self.type else ""

    @property
    def word(self) -> str:
        """The kind of its type, or the word for a type that is none of ours."""
        return self.kind or _word(self.spelled)

    @property
    def label(self) -> str:
        """Its type for people."""
        return self.spelled or "a column without a type"

    @property
    def is_loose(self) -> bool:
        """The database does not hold its values to their type, which is text or none."""
        return self.database in convert.TYPELESS and self.kind in ("text", "")

    def gives_way_to(self, other: Side) -> bool:
        """The other type is the one that counts: values of this one are looked at anyway."""
        if self.is_loose:
            return not other.is_loose
        is_typeless = self.database in convert.TYPELESS and other.database not in convert.TYPELESS
        return is_typeless and {self.kind, other.kind} <= _NUMBERS


def shared(left: Side, right: Side) -> ColumnType | None:
    """The type in which two columns are compared; None if they cannot be."""
    for one, other in ((left, right), (right, left)):
        if one.gives_way_to(other):
            return other.type or ColumnType("text")
    if left.kind == right.kind:
        return _same(left, right)
    if any(
        one.database in _PARSED and (one.kind, other.kind) == ("text", "json")
        for one, other in ((left, right), (right, left))
    ):
        return ColumnType("json")
    return _either({left.kind, right.kind})


def _same(left: Side, right: Side) -> ColumnType | None:
    if left.type and right.type:
        scale = max(left.type.scale, right.type.scale)
        return ColumnType("decimal", _DIGITS, scale) if left.kind == "decimal" else left.type
    same = left.is_loose or _word(left.spelled) == _word(right.spelled)
    return ColumnType("text") if same else None


def _word(spelled: str) -> str:
    """A type without its size: time(3) without time zone is a time."""
    return re.sub(r"\(.*?\)", "", spelled).removesuffix(" without time zone")


def _either(kinds: set[str]) -> ColumnType | None:
    """The type that holds the values of two kinds exactly."""
    if kinds <= _INTEGERS | {"bool"}:
        return ColumnType("int64")
    if kinds <= _NUMBERS - {"bool"}:
        return ColumnType("decimal", _DIGITS, _SCALE)
    if kinds == {"date", "timestamp"}:
        return ColumnType("timestamp")
    if kinds <= _TEXTS and ("text" in kinds or kinds == {"uuid", ""}):
        return ColumnType("text")
    return None


def words(left: Side, right: Side, chosen: ColumnType) -> str:
    """How two columns are compared where that is not obvious; empty if it is."""
    notes = []
    zones = {"with time zone" in side.spelled for side in (left, right)}
    is_mixed = len(zones) == 2 or left.database != right.database
    if chosen.kind == "timestamp" and is_mixed and zones != {True}:
        notes.append("times without a zone as UTC")
    if chosen.kind == "json" and {left.spelled, right.spelled} != {"jsonb"}:
        notes.append("a document with one name twice as its text")
    if left.kind != right.kind and not {left.kind, right.kind} <= _INTEGERS:
        notes.append(f"{left.label} and {right.label} as {_named(chosen)}")
    return "; ".join(notes)


def _named(kind: ColumnType) -> str:
    return "decimal, by value" if kind.kind == "decimal" else str(kind)
