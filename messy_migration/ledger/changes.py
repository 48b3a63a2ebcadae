"""Changes of current state: rows that say what the other tables of the ledger follow from.

Tables of current state (`sealed.CURRENT`) are written again and again. With each write goes a row
of `change`, in the lane of who wrote it: which row, and a digest of it. A row that is not what
its newest change says was written by somebody else. A link names the digest of all rows that the
runs of a target share, so that a run that begins need not read every change there ever was.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Table, insert, select, update

from messy_migration.ledger import chain, lanes, sealed
from messy_migration.ledger.clock import now
from messy_migration.ledger.lanes import Signature
from messy_migration.ledger.tables import Ledger

Key = tuple[str, ...]

_SHARED = ("table_state", "landing", "bookmark", "stamp")
"""Tables whose rows do not belong to one run."""


def record(
    connection: Connection, ledger: Ledger, signature: Signature, name: str, key: Key
) -> None:
    """Say that a row of current state (or the rows of one key) is now as it stands there.

    Args:
        connection: that wrote it.
        ledger: of the target.
        signature: who wrote it.
        name: of the table.
        key: its `sealed.CURRENT` columns.
    """
    digest = _salted(dict(_rows(connection, ledger, name, key))[key])
    slot = signature.lane.slot(connection)
    table = ledger.change
    values = {
        "run_id": signature.run_id,
        "table_name": name,
        "row_key": json.dumps(list(key)),
        "row_digest": digest,
        **slot.as_row(),
        "written_at": now(),
    }
    seq = connection.execute(insert(table).values(values).returning(table.c.seq)).scalar_one()
    written = lanes.change_digest(chain.change_row({"seq": seq, **values}))
    if mac := signature.mac("change", written):
        connection.execute(update(table).where(table.c.seq == seq).values(mac=mac))
    signature.lane.wrote(slot, written)


def departures(connection: Connection, ledger: Ledger) -> Iterator[str]:
    """Rows of current state that are not what their newest change says, in words."""
    newest: dict[tuple[str, Key], str] = {}
    table = ledger.change
    query = select(table.c.table_name, table.c.row_key, table.c.row_digest).order_by(table.c.seq)
    for name, key, digest in connection.execute(query):
        newest[name, tuple(json.loads(key))] = digest
    for name in sealed.CURRENT:
        for key, rows in _rows(connection, ledger, name):
            digest = newest.pop((name, key), None)
            if digest is None:
                yield f"a row of {name} was written by hand: {_told(name, key)}"
            elif _salted(rows, digest) != digest:
                yield f"a row of {name} is not what runs have written: {_told(name, key)}"
    for name, key in newest:
        yield f"a row of {name} is gone: {_told(name, key)}"


def runs_of(connection: Connection, ledger: Ledger, until: int) -> set[str]:
    """The runs whose rows were recorded in changes up to a number."""
    table = ledger.change
    query = select(table.c.row_key).where(table.c.table_name == "run", table.c.seq <= until)
    return {json.loads(key)[0] for key in connection.execute(query).scalars()}


def state_digest(
    connection: Connection, ledger: Ledger, run_id: str, salted: str | None = None
) -> str:
    """Of the current state that the runs of a target share, and of the row of one run.

    Args:
        connection: any.
        ledger: of the target.
        run_id: of the run that writes the link.
        salted: a digest of before, whose salt is to be taken.
    """
    held: list[object] = [
        [name, sorted([list(key), rows] for key, rows in _rows(connection, ledger, name))]
        for name in _SHARED
    ]
    held.append([[list(key), rows] for key, rows in _rows(connection, ledger, "run", (run_id,))])
    return _salted(held, salted)


def start(connection: Connection, ledger: Ledger, signature: Signature) -> None:
    """Record all current state of a ledger whose runs recorded none of it."""
    for name in sealed.CURRENT:
        for key, _ in list(_rows(connection, ledger, name)):
            record(connection, ledger, signature, name, key)


def _told(name: str, key: Key) -> str:
    return ", ".join(
        f"{column} {value}" for column, value in zip(sealed.CURRENT[name], key, strict=True)
    )


def _salted(content: object, like: str | None = None) -> str:
    """A digest behind the salt that it was made with: bounds and names may be personal."""
    salt = like.partition(":")[0] if like else secrets.token_hex(8)
    return f"{salt}:{chain.sha256_of([salt, content])}"


def _rows(
    connection: Connection, ledger: Ledger, name: str, key_sought: Key | None = None
) -> Iterator[tuple[Key, list[list[object]]]]:
    """The rows of a table by key; each as the values of its columns in the order of their names."""
    table: Table = getattr(ledger, name)
    columns = sealed.CURRENT[name]
    query = select(table)
    if key_sought is not None:
        for column, value in zip(columns, key_sought, strict=True):
            query = query.where(table.c[column] == _typed(table, column, value))
    rows_of: dict[Key, list[list[object]]] = {}
    for row in connection.execute(query).mappings():
        key = tuple(str(row[column]) for column in columns)
        rows_of.setdefault(key, []).append(_values(table, row))
    for key in sorted(rows_of):
        yield key, sorted(rows_of[key], key=str)


def _typed(table: Table, column: str, value: str) -> object:
    return int(value) if table.c[column].type.python_type is int else value


def _values(table: Table, row: Mapping[Any, Any]) -> list[object]:
    # A column that a later revision adds is empty in old rows, which stay as they were.
    return [[name, row[name]] for name in sorted(table.c.keys()) if row[name] is not None]
