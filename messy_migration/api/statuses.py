"""`status`: the ledger for people."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from messy_migration import errors
from messy_migration.api.preconditions import refuse_empty, refuse_missing
from messy_migration.api.recall import recalled, with_profile
from messy_migration.api.results import Result
from messy_migration.config import last_target
from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.errors import MigrationError
from messy_migration.ledger import fence, keys, known_tables, receipts, runs, schema
from messy_migration.ledger.completeness import (
    Completeness,
    completeness,
    headline,
    problems,
    told,
)
from messy_migration.ledger.fence import Holder
from messy_migration.ledger.known_tables import TableState
from messy_migration.ledger.progress import Progress, progress
from messy_migration.ledger.runs import Run
from messy_migration.ledger.totals import StreamTotals, stream_totals
from messy_migration.logs import borrowed
from messy_migration.redaction import Redactor
from messy_migration.workspace import Request, Workspace, open_workspace

WATCH_SECONDS = 2.0
"""Between two looks; a running run writes its heartbeat as often."""


@dataclass(frozen=True)
class Status(Result):
    """The ledger for people.

    Attributes:
        target: its URL without password.
        runs: newest first, each with what it did per stream.
        tables: each with the rows that its receipts add up to.
        holder: the run that wrote the last heartbeat.
        active: a run holds the target now.
        completeness: what was loaded, and what was not, of every stream, over all runs.
        key_id: of the `fingerprint_key` that the ledger is under; empty without one. The key
            itself is not asked for.
        resume: the command that resumes the newest unfinished run; empty where there is none.
        progress: how far the run is that holds the target; None where none does.
    """

    target: str
    runs: tuple[tuple[Run, tuple[StreamTotals, ...]], ...]
    tables: tuple[tuple[TableState, int], ...]
    holder: Holder | None
    active: bool
    completeness: tuple[Completeness, ...] = ()
    key_id: str = ""
    resume: str = ""
    progress: Progress | None = None
    redactor: Redactor = field(default_factory=Redactor, repr=False, compare=False)

    @property
    def keyed(self) -> dict[str, Any] | None:
        """Of how many tables every row is summed under the key; None without one."""
        if not self.key_id:
            return None
        under = sum(state.key_id == self.key_id for state, _ in self.tables)
        return {"key_id": self.key_id, "tables": under, "of": len(self.tables)}

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """The command ends with 7 if a stream is over its quarantine limit or loaded nothing.

        The verdict of an earlier run does not enter: nothing was proven now.
        """
        codes = {problem.exit_code for problem in problems(self.completeness)}
        return errors.exit_code(codes, mismatch=False, unknown=False)

    def _object(self) -> dict[str, Any]:
        return {
            "target": self.target,
            "active": self.active,
            "resume": self.resume or None,
            "holder": (
                {
                    "run_id": self.holder.run_id,
                    "host": self.holder.host,
                    "pid": self.holder.pid,
                    "beat_at": self.holder.beat_at,
                }
                if self.holder and self.active
                else None
            ),
            "progress": asdict(self.progress) if self.progress else None,
            "exit_code": self.exit_code,
            "keyed": self.keyed,
            "completeness": [one.as_dict() for one in self.completeness],
            "runs": [
                {
                    "run_id": run.run_id,
                    "profile": run.profile,
                    "plugins": list(run.plugins),
                    "state": run.state,
                    "verdict": run.verdict,
                    "exit_code": run.exit_code,
                    "started_at": run.started_at,
                    "finished_at": run.finished_at,
                    "report": run.report,
                    "streams": [asdict(stream_totals) for stream_totals in totals],
                }
                for run, totals in self.runs
            ],
            "tables": [
                {
                    "table": state.table.name,
                    "scope": dict(state.table.scope),
                    "stream": state.stream,
                    "tenant": state.tenant,
                    "expected_rows": count,
                }
                for state, count in self.tables
            ],
        }

    def _headline(self) -> str:
        newest = next((run.verdict for run, _ in self.runs if run.verdict), None)
        if newest is None:
            return "no run has a verdict yet"
        rest = told(self.completeness)
        return headline(newest, self.completeness) + (f"; {rest}" if rest else "")

    def _problems(self) -> Sequence[MigrationError]:
        return problems(self.completeness)

    def _columns(self) -> Mapping[str, Sequence[str]]:
        return {
            "runs": ("run_id", "state", "verdict", "plugins", "started_at"),
            "tables": ("table", "scope", "stream", "tenant", "expected_rows"),
        }


@borrowed()
def status(request: Request, *, limit: int = 10) -> Status:
    """What the ledger knows: runs, tables, and who holds the target."""
    return _read(_opened(request), limit)


def watch(request: Request, *, limit: int = 10) -> Iterator[Status]:
    """What the ledger knows, every few seconds until no run holds the target.

    A target that goes away meanwhile is waited for as long as a run would.
    """
    with borrowed():
        workspace = _opened(request, keep=True)
        retry = workspace.retry(lambda: False)
        try:
            while True:
                state = retry.call(lambda: _read(workspace, limit))
                yield state
                if not state.active:
                    return
                time.sleep(WATCH_SECONDS)
        finally:
            workspace.target.engine.dispose()


def _opened(request: Request, *, keep: bool = False) -> Workspace:
    workspace = open_workspace(with_profile(recalled(request)), needs_plugins=False, keep=keep)
    refuse_missing(workspace)
    return workspace


def _read(workspace: Workspace, limit: int) -> Status:
    target, ledger = workspace.target, workspace.ledger
    with driver_errors_as_ours(f"target {target.label}"):
        with target.dialect.lock(target.engine) as free:
            active = free is None
        with target.dialect.reading(target.engine) as connection:
            refuse_empty(workspace, schema.version(connection))
            runs_and_totals = [
                (earlier, tuple(stream_totals(connection, ledger, earlier.run_id)))
                for earlier in runs.history(connection, ledger, limit)
            ]
            sums = receipts.expected(connection, ledger)
            tables = [
                (state, sums[*state.key, state.format_id].rows)
                if (*state.key, state.format_id) in sums
                else (state, 0)
                for state in known_tables.all_states(connection, ledger).values()
            ]
            holder = fence.holder(connection, ledger)
            counts = completeness(connection, ledger, workspace.settings.core.quarantine_limit)
            link = keys.newest(connection, ledger)
            key_id = str(link.key_id) if link else ""
            unfinished = runs.unfinished(connection, ledger)
            of_run = None
            # The heartbeat of a run that has just begun may still be that of the one before it.
            if (
                active
                and holder
                and any(
                    run.run_id == holder.run_id and run.state == "open"
                    for run, _ in runs_and_totals
                )
            ):
                of_run = progress(connection, ledger, holder.run_id, holder.beat_at)
    resume = "" if active or not unfinished else _command(workspace, unfinished[-1])
    facts = (holder, active, counts, key_id, resume, of_run, workspace.request.redactor)
    return Status(target.label, tuple(runs_and_totals), tuple(tables), *facts)


def _command(workspace: Workspace, run: Run) -> str:
    """The command that resumes a run of this target."""
    settings, words = workspace.settings, ["migrate"]
    if run.patterns and " " in run.patterns[0]:  # a repair: what stands there is its own command
        words += run.patterns[0].split()
    else:
        words += ["run", "--plugins", ",".join(run.plugins)]
        words += ["--select", ",".join(run.patterns)] if run.patterns else []
        words += ["--tenant", ",".join(run.tenants)] if run.tenants else []
        words += ["--sandbox"] if "sandbox" in run.options else []
    words += ["--profile", run.profile] if run.profile in settings.profiles else []
    if settings.origins["target"].startswith("flag"):
        words += ["--target", last_target.of(settings).target]
    return shlex.join(words)
