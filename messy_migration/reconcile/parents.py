"""Foreign keys, proven by anti-join: does every row that points at a parent find it?"""

from __future__ import annotations

from sqlalchemy import Connection

from messy_migration.databases.dialect import Dialect
from messy_migration.databases.naming import quote, scope
from messy_migration.model import ForeignKey, Table


def orphans(
    connection: Connection, dialect: Dialect, table: Table
) -> list[tuple[ForeignKey, int | None]]:
    """How many rows of a table (in its scope) miss their parent, per foreign key.

    None instead of a number: the parent's table is not there.
    """
    orphans_of: list[tuple[ForeignKey, int | None]] = []
    for key in table.foreign_keys:
        if dialect.columns(connection, key.parent) is None:
            orphans_of.append((key, None))
            continue
        counted = dialect.spelling.call("count", "*")
        lost = _anti_join(connection, dialect, table, key)
        count = connection.exec_driver_sql(f"SELECT {counted} {lost}").scalar_one()
        orphans_of.append((key, int(count)))
    return orphans_of


def missing_parents(
    connection: Connection, dialect: Dialect, table: Table, key: ForeignKey
) -> list[dict[str, str]]:
    """The different parents that rows of a table miss: child column -> value as text.

    The columns are those that the foreign key and its stub name; in order of their values.
    """
    named = [text[1:] for _, text in key.stub if text.startswith("=")]
    columns = list(dict.fromkeys([*key.columns, *named]))
    text = "pg_catalog.text" if dialect.name == "postgresql" else "TEXT"
    selected = ", ".join(f"CAST(t.{quote(name)} AS {text})" for name in columns)
    lost = _anti_join(connection, dialect, table, key)
    rows = connection.exec_driver_sql(
        f"SELECT DISTINCT {selected} {lost} ORDER BY {_numbers(columns)}"
    ).all()
    return [dict(zip(columns, row, strict=True)) for row in rows]


def label(key: ForeignKey) -> str:
    """A foreign key as people read it."""
    return f"{', '.join(key.columns)} -> {key.parent}"


def _anti_join(connection: Connection, dialect: Dialect, table: Table, key: ForeignKey) -> str:
    spelling = dialect.spelling
    on = " AND ".join(
        spelling.equal(f"p.{quote(theirs)}", f"t.{quote(ours)}")
        for ours, theirs in zip(key.columns, key.parent_columns, strict=True)
    )
    not_null = [f"t.{quote(name)} IS NOT NULL" for name in key.columns]
    conditions = " AND ".join(filter(None, [*not_null, scope(spelling, table)]))
    parent = f"SELECT 1 FROM {dialect.rows_of(connection, key.parent)} p WHERE {on}"
    return (
        f"FROM {dialect.rows_of(connection, table.name)} t WHERE {conditions}"
        f" AND NOT EXISTS ({parent})"
    )


def _numbers(columns: list[str]) -> str:
    return ", ".join(str(number + 1) for number in range(len(columns)))
