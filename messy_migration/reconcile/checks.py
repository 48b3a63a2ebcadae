"""What has to hold beside the rows, so that the application can go on with the table."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from messy_migration.compare.findings import Word
from messy_migration.databases.ddl import has_unique_key
from messy_migration.databases.dialect import Dialect
from messy_migration.databases.naming import column_list, quote
from messy_migration.databases.sequences import Counter, counters
from messy_migration.ledger.known_tables import TableState
from messy_migration.reconcile.verdict import Check


def checks(connection: Connection, dialect: Dialect, state: TableState) -> tuple[Check, ...]:
    """The counters of a table are ahead of its data, and its key is one that the database keeps.

    Args:
        connection: in a snapshot of the target.
        dialect: of the target.
        state: the table; a key that is still to come is not asked for.
    """
    table_checks = [_counter(counter) for counter in counters(connection, dialect, state.table)]
    if state.table.key and not state.key_pending:
        table_checks.append(_key(connection, dialect, state))
    return tuple(table_checks)


def _counter(counter: Counter) -> Check:
    subject = f"{counter.name} of column {counter.column}"
    if not counter.is_known:
        return Check("counter", subject, "UNKNOWN", counter.problem, counter.mend)
    if counter.problem:
        return Check("counter", subject, "MISMATCH", counter.problem, counter.mend)
    return Check("counter", subject, "MATCH")


def _key(connection: Connection, dialect: Dialect, state: TableState) -> Check:
    table = state.table
    subject = f"key {', '.join(table.key)}"
    if has_unique_key(connection, dialect, table):
        return Check("key", subject, "MATCH")
    columns = column_list(table.key)
    return Check(
        "key",
        subject,
        "MISMATCH",
        "the database no longer refuses a second row with it",
        f"CREATE UNIQUE INDEX ON {quote(table.name)} ({columns})"
        if dialect.name == "postgresql"
        else f"CREATE UNIQUE INDEX {quote(f'{table.name}_key')} ON {quote(table.name)} ({columns})",
    )


def judged(table_checks: Iterable[Check]) -> tuple[Word, str]:
    """The word that the checks allow a table whose own rows are right, and why."""
    wrong = [check for check in table_checks if check.verdict == "MISMATCH"]
    if not wrong:
        return "MATCH", ""
    return "MISMATCH", "; ".join(f"{check.subject}: {check.why}" for check in wrong)


def unread(table_checks: Iterable[Check]) -> str:
    """What could not be looked at, in words; empty if all of it could."""
    return "; ".join(
        f"{check.subject}: {check.why}" for check in table_checks if check.verdict == "UNKNOWN"
    )
