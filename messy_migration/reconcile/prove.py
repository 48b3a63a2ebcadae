"""Hold the target against the receipts: one scan per table, and no benefit of the doubt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import Connection

from messy_migration.compare.budget import Progress
from messy_migration.compare.findings import Word
from messy_migration.databases.ddl import misfits
from messy_migration.databases.dialect import Dialect, planned_otherwise
from messy_migration.databases.errors import Unplanned, driver_errors_as_ours
from messy_migration.databases.naming import scoped
from messy_migration.databases.timeouts import limit_time
from messy_migration.errors import TargetError, TargetUnavailable
from messy_migration.ledger.known_tables import TableState
from messy_migration.ledger.receipts import Scope
from messy_migration.model import Fingerprint, ForeignKey, Table, stream_label
from messy_migration.reconcile import parents
from messy_migration.reconcile.checks import checks, judged, unread
from messy_migration.reconcile.identity import another_table, made_again
from messy_migration.reconcile.verdict import Check, TableVerdict

T = TypeVar("T")
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
    progress: Progress | None = None,
) -> Iterator[TableVerdict]:
    """A verdict for each table, made when it is asked for.

    It is UNKNOWN for what a lost connection, or the end of a budget, leaves unread.

    Args:
        connection: in a read-only snapshot of the target; `invalidated` afterwards if it was
            lost on the way.
        dialect: of the target.
        states: the tables and scopes to prove.
        sums: the receipts, by table, scope and format id.
        incomplete: label of a stream -> why not all of it was read; its tables are UNKNOWN.
        rows_only: leave out parents, counters and keys.
        scan: how to sum the rows of a table; by default as the dialect does.
        progress: whether there is something left of a budget.
    """

    def plain(state: TableState) -> Fingerprint:
        return dialect.fingerprint(
            connection, state.table, scoped(connection, dialect, state.table)
        )

    proof = _Proof(connection, dialect, incomplete, scan or plain, progress or Progress())
    lost = ""
    for state in states:
        label = stream_label(state.stream, state.tenant)
        expected = sums.get((*state.key, state.format_id), Fingerprint())
        if connection.invalidated:
            lost = lost or LOST
        why = lost or proof.progress.over()
        if not why:
            try:
                yield _verdict(proof, state, expected, rows_only=rows_only)
                continue
            except TargetError as error:
                why = lost = f"{LOST}: {error.why or error.what}"
        yield TableVerdict(*state.key, label, expected, None, "UNKNOWN", why)


@dataclass(frozen=True)
class _Proof:
    """What all tables of a proof share."""

    connection: Connection
    dialect: Dialect
    incomplete: Mapping[str, str]
    scan: Scan
    progress: Progress
    notes: dict[str, str] = field(default_factory=dict)

    def look(self, table: Table, act: Callable[[], T]) -> T:
        """What `act` finds; by the names of the role's own path where the server's do not do."""
        try:
            with self.attempt(table):
                return act()
        except Unplanned as error:
            with (
                self.attempt(table),
                planned_otherwise(self.connection, self.dialect, error, table.name, self.notes),
            ):
                return act()

    @contextmanager
    def attempt(self, table: Table) -> Iterator[None]:
        """A savepoint: on Postgres an error would end the transaction for other tables too."""
        kind, remaining = self.dialect.name, self.progress.left()
        with (
            driver_errors_as_ours(f"table {table.name}"),
            self.connection.begin_nested(),
            limit_time(self.connection, kind, remaining),
        ):
            yield


def _verdict(
    proof: _Proof, state: TableState, expected: Fingerprint, *, rows_only: bool
) -> TableVerdict:
    label = stream_label(state.stream, state.tenant)
    actual, word, reason = _compare(proof, state, expected)
    said = [reason] if word == "MATCH" else []
    is_whole = not rows_only and actual is not None
    pointing = _parents(proof, state) if is_whole else []
    table_checks = _checks(proof, state) if is_whole else ()
    orphans = tuple((parents.label(key), count) for key, count in pointing)
    if word == "MATCH" and label in proof.incomplete:
        # Its parents may be among what was not read, and there are no stubs yet.
        word, reason = "UNKNOWN", proof.incomplete[label]
    elif word == "MATCH":
        word, reason = beside(orphans, table_checks)
    if word == "MATCH" and unread(table_checks) and proof.progress.late():
        word, reason = "UNKNOWN", proof.progress.over()
    if word == "MATCH" and state.baseline_rows:
        said.append(f"{state.baseline_rows:,} rows were there before the first run")
    if word == "MATCH":
        reason = "; ".join(filter(None, said))
    reason = "; ".join(filter(None, (reason, proof.notes.pop(state.table.name, ""))))
    return TableVerdict(*state.key, label, expected, actual, word, reason, orphans, table_checks)


def _checks(proof: _Proof, state: TableState) -> tuple[Check, ...]:
    try:
        return proof.look(state.table, lambda: checks(proof.connection, proof.dialect, state))
    except TargetUnavailable:
        raise
    except TargetError as error:
        if proof.connection.invalidated:
            raise
        why = error.why or error.what
        return (Check("counter", f"counters of {state.table.name}", "UNKNOWN", why, error.next),)


def _parents(proof: _Proof, state: TableState) -> list[tuple[ForeignKey, int | None]]:
    try:
        return proof.look(
            state.table, lambda: parents.orphans(proof.connection, proof.dialect, state.table)
        )
    except TargetUnavailable:
        raise
    except TargetError:
        if proof.connection.invalidated:
            raise
        return [(key, None) for key in state.table.foreign_keys]


def beside(
    orphans: Iterable[tuple[str, int | None]], table_checks: Iterable[Check]
) -> tuple[Word, str]:
    """The word for a table whose own rows are right, by its parents, counters and keys."""
    orphans = list(orphans)
    lost = [f"{count:,} rows miss {label}" for label, count in orphans if count]
    if lost:
        return "MISMATCH", "; ".join(lost)
    unseen = [label for label, count in orphans if count is None]
    if unseen:
        return "UNKNOWN", f"the parents cannot be read: {', '.join(unseen)}"
    return judged(table_checks)


def _compare(
    proof: _Proof, state: TableState, expected: Fingerprint
) -> tuple[Fingerprint | None, Word, str]:
    table = state.table

    swapped = note = ""

    def sum_up() -> Fingerprint | str:
        nonlocal swapped, note
        swapped = another_table(proof.connection, proof.dialect, state)
        if swapped:
            return swapped
        columns = proof.dialect.columns(proof.connection, table.name)
        if columns is None:
            return "the table is gone"
        note = made_again(proof.connection, proof.dialect, state)
        return "; ".join(misfits(proof.dialect, table, columns, is_read=True)) or proof.scan(state)

    try:
        actual = proof.look(table, sum_up)
    except TargetUnavailable:
        raise
    except TargetError as error:
        if proof.connection.invalidated:
            raise
        why = f"the table could not be read: {error.why or error.what}"
        return None, "UNKNOWN", proof.progress.over() or why
    if isinstance(actual, str):
        return None, "UNKNOWN" if swapped else "MISMATCH", actual
    if actual == expected:
        return actual, "MATCH", note
    if actual.rows != expected.rows:
        return actual, "MISMATCH", f"{actual.rows:,} rows, expected {expected.rows:,}"
    return actual, "MISMATCH", "the number of rows is right, their content is not"
