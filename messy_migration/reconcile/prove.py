"""Hold the target against the receipts: one scan per table, and no benefit of the doubt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Connection

from messy_migration.errors import TargetError, TargetUnavailable
from messy_migration.ledger.receipts import Scope
from messy_migration.ledger.states import TableState
from messy_migration.model import Fingerprint, ForeignKey, Table, stream_label
from messy_migration.reconcile import parents
from messy_migration.reconcile.checks import checks, judged
from messy_migration.reconcile.verdict import Check, TableVerdict, Word
from messy_migration.target.dialect import Dialect, scoped
from messy_migration.target.failures import refusals
from messy_migration.target.tables import misfits

Scan = Callable[[TableState], Fingerprint]
"""Sums the rows of a table, inside the connection and savepoint of the proof."""

LOST = "the connection to the target was lost"
"""How the reason of a verdict begins that says nothing of the table."""


def prove(
    connection: Connection,
    dialect: Dialect,
    states: Iterable[TableState],
    sums: Mapping[tuple[str, Scope, str], Fingerprint],
    incomplete: Mapping[str, str],
    *,
    rows_only: bool = False,
    scan: Scan | None = None,
) -> list[TableVerdict]:
    """A verdict for each table; UNKNOWN for what a lost connection leaves unread.

    Args:
        connection: in a read-only snapshot of the target; `invalidated` afterwards if it was
            lost on the way.
        dialect: of the target.
        states: the tables and scopes to prove.
        sums: the receipts, by table, scope and format id.
        incomplete: label of a stream -> why not all of it was read; its tables are UNKNOWN.
        rows_only: leave out parents, counters and keys.
        scan: how to sum the rows of a table; by default as the dialect does.
    """

    def plain(state: TableState) -> Fingerprint:
        return dialect.fingerprint(connection, state.table, scoped(state.table))

    verdicts: list[TableVerdict] = []
    lost = ""
    for state in states:
        label = stream_label(state.stream, state.tenant)
        expected = sums.get((*state.key, state.format_id), Fingerprint())
        if not lost:
            try:
                compared = _compare(connection, dialect, state, expected, scan or plain)
                verdict = _verdict(
                    connection, dialect, state, expected, compared, incomplete, rows_only=rows_only
                )
                verdicts.append(verdict)
                continue
            except TargetError as error:
                lost = f"{LOST}: {error.why or error.what}"
        verdicts.append(TableVerdict(*state.key, label, expected, None, "UNKNOWN", lost))
    return verdicts


def _verdict(
    connection: Connection,
    dialect: Dialect,
    state: TableState,
    expected: Fingerprint,
    compared: tuple[Fingerprint | None, Word, str],
    incomplete: Mapping[str, str],
    *,
    rows_only: bool,
) -> TableVerdict:
    label = stream_label(state.stream, state.tenant)
    actual, word, reason = compared
    is_whole = not rows_only and actual is not None
    pointing = _parents(connection, dialect, state) if is_whole else []
    found = _checks(connection, dialect, state) if is_whole else ()
    orphans = tuple((parents.label(key), count) for key, count in pointing)
    if word == "MATCH" and label in incomplete:
        # Its parents may be among what was not read, and there are no stubs yet.
        word, reason = "UNKNOWN", incomplete[label]
    elif word == "MATCH":
        word, reason = beside(orphans, found)
    if word == "MATCH" and state.baseline_rows:
        reason = f"{state.baseline_rows:,} rows were there before the first run"
    return TableVerdict(*state.key, label, expected, actual, word, reason, orphans, found)


def _checks(connection: Connection, dialect: Dialect, state: TableState) -> tuple[Check, ...]:
    try:
        with _attempt(connection, state.table):
            return checks(connection, dialect, state)
    except TargetUnavailable:
        raise
    except TargetError as error:
        if connection.invalidated:
            raise
        why = error.why or error.what
        return (Check("counter", f"counters of {state.table.name}", "UNKNOWN", why, error.next),)


def _parents(
    connection: Connection, dialect: Dialect, state: TableState
) -> list[tuple[ForeignKey, int | None]]:
    try:
        with _attempt(connection, state.table):
            return parents.orphans(connection, dialect, state.table)
    except TargetUnavailable:
        raise
    except TargetError:
        if connection.invalidated:
            raise
        return [(key, None) for key in state.table.foreign_keys]


def beside(orphans: Iterable[tuple[str, int | None]], found: Iterable[Check]) -> tuple[Word, str]:
    """The word for a table whose own rows are right, by its parents, counters and keys."""
    orphans = list(orphans)
    lost = [f"{count:,} rows miss {label}" for label, count in orphans if count]
    if lost:
        return "MISMATCH", "; ".join(lost)
    unread = [label for label, count in orphans if count is None]
    if unread:
        return "UNKNOWN", f"the parents cannot be read: {', '.join(unread)}"
    return judged(found)


def _compare(
    connection: Connection, dialect: Dialect, state: TableState, expected: Fingerprint, scan: Scan
) -> tuple[Fingerprint | None, Word, str]:
    table = state.table
    try:
        with _attempt(connection, table):
            found = dialect.columns(connection, table.name)
            if found is None:
                return None, "MISMATCH", "the table is gone"
            problems = misfits(dialect, table, found)
            if problems:
                return None, "MISMATCH", "; ".join(problems)
            actual = scan(state)
    except TargetUnavailable:
        raise
    except TargetError as error:
        if connection.invalidated:
            raise
        return None, "UNKNOWN", f"the table could not be read: {error.why or error.what}"
    if actual == expected:
        return actual, "MATCH", ""
    if actual.rows != expected.rows:
        return actual, "MISMATCH", f"{actual.rows:,} rows, expected {expected.rows:,}"
    return actual, "MISMATCH", "the number of rows is right, their content is not"


@contextmanager
def _attempt(connection: Connection, table: Table) -> Iterator[None]:
    """A savepoint: on Postgres an error would end the transaction for all other tables too."""
    with refusals(f"table {table.name}"), connection.begin_nested():
        yield
