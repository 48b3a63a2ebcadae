"""A reconciliation from the lock to the verdict; what cannot be read is never a MATCH."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection

from messy_migration import errors
from messy_migration.api.preconditions import refuse_empty, refuse_missing
from messy_migration.api.recall import recalled, with_ledger
from messy_migration.api.results import Result
from messy_migration.compare.findings import Word
from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.errors import (
    Locked,
    MigrationError,
    ProofError,
    TargetBusy,
    TargetError,
    TargetUnavailable,
    UsageProblem,
)
from messy_migration.fingerprint.keyed import Key
from messy_migration.ledger import completeness, receipts, runs, schema
from messy_migration.ledger.audit import Audit
from messy_migration.ledger.completeness import Completeness
from messy_migration.ledger.runs import short
from messy_migration.ledger.totals import table_totals
from messy_migration.logs import borrowed
from messy_migration.model import stream_label
from messy_migration.model.event import tell
from messy_migration.model.events import ReconcileDone, ReconcileMismatch
from messy_migration.reconcile import reconcile as proving
from messy_migration.reconcile.as_json import audit_object, proof_object, quick_facts
from messy_migration.reconcile.options import ReconcileOptions
from messy_migration.reconcile.reconcile import LISTED, Proof, Tables, quick
from messy_migration.reconcile.untouched import CLAIM, Untouched, word
from messy_migration.reconcile.verdict import TableVerdict, overall
from messy_migration.redaction import Redactor
from messy_migration.repair.apply import Repaired
from messy_migration.repair.as_json import repair_facts
from messy_migration.repair.run import adopt, repair
from messy_migration.run.anchors import audited, broken_ledger_error, note_again
from messy_migration.run.events import RunEvents, over_limit, telling
from messy_migration.run.keying import prove_under
from messy_migration.run.lock import RunLock
from messy_migration.run.proofs import FiledProof, file_reconciliation
from messy_migration.run.sandbox import served
from messy_migration.workspace import Request, Workspace, open_workspace


@dataclass(frozen=True)
class Reconciliation(Result):
    """A proof of the target as it is now.

    Attributes:
        target: its URL without password.
        proof: verdicts and differences; without any in the quick form.
        verdict: over all tables.
        exit_code: of the command.
        untouched: what the quick form found.
        completeness: what was loaded, and what was not, of the streams of these tables.
        strict: nothing but equal rows was accepted.
        repaired: what a repair did, or would do.
        problems: what went wrong on the way, of a repair or an adoption.
        audit: what the ledger was found to be; None in the quick form.
        filed: the evidence, its page and its link, where they were asked for.
    """

    target: str
    proof: Proof
    verdict: Word
    exit_code: int
    untouched: tuple[Untouched, ...] = ()
    completeness: tuple[Completeness, ...] = ()
    strict: bool = False
    repaired: Repaired | None = None
    problems: tuple[MigrationError, ...] = ()
    audit: Audit | None = None
    filed: FiledProof | None = None
    redactor: Redactor = field(default_factory=Redactor, repr=False, compare=False)

    @property
    def report(self) -> str:
        """The path of the evidence; empty where none was asked for."""
        return str(self.filed.evidence) if self.filed else ""

    @property
    def report_page(self) -> str:
        """The path of its page, likewise."""
        return str(self.filed.page) if self.filed else ""

    def _object(self) -> dict[str, Any]:
        whole = reconciliation_object(self)
        if not self.untouched:
            evidence = self.filed.as_json() if self.filed else None
            paths = {"report": self.report, "report_page": self.report_page}
            return {**whole, **paths, "evidence": evidence}
        named = ("schema", "exit_code", "target")
        return {
            **{name: whole[name] for name in named},
            **quick_facts(self.untouched, self.completeness),
        }

    def _headline(self) -> str:
        if self.untouched:
            return f"{word(self.untouched)}: {CLAIM}"
        rest = completeness.told(self.completeness)
        line = completeness.headline(self.verdict, self.completeness)
        return f"{line}; {rest}" if rest else line

    def _problems(self) -> Sequence[MigrationError]:
        return self.problems

    def _columns(self) -> Mapping[str, Sequence[str]]:
        return {
            "tables": ("table", "scope", "expected_rows", "actual_rows", "verdict", "reason"),
            "differences": ("table", "key", "kind", "columns"),
        }


@borrowed()
def reconcile(
    request: Request,
    *,
    run_id: str | None = None,
    limit: int = LISTED,
    options: ReconcileOptions | None = None,
    sandbox: int | None = None,
) -> Reconciliation:
    """Prove the target again, and name the rows and columns that differ.

    Args:
        request: which settings to use; its plugins replay their inputs to locate differences.
            A target that it does not name is the last of its folder, and plugins that it does
            not name are those of the ledger.
        run_id: beginning of a run's id, to prove only the tables that it wrote.
        limit: how many differences of a table to list.
        options: what to hold the target against, and what else to do.
        sandbox: read the plugins' sandboxes of this seed instead of their sources.

    Raises:
        UsageProblem: nothing was ever loaded, or no run has this id.
        ProofError: the target went away before anything was compared.
        Locked: a run is under way.
    """
    options = options or ReconcileOptions()
    with telling(request) as events:
        request, sandbox = with_ledger(recalled(request), sandbox, options.anchor)
        with served(request, sandbox) as (request_served, _):
            workspace = open_workspace(request_served, needs_plugins=options.needs_plugins)
            events.observe(workspace.registry)
            refuse_missing(workspace)
            with workspace.releasing():
                result = _examined(workspace, run_id, limit, options, events)
                result = replace(result, redactor=workspace.request.redactor)
                _tell(result)
                return result


def _tell(result: Reconciliation) -> None:
    for event in over_limit(result.completeness):
        tell(event)
    wrong = tuple(
        table_verdict.table
        for table_verdict in result.proof.verdicts
        if table_verdict.verdict == "MISMATCH"
    )
    if wrong:
        tell(ReconcileMismatch(target=result.target, tables=wrong))
    verdict = word(result.untouched) if result.untouched else result.verdict
    tell(ReconcileDone(target=result.target, verdict=verdict, exit_code=result.exit_code))


def _examined(
    workspace: Workspace,
    run_id: str | None,
    limit: int,
    options: ReconcileOptions,
    events: RunEvents,
) -> Reconciliation:
    """Reconcile a target while no run writes to it.

    Raises:
        UsageProblem: nothing was ever loaded, or no run has this id.
        ProofError: the target went away before anything was compared.
        TargetError: the ledger cannot be read.
        Locked: a run is under way.
    """
    target = workspace.target
    if options.report:
        workspace.check_signer()
    with driver_errors_as_ours(f"target {target.label}"), RunLock(target, workspace.ledger) as lock:
        if not lock.take():
            raise Locked(
                "a run is under way",
                target.label,
                "its rows and receipts change while they are read",
                "`migrate status`",
            )
        try:
            scope = _scope_of(workspace, run_id, options)
            audit, tables = scope.audit, scope.tables
            if options.quick:
                return _quick(workspace, tables, audit)
            if options.repair or options.accept_foreign:
                result = _changed(workspace, lock, scope, limit, options, events)
                return _filed(workspace, result, options, scope.key)
            proof = _proof(workspace, scope, limit, options)
        except (TargetBusy, TargetUnavailable) as error:
            raise ProofError(
                "UNKNOWN: the target went away before it was compared",
                target.label,
                error.why or error.what,
                error.next or "type the same command again",
            ) from error
        result = concluded(target.label, proof, options, audit)
        if audit.newest and not audit.reasons:
            note_again(workspace, audit.ledger, audit.newest)
        return _filed(workspace, result, options, scope.key)


def _filed(
    workspace: Workspace, result: Reconciliation, options: ReconcileOptions, key: Key | None
) -> Reconciliation:
    """With its evidence written, if that was asked for; the run lock is held."""
    if not options.report or result.audit is None:
        return result
    facts = reconciliation_object(result)
    return replace(result, filed=file_reconciliation(workspace, facts, result.audit, key))


def _changed(
    workspace: Workspace,
    lock: RunLock,
    scope: _Scope,
    limit: int,
    options: ReconcileOptions,
    events: RunEvents,
) -> Reconciliation:
    """Repair or adopt as a run of its own, and give the proof at its end."""
    audit, tables, incomplete = scope.audit, scope.tables, scope.incomplete
    if audit.reasons:
        raise broken_ledger_error(workspace, audit)
    repaired: Repaired | None = None
    if options.repair:
        repaired, outcome = repair(workspace, lock, tables, incomplete, options, events)
    else:
        reason = options.accept_foreign or ""
        outcome = adopt(workspace, lock, tables, incomplete, reason, events)
    proof = proving.reconcile(workspace, tables, incomplete, limit, options)
    if outcome is not None:
        with workspace.target.dialect.reading(workspace.target.engine) as connection:
            audit = audited(workspace, connection, None, full=False, key=workspace.key)
    result = replace(concluded(workspace.target.label, proof, options, audit), repaired=repaired)
    if outcome is None:
        return result
    codes = {problem.exit_code for problem in outcome.problems if problem.exit_code != 7}
    code = errors.exit_code(
        codes | {result.exit_code},
        mismatch=result.verdict == "MISMATCH",
        unknown=result.verdict == "UNKNOWN",
    )
    others = [problem for problem in outcome.problems if problem.exit_code != 7]
    return replace(result, exit_code=code, problems=(*others, *result.problems))


def concluded(
    target: str, proof: Proof, options: ReconcileOptions, audit: Audit | None = None
) -> Reconciliation:
    """The verdict over all tables, and the exit code."""
    verdict = overall(proof.verdicts)
    if audit and audit.unsealed:
        proof = replace(proof, allowed=(*proof.allowed, audit.behind))
    if audit and audit.reasons and verdict == "MATCH":
        verdict = "UNKNOWN"
    wanting = completeness.problems(proof.completeness)
    code = errors.exit_code(
        {problem.exit_code for problem in wanting},
        mismatch=verdict == "MISMATCH",
        unknown=verdict == "UNKNOWN",
    )
    if options.strict and proof.allowed:
        code = 8
    return Reconciliation(
        target,
        proof,
        verdict,
        code,
        completeness=proof.completeness,
        strict=options.strict,
        problems=tuple(wanting),
        audit=audit,
    )


def reconciliation_object(result: Reconciliation) -> dict[str, Any]:
    """What a reconciliation says as JSON."""
    repaired = {"repair": repair_facts(result.repaired)} if result.repaired is not None else {}
    return {
        **proof_object(result.proof, result.verdict, result.exit_code, result.target),
        "strict": result.strict,
        "problems": [problem.as_dict() for problem in result.problems],
        **repaired,
        "ledger": audit_object(result.audit) if result.audit else None,
    }


def _proof(workspace: Workspace, scope: _Scope, limit: int, options: ReconcileOptions) -> Proof:
    """What the ledger says of the tables; if somebody else wrote into it, no more than that."""
    audit, tables, incomplete = scope.audit, scope.tables, scope.incomplete
    if not audit.reasons:
        return proving.reconcile(workspace, tables, incomplete, limit, options)
    try:
        proof = proving.reconcile(workspace, tables, incomplete, limit, options)
    except TargetUnavailable:
        raise
    except TargetError:
        return Proof((), (), options.against)  # what was written into it cannot even be read
    return replace(proof, verdicts=tuple(map(_doubted, proof.verdicts)))


def _doubted(verdict: TableVerdict) -> TableVerdict:
    if verdict.verdict != "MATCH":
        return verdict
    return replace(
        verdict, verdict="UNKNOWN", reason="the ledger that it was held against was changed"
    )


def _quick(workspace: Workspace, tables: Tables | None, audit: Audit) -> Reconciliation:
    if audit.reasons:
        raise broken_ledger_error(workspace, audit)
    untouched, counts = quick(workspace, tables)
    wanting = completeness.problems(counts)
    code = errors.exit_code(
        {problem.exit_code for problem in wanting},
        mismatch=word(untouched) == "TOUCHED",
        unknown=word(untouched) == "UNKNOWN",
    )
    return Reconciliation(
        workspace.target.label,
        Proof((), ()),
        "UNKNOWN",
        code,
        untouched,
        counts,
        problems=tuple(wanting),
    )


@dataclass(frozen=True)
class _Scope:
    """What the ledger is, which tables to prove, and which streams were not read whole."""

    audit: Audit
    tables: Tables | None
    incomplete: dict[str, str]
    key: Key | None


def _scope_of(workspace: Workspace, run_id: str | None, options: ReconcileOptions) -> _Scope:
    target = workspace.target
    with target.dialect.reading(target.engine) as connection:
        refuse_empty(workspace, schema.version(connection))
        key = prove_under(connection, workspace)
        audit = audited(workspace, connection, options.anchor, full=not options.quick, key=key)
        tables = _tables_of(workspace, connection, run_id)
        incomplete = {} if audit.reasons else _incomplete(workspace, connection)
        return _Scope(audit, tables, incomplete, key)


def _tables_of(workspace: Workspace, connection: Connection, run_id: str | None) -> Tables | None:
    if run_id is None:
        return None
    matching = runs.find(connection, workspace.ledger, run_id)
    if len(matching) != 1:
        raise UsageProblem(
            f"{'no run' if not matching else 'more than one run'} has an id that begins {run_id!r}",
            next="`migrate status` lists the runs",
        )
    totals = table_totals(connection, workspace.ledger, matching[0].run_id)
    return [(table_totals.table, table_totals.scope) for table_totals in totals]


def _incomplete(workspace: Workspace, connection: Connection) -> dict[str, str]:
    """Label of a stream -> the unfinished run that has not read all of it."""
    ledger = workspace.ledger
    complete = receipts.complete(connection, ledger)
    unfinished = {run.run_id for run in runs.unfinished(connection, ledger)}
    reasons: dict[str, str] = {}
    for planned in runs.planned(connection, ledger):
        identity = (planned.stream, planned.tenant, planned.partition.digest)
        if planned.run_id in unfinished and identity not in complete:
            label = stream_label(planned.stream, planned.tenant)
            reasons[label] = f"run {short(planned.run_id)} has not read all of it"
    return reasons
