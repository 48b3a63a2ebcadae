"""Sketches of SQLite: the texts of rows are streamed and hashed here, as for a fingerprint.

To fetch rows by cells or by hashes of keys, the connection gets a function that hashes, so that
only the rows that are meant leave the database.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection

from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.naming import Spelling
from messy_migration.databases.sketch import (
    Cells,
    Choice,
    FoundRow,
    Hashing,
    Sketch,
    View,
    add_texts,
    key_hash,
    key_places,
    lanes,
    number,
    row_of,
    spelled_in,
)
from messy_migration.databases.sqlite import encoding as c1
from messy_migration.errors import TargetError
from messy_migration.model import Table

ROWS_PER_FETCH = 8_192
_PLAIN = Spelling()
_CHOSEN = "messy_migration_chosen"


class SQLiteScans:
    """See `Scans`."""

    def sketch(self, connection: Connection, view: View, hashing: Hashing, cells: int) -> Sketch:
        """See `Scans`."""
        del hashing  # SHA-256: there is no other one here
        columns = f"{_blob(c1.row_text(view.table, 't'))}, {_key(view)}"
        filled = Sketch.empty(cells)
        with driver_errors_as_ours(f"table {view.table.name}"):
            result = connection.exec_driver_sql(f"SELECT {columns} FROM {view.from_clause()}")
            for chunk in result.partitions(ROWS_PER_FETCH):
                texts, keys = zip(*chunk, strict=True)
                key_values = ([key] if view.table.key else [] for key in keys)
                add_texts(filled, [number(view, key) for key in key_values], texts)
        return filled

    def rows(
        self, connection: Connection, view: View, hashing: Hashing, choice: Choice
    ) -> Iterator[FoundRow]:
        """See `Scans`."""
        del hashing
        condition = self._condition(connection, view, choice)
        key_indices = key_places(view.table)
        fields = ", ".join(_blob(field) for field in c1.fields(view.table, "t"))
        with driver_errors_as_ours(f"table {view.table.name}"):
            result = connection.exec_driver_sql(
                f"SELECT {fields} FROM {view.from_clause(condition)}"
            )
            for chunk in result.partitions(ROWS_PER_FETCH):
                for row in chunk:
                    yield row_of(view, key_indices, tuple(row))

    def _condition(self, connection: Connection, view: View, choice: Choice) -> str:
        raw: Any = connection.connection.driver_connection
        if raw is None:
            raise TargetError("the database went away", f"table {view.table.name}")
        if isinstance(choice, Cells):
            chosen, of = choice.numbers, choice.of

            def is_cell(text: bytes) -> bool:
                return lanes(text)[1] % of in chosen

            raw.create_function(_CHOSEN, 1, is_cell, deterministic=True)
            return f"{_CHOSEN}({_blob(c1.row_text(view.table, 't'))})"
        if view.is_spelled:
            return spelled_in(_PLAIN, view, choice)
        keys = choice.numbers

        def is_key(text: bytes) -> bool:
            return key_hash(text) in keys

        raw.create_function(_CHOSEN, 1, is_key, deterministic=True)
        return f"{_CHOSEN}({_key(view)})"


def _key(view: View) -> str:
    """The C1 text of the key, as bytes."""
    table = view.table
    if not table.key:
        return "NULL"
    columns = tuple(table.column(name) for name in table.key)
    return _blob(c1.row_text(Table(table.name, columns), "t"))


def _blob(text: str) -> str:
    # As a blob, because text that is no UTF-8 would stop the driver.
    return f"CAST(({text}) AS BLOB)"
