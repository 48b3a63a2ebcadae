"""Everything that the command line does, as plain functions.

Tests, schedulers and a web page call these; `migrate` turns options into a call and a result
into text and an exit code. All of them raise `messy_migration.errors.MigrationError`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import URL

from messy_migration import errors
from messy_migration.config import settings
from messy_migration.errors import UsageProblem
from messy_migration.ledger import fence, receipts, runs, schema, known_tables as states
from messy_migration.ledger.fence import Holder
from messy_migration.ledger.receipts import StreamTotals
from messy_migration.ledger.runs import Run
from messy_migration.ledger.known_tables import TableState
from messy_migration.model import Table
from messy_migration.compare.databases import TableComparison
from messy_migration.compare.budget import Budget
from messy_migration.evidence.verify import Verified
from messy_migration.compare.matching import Wishes
from messy_migration.api import compare as between, report as reports
from messy_migration.run import plan as planning
from messy_migration.run.anchors import refuse_lost
from messy_migration.reconcile.options import Asked
from messy_migration.api.compare import Comparison
from messy_migration.ledger.history import History
from messy_migration.run.outcome import Observer, Options, Outcome
from messy_migration.run.plan import StreamPlan
from messy_migration.reconcile.reconcile import LISTED
from messy_migration.api.reconcile import Reconciliation, examine, refuse_empty
from messy_migration.api.report import Report
from messy_migration.run.run import chosen, execute
from messy_migration.run.sandbox import Served, serve
from messy_migration.workspace import Request, Workspace, open_workspace
from messy_migration.databases.open import Target, open_target
from messy_migration.databases.errors import refusals
from messy_migration.databases.ddl import ddl, obstacles

__all__ = [
    "Asked",
    "Budget",
    "Comparison",
    "Options",
    "Outcome",
    "Plan",
    "Reconciliation",
    "Report",
    "Request",
    "Silent",
    "Status",
    "TableComparison",
    "TablePlan",
    "Wishes",
    "compare",
    "find_report",
    "plan",
    "reconcile",
    "run",
    "status",
    "verify_reports",
]


class Silent:
    """An observer that watches nothing."""

    def started(self, *_: object, **__: object) -> None:
        """See `Observer`."""

    def planned(self, *_: object) -> None:
        """See `Observer`."""

    def progressed(self, *_: object) -> None:
        """See `Observer`."""

    def proving(self) -> None:
        """See `Observer`."""


@dataclass(frozen=True)
class TablePlan:
    """What a run would do to a table: create it with `ddl`, or use it; or why it cannot."""

    table: Table
    stream: str
    exists: bool
    ddl: str
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What a run would read and write; nothing was written to find out."""

    target: str
    server: str
    streams: tuple[StreamPlan, ...]
    tables: tuple[TablePlan, ...]
    exit_code: int


@dataclass(frozen=True)
class Status:
    """The ledger for people: runs, newest first, with their counts; tables; who holds it."""

    target: str
    runs: tuple[tuple[Run, tuple[StreamTotals, ...]], ...]
    tables: tuple[tuple[TableState, int], ...]
    holder: Holder | None
    active: bool


def run(
    request: Request, observer: Observer | None = None, options: Options | None = None
) -> Outcome:
    """Migrate, then reconcile; called again it resumes what is unfinished.

    Args:
        request: which settings to use.
        observer: told of progress.
        options: what the run is asked to do.

    Raises:
        MigrationError: the run could not begin; what goes wrong later is in the outcome.
    """
    options = options or Options()
    with _served(request, options.sandbox) as (asked, boxes):
        outcome = execute(asked, observer or Silent(), options)
        served = {box.plugin: {"manifest": dict(box.manifest), **box.traffic()} for box in boxes}
        return replace(outcome, sandbox=served)


@contextmanager
def _served(request: Request, sandbox: int | None) -> Iterator[tuple[Request, list[Served]]]:
    """The request, with the plugins' sandboxes in place of their sources if there is a seed."""
    if sandbox is None:
        yield request, []
        return
    plugins = settings.load(request.config, request.profile, request.flags).core.plugins
    with serve(plugins, sandbox) as boxes:
        yield replace(request, sections={box.plugin: box.section for box in boxes}), boxes


def plan(request: Request, options: Options | None = None) -> Plan:
    """What `run` would read and write; reads sources and target, writes nothing."""
    options = options or Options()
    with _served(request, options.sandbox) as (asked, _):
        return _planned(open_workspace(asked), options)


