"""What the ledger knows of each table and scope: whose it is, its columns, when it was met."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from messy_migration.ledger import changes
from messy_migration.ledger.lanes import Signature
from messy_migration.ledger.receipts import Scope, scope_of, scope_text
from messy_migration.ledger.tables import Ledger, legible
from messy_migration.model import Column, ColumnType, ForeignKey, Table
from messy_migration.model.identity import UNKNOWN, Identity


@dataclass(frozen=True)
class TableState:
    """One (table, scope).

    Attributes:
        table: its definition when it was last written, scope included.
        stream, tenant: the stream that owns the scope.
        format_id: of the fingerprints that count.
        created: a run of ours created the table.
        first_run: the run that met it first.
        baseline_rows: rows that were there before that run.
        bookmark: the column that says which of two rows with one key is newer, or None.
        key_pending: the table has no key yet; it comes after the load.
        identity: which table of the database it is.
        key_id: of the `fingerprint_key` under which all its rows are summed; None where not all.
    """

    table: Table
    stream: str
    tenant: str
    format_id: str
    created: bool
    first_run: str
    baseline_rows: int
    bookmark: str | None = None
    key_pending: bool = False
    identity: Identity = UNKNOWN
    key_id: str | None = None

    @property
    def key(self) -> tuple[str, Scope]:
        """What identifies a state."""
        return self.table.name, self.table.scope


def all_states(connection: Connection, ledger: Ledger) -> dict[tuple[str, Scope], TableState]:
    """Every table and scope that a run ever met, in the order of their names."""
    table = ledger.table_state
    query = select(table).order_by(table.c.table_name, table.c.scope)
    states = {}
    for row in connection.execute(query).mappings():
        scope = scope_of(row["scope"])
        state = TableState(
            definition_of(row["table_name"], row["definition"], scope),
            row["stream"],
            row["tenant"],
            row["format_id"],
            bool(row["created"]),
            row["first_run"],
            row["baseline_rows"],
            row["bookmark"],
            row["state"] == "key_pending",
            Identity(row["schema_name"], row["object_id"]),
            row["key_id"],
        )
        states[state.key] = state
    return states


def add(connection: Connection, ledger: Ledger, signature: Signature, state: TableState) -> None:
    """Remember a table (or scope) that a run meets for the first time."""
    connection.execute(
        insert(ledger.table_state).values(
            table_name=state.table.name,
            scope=scope_text(state.table.scope),
            stream=state.stream,
            tenant=state.tenant,
            format_id=state.format_id,
            definition=definition_text(state.table),
            created=int(state.created),
            first_run=state.first_run,
            baseline_rows=state.baseline_rows,
            bookmark=state.bookmark,
            state="key_pending" if state.key_pending else "ready",
            schema_name=state.identity.schema,
            object_id=state.identity.oid,
            key_id=state.key_id,
        )
    )
    _record(connection, ledger, signature, state.table)


def make_ready(connection: Connection, ledger: Ledger, signature: Signature, table: Table) -> None:
    """Remember that the table has its key now."""
    _update(connection, ledger, signature, table, state="ready")


def redefine(
    connection: Connection, ledger: Ledger, signature: Signature, table: Table, format_id: str
) -> None:
    """Remember new columns or a new key of a known table."""
    definition = definition_text(table)
    _update(connection, ledger, signature, table, format_id=format_id, definition=definition)


def identify(
    connection: Connection, ledger: Ledger, signature: Signature, table: Table, identity: Identity
) -> None:
    """Remember which table of the database it is: at first, or when an act of ours swapped it."""
    values = {"schema_name": identity.schema, "object_id": identity.oid}
    _update(connection, ledger, signature, table, **values)


def rekey(
    connection: Connection, ledger: Ledger, signature: Signature, table: Table, key_id: str
) -> None:
    """Remember the key under which all rows of the table are summed."""
    _update(connection, ledger, signature, table, key_id=key_id)


def _update(
    connection: Connection,
    ledger: Ledger,
    signature: Signature,
    table: Table,
    **values: str | None,
) -> None:
    state = ledger.table_state
    connection.execute(
        update(state)
        .where(state.c.table_name == table.name, state.c.scope == scope_text(table.scope))
        .values(values)
    )
    _record(connection, ledger, signature, table)


def _record(connection: Connection, ledger: Ledger, signature: Signature, table: Table) -> None:
    key = (table.name, scope_text(table.scope))
    changes.record(connection, ledger, signature, "table_state", key)


def definition_text(table: Table) -> str:
    """Columns and key as the ledger writes them."""
    columns: list[list[object]] = []
    for column in table.columns:
        allowed = [column.loss, column.tolerance] if column.loss or column.tolerance else []
        columns.append([column.name, str(column.type), column.required, *allowed])
    keys = [
        [list(key.columns), key.parent, list(key.parent_columns), [list(pair) for pair in key.stub]]
        for key in table.foreign_keys
    ]
    written: dict[str, object] = {"columns": columns, "key": list(table.key), "foreign_keys": keys}
    if table.amounts:
        written["amounts"] = [list(pair) for pair in table.amounts]
    if table.conflict:
        written["conflict"] = table.conflict
    return json.dumps(written)


def definition_of(name: str, text: str, scope: Scope) -> Table:
    """The table that `definition_text` wrote."""
    with legible(f"table table_state, {name}"):
        return _read(name, json.loads(text), scope)


def _read(name: str, definition: dict[str, Any], scope: Scope) -> Table:
    columns = tuple(
        Column(column, ColumnType.parse(kind), required, *allowed)
        for column, kind, required, *allowed in definition["columns"]
    )
    keys = tuple(
        ForeignKey(tuple(ours), parent, tuple(theirs), tuple((a, b) for a, b in stub))
        for ours, parent, theirs, stub in definition["foreign_keys"]
    )
    amounts = tuple((column, currency) for column, currency in definition.get("amounts", ()))
    conflict = definition.get("conflict", "")
    return Table(name, columns, tuple(definition["key"]), scope, keys, amounts, conflict)
