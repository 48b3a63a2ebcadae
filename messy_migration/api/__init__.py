"""Everything that the command line does, as plain functions; public, for scripts and notebooks.

Tests, schedulers and a web page call these; `migrate` turns options into a call and a result
into text and an exit code. All of them raise `messy_migration.errors.MigrationError`. Each result
has `as_json()`, which is what the command prints with `--json`, `raise_for_verdict()`, and a form
for notebooks. See docs/python.md.

A name is imported when somebody asks for it: `migrate status` waits for no proof.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from messy_migration.api.comparisons import Comparison, compare
    from messy_migration.api.plans import Plan, TablePlan, plan
    from messy_migration.api.projects import project
    from messy_migration.api.reconciliations import Reconciliation, reconcile
    from messy_migration.api.reports import (
        KeysAtHand,
        Report,
        find_report,
        keys_at_hand,
        report,
        verify_reports,
    )
    from messy_migration.api.results import Result
    from messy_migration.api.runs import RunResult, Silent, run
    from messy_migration.api.statuses import Status, status, watch
    from messy_migration.compare.budget import Budget
    from messy_migration.compare.databases import TableComparison
    from messy_migration.compare.matching import CompareOptions
    from messy_migration.reconcile.options import ReconcileOptions
    from messy_migration.run.options import RunOptions
    from messy_migration.run.outcome import Outcome
    from messy_migration.workspace import Request

__all__ = [
    "Budget",
    "CompareOptions",
    "Comparison",
    "KeysAtHand",
    "Outcome",
    "Plan",
    "ReconcileOptions",
    "Reconciliation",
    "Report",
    "Request",
    "Result",
    "RunOptions",
    "RunResult",
    "Silent",
    "Status",
    "TableComparison",
    "TablePlan",
    "compare",
    "find_report",
    "keys_at_hand",
    "plan",
    "project",
    "reconcile",
    "report",
    "run",
    "status",
    "verify_reports",
    "watch",
]

_HOMES: Final = {
    "api.comparisons": ("Comparison", "compare"),
    "api.plans": ("Plan", "TablePlan", "plan"),
    "api.projects": ("project",),
    "api.reconciliations": ("Reconciliation", "reconcile"),
    "api.reports": (
        "KeysAtHand",
        "Report",
        "find_report",
        "keys_at_hand",
        "report",
        "verify_reports",
    ),
    "api.results": ("Result",),
    "api.runs": ("RunResult", "Silent", "run"),
    "api.statuses": ("Status", "status", "watch"),
    "compare.budget": ("Budget",),
    "compare.databases": ("TableComparison",),
    "compare.matching": ("CompareOptions",),
    "reconcile.options": ("ReconcileOptions",),
    "run.options": ("RunOptions",),
    "run.outcome": ("Outcome",),
    "workspace": ("Request",),
}
"""Module -> the names that are taken from it; tests hold it against `__all__`."""

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        module = next((module for module, names in _HOMES.items() if name in names), None)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"messy_migration.{module}"), name)
        return value

    def __dir__() -> list[str]:
        return [*globals(), *__all__]
