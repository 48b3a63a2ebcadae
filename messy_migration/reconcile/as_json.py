"""This module writes a reconciliation as JSON: tables, differences, ledger, other facts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from messy_migration.compare.findings import Difference, Findings
from messy_migration.ledger.audit import Audit
from messy_migration.ledger.completeness import Completeness
from messy_migration.reconcile.keyed import keyed_facts
from messy_migration.reconcile.reconcile import Proof
from messy_migration.reconcile.source import source_facts
from messy_migration.reconcile.untouched import CLAIM, Untouched, word
from messy_migration.reconcile.verdict import Keyed, TableVerdict

SCHEMA = 1
"""Of every object that `--json` prints."""


def table_facts(verdict: TableVerdict) -> dict[str, Any]:
    """What belongs to one table."""
    drift = verdict.drift
    return {
        "checks": [
            {
                "check": check.name,
                "subject": check.subject,
                "verdict": check.verdict,
                "why": check.why,
                "next": check.next,
            }
            for check in verdict.checks
        ],
        "drift": None
        if drift is None
        else {"others": drift.others, "corrupted": drift.corrupted, "note": drift.note},
        "authors": None if verdict.authors is None else asdict(verdict.authors),
        "keyed": None if verdict.keyed is None else _keyed(verdict.keyed),
        "money": [
            {
                "column": money.column,
                "currency": money.currency,
                "expected": None if money.expected is None else f"{money.expected:f}",
                "actual": f"{money.actual:f}",
            }
            for money in verdict.money
        ],
        "losses": dict(verdict.losses),
        "tolerated": verdict.tolerated,
        "waivers": dict(verdict.waivers),
    }


def _keyed(keyed: Keyed) -> dict[str, str]:
    return {"key_id": keyed.key_id, "verdict": keyed.verdict, "why": keyed.why}


def proof_facts(proof: Proof) -> dict[str, Any]:
    """What belongs to the whole."""
    names = ("at", "transactions")
    return {
        **({"snapshot": dict(zip(names, proof.snapshot, strict=True))} if proof.snapshot else {}),
        "against": proof.form,
        "notes": list(proof.notes),
        "allowed": list(proof.allowed),
        "waivers": sum(len(verdict.waivers) for verdict in proof.verdicts),
        "completeness": [one.as_dict() for one in proof.completeness],
        "sources": source_facts(proof.sources),
        "keyed": keyed_facts(proof.key_id, proof.verdicts),
    }


def quick_facts(
    untouched: Iterable[Untouched], completeness: Iterable[Completeness]
) -> dict[str, Any]:
    """The quick form, which has words of its own."""
    untouched = list(untouched)
    return {
        "against": "transactions",
        "verdict": word(untouched),
        "claim": CLAIM,
        "completeness": [one.as_dict() for one in completeness],
        "tables": [
            {
                "table": verdict.table,
                "scope": dict(verdict.scope),
                "expected_rows": verdict.expected,
                "rows_of_ours": verdict.ours,
                "rows_of_others": verdict.others,
                "verdict": verdict.verdict,
                "reason": verdict.reason,
            }
            for verdict in untouched
        ],
    }


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
            "table": difference.table,
            "key": dict(difference.key),
            "kind": difference.kind,
            "columns": list(difference.columns),
            "rows": difference.rows,
            **({"rules": dict(difference.rules)} if difference.rules else {}),
            **({"values": _values(difference)} if difference.values else {}),
            **({"since": difference.since} if difference.since else {}),
            **({"writer": difference.writer} if difference.writer else {}),
        }
        for table_findings in findings
        for difference in table_findings.differences
    ]


def _values(difference: Difference) -> dict[str, dict[str, str]]:
    return {column: {"left": left, "right": right} for column, left, right in difference.values}


def findings_objects(findings: Iterable[Findings]) -> list[dict[str, Any]]:
    """How many rows of each table differ, in which columns, and what could not be said."""
    return [
        {
            "table": table_findings.table,
            "rows": table_findings.total,
            "columns": dict(table_findings.columns),
            "rules": {column: dict(rules) for column, rules in table_findings.rules},
            "is_exact": table_findings.is_exact,
            "looked_at": table_findings.total
            if table_findings.is_exact
            else table_findings.looked_at,
            "batches": dict(table_findings.batches),
            "note": table_findings.note,
        }
        for table_findings in findings
    ]


def audit_object(audit: Audit) -> dict[str, Any]:
    """What a ledger and its chain were found to be."""
    newest = audit.newest
    return {
        "id": audit.ledger,
        "links": newest.ordinal if newest else 0,
        "head": newest.head if newest else "",
        "anchor": audit.anchor,
        "is_anchored": audit.is_anchored,
        "is_full": audit.is_full,
        "pending_receipts": audit.pending,
        "unsealed": audit.unsealed,
        "key_id": audit.key_id,
        "notes": list(audit.words),
        "reasons": list(audit.reasons),
    }


def proof_object(proof: Proof, verdict: str, exit_code: int, target: str) -> dict[str, Any]:
    """What a reconciliation found, in the object that `migrate reconcile --json` prints."""
    return {
        "schema": SCHEMA,
        "verdict": verdict,
        "exit_code": exit_code,
        "target": target,
        "tables": [table_object(table_verdict) for table_verdict in proof.verdicts],
        "differences": difference_objects(proof.findings),
        "located": findings_objects(proof.findings),
        **proof_facts(proof),
    }
