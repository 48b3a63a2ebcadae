"""Would the first new row be taken? One is written, and rolled back.

The row is a copy of one that is there, under new numbers and a new key. Sequences are not asked
for a number, because they would not give it back: the row brings the number that is next.
Triggers fire; what they do inside the database is rolled back too.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Engine

from messy_migration.databases.dialect import Dialect
from messy_migration.databases.errors import RowsRefused, driver_errors_as_ours
from messy_migration.databases.naming import literal, quote, scoped
from messy_migration.databases.sequences import Counter, counters
from messy_migration.errors import TargetError, TargetUnavailable
from messy_migration.model import Table

_PATIENCE = ("SET LOCAL lock_timeout = '2s'", "SET LOCAL statement_timeout = '10s'")
# No statement of ours is wrong in these, so it is the role or the server that refuses.
_RIGHTS = ("42501", "25006", "readonly")


class NotProbed(TargetError):
    """No probe could be made, which says nothing of the table."""


def probe(engine: Engine, dialect: Dialect, table: Table) -> None:
    """Write a new row and roll it back, on a connection of its own.

    Args:
        engine: of the target.
        dialect: of the target.
        table: what to write into.

    Raises:
        NotProbed: there is no row to copy, no right to write, or the copy itself is refused.
        TargetError: the database cannot take any new row, such as by a trigger that is broken.
    """
    where = f"table {table.name}"
    try:
        with (
            driver_errors_as_ours(where),
            engine.connect() as connection,
            connection.begin() as transaction,
        ):
            if dialect.name == "postgresql":
                for statement in _PATIENCE:
                    connection.exec_driver_sql(statement)
            taken = connection.exec_driver_sql(_statement(connection, dialect, table)).rowcount
            if dialect.name == "postgresql":
                connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
            transaction.rollback()
    except (RowsRefused, TargetUnavailable) as error:
        raise NotProbed("a copy of a row is refused", where, error.why) from error
    except NotProbed:
        raise
    except TargetError as error:
        if any(word in error.why for word in _RIGHTS):
            raise NotProbed("this role may not write", where, error.why, error.next) from error
        raise
    if taken != 1:
        raise NotProbed("there is no row to copy", where)


def _statement(connection: Connection, dialect: Dialect, table: Table) -> str:
    """The INSERT; every column that the database does not compute, from one row of the table."""
    names, pointing = dialect.copied(connection, table.name)
    numbers = counters(connection, dialect, table)
    fresh = _numbered(numbers)
    for key in dialect.unique_keys(connection, table.name):
        if not key & fresh.keys():
            name = _chosen(table, key, pointing)
            fresh[name] = _fresh(connection, dialect, table, name)
    listed = ", ".join(quote(name) for name in names)
    values = ", ".join(fresh.get(name, f"t.{quote(name)}") for name in names)
    overriding = " OVERRIDING SYSTEM VALUE" if dialect.name == "postgresql" else ""
    return (
        f"INSERT INTO {dialect.place(connection, table.name)} ({listed}){overriding}"
        f" SELECT {values} FROM {scoped(connection, dialect, table)} LIMIT 1"
    )


def _numbered(numbers: Sequence[Counter]) -> dict[str, str]:
    for counter in numbers:
        if counter.following is None:
            raise NotProbed("its next number is not known", counter.name, counter.problem)
    return {counter.column: str(counter.following) for counter in numbers}


def _chosen(table: Table, key: set[str], pointing: set[str]) -> str:
    """The column of a key that gets a new value: one of ours that points at nothing."""
    kinds: Mapping[str, str] = {column.name: column.type.kind for column in table.columns}
    scope = dict(table.scope)
    for kind in ("int64", "int32", "int16", "uuid", "text", "decimal", "bytes"):
        for name in sorted(key):
            if kinds.get(name) == kind and name not in pointing and name not in scope:
                return name
    raise NotProbed(
        "no column of a key can be given a new value", f"table {table.name}", ", ".join(sorted(key))
    )


def _next(connection: Connection, dialect: Dialect, table: Table, name: str) -> str:
    most = dialect.spelling.call("max", quote(name))
    following = dialect.spelling.apply(most, "+", "1")
    return f"(SELECT {following} FROM {dialect.rows_of(connection, table.name)})"


def _fresh(connection: Connection, dialect: Dialect, table: Table, name: str) -> str:
    kind = table.column(name).type.kind
    if kind.startswith("int"):
        return _next(connection, dialect, table, name)
    if kind == "decimal" and dialect.name == "postgresql":
        return _next(connection, dialect, table, name)
    if kind == "uuid":
        return literal(str(uuid.uuid4()))
    if kind == "bytes":
        form = "'\\x{}'" if dialect.name == "postgresql" else "X'{}'"
        return form.format(secrets.token_hex(16))
    return literal(f"probe {secrets.token_hex(8)}")
