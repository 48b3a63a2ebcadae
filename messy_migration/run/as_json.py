"""What a run and its outcome look like as JSON: for `--json`, and in the evidence."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from messy_migration.ledger.totals import StreamTotals
from messy_migration.model.usage import Usage
from messy_migration.reconcile.as_json import (
    SCHEMA,
    difference_objects,
    findings_objects,
    proof_facts,
    table_object,
)
from messy_migration.run.outcome import Outcome


def run_object(outcome: Outcome) -> dict[str, Any]:
    """The object that `migrate run --json` prints."""
    rows = {(totals.table, totals.scope): totals for totals in outcome.tables}
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
        "loaded_before": list(outcome.notes),
        "streams": [
            {**asdict(stream_totals), "usage": usage_object(outcome, stream_totals)}
            for stream_totals in outcome.streams
        ],
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
        "report_page": outcome.report_page,
        "chain": {"link": outcome.link, "head": outcome.head},
        **({"sandbox": dict(outcome.sandbox)} if outcome.sandbox else {}),
    }


def usage_object(outcome: Outcome, totals: StreamTotals) -> dict[str, Any]:
    """What a stream cost since the command began, as far as its workers lived to tell."""
    usage = outcome.usage.get((totals.stream, totals.tenant), Usage())
    return {**asdict(usage), "cpu_seconds": round(usage.cpu_seconds, 3)}


def status(outcome: Outcome) -> str:
    """`done`, or `incomplete` if the same command would go on with it."""
    return "incomplete" if outcome.problems and outcome.exit_code not in (0, 7) else "done"
