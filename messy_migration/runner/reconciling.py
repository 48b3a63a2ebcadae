"""A reconciliation from the lock to the verdict; what cannot be read is never a MATCH."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import Connection

from messy_migration import errors
from messy_migration.errors import (
    Locked,
    MigrationError,
    ProofError,
    TargetUnavailable,
    UsageProblem,
)
from messy_migration.ledger import receipts, runs, schema
from messy_migration.ledger.balance import refuse_edited
from messy_migration.ledger.runs import short
from messy_migration.model import stream_label
from messy_migration.reconcile.quick import Untouched, word
from messy_migration.reconcile.verdict import Word, overall
from messy_migration.runner.asked import Asked
from messy_migration.runner.proof import Proof, Tables, quick, reconcile
from messy_migration.runner.repair import Repaired
from messy_migration.runner.repairing import adopt, repair
from messy_migration.runner.workspace import Workspace
from messy_migration.target.failures import refusals


@dataclass(frozen=True)
class Reconciliation:
    """A proof of the target as it is now.

    Attributes:
        target: its URL without password.
        proof: verdicts and differences; without any in the quick form.
        verdict: over all tables.
        exit_code: of the command.
        untouched: what the quick form found.
        strict: nothing but equal rows was accepted.
        repaired: what a repair did, or would do.
        problems: what went wrong on the way, of a repair or an adoption.
    """

    target: str
    proof: Proof
    verdict: Word
    exit_code: int
    untouched: tuple[Untouched, ...] = ()
    strict: bool = False
    repaired: Repaired | None = None
    problems: tuple[MigrationError, ...] = ()


def examine(workspace: Workspace, run_id: str | None, limit: int, asked: Asked) -> Reconciliation:
    """Reconcile a target while no run writes to it.

    Raises:
        UsageProblem: nothing was ever loaded, or no run has this id.
        ProofError: the target went away before anything was compared.
        TargetError: the ledger was edited by hand, or cannot be read.
        Locked: a run is under way.
    """
    target = workspace.target
    with refusals(f"target {target.label}"), target.dialect.lock(target.engine) as free:
        if free is None:
            raise Locked(
                "a run is under way",
                target.label,
                "its rows and receipts change while they are read",
                "migrate status",
            )
        try:
            tables, incomplete = _scope_of(workspace, run_id)
            if asked.quick:
                return _quick(workspace, tables)
            if asked.repair or asked.accept_foreign:
                return _changed(workspace, tables, incomplete, limit, asked)
            proof = reconcile(workspace, tables, incomplete, limit, asked)
        except TargetUnavailable as error:
            raise ProofError(
                "UNKNOWN: the target went away before it was compared",
                target.label,
                error.why or error.what,
                error.next or "type the same command again",
            ) from error
    return concluded(target.label, proof, asked)


def _changed(
    workspace: Workspace,
    tables: Tables | None,
    incomplete: dict[str, str],
    limit: int,
    asked: Asked,
) -> Reconciliation:
    """Repair or adopt as a run of its own, and give the proof at its end."""
    repaired: Repaired | None = None
    if asked.repair:
        repaired, outcome = repair(workspace, tables, incomplete, asked)
    else:
        outcome = adopt(workspace, tables, incomplete, asked.accept_foreign or "")
    proof = reconcile(workspace, tables, incomplete, limit, asked)
    result = replace(concluded(workspace.target.label, proof, asked), repaired=repaired)
    if outcome is None:
        return result
    codes = {problem.exit_code for problem in outcome.problems if problem.exit_code != 7}
    code = errors.exit_code(
        codes | {result.exit_code},
        mismatch=result.verdict == "MISMATCH",
        unknown=result.verdict == "UNKNOWN",
    )
    return replace(result, exit_code=code, problems=outcome.problems)


def concluded(target: str, proof: Proof, asked: Asked) -> Reconciliation:
    """The verdict over all tables, and the exit code."""
    verdict = overall(proof.verdicts)
    code = errors.exit_code(set(), mismatch=verdict == "MISMATCH", unknown=verdict == "UNKNOWN")
    if asked.strict and proof.allowed:
        code = 8
    return Reconciliation(target, proof, verdict, code, strict=asked.strict)


def _quick(workspace: Workspace, tables: Tables | None) -> Reconciliation:
    found = quick(workspace, tables)
    code = 0 if word(found) == "UNTOUCHED" else 8
    return Reconciliation(workspace.target.label, Proof((), ()), "UNKNOWN", code, found)


def _scope_of(workspace: Workspace, run_id: str | None) -> tuple[Tables | None, dict[str, str]]:
    """Which tables to prove, and which streams were not read whole."""
    target = workspace.target
    with target.dialect.reading(target.engine) as connection:
        refuse_empty(workspace, schema.version(connection))
        refuse_edited(connection, workspace.ledger, target.label)
        return _tables_of(workspace, connection, run_id), _incomplete(workspace, connection)


def refuse_empty(workspace: Workspace, version: str | None) -> None:
    """Nothing can be proven where nothing was loaded, or what an older program wrote.

    Raises:
        UsageProblem: the target has no ledger, or one that a run has to bring up to date.
        TargetError: a newer program wrote it.
    """
    schema.refuse_newer(version)
    if version is None:
        raise UsageProblem(
            "nothing was ever loaded into this target",
            workspace.target.label,
            "it has no ledger",
            "migrate run",
        )
    if version < schema.HEAD:
        raise UsageProblem(
            "the ledger of this target is of an older version",
            workspace.target.label,
            f"it is at revision {version}, this program reads {schema.HEAD}",
            "migrate run brings it up to date",
        )


def _tables_of(workspace: Workspace, connection: Connection, run_id: str | None) -> Tables | None:
    if run_id is None:
        return None
    found = runs.find(connection, workspace.ledger, run_id)
    if len(found) != 1:
        raise UsageProblem(
            f"{'no run' if not found else 'more than one run'} has an id that begins {run_id!r}",
            next="migrate status lists the runs",
        )
    totals = receipts.table_totals(connection, workspace.ledger, found[0].run_id)
    return [(item.table, item.scope) for item in totals]


def _incomplete(workspace: Workspace, connection: Connection) -> dict[str, str]:
    """Label of a stream -> the unfinished run that has not read all of it."""
    ledger = workspace.ledger
    complete = receipts.complete(connection, ledger)
    unfinished = {run.run_id for run in runs.unfinished(connection, ledger)}
    found: dict[str, str] = {}
    for item in runs.planned(connection, ledger):
        place = (item.stream, item.tenant, item.partition.digest)
        if item.run_id in unfinished and place not in complete:
            label = stream_label(item.stream, item.tenant)
            found[label] = f"run {short(item.run_id)} has not read all of it"
    return found