def _planned(workspace: Workspace, options: Options) -> Plan:
    streams = chosen(workspace, options)
    target = workspace.target
    if _is_missing(target):
        target = replace(open_target(URL.create("sqlite"), "messy-migration"), label=target.label)
    core = workspace.settings.core
    cutting = {"batch_records": core.batch_records, "batch_bytes": core.batch_bytes}
    with (
        refusals(f"target {target.label}"),
        target.dialect.reading(target.engine) as connection,
    ):
        server = target.dialect.check(connection)
        target.dialect.check_writable(connection)
        history = History()
        revision = schema.version(connection)
        schema.refuse_newer(revision)
        if revision == schema.HEAD:
            history = History.read(connection, workspace.ledger)
        pending: set[str] = set()
        if schema.version(connection) == schema.HEAD:
            known = states.all_states(connection, workspace.ledger).values()
            pending = {state.table.name for state in known if state.key_pending}
        tables = []
        for stream in streams:
            for table in stream.tables:
                found = target.dialect.columns(connection, table.name)
                problems: list[str] = []
                if found is not None:
                    has_key = table.name not in pending
                    problems = obstacles(connection, target.dialect, table, found, with_key=has_key)
                statement = ddl(target.dialect, table)
                tables.append(
                    TablePlan(table, stream.label, found is not None, statement, tuple(problems))
                )
    with workspace.releasing():
        plans = planning.build(workspace, streams, history, cutting, since=options.since)
    codes = {problem.exit_code for item in plans for problem in item.problems}
    codes |= {6 for item in tables if item.problems}
    code = errors.exit_code(codes, mismatch=False, unknown=False)
    return Plan(target.label, server, tuple(plans), tuple(tables), code)


def reconcile(
    request: Request,
    *,
    run_id: str | None = None,
    limit: int = LISTED,
    asked: Asked | None = None,
    sandbox: int | None = None,
) -> Reconciliation:
    """Prove the target again, and name the rows and columns that differ.

    Args:
        request: which settings to use; its plugins replay their inputs to locate differences.
        run_id: beginning of a run's id, to prove only the tables that it wrote.
        limit: how many differences of a table to list.
        asked: what to hold the target against, and what else to do.
        sandbox: read the plugins' sandboxes of this seed instead of their sources.

    Raises:
        UsageProblem: nothing was ever loaded, or no run has this id.
        ProofError: the target went away before anything was compared.
        Locked: a run is under way.
    """
    asked = asked or Asked()
    with _served(request, sandbox) as (found, _):
        workspace = open_workspace(found, needs_plugins=asked.needs_plugins)
        _refuse_missing(workspace)
        with workspace.releasing():
            return examine(workspace, run_id, limit, asked)


def compare(
    request: Request,
    left: str,
    right: str,
    wishes: Wishes | None = None,
    budget: Budget | None = None,
) -> Comparison:
    """Hold two databases against each other, table by table; nothing is written on either side.

    Needs no run, no ledger and no plugin. Each side is one read-only snapshot.

    Args:
        request: where `.env` and the settings of the log are.
        left: URL of a database, or a reference to one (`env://NAME`).
        right: the other one.
        wishes: which tables and columns, and what is called otherwise on the right.
        budget: how many differences are listed, and when to look no further.

    Raises:
        UsageProblem: a URL or a wish is not usable, or columns cannot be compared exactly.
        SourceError: the left database cannot be opened.
        TargetError: the right database cannot be opened, or a catalogue cannot be read.
    """
    return between.compare(request, left, right, wishes or Wishes(), budget or Budget())


def find_report(request: Request, name: str | None = None) -> Report:
    """An evidence file and its page: a file, that of a run by the beginning of its id, the newest.

    Raises:
        UsageProblem: there is none, or more than one run is meant.
        ProofError: it is no evidence any more.
    """
    return reports.find(request, name)


def verify_reports(
    paths: Sequence[Path], directory: Path | None = None, anchor: str | None = None
) -> list[Verified]:
    """Verify evidence files and pages offline; nothing is raised for what does not verify.

    Args:
        paths: JSON or HTML.
        directory: where `.migrate/anchors` is; the working directory if left out.
        anchor: the beginning of a head that the newest of them must have.

    Raises:
        UsageProblem: a file cannot be read.
        ConfigurationError: the anchors cannot be read.
    """
    return reports.verified(paths, directory or Path.cwd(), anchor)


def status(request: Request, *, limit: int = 10) -> Status:
    """What the ledger knows: runs, tables, and who holds the target."""
    workspace = open_workspace(request, needs_plugins=False)
    target = workspace.target
    _refuse_missing(workspace)
    with refusals(f"target {target.label}"):
        with target.dialect.lock(target.engine) as free:
            active = free is None
        with target.dialect.reading(target.engine) as connection:
            refuse_empty(workspace, schema.version(connection))
            ledger = workspace.ledger
            found = [
                (item, tuple(receipts.stream_totals(connection, ledger, item.run_id)))
                for item in runs.history(connection, ledger, limit)
            ]
            sums = receipts.expected(connection, ledger)
            tables = [
                (state, sums[*state.key, state.format_id].rows)
                if (*state.key, state.format_id) in sums
                else (state, 0)
                for state in states.all_states(connection, ledger).values()
            ]
            holder = fence.holder(connection, ledger)
    return Status(target.label, tuple(found), tuple(tables), holder, active)


def _is_missing(target: Target) -> bool:
    """A SQLite file springs into being when it is opened; looking at one must not make it."""
    file = target.engine.url.database
    return target.dialect.name == "sqlite" and bool(file) and not Path(str(file)).exists()


def _refuse_missing(workspace: Workspace) -> None:
    if _is_missing(workspace.target):
        refuse_lost(workspace)
        raise UsageProblem(
            "the target is not there yet", workspace.target.label, next="migrate run"
        )
