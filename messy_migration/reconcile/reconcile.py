"""Reconcile a target: prove every table, name what differs, and say what the proof rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import Connection

from messy_migration.compare.budget import Progress
from messy_migration.compare.findings import Findings
from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.postgresql import xmin
from messy_migration.databases.probe import NotProbed, probe
from messy_migration.errors import TargetError
from messy_migration.ledger import (
    known_tables,
    receipts,
    source_proofs,
    totals,
)
from messy_migration.ledger import (
    money as amounts,
)
from messy_migration.ledger import (
    xids as transactions,
)
from messy_migration.ledger.clock import now
from messy_migration.ledger.completeness import Completeness, completeness
from messy_migration.ledger.keys import REKEY
from messy_migration.ledger.known_tables import TableState
from messy_migration.ledger.receipts import Scope
from messy_migration.model import Fingerprint, stream_label
from messy_migration.pipeline.rules import FIRST
from messy_migration.reconcile import strays
from messy_migration.reconcile.authors import Authors
from messy_migration.reconcile.by_receipts import ByReceipts
from messy_migration.reconcile.by_value import by_value
from messy_migration.reconcile.checks import unread
from messy_migration.reconcile.derived import with_derived
from messy_migration.reconcile.drift import drift, words
from messy_migration.reconcile.identity import another_table
from messy_migration.reconcile.keyed import UnderKey, unkeyed
from messy_migration.reconcile.money import with_money
from messy_migration.reconcile.offered import beside_offered, taken_over
from messy_migration.reconcile.options import Form, ReconcileOptions
from messy_migration.reconcile.prove import Scan, prove
from messy_migration.reconcile.source import (
    SourceVerdict,
    source_verdicts,
    unheld,
    with_source,
)
from messy_migration.reconcile.untouched import Untouched, untouched
from messy_migration.reconcile.verdict import Check, TableVerdict, not_taken_words
from messy_migration.reconcile.waivers import remarks, waived
from messy_migration.workspace import Workspace

LISTED = 50
"""Differences that are listed by default; all are counted."""

Tables = Sequence[tuple[str, Scope]]
_Located = tuple[list[tuple[TableVerdict, Findings | None]], tuple[str, ...], str]


@dataclass(frozen=True)
class Proof:
    """A reconciliation.

    Attributes:
        verdicts: one per table.
        findings: what is behind each mismatch.
        form: what the target was held against.
        notes: what is to be said of inputs and waivers, one line each.
        allowed: what the verdict rests on that `--strict` does not accept, one line each.
        snapshot: when the target was read (in UTC), and the transactions that were seen, as the
            database writes them; None where it does not tell.
        completeness: what was loaded, and what was not, of the streams of these tables.
        sources: what the sources themselves say of what was extracted, where they can.
        key_id: of the `fingerprint_key` under which tables were read back; empty without one.
        is_lost: the connection to the target was lost on the way, so that not all was read.
    """

    verdicts: tuple[TableVerdict, ...]
    findings: tuple[Findings, ...]
    form: Form = "ledger"
    notes: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    snapshot: tuple[str, str] | None = None
    completeness: tuple[Completeness, ...] = ()
    sources: tuple[SourceVerdict, ...] = ()
    key_id: str = ""
    is_lost: bool = False


def reconcile(
    workspace: Workspace,
    tables: Tables | None,
    incomplete: Mapping[str, str],
    limit: int = LISTED,
    options: ReconcileOptions | None = None,
) -> Proof:
    """Prove tables in one snapshot of the target, and locate what differs.

    Args:
        workspace: with the plugins whose inputs are to be replayed.
        tables: (table, scope) pairs, or None for all that the ledger knows.
        incomplete: label of a stream -> why not all of it was read.
        limit: how many differences of a table to list.
        options: what to hold it against, and what else to try.
    """
    options = options or ReconcileOptions()
    progress = Progress(options.budget(limit))
    target = workspace.target
    with target.dialect.reading(target.engine) as connection:
        seen = (now(), xmin.snapshot(connection)) if xmin.are_known(target.dialect) else None
        examined = wanted_states(workspace, connection, tables)
        complete = completeness_of(workspace, connection, examined)
        extracted = source_proofs.standing(connection, workspace.ledger)
        held = _Held(workspace, connection, examined, incomplete, progress)
        results, notes, key_id = held.results(options)
        allowed = _adopted(workspace, connection, examined, options.against)
        is_lost = connection.invalidated
    sources = source_verdicts(extracted, examined, [verdict for verdict, _ in results])
    today = datetime.now(UTC).date()
    waivers = workspace.settings.waivers
    judged = [waived(verdict, behind, waivers, today) for verdict, behind in results]
    if options.probe:
        judged = list(map(partial(_probed, workspace), examined, judged))
    judged = [with_source(verdict, sources) for verdict in judged]
    judged, lines = beside_offered(workspace, examined, judged, options, is_whole=tables is None)
    return Proof(
        tuple(judged),
        tuple(shown(behind, limit) for _, behind in results if behind is not None),
        options.against,
        (*notes, *lines, *remarks(waivers, judged, today)),
        (*allowed, *_allowed(judged), *unkeyed(judged), *unheld(sources)),
        seen,
        complete,
        sources,
        key_id,
        is_lost,
    )


@dataclass(frozen=True)
class _Held:
    """Tables held against their receipts, in either of two ways.

    Each way gives a verdict and its differences for each of the tables, what is to be said of
    all of them, and the id of the `fingerprint_key` that was used.
    """

    workspace: Workspace
    connection: Connection
    wanted: Sequence[TableState]
    incomplete: Mapping[str, str]
    progress: Progress

    def results(self, options: ReconcileOptions) -> _Located:
        """As either way gives them, with the checks beside the sums, and rows of no stream."""
        workspace, connection = self.workspace, self.connection
        by = self.by_receipts if options.against == "ledger" else self.by_value
        located, notes, key_id = by(options)
        results = [
            _told(workspace, connection, state, verdict, behind)
            for state, (verdict, behind) in zip(self.wanted, located, strict=True)
        ]
        results = with_derived(workspace, connection, self.wanted, results)
        if not connection.invalidated:
            table_states = known_tables.all_states(connection, workspace.ledger).values()
            results = strays.with_strays(
                connection, workspace.target.dialect, table_states, self.wanted, results
            )
        return results, notes, key_id

    def by_receipts(self, options: ReconcileOptions) -> _Located:
        """Compare sums: scan each table once, and read again what differs."""
        ledger = ByReceipts(self.workspace, self.connection, self.progress)
        verdicts = self._verdicts(ledger.scan)
        if options.stop_after is None:
            # All verdicts come first; only to stop after differences they have to be located.
            verdicts = list(verdicts)
        under_key = UnderKey(self.workspace, self.connection, self.progress)
        located = [
            (
                under_key.judged(state, _with_authors(verdict, ledger.authors(state))),
                ledger.differences(state, verdict),
            )
            for state, verdict in zip(self.wanted, verdicts, strict=True)
        ]
        return located, (), under_key.key.id if under_key.key else ""

    def by_value(self, options: ReconcileOptions) -> _Located:
        """Compare each value with what landed, or with the source as it is now."""
        against = by_value(
            self.workspace,
            self.connection,
            self.wanted,
            list(self._verdicts(None)),
            self.progress,
            from_source=options.against == "source",
        )
        return list(zip(against.verdicts, against.findings, strict=True)), against.notes, ""

    def _verdicts(self, scan: Scan | None) -> Iterable[TableVerdict]:
        sums = receipts.expected(self.connection, self.workspace.ledger)
        dialect = self.workspace.target.dialect
        return prove(
            self.connection,
            dialect,
            self.wanted,
            sums,
            self.incomplete,
            scan=scan,
            progress=self.progress,
        )


def _with_authors(verdict: TableVerdict, authors: Authors | None) -> TableVerdict:
    """With who wrote the rows; beside a MATCH it is said where not all of them are ours."""
    if authors is None:
        return verdict
    reason = verdict.reason
    if verdict.verdict == "MATCH":
        reason = "; ".join(filter(None, (reason, authors.words)))
    return replace(verdict, authors=authors, reason=reason)


def wanted_states(
    workspace: Workspace, connection: Connection, tables: Tables | None
) -> list[TableState]:
    """What the ledger knows of these tables, or of all."""
    table_states = known_tables.all_states(connection, workspace.ledger)
    return [state for key, state in table_states.items() if tables is None or key in tables]


def completeness_of(
    workspace: Workspace, connection: Connection, states: Sequence[TableState]
) -> tuple[Completeness, ...]:
    """What was loaded, and what was not, of the streams that own these tables."""
    streams = {(state.stream, state.tenant) for state in states}
    limit = workspace.settings.core.quarantine_limit
    return completeness(connection, workspace.ledger, limit, streams)


def quick(
    workspace: Workspace, tables: Tables | None
) -> tuple[tuple[Untouched, ...], tuple[Completeness, ...]]:
    """Ask only whether tables are untouched since the load; reads no value.

    Raises:
        TargetError: this kind of database keeps no transaction with its rows.
    """
    target = workspace.target
    if not xmin.are_known(target.dialect):
        raise TargetError(
            "--quick needs a database that keeps the transaction of each row",
            target.label,
            f"{target.dialect.name} does not",
            "`migrate reconcile`, which reads every value",
        )
    with target.dialect.reading(target.engine) as connection:
        sums = receipts.expected(connection, workspace.ledger)
        table_states = wanted_states(workspace, connection, tables)
        quick_verdicts = tuple(
            untouched(
                connection,
                state.table,
                transactions.of_table(connection, workspace.ledger, *state.key),
                sums.get((*state.key, state.format_id), Fingerprint()),
                another_table(connection, target.dialect, state),
            )
            for state in table_states
        )
        quick_verdicts = _with_strays(workspace, connection, quick_verdicts)
        return quick_verdicts, completeness_of(workspace, connection, table_states)


def _with_strays(
    workspace: Workspace, connection: Connection, quick_verdicts: Sequence[Untouched]
) -> tuple[Untouched, ...]:
    """The first of each table is TOUCHED where rows of it belong to no stream."""
    table_states = known_tables.all_states(connection, workspace.ledger).values()
    verdicts = list(quick_verdicts)
    for name in dict.fromkeys(
        verdict.table for verdict in quick_verdicts if verdict.verdict != "UNKNOWN"
    ):
        rows = strays.counted(connection, workspace.target.dialect, table_states, name)
        index = next(index for index, verdict in enumerate(quick_verdicts) if verdict.table == name)
        if rows:
            why = "; ".join(filter(None, (quick_verdicts[index].reason, strays.words(rows))))
            verdicts[index] = replace(quick_verdicts[index], verdict="TOUCHED", reason=why)
    return tuple(verdicts)


def shown(findings: Findings, limit: int) -> Findings:
    """With only the first differences; the total stays."""
    return replace(findings, differences=findings.differences[:limit])


def _told(
    workspace: Workspace,
    connection: Connection,
    state: TableState,
    verdict: TableVerdict,
    findings: Findings | None,
) -> tuple[TableVerdict, Findings | None]:
    """With what else the ledger and the target say: losses, money, who wrote what differs."""
    reader, ledger = workspace.target.dialect, workspace.ledger
    if connection.invalidated or verdict.actual is None:
        return verdict, findings
    try:
        with driver_errors_as_ours(f"table {state.table.name}"), connection.begin_nested():
            losses = amounts.losses(connection, ledger, state.table)
            verdict = replace(verdict, losses=tuple(sorted(losses.items())))
            if state.table.amounts:
                money = amounts.expected(connection, ledger, state.table)
                verdict = with_money(connection, reader, state.table, verdict, money)
            if findings is not None and xmin.are_known(reader):
                xids = transactions.of_table(connection, ledger, *state.key)
                drifted, findings = drift(connection, reader, state.table, xids, findings)
                reason = f"{verdict.reason}; {words(drifted)}" if drifted.others else verdict.reason
                verdict = replace(verdict, drift=drifted, reason=reason)
    except TargetError as error:
        if verdict.verdict == "MATCH":
            why = f"not all of it could be read: {error.why or error.what}"
            verdict = replace(verdict, verdict="UNKNOWN", reason=why)
    return verdict, findings


def _probed(workspace: Workspace, state: TableState, verdict: TableVerdict) -> TableVerdict:
    """With the answer to a row that is written and rolled back."""
    table = state.table
    try:
        probe(workspace.target.engine, workspace.target.dialect, table)
        check = Check("insert", f"a new row of {table.name}", "MATCH")
    except NotProbed as error:
        why = ": ".join(filter(None, (error.what, error.why)))
        check = Check("insert", f"a new row of {table.name}", "UNKNOWN", why, error.next)
    except TargetError as error:
        why = f"the database does not take it: {error.why or error.what}"
        check = Check("insert", f"a new row of {table.name}", "MISMATCH", why, error.next)
    word, reason = verdict.verdict, verdict.reason
    if word == "MATCH" and check.verdict != "MATCH":
        word, reason = check.verdict, f"the rows match, but {check.subject}: {check.why}"
    return replace(verdict, checks=(*verdict.checks, check), verdict=word, reason=reason)


def _adopted(
    workspace: Workspace, connection: Connection, table_states: Sequence[TableState], form: Form
) -> tuple[str, ...]:
    """Changes of somebody else that count as expected, and warnings of the rules."""
    if connection.invalidated:
        return ()
    warnings = taken_over(workspace, connection, table_states, form)
    for state in table_states:
        reasons = receipts.reasons(connection, workspace.ledger, "foreign", *state.key)
        warnings += [
            f"{state.table.name}: a change of others was adopted: {text}" for text in reasons
        ]
        reasons = receipts.reasons(connection, workspace.ledger, REKEY, *state.key)
        warnings += [
            f"{state.table.name}: put under a new key without proof under the one before: {text}"
            for text in reasons
        ]
    streams = {(state.stream, state.tenant) for state in table_states}
    for (stream, tenant), count in totals.warnings(connection, workspace.ledger).items():
        if count and (stream, tenant) in streams:
            warnings.append(f"{stream_label(stream, tenant)}: {count:,} warnings")
    return tuple(warnings)


def _allowed(verdicts: Sequence[TableVerdict]) -> list[str]:
    """What the verdicts rest on beside equal rows."""
    warnings = []
    for verdict in verdicts:
        warnings += [
            f"{verdict.table}: waiver {name}, {rows:,} rows" for name, rows in verdict.waivers
        ]
        if verdict.tolerated:
            warnings.append(f"{verdict.table}: {verdict.tolerated:,} values within their tolerance")
        warnings += [
            f"{verdict.table}: {count:,} values lost by {name}"
            for name, count in verdict.losses
            if name != FIRST
        ]
        if verdict.not_taken:
            warnings.append(f"{verdict.table}: {not_taken_words(verdict)}")
        if verdict.verdict == "MATCH" and verdict.authors is not None and verdict.authors.words:
            warnings.append(f"{verdict.table}: {verdict.authors.words}")
        if unread(verdict.checks):
            warnings.append(f"{verdict.table}: not looked at: {unread(verdict.checks)}")
    return warnings
