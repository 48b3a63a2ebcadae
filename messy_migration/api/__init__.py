"""Everything that the command line does, as plain functions; public, for scripts and notebooks.

Tests, schedulers and a web page call these; `migrate` turns options into a call and a result
into text and an exit code. All of them raise `messy_migration.errors.MigrationError`. Each result
has `as_json()`, which is what the command prints with `--json`, `raise_for_verdict()`, and a form
for notebooks. See docs/python.md.
"""

from __future__ import annotations

from messy_migration.api.compare import Comparison, compare
from messy_migration.api.plan import Plan, TablePlan, plan
from messy_migration.api.project import project
from messy_migration.api.reconcile import Reconciliation, reconcile
from messy_migration.api.report import Report, find_report, key_at_hand, report, verify_reports
from messy_migration.api.results import Result
from messy_migration.api.run import RunResult, Silent, run
from messy_migration.api.status import Status, status, watch
from messy_migration.compare.budget import Budget
from messy_migration.compare.databases import TableComparison
from messy_migration.compare.matching import CompareOptions
from messy_migration.reconcile.options import ReconcileOptions
from messy_migration.run.outcome import Outcome, RunOptions
from messy_migration.workspace import Request

__all__ = [
    "Budget",
    "CompareOptions",
    "Comparison",
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
    "key_at_hand",
    "plan",
    "project",
    "reconcile",
    "report",
    "run",
    "status",
    "verify_reports",
    "watch",
]
