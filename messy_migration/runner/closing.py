"""The end of a run: reconcile, write the evidence, close it in the ledger."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from messy_migration import errors
from messy_migration.errors import Interrupted, MigrationError, QualityError
from messy_migration.ledger import quarantine, receipts, runs
from messy_migration.ledger.receipts import StreamTotals
from messy_migration.ledger.runs import short
from messy_migration.model import stream_label
from messy_migration.reconcile.verdict import overall
from messy_migration.runner.anchoring import note
from messy_migration.runner.filing import file_run, with_files
from messy_migration.runner.outcome import Outcome
from messy_migration.runner.plan import History
from messy_migration.runner.proof import reconcile
from messy_migration.runner.state import RunState
from messy_migration.runner.stop import StopSignals


def close_run(state: RunState, stop: StopSignals, began: float) -> Outcome:
    """Reconcile, write the evidence, and close the run in the ledger."""
    workspace = state.workspace
    target = workspace.target
    if stop.number:
        state.problems.append(
            Interrupted(
                "the run was stopped",
                f"run {short(state.run.run_id)}",
                "",
                "the same command resumes it",
            )
        )
    tables = [(table.name, table.scope) for stream in state.streams for table in stream.tables]
    moments = {"proof_began": runs.now()}
    proof = reconcile(workspace, tables, state.unfinished)
    moments["proof_ended"] = runs.now()
    with target.dialect.reading(target.engine) as connection:
        streams = receipts.stream_totals(connection, workspace.ledger, state.run.run_id)
        rows = receipts.table_totals(connection, workspace.ledger, state.run.run_id)
        reasons = quarantine.reasons(connection, workspace.ledger, state.run.run_id)
        waiting = _waiting(state, connection)
    state.problems += _over_limit(waiting, workspace.settings.core.quarantine_limit)
    verdict = overall(list(proof.verdicts))
    codes = {problem.exit_code for problem in state.problems}
    if stop.number:
        codes = codes - {Interrupted.exit_code} | {128 + stop.number}
    code = errors.exit_code(codes, mismatch=verdict == "MISMATCH", unknown=verdict == "UNKNOWN")
    outcome = Outcome(
        run=state.run,
        target=target.label,
        resumed=state.resumed,
        workers=state.workers,
        seconds=time.monotonic() - began,
        streams=_all_streams(state, streams),
        tables=tuple(rows),
        proof=proof,
        quarantine=tuple(reasons),
        waiting=sum(quarantined for _, quarantined in waiting.values()),
        problems=tuple(state.problems),
        skipped=sum(len(plan.skipped) for plan in state.plans),
        verdict=verdict,
        exit_code=code,
    )
    with state.closing() as connection:
        filed = file_run(connection, state, outcome, moments)
        outcome = with_files(outcome, filed)
        runs.finish(
            connection,
            workspace.ledger,
            state.run.run_id,
            state="done" if state.is_settled and not state.unfinished else "open",
            verdict=verdict,
            exit_code=code,
            report=outcome.report,
        )
    note(workspace, filed.ledger, filed.link)
    workspace.registry.notify(
        "run.finished", run_id=state.run.run_id, verdict=verdict, exit_code=code
    )
    return outcome


def _all_streams(state: RunState, found: Sequence[StreamTotals]) -> tuple[StreamTotals, ...]:
    """The counts of every selected stream, zeros included."""
    by_name: Mapping[tuple[str, str], StreamTotals] = {
        (item.stream, item.tenant): item for item in found
    }
    return tuple(
        by_name.get(
            (plan.stream.name, plan.stream.tenant),
            StreamTotals(plan.stream.name, plan.stream.tenant),
        )
        for plan in state.plans
    )


def _waiting(state: RunState, connection: Connection) -> dict[tuple[str, str], tuple[int, int]]:
    """(stream, tenant) of this run -> records extracted and quarantined, over all runs."""
    ledger = state.workspace.ledger
    history = History.read(connection, ledger)
    places = {
        (stream.name, stream.tenant, item.partition.digest)
        for stream in state.streams
        for item in history.standing(stream)
    }
    ours = {(stream.name, stream.tenant) for stream in state.streams}
    totals = receipts.standing(connection, ledger, places)
    return {place: counts for place, counts in totals.items() if place in ours}


def _over_limit(
    waiting: Mapping[tuple[str, str], tuple[int, int]], limit: float
) -> list[MigrationError]:
    """A stream stays over the limit until its records are repaired, however often it is run."""
    found: list[MigrationError] = []
    for (stream, tenant), (extracted, quarantined) in waiting.items():
        share = 100 * quarantined / extracted if extracted else 0.0
        if share > limit:
            found.append(
                QualityError(
                    f"{share:.2f} % of the records are in quarantine",
                    f"stream {stream_label(stream, tenant)}",
                    f"{quarantined:,} of {extracted:,}, the limit is {limit:g} %",
                    "repair them at the source, or raise quarantine_limit in the profile",
                )
            )
    return found
