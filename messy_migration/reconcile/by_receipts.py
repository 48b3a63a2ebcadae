"""Hold tables against their receipts, and read again what is needed to name what differs."""

from __future__ import annotations

from sqlalchemy import Connection

from messy_migration.compare.budget import Progress, TimeUp
from messy_migration.compare.findings import Findings
from messy_migration.compare.locate import Replayable, locate
from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.naming import scoped
from messy_migration.databases.postgresql import places as relations
from messy_migration.databases.postgresql import xmin
from messy_migration.errors import MigrationError
from messy_migration.ledger import places
from messy_migration.ledger import xids as transactions
from messy_migration.ledger.known_tables import TableState
from messy_migration.ledger.receipts import Scope
from messy_migration.model import Fingerprint
from messy_migration.model.derived import is_derived
from messy_migration.reconcile.authors import Authors, adopted_until, authors
from messy_migration.reconcile.batches import UnsettledBatches, rest
from messy_migration.reconcile.replay import replayed, stream_of
from messy_migration.reconcile.verdict import TableVerdict
from messy_migration.workspace import Workspace

_MOST = 1_000_000
"""Differences that are held at once, to say who wrote each and which are waived."""


class ByReceipts:
    """The tables of one target in one snapshot; remembers which batches differ, and who wrote."""

    def __init__(self, workspace: Workspace, connection: Connection, progress: Progress) -> None:
        self._workspace = workspace
        self._connection = connection
        self._progress = progress
        self._rests: dict[tuple[str, Scope], UnsettledBatches] = {}
        self._authors: dict[tuple[str, Scope], Authors] = {}

    def scan(self, state: TableState) -> Fingerprint:
        """The fingerprint of a table; where the database knows, batch by batch in one scan."""
        connection, dialect = self._connection, self._workspace.target.dialect
        if not xmin.are_known(dialect):
            return self._plain(state)
        if not xmin.shape(connection, state.table).is_ordinary:
            why = "who wrote the rows is not known: the table is no ordinary one"
            self._authors[state.key] = Authors(note=why)
            return self._plain(state)
        ledger = self._workspace.ledger
        signed = transactions.signed(connection, ledger, *state.key)
        here = places.place(connection, relations.place(connection, state.table.name).full)
        numbers = {xmin.low(receipt.xid) for receipt in signed if receipt.xid is not None}
        until = adopted_until(signed, here)
        sums = xmin.sums_by_writer(connection, state.table, numbers, until)
        now = xmin.current(connection)
        self._authors[state.key] = authors(signed, sums, here, now)
        unsettled = rest(
            [receipt for receipt in signed if receipt.format_id == state.format_id], sums.ours
        )
        if unsettled is not None:
            self._rests[state.key] = unsettled
        return sums.all

    def _plain(self, state: TableState) -> Fingerprint:
        connection, dialect = self._connection, self._workspace.target.dialect
        source = scoped(connection, dialect, state.table)
        return dialect.fingerprint(connection, state.table, source)

    def authors(self, state: TableState) -> Authors | None:
        """Who wrote the rows that `scan` summed; None where no database can tell."""
        return self._authors.get(state.key)

    def differences(self, state: TableState, verdict: TableVerdict) -> Findings | None:
        """The rows that differ, where fingerprints do."""
        connection = self._connection
        if verdict.actual in (None, verdict.expected) or connection.invalidated:
            self._progress.found += verdict.verdict == "MISMATCH"
            return None
        findings = self._located(state, verdict.expected)
        self._progress.found += max(findings.total, 1)
        return findings

    def _located(self, state: TableState, expected: Fingerprint) -> Findings:
        workspace, connection = self._workspace, self._connection
        try:
            self._progress.check()
            bookmark = None if is_derived(state.stream) else stream_of(workspace, state).bookmark
            with driver_errors_as_ours(f"table {state.table.name}"), connection.begin_nested():
                return locate(
                    connection,
                    workspace.target.dialect,
                    state.table,
                    Replayable(expected, lambda: replayed(workspace, connection, state)),
                    _MOST,
                    bookmark,
                    rest=self._part(state),
                    progress=self._progress,
                )
        except TimeUp as error:
            return Findings(state.table.name, (), 0, (), f"not looked at: {error.what}")
        except MigrationError as error:
            return Findings(state.table.name, (), 0, (), str(error))

    def _part(self, state: TableState) -> Replayable | None:
        """What is left of a table without the batches that are as they were loaded."""
        unsettled = self._rests.get(state.key)
        if unsettled is None:
            return None
        return Replayable(
            unsettled.expected,
            lambda: replayed(self._workspace, self._connection, state, unsettled.receipts),
            xmin.by_none_of(unsettled.settled),
        )
