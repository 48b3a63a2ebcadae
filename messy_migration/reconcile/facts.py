"""What a proof says beside rows, as JSON: checks, drift, money, losses, waivers, notes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from messy_migration.ledger.completeness import Completeness
from messy_migration.reconcile.reconcile import Proof
from messy_migration.reconcile.source import source_facts
from messy_migration.reconcile.untouched import CLAIM, Untouched, word
from messy_migration.reconcile.verdict import TableVerdict


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
