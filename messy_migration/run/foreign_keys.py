"""The foreign keys of a final run, which the database itself keeps from then on."""

from __future__ import annotations

import logging

from messy_migration.databases.ddl import foreign_key_ddl
from messy_migration.errors import TargetError
from messy_migration.ledger import known_tables
from messy_migration.model import ForeignKey
from messy_migration.run.state import RunState

_LOG = logging.getLogger(__name__)


def add_foreign_keys(state: RunState) -> None:
    """Create what the streams declare, between tables that runs of ours created.

    A table that was there before is never altered: the statement that would help is said. Where
    the kind of database adds no foreign key to a table that is there, the proof alone holds them.

    Raises:
        TargetError: rows miss their parents, or the parent has no such key.
        Locked: a newer run took the target over.
    """
    target, ledger = state.workspace.target, state.workspace.ledger
    with target.dialect.reading(target.engine) as connection:
        table_states = list(known_tables.all_states(connection, ledger).values())
    created = {one.table.name for one in table_states if one.created}
    names = {name for name, _ in state.tables}
    keys = {
        (one.table.name, key): one.table
        for one in table_states
        if one.table.name in names
        for key in one.table.foreign_keys
    }
    late = target.dialect.late_keys
    for (name, key), table in keys.items():
        if late is None:
            _LOG.warning(
                "%s keeps no foreign key that comes later: %s is proven with every"
                " reconciliation, and not kept by the database",
                target.dialect.name,
                _label(name, key),
            )
        elif {name, key.parent} <= created:
            try:
                with state.writing() as connection:
                    late.add_foreign(connection, table, key)
            except TargetError as error:
                raise error.located(_label(name, key)) from error
        else:
            with target.dialect.reading(target.engine) as connection:
                child, parent = (
                    target.dialect.place(connection, one) for one in (name, key.parent)
                )
            _LOG.warning(
                "%s is not created, since a table was there before the first run: `%s`",
                _label(name, key),
                foreign_key_ddl(child, parent, key),
            )


def _label(table: str, key: ForeignKey) -> str:
    return f"the foreign key {table} ({', '.join(key.columns)}) -> {key.parent}"
