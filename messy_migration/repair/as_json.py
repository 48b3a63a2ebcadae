"""A repair as JSON."""

from __future__ import annotations

from typing import Any

from messy_migration.repair.apply import Repaired


def repair_facts(repaired: Repaired) -> dict[str, Any]:
    """What a repair did, or would do where it has no run."""
    return {
        "run_id": repaired.run_id,
        "report": repaired.report,
        "tables": [
            {
                "table": item.table,
                "scope": dict(item.scope),
                "inserted": item.inserted,
                "restored": item.restored,
                "removed": item.removed,
                "left": dict(item.kept),
                "problem": item.problem,
            }
            for item in repaired.tables
        ],
    }
