"""Foreign keys, proven by anti-join: does every row that points at a parent find it?"""

from __future__ import annotations

from sqlalchemy import Connection

from messy_migration.databases.dialect import Dialect
from messy_migration.databases.naming import literal, quote
from messy_migration.model import ForeignKey, Table


def orphans(
    connection: Connection, dialect: Dialect, table: Table
) -> list[tuple[ForeignKey, int | None]]:
    """How many rows of a table (in its scope) miss their parent, per foreign key.

    None instead of a number: the parent's table is not there.
    """
    found: list[tuple[ForeignKey, int | None]] = []
    for key in table.foreign_keys:
        if dialect.columns(connection, key.parent) is None:
            found.append((key, None))
            continue
        count = connection.exec_driver_sql(f"SELECT count(*) {_anti_join(table, key)}").scalar_one()
        found.append((key, int(count)))
    return found


def missing_parents(connection: Connection, table: Table, key: ForeignKey) -> list[dict[str, str]]:
    """The different parents that rows of a table miss: child column -> value as text.

    The columns are those that the foreign key and its stub name; in order of their values.
    """
    named = [text[1:] for _, text in key.stub if text.startswith("=")]
    columns = list(dict.fromkeys([*key.columns, *named]))
    selected = ", ".join(f"CAST(t.{quote(name)} AS TEXT)" for name in columns)
    rows = connection.exec_driver_sql(
        f"SELECT DISTINCT {selected} {_anti_join(table, key)} ORDER BY {_numbers(columns)}"
    ).all()
    return [dict(zip(columns, row, strict=True)) for row in rows]


def label(key: ForeignKey) -> str:
    """A foreign key as people read it."""
    return f"{', '.join(key.columns)} -> {key.parent}"


def _anti_join(table: Table, key: ForeignKey) -> str:
    on = " AND ".join(
        f"p.{quote(theirs)} = t.{quote(ours)}"
        for ours, theirs in zip(key.columns, key.parent_columns, strict=True)
    )
    given = " AND ".join(f"t.{quote(name)} IS NOT NULL" for name in key.columns)
    scope = "".join(f" AND t.{quote(name)} = {literal(value)}" for name, value in table.scope)
    return (
        f"FROM {quote(table.name)} t WHERE {given}{scope}"
        f" AND NOT EXISTS (SELECT 1 FROM {quote(key.parent)} p WHERE {on})"
    )


def _numbers(columns: list[str]) -> str:
    return ", ".join(str(place + 1) for place in range(len(columns)))
