"""What an outcome and a proof look like as JSON: for `--json`, and in the evidence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from messy_migration.compare.findings import Difference, Findings
from messy_migration.ledger.audit import Audit
from messy_migration.ledger.receipts import StreamTotals
from messy_migration.reconcile.facts import proof_facts, table_facts
from messy_migration.reconcile.reconcile import Proof
from messy_migration.reconcile.verdict import TableVerdict
from messy_migration.run.outcome import Outcome

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
        "report_page": outcome.report_page,
        "chain": {"link": outcome.link, "head": outcome.head},
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


def audit_object(found: Audit) -> dict[str, Any]:
    """What a ledger and its chain were found to be."""
    newest = found.newest
    return {
        "id": found.ledger,
        "links": newest.ordinal if newest else 0,
        "head": newest.head if newest else "",
        "anchor": found.anchor,
        "is_anchored": found.is_anchored,
        "is_full": found.is_full,
        "pending_receipts": found.pending,
        "unsealed": found.unsealed,
        "notes": list(found.words),
        "reasons": list(found.reasons),
    }


def proof_object(proof: Proof, verdict: str, exit_code: int, target: str) -> dict[str, Any]:
    """What a reconciliation found, in the object that `migrate reconcile --json` prints."""
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
