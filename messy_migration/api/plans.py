"""`plan`: what a run would read and write; nothing is written to find out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import URL, Connection

from messy_migration import errors
from messy_migration.api.preconditions import is_missing
from messy_migration.api.recall import where_unnamed
from messy_migration.api.results import Result
from messy_migration.databases.ddl import ddl, obstacles, remedy
from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.open import Target, open_target
from messy_migration.errors import MigrationError
from messy_migration.ledger import known_tables, schema
from messy_migration.ledger.history import History
from messy_migration.ledger.runs import Run
from messy_migration.logs import borrowed
from messy_migration.model import Stream, Table
from messy_migration.pipeline.cut import Cutting
from messy_migration.redaction import Redactor
from messy_migration.run import plan as planning
from messy_migration.run.open import as_begun, resumable
from messy_migration.run.options import RunOptions
from messy_migration.run.plan import StreamPlan
from messy_migration.run.run import chosen
from messy_migration.run.sandbox import served
from messy_migration.workspace import Request, Workspace, open_workspace

_NEW = "new"
"""Stands for the id of a run that would begin."""


@dataclass(frozen=True)
class TablePlan:
    """What a run would do to a table: create it with `ddl`, or use it; or why it cannot."""

    table: Table
    stream: str
    exists: bool
    ddl: str
    problems: tuple[str, ...]
    remedy: str = ""


@dataclass(frozen=True)
class Plan(Result):
    """What a run would read and write; nothing was written to find out."""

    target: str
    server: str
    streams: tuple[StreamPlan, ...]
    tables: tuple[TablePlan, ...]
    exit_code: int
    redactor: Redactor = field(default_factory=Redactor, repr=False, compare=False)

    def _object(self) -> dict[str, Any]:
        return {
            "target": self.target,
            "server": self.server,
            "exit_code": self.exit_code,
            "streams": [
                {
                    "stream": stream_plan.stream.name,
                    "tenant": stream_plan.stream.tenant,
                    "plan_id": stream_plan.plan_id,
                    "partitions": [
                        {
                            "name": part.name,
                            "digest": part.digest,
                            "records": part.records,
                            "estimated": part.estimated,
                        }
                        for part in stream_plan.partitions
                    ],
                    "skipped": [part.name for part in stream_plan.skipped],
                    "problems": [problem.as_dict() for problem in stream_plan.problems],
                    "unread": {table: list(names) for table, names in stream_plan.unread.items()},
                    "notes": list(stream_plan.notes),
                }
                for stream_plan in self.streams
            ],
            "tables": [
                {
                    "table": table.table.name,
                    "stream": table.stream,
                    "exists": table.exists,
                    "ddl": table.ddl,
                    "key": list(table.table.key),
                    "columns": [
                        {"name": column.name, "type": str(column.type), "required": column.required}
                        for column in table.table.columns
                    ],
                    "problems": list(table.problems),
                    "remedy": table.remedy,
                }
                for table in self.tables
            ],
        }

    def _headline(self) -> str:
        partitions = sum(len(stream_plan.partitions) for stream_plan in self.streams)
        return f"a run would read {partitions:,} partitions of {len(self.streams):,} streams"

    def _problems(self) -> Sequence[MigrationError]:
        return [problem for stream_plan in self.streams for problem in stream_plan.problems]

    def _columns(self) -> Mapping[str, Sequence[str]]:
        return {
            "streams": ("stream", "tenant", "partitions", "skipped"),
            "tables": ("table", "stream", "exists", "problems"),
        }


@borrowed()
def plan(request: Request, options: RunOptions | None = None) -> Plan:
    """What `run` would read and write; reads sources and target, writes nothing."""
    options = options or RunOptions()
    request, seed = where_unnamed(request, options.sandbox)
    with served(request, seed) as (asked, _):
        return _planned(open_workspace(asked), replace(options, sandbox=seed))


def _planned(workspace: Workspace, options: RunOptions) -> Plan:
    streams = chosen(workspace, options)
    target = workspace.target
    if is_missing(target):
        target = replace(open_target(URL.create("sqlite"), "messy-migration"), label=target.label)
    run: Run | None = None
    with (
        driver_errors_as_ours(f"target {target.label}"),
        target.dialect.reading(target.engine) as connection,
    ):
        server = target.dialect.check(connection)
        target.dialect.check_writable(connection)
        history = History()
        revision = schema.version(connection)
        schema.refuse_newer(revision)
        if revision == schema.HEAD:
            history = History.read_for_plan(connection, workspace.ledger)
            run = None if options.is_restart else resumable(connection, workspace, options)
            options = as_begun(run, options) if run else options
        pending: set[str] = set()
        if schema.version(connection) == schema.HEAD:
            table_states = known_tables.all_states(connection, workspace.ledger).values()
            pending = {state.table.name for state in table_states if state.key_pending}
        tables = [
            _table_plan(connection, target, stream, table, has_key=table.name not in pending)
            for stream in streams
            for table in stream.tables
        ]
    with workspace.releasing():
        plans = planning.build(
            workspace,
            streams,
            history,
            _cutting(workspace, run),
            run_id=run.run_id if run else _NEW,
            since=options.since,
            is_restart=run.is_restart if run else options.is_restart,
        )
    codes = {problem.exit_code for stream_plan in plans for problem in stream_plan.problems}
    codes |= {6 for table_plan in tables if table_plan.problems}
    code = errors.exit_code(codes, mismatch=False, unknown=False)
    redactor = workspace.request.redactor
    return Plan(target.label, server, tuple(plans), tuple(tables), code, redactor)


def _table_plan(
    connection: Connection, target: Target, stream: Stream, table: Table, *, has_key: bool
) -> TablePlan:
    """Whether a table is there, what makes it, and what stands in its way."""
    columns = target.dialect.columns(connection, table.name)
    problems: list[str] = []
    full_name = target.dialect.place(connection, table.name)
    helpful = ""
    if columns is not None:
        problems = obstacles(connection, target.dialect, table, columns, with_key=has_key)
        helpful = remedy(target.dialect, table, columns, full_name)
    statement = ddl(target.dialect, table, full_name)
    return TablePlan(table, stream.label, columns is not None, statement, tuple(problems), helpful)


def _cutting(workspace: Workspace, run: Run | None) -> Cutting:
    """The bounds of a batch: those that the open run began with, else those that are set."""
    core = workspace.settings.core
    if run is not None:
        return Cutting.of_options(run.options)
    return Cutting(core.batch_records, core.batch_bytes)
