"""Names and texts of ours inside an SQL statement: quoted, and looked up by our rules alone.

A name without its schema is looked up along a path that others may write to. What a database
has of its own (functions, operators, types) is therefore named with its schema, and so is every
table: see `Spelling` and `scoped`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection

from messy_migration.model import Table


@dataclass(frozen=True)
class Spelling:
    """How a kind of database is told to use functions and operators of its own.

    Attributes:
        schema: where they are; empty where nobody can put another in their place.
        operators: an operator can be named with its schema.
        whole: what stands behind a table in FROM so that its rows are read from the table, and
            never from an index in its place, which may lack some of them.
    """

    schema: str = ""
    operators: bool = False
    whole: str = ""

    def call(self, function: str, *arguments: str) -> str:
        """A call of a function of the database itself."""
        name = f"{self.schema}.{function}" if self.schema else function
        return f"{name}({', '.join(arguments)})"

    def apply(self, left: str, operator: str, right: str) -> str:
        """Two operands and an operator of the database itself, in parentheses."""
        sign = f"OPERATOR({self.schema}.{operator})" if self.operators else operator
        return f"({left} {sign} {right})"

    def equal(self, left: str, right: str) -> str:
        """Are both equal? NULL if one of them is."""
        return self.apply(left, "=", right)

    def unlike(self, left: str, right: str) -> str:
        """Are they different, NULL being a value of its own? Never NULL."""
        both = f"{left} IS NULL AND {right} IS NULL"
        return f"(NOT coalesce({self.equal(left, right)}, {both}))"

    def among(self, one: str, numbers: Iterable[int]) -> str:
        """Is it one of these integers?"""
        listed = [str(number) for number in numbers]
        if not listed:
            return self.equal("1", "0")
        if not self.operators:
            return f"{one} IN ({', '.join(listed)})"
        array = f"'{{{','.join(listed)}}}'::{self.schema}.int8[]"
        return f"({one} OPERATOR({self.schema}.=) ANY ({array}))"


class Named(Protocol):
    """A kind of database, as far as it gives names."""

    spelling: Spelling

    def rows_of(self, connection: Connection, name: str) -> str:
        """See `Reader`."""


def quote(name: str) -> str:
    """A quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def column_list(names: Sequence[str], alias: str = "") -> str:
    """Quoted names, comma-separated, each behind the alias of a table."""
    prefix = f"{alias}." if alias else ""
    return ", ".join(prefix + quote(name) for name in names)


def scoped(connection: Connection, database: Named, table: Table) -> str:
    """The FROM clause of a table's scope, alias `t`.

    A scope may be looked up in an index, since a table can have many. Whether that lacks rows is
    told by a count of the whole table.
    """
    condition = scope(database.spelling, table)
    source = f"{database.rows_of(connection, table.name)} t"
    return f"{source} WHERE {condition}" if condition else source + database.spelling.whole


def scope(spelling: Spelling, table: Table) -> str:
    """The condition on `t` that a row is in the table's scope; empty where there is none.

    The values of a scope come from plugins, so they are escaped as SQL literals.
    """
    return " AND ".join(
        spelling.equal(f"t.{quote(name)}", literal(value)) for name, value in table.scope
    )


def told_apart(table: Table) -> list[str]:
    """Names of the text columns by which rows are told apart: of the key and of the scope."""
    names = dict.fromkeys([*table.key, *(name for name, _ in table.scope)])
    return [name for name in names if table.column(name).type.kind == "text"]


def literal(value: str) -> str:
    """A text as an SQL literal; colons and percent signs are not special on our path."""
    return "'" + value.replace("'", "''") + "'"
