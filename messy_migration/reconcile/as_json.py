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
                "check": item.name,
                "subject": item.subject,
                "verdict": item.verdict,
                "why": item.why,
                "next": item.next,
            }
            for item in verdict.checks
        ],
        "drift": None
        if drift is None
        else {"others": drift.others, "corrupted": drift.corrupted, "note": drift.note},
        "authors": None if verdict.authors is None else asdict(verdict.authors),
        "keyed": None if verdict.keyed is None else _keyed(verdict.keyed),
        "money": [
            {
                "column": item.column,
                "currency": item.currency,
                "expected": None if item.expected is None else f"{item.expected:f}",
                "actual": f"{item.actual:f}",
            }
            for item in verdict.money
        ],
        "losses": dict(verdict.losses),
        "tolerated": verdict.tolerated,
        "waivers": dict(verdict.waivers),
    }


def _keyed(found: Keyed) -> dict[str, str]:
    return {"key_id": found.key_id, "verdict": found.verdict, "why": found.why}


def proof_facts(proof: Proof) -> dict[str, Any]:
    """What belongs to the whole."""
    names = ("at", "transactions")
    return {
        **({"snapshot": dict(zip(names, proof.snapshot, strict=True))} if proof.snapshot else {}),
        "against": proof.form,
        "notes": list(proof.notes),
        "allowed": list(proof.allowed),
        "waivers": sum(len(item.waivers) for item in proof.verdicts),
        "completeness": [one.as_dict() for one in proof.completeness],
        "sources": source_facts(proof.sources),
        "keyed": keyed_facts(proof.key_id, proof.verdicts),
    }


def quick_facts(found: Iterable[Untouched], completeness: Iterable[Completeness]) -> dict[str, Any]:
    """The quick form, which has words of its own."""
    found = list(found)
    return {
        "against": "transactions",
        "verdict": word(found),
        "claim": CLAIM,
        "completeness": [one.as_dict() for one in completeness],
        "tables": [
            {
                "table": item.table,
                "scope": dict(item.scope),
                "expected_rows": item.expected,
                "rows_of_ours": item.ours,
                "rows_of_others": item.others,
                "verdict": item.verdict,
                "reason": item.reason,
            }
            for item in found
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
        "key_id": found.key_id,
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
