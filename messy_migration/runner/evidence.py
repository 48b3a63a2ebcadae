"""What an outcome looks like as JSON: for `--json`, and for the evidence file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from messy_migration.ledger import receipts
from messy_migration.ledger.receipts import StreamTotals
from messy_migration.ledger.runs import now, short
from messy_migration.reconcile import evidence
from messy_migration.reconcile.verdict import Difference, Findings, TableVerdict
from messy_migration.runner.facts import proof_facts, table_facts
from messy_migration.runner.outcome import Outcome
from messy_migration.runner.plan import StreamPlan
from messy_migration.runner.proof import Proof
from messy_migration.runner.workspace import Workspace

SCHEMA = 1


def run_object(outcome: Outcome) -> dict[str, Any]:
    """The object that `migrate run --json` prints."""
    rows = {(item.table, item.scope): item for item in outcome.tables}
    tables = []
    for verdict in outcome.proof.verdicts:
        counts = rows.get((verdict.table, verdict.scope))
        tables.append(
            {
                **table_object(verdict),
                "inserted": counts.inserted if counts else 0,
                "updated": counts.updated if counts else 0,
                "unchanged": counts.unchanged if counts else 0,
            }
        )
    return {
        "schema": SCHEMA,
        "run_id": outcome.run.run_id,
        "status": status(outcome),
        "verdict": outcome.verdict,
        "exit_code": outcome.exit_code,
        "resumed": outcome.resumed,
        "target": outcome.target,
        "workers": outcome.workers,
        "seconds": round(outcome.seconds, 3),
        "skipped_partitions": outcome.skipped,
        "streams": [stream_object(item) for item in outcome.streams],
        "tables": tables,
        "differences": difference_objects(outcome.proof.findings),
        "located": findings_objects(outcome.proof.findings),
        "waiting": outcome.waiting,
        "quarantine": [
            {"stream": stream, "tenant": tenant, "rule": rule, "column": column, "records": count}
            for stream, tenant, rule, column, count in outcome.quarantine
        ],
        "problems": [problem.as_dict() for problem in outcome.problems],
        **proof_facts(outcome.proof),
        "report": outcome.report,
        **({"sandbox": dict(outcome.sandbox)} if outcome.sandbox else {}),
    }


def stream_object(item: StreamTotals) -> dict[str, Any]:
    """What a run did with a stream, in records."""
    return {
        "stream": item.stream,
        "tenant": item.tenant,
        "extracted": item.extracted,
        "loaded": item.loaded,
        "quarantined": item.quarantined,
        "filtered": item.filtered,
        "filters": dict(item.filters),
        "warnings": item.warnings,
        "batches": item.batches,
    }


def status(outcome: Outcome) -> str:
    """`done`, or `incomplete` if the same command would go on with it."""
    return "incomplete" if outcome.problems and outcome.exit_code not in (0, 7) else "done"


def table_object(verdict: TableVerdict) -> dict[str, Any]:
    """A table of a reconciliation."""
    return {
        "table": verdict.table,
        "scope": dict(verdict.scope),
        "stream": verdict.stream,
        "expected_rows": verdict.expected.rows,
        "actual_rows": verdict.actual.rows if verdict.actual else None,
        "fingerprint_expected": verdict.expected.lanes,
        "fingerprint_actual": verdict.actual.lanes if verdict.actual else None,
        "verdict": verdict.verdict,
        "reason": verdict.reason,
        "orphans": dict(verdict.orphans),
        **table_facts(verdict),
    }


def difference_objects(findings: Iterable[Findings]) -> list[dict[str, Any]]:
    """The listed differences of all tables."""
    return [
        {
            "table": item.table,
            "key": dict(item.key),
            "kind": item.kind,
            "columns": list(item.columns),
            "rows": item.rows,
            **({"rules": dict(item.rules)} if item.rules else {}),
            **({"values": _values(item)} if item.values else {}),
            **({"since": item.since} if item.since else {}),
            **({"writer": item.writer} if item.writer else {}),
        }
        for found in findings
        for item in found.differences
    ]


def _values(item: Difference) -> dict[str, dict[str, str]]:
    return {column: {"left": left, "right": right} for column, left, right in item.values}


def findings_objects(findings: Iterable[Findings]) -> list[dict[str, Any]]:
    """How many rows of each table differ, in which columns, and what could not be said."""
    return [
        {
            "table": found.table,
            "rows": found.total,
            "columns": dict(found.columns),
            "rules": {column: dict(rules) for column, rules in found.rules},
            "is_exact": found.is_exact,
            "looked_at": found.total if found.is_exact else found.looked_at,
            "batches": dict(found.batches),
            "note": found.note,
        }
        for found in findings
    ]


def proof_object(proof: Proof, verdict: str, exit_code: int, target: str) -> dict[str, Any]:
    """The object that `migrate reconcile --json` prints."""
    return {
        "schema": SCHEMA,
        "verdict": verdict,
        "exit_code": exit_code,
        "target": target,
        "tables": [table_object(item) for item in proof.verdicts],
        "differences": difference_objects(proof.findings),
        "located": findings_objects(proof.findings),
        **proof_facts(proof),
    }


def write_evidence(workspace: Workspace, outcome: Outcome, plans: Sequence[StreamPlan]) -> Path:
    """Write what a run read, did and proved; keys are named, values of other columns never.

    Raises:
        TargetError: the folder of the reports cannot be written.
    """
    run = outcome.run
    body = {
        **run_object(outcome),
        "kind": "run",
        "run": {
            "profile": run.profile,
            "plugins": list(run.plugins),
            "selection": list(run.selection),
            "options": dict(run.options),
            "versions": dict(run.versions),
            "host": run.host,
            "actor": run.actor,
            "started_at": run.started_at,
            "written_at": now(),
            "configuration_digest": workspace.settings.digest,
        },
        "adopted": _adopted(workspace, outcome.proof.verdicts),
        "assumed": sorted({line for plan in plans for line in plan.stream.assumed}),
        "inputs": [
            {
                "stream": plan.stream.name,
                "tenant": plan.stream.tenant,
                "plan_id": plan.plan_id,
                "partition": part.name,
                "digest": part.digest,
                "state": state,
            }
            for plan in plans
            for state, parts in (("read", plan.partitions), ("skipped", plan.skipped))
            for part in parts
        ],
    }
    body.pop("report")
    folder = workspace.settings.directory / workspace.settings.core.report
    return evidence.write(folder, f"migration-{short(run.run_id)}.json", body)


def _adopted(workspace: Workspace, verdicts: Sequence[TableVerdict]) -> list[dict[str, Any]]:
    """Changes of somebody else that the expected figures include, and why they were adopted."""
    target, ledger = workspace.target, workspace.ledger
    with target.dialect.reading(target.engine) as connection:
        return [
            {"table": item.table, "scope": dict(item.scope), "reason": reason}
            for item in verdicts
            for reason in receipts.reasons(connection, ledger, "foreign", item.table, item.scope)
        ]
