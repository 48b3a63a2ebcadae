"""Fit the tables that streams declare to the tables that are there."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection

from messy_migration.databases.dialect import Dialect
from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.naming import column_list, quote
from messy_migration.errors import TargetError
from messy_migration.model import ForeignKey, Table

_WIDENED = {("smallint", "integer"), ("smallint", "bigint"), ("integer", "bigint")}
"""Types of whole numbers of which the second holds all that the first does."""


class Misfit(TargetError):
    """A table of the target is there and does not fit its stream."""


def create_table(
    connection: Connection, dialect: Dialect, table: Table, *, with_key: bool = True
) -> bool:
    """Create the table if it is missing; True if it was. Never drops or alters anything.

    Args:
        connection: inside a transaction.
        dialect: of the target.
        table: as the stream declares it.
        with_key: create it with its key, or ask that it has one; False leaves that for later.

    Raises:
        Misfit: the table is there and does not fit.
        TargetError: it may not be created.
    """
    columns = dialect.columns(connection, table.name)
    if columns is None:
        with driver_errors_as_ours(f"table {table.name}"):
            full_name = dialect.place(connection, table.name)
            connection.exec_driver_sql(ddl(dialect, table, full_name, with_key=with_key))
        return True
    problems = obstacles(connection, dialect, table, columns, with_key=with_key)
    if problems:
        raise Misfit(
            "the table in the target differs from the stream's schema",
            f"table {table.name}",
            "; ".join(problems),
            remedy(dialect, table, columns, dialect.place(connection, table.name))
            or "change the schema file or the table so that they agree",
        )
    return False


def remedy(dialect: Dialect, table: Table, columns: Mapping[str, str], full_name: str) -> str:
    """The statement after which the table fits, where one loses nothing; else empty.

    Args:
        dialect: of the target.
        table: as the stream declares it.
        columns: column -> type, as the database has them.
        full_name: of the table, with its schema, quoted.
    """
    changes = []
    for column in table.columns:
        needed = dialect.type_name(table, column.name)
        present = columns.get(column.name)
        if present == needed:
            continue
        if present is None:
            changes.append(f"ADD COLUMN {quote(column.name)} {needed}")
        elif (present, needed) in _WIDENED and dialect.retyped:
            changes.append(dialect.retyped.format(column=quote(column.name), type=needed))
        else:
            return ""
    return "; ".join(f"`ALTER TABLE {full_name} {change}`" for change in changes)


def obstacles(
    connection: Connection,
    dialect: Dialect,
    table: Table,
    columns: dict[str, str],
    *,
    with_key: bool,
) -> list[str]:
    """Why an existing table cannot be loaded; empty if it can.

    Args:
        connection: any.
        dialect: of the target.
        table: as the stream declares it.
        columns: column -> type, as the database has them.
        with_key: it has to have its key already.
    """
    problems = misfits(dialect, table, columns, dialect.demanded(connection, table.name))
    if with_key and not has_unique_key(connection, dialect, table):
        problems.append(f"it has no unique key on {', '.join(table.key)}")
    # Two rows of the source would be one row there, and the proof would only say that later.
    problems += [
        f"column {name} tells rows apart and has a collation under which different texts are equal"
        for name in dialect.folded(connection, table)
        if name in columns
    ]
    return problems


def has_unique_key(connection: Connection, dialect: Dialect, table: Table) -> bool:
    """Would the database refuse a second row with the key?"""
    keys = dialect.unique_keys(connection, table.name) if table.key else []
    return not table.key or any(names <= set(table.key) for names in keys)


def ddl(dialect: Dialect, table: Table, full_name: str, *, with_key: bool = True) -> str:
    """The statement that creates a table at a place (its name with its schema, quoted)."""
    lines = [
        f"{quote(column.name)} {dialect.declared(table, column.name)}"
        + (" NOT NULL" if column.required or column.name in table.key else "")
        for column in table.columns
    ]
    if table.key and with_key:
        lines.append(f"PRIMARY KEY ({column_list(table.key)})")
    return f"CREATE TABLE {full_name} ({', '.join(lines)})"


def foreign_key_ddl(child: str, parent: str, key: ForeignKey, name: str = "") -> str:
    """The statement that lets the database keep a foreign key.

    Args:
        child: name of the table with its schema, quoted.
        parent: the same of its parent.
        key: of the child.
        name: of the constraint; without one the database gives it one.
    """
    constraint = f"CONSTRAINT {quote(name)} " if name else ""
    return (
        f"ALTER TABLE {child} ADD {constraint}FOREIGN KEY ({column_list(key.columns)})"
        f" REFERENCES {parent} ({column_list(key.parent_columns)})"
    )


def misfits(
    dialect: Dialect,
    table: Table,
    columns: dict[str, str],
    demanded: Collection[str] = (),
    *,
    is_read: bool = False,
) -> list[str]:
    """Why an existing table cannot take the stream's rows exactly; empty if it can.

    Args:
        dialect: of the target.
        table: as the stream declares it.
        columns: column -> type, as the database has them.
        demanded: columns that every new row has to give.
        is_read: the table is only read, so that a wider type than was loaded holds the same.
    """
    problems = [
        f"column {name} is NOT NULL without a default, and the schema does not have it"
        for name in sorted(set(demanded) - set(table.names))
    ]
    for column in table.columns:
        type_name = dialect.type_name(table, column.name)
        there = columns.get(column.name)
        if there is None:
            problems.append(f"column {column.name} is missing")
        elif there != type_name and not (is_read and (type_name, there) in _WIDENED):
            problems.append(f"column {column.name} is {there}, the schema needs {type_name}")
    return problems
