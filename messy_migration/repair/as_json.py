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
                "table": table.table,
                "scope": dict(table.scope),
                "inserted": table.inserted,
                "restored": table.restored,
                "removed": table.removed,
                "left": dict(table.kept),
                "problem": table.problem,
            }
            for table in repaired.tables
        ],
    }
