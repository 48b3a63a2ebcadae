"""A database in a file, and the short ways to look into it: no server, no run."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
from sqlalchemy import make_url

from messy_migration.databases.ddl import create_table
from messy_migration.databases.naming import scoped
from messy_migration.databases.open import Target, open_target
from messy_migration.fingerprint.rows import format_id
from messy_migration.ledger.known_tables import TableState
from messy_migration.model import RECORD, Column, ColumnType, Table


def table_of(name, kinds, key=(), scope=(), **more):
    """A table: `table_of("t", {"a": "int32"}, key=("a",))`."""
    columns = tuple(Column(one, ColumnType.parse(kind)) for one, kind in kinds.items())
    return Table(name, columns, key, scope, **more)


def state_of(table, **more):
    """What the ledger would know of a table."""
    known = {"created": True, "first_run": "run", "baseline_rows": 0, **more}
    return TableState(table, "shop.s", "", format_id(table), **known)


def data_of(table, *rows):
    """Rows in the table's types, with record numbers."""
    dicts = [dict(zip(table.names, row, strict=True)) for row in rows]
    found = pa.Table.from_pylist(dicts, table.arrow_schema())
    return found.append_column(RECORD, pa.array(range(found.num_rows), pa.int32()))


@dataclass(frozen=True)
class Site:
    """A database that holds what a test puts there."""

    target: Target

    @property
    def dialect(self):
        return self.target.dialect

    def begin(self):
        return self.target.engine.begin()

    def reading(self):
        return self.dialect.reading(self.target.engine)

    def run(self, *statements):
        with self.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def create(self, table, *rows):
        with self.begin() as connection:
            create_table(connection, self.dialect, table)
            if rows:
                self.dialect.insert(connection, table, data_of(table, *rows))

    def fill(self, table, *rows):
        with self.begin() as connection:
            self.dialect.insert(connection, table, data_of(table, *rows))

    def fingerprint(self, table):
        with self.reading() as connection:
            return self.dialect.fingerprint(
                connection, table, scoped(connection, self.dialect, table)
            )

    def rows(self, table, columns="*", order="1, 2"):
        with self.reading() as connection:
            found = connection.exec_driver_sql(f'SELECT {columns} FROM "{table}" ORDER BY {order}')
            return [tuple(row) for row in found]


def site_in(folder):
    """A site in an empty database of its own."""
    return Site(open_target(make_url(f"sqlite:///{folder / 'site.db'}"), "mm:test"))


class Meddling:
    """A dialect that lets something happen at one of its calls.

    `Meddling(dialect, fingerprint=act)` calls `act(connection)` after the method has answered;
    an act that raises stands for a method that fails.
    """

    def __init__(self, dialect, **acts):
        self._dialect = dialect
        self._acts = acts

    def __getattr__(self, name):
        method = getattr(self._dialect, name)
        act = self._acts.get(name)
        if act is None:
            return method

        def call(connection, *arguments, **named):
            found = method(connection, *arguments, **named)
            act(connection, *arguments)
            return found

        return call
