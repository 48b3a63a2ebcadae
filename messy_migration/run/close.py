"""The end of a run: reconcile, write the evidence, close it in the ledger."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from sqlalchemy import Connection

from messy_migration import errors
from messy_migration.compare.findings import Findings
from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.errors import (
    Interrupted,
    Locked,
    ProofError,
    TargetUnavailable,
)
from messy_migration.ledger import (
    chain,
    clock,
    completeness,
    events,
    keys,
    quarantine,
    runs,
)
from messy_migration.ledger.runs import short
from messy_migration.ledger.totals import StreamTotals, TableTotals, stream_totals, table_totals
from messy_migration.model.event import tell
from messy_migration.reconcile.reconcile import LISTED, Proof, reconcile
from messy_migration.reconcile.source_rows import source_findings
from messy_migration.reconcile.verdict import overall
from messy_migration.run.anchors import note, torn_lanes
from messy_migration.run.events import ending
from messy_migration.run.evidence import Filed, evidence_path, with_files, write_evidence
from messy_migration.run.outcome import Outcome
from messy_migration.run.signals import StopSignals
from messy_migration.run.state import RunState

_LOCATED = 20
"""Partitions in which the rows are looked for that their source has otherwise."""


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
    moments = {"proof_began": clock.now()}
    proof = state.patiently(lambda: _proven(state))
    proof = replace(proof, findings=(*proof.findings, *_behind_sources(state, proof)))
    moments["proof_ended"] = clock.now()
    streams, rows, reasons = state.patiently(lambda: _counts(state))
    state.problems += completeness.problems(proof.completeness)
    verdict = overall(list(proof.verdicts))
    if (tear := state.patiently(lambda: torn_lanes(state))) is not None:
        state.problems.append(tear)
        verdict = "UNKNOWN" if verdict == "MATCH" else verdict
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
        waiting=sum(one.quarantined for one in proof.completeness),
        problems=tuple(state.problems),
        skipped=sum(len(plan.skipped) for plan in state.plans),
        notes=tuple(note for plan in state.plans for note in plan.notes),
        verdict=verdict,
        exit_code=code,
        usage=dict(state.events.usage),
    )
    filed = state.retry.call(_Closing(state, outcome, moments))
    state.events.written(sys.maxsize, is_closed=True)
    outcome = with_files(outcome, filed)
    note(workspace, filed.ledger, filed.link, filed.evidence.name)
    for event in ending(outcome):
        tell(event)
    return outcome


def _proven(state: RunState) -> Proof:
    """Reconcile; a connection that is lost on the way is no verdict while it may be tried again."""
    proof = reconcile(state.workspace, state.tables, state.unfinished)
    if proof.is_lost and not state.retry.is_stopped():
        raise TargetUnavailable("the target could not be read back", why="its connection was lost")
    return proof


def _behind_sources(state: RunState, proof: Proof) -> list[Findings]:
    """What differs between the source and what this run extracted, while its snapshot is open."""
    ours = {
        (plan.stream.name, plan.stream.tenant, partition.digest): (plan.stream, partition)
        for plan in state.plans
        for partition in plan.partitions
    }
    differing = (
        (verdict.stream, verdict.tenant, one.planned.partition.digest)
        for verdict in proof.sources
        for one in verdict.differing
    )
    return [
        source_findings(state.workspace, *ours[partition_key], LISTED)
        for partition_key in islice(
            (partition_key for partition_key in differing if partition_key in ours), _LOCATED
        )
    ]


def _counts(
    state: RunState,
) -> tuple[
    list[StreamTotals],
    list[TableTotals],
    list[tuple[str, str, str, str | None, int]],
]:
    """What the run did, from the receipts: streams, tables and reasons."""
    ledger, target, run_id = state.workspace.ledger, state.workspace.target, state.run.run_id
    with target.dialect.reading(target.engine) as connection:
        return (
            stream_totals(connection, ledger, run_id),
            table_totals(connection, ledger, run_id),
            quarantine.reasons(connection, ledger, run_id),
        )


@dataclass
class _Closing:
    """The last transaction, called again until its outcome is known.

    It needs no lock: it asks for the epoch of the run and raises it. So, if its COMMIT got no
    answer, a newer epoch may be its own, which the link that it added tells.
    """

    state: RunState
    outcome: Outcome
    moments: Mapping[str, str]
    filed: Filed | None = None

    def __call__(self) -> Filed:
        state = self.state
        with driver_errors_as_ours(f"target {state.workspace.target.label}"):
            if self.filed is not None and self._is_there(self.filed):
                return self.filed
            try:
                return self._close()
            except Locked:
                if self.filed is not None and self._is_there(self.filed):
                    return self.filed
                raise

    def _close(self) -> Filed:
        state, ledger = self.state, self.state.workspace.ledger
        with state.closing() as connection:
            _refuse_forged(connection, state)
            evidence = evidence_path(connection, state)
            last = ending(replace(self.outcome, report=str(evidence)))
            kept = state.events.kept(*last)
            events.write(connection, ledger, state.signature(), kept)
            runs.finish(
                connection,
                ledger,
                state.signature(),
                state="done" if state.is_settled and not state.unfinished else "open",
                verdict=self.outcome.verdict,
                exit_code=self.outcome.exit_code,
                report=str(evidence),
            )
            _close_replaced(connection, state)
            self.filed = write_evidence(connection, state, self.outcome, self.moments, evidence)
        return self.filed

    def _is_there(self, filed: Filed) -> bool:
        target, ledger = self.state.workspace.target, self.state.workspace.ledger
        with target.dialect.reading(target.engine) as connection:
            return any(link.head == filed.link.head for link in chain.links(connection, ledger))


def _close_replaced(connection: Connection, state: RunState) -> None:
    """Close the runs in whose place this one has read everything again.

    Not before: only a link seals what they committed, and a closed run has nothing unsealed.
    """
    ledger = state.workspace.ledger
    if state.run.is_restart:
        for other in runs.open_like(connection, ledger, state.run):
            runs.abandon(connection, ledger, state.signature(), other)


def _refuse_forged(connection: Connection, state: RunState) -> None:
    """What others wrote into the ledger meanwhile gets no link under the key.

    Raises:
        ProofError: a receipt or change since the last link does not carry its MAC.
    """
    if state.key is None:
        return
    links = chain.links(connection, state.workspace.ledger)
    last = links[-1].ordinal if links else 0
    wrong = list(keys.forged(connection, state.workspace.ledger, links, state.key, last))
    if wrong:
        raise ProofError(
            "the ledger is not what runs have written",
            state.workspace.target.label,
            "; ".join(wrong[:3]),
            "restore ledger and data together",
        )


def _all_streams(state: RunState, totals: Sequence[StreamTotals]) -> tuple[StreamTotals, ...]:
    """The counts of every selected stream, zeros included."""
    by_name: Mapping[tuple[str, str], StreamTotals] = {
        (stream_totals.stream, stream_totals.tenant): stream_totals for stream_totals in totals
    }
    return tuple(
        by_name.get(
            (plan.stream.name, plan.stream.tenant),
            StreamTotals(plan.stream.name, plan.stream.tenant),
        )
        for plan in state.plans
    )
