"""One run, from the lock to the verdict.

lock -> ledger -> epoch -> open or resume -> plan -> prove what is there -> tables
     -> pieces to workers -> reconcile -> evidence -> close
"""

from __future__ import annotations

import getpass
import os
import platform
import socket
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version

from messy_migration import errors
from messy_migration.errors import Interrupted, Locked, MigrationError, QualityError
from messy_migration.ledger import fence, quarantine, receipts, runs, schema
from messy_migration.ledger.fence import Holder
from messy_migration.ledger.receipts import Signature, StreamTotals
from messy_migration.ledger.runs import Run, short
from messy_migration.model import Stream
from messy_migration.reconcile.verdict import overall
from messy_migration.runner import plan as planning
from messy_migration.runner.evidence import write_evidence
from messy_migration.runner.outcome import Observer, Outcome
from messy_migration.runner.plan import History, StreamPlan
from messy_migration.runner.pool import Finished, LocalPool
from messy_migration.runner.prepare import Site, prepare_tables, prove_earlier
from messy_migration.runner.proof import reconcile
from messy_migration.runner.stop import StopSignals
from messy_migration.runner.work import Job, Piece, is_fatal
from messy_migration.runner.workspace import Request, Workspace, open_workspace, select
from messy_migration.target.failures import refusals

BEAT_SECONDS = 2.0


@dataclass
class _State:
    """What the steps of one run hand on to each other."""

    workspace: Workspace
    run: Run
    job: Job
    holder: Holder
    resumed: bool
    streams: list[Stream]
    plans: list[StreamPlan] = field(default_factory=list)
    problems: list[MigrationError] = field(default_factory=list)
    unfinished: dict[str, str] = field(default_factory=dict)
    workers: int = 0


def execute(
    request: Request,
    observer: Observer,
    *,
    selection: Sequence[str] = (),
    accept_foreign: str | None = None,
) -> Outcome:
    """Run, or resume, a migration, and reconcile it.

    Raises:
        MigrationError: the run could not begin; everything later is in the outcome.
    """
    began = time.monotonic()
    run_id = new_run_id()
    workspace = open_workspace(request, application=f"mm:{run_id}")
    streams = select(workspace.streams(), selection)
    target = workspace.target
    with refusals(f"target {target.label}"), target.dialect.lock(target.engine) as held:
        if not held:
            raise _locked(workspace)
        with StopSignals() as stop:
            state = _open(workspace, run_id, streams, selection)
            observer.started(state.run, target.label, streams, resumed=state.resumed)
            _plan(state, accept_foreign)
            observer.planned(state.plans, workspace.settings.core.worker_count)
            _work(state, observer, stop)
            observer.proving()
            return _close(state, stop, began)


def new_run_id() -> str:
    """A UUID of version 7 (RFC 9562): sorts by the time of its making."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (1 << 48) - 1) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))


def _locked(workspace: Workspace) -> Locked:
    holder: Holder | None = None
    try:
        with workspace.target.dialect.reading(workspace.target.engine) as connection:
            if schema.version(connection) == schema.HEAD:
                holder = fence.holder(connection, workspace.ledger)
    except MigrationError:
        holder = None
    who = (
        f"run {short(holder.run_id)} on {holder.host}, process {holder.pid},"
        f" since {holder.started_at}"
        if holder
        else "it has not told its name yet"
    )
    return Locked(
        "another run holds the target",
        workspace.target.label,
        who,
        "wait for it (migrate status), or end it and type the same command again",
    )


def _open(
    workspace: Workspace, run_id: str, streams: list[Stream], selection: Sequence[str]
) -> _State:
    """Take the target over, and find the run that is to be resumed or begin a new one."""
    target, settings = workspace.target, workspace.settings
    with target.engine.begin() as connection:
        server = target.dialect.check(connection)
        target.dialect.end_others(connection, f"mm:{run_id}")
        schema.upgrade(connection)
    with target.engine.begin() as connection:
        epoch = fence.raise_epoch(connection, workspace.ledger)
        found = runs.find_open(
            connection, workspace.ledger, settings.profile, workspace.registry.names, selection
        )
        run = found or Run(
            run_id=run_id,
            profile=settings.profile,
            plugins=workspace.registry.names,
            selection=tuple(selection),
            state="open",
            options={
                "batch_records": settings.core.batch_records,
                "batch_bytes": settings.core.batch_bytes,
            },
            versions={
                "messy-migration": version("messy-migration"),
                "python": platform.python_version(),
                "target": server,
                **workspace.registry.versions,
            },
            host=socket.gethostname(),
            pid=os.getpid(),
            actor=getpass.getuser(),
            started_at=runs.now(),
        )
        if found is None:
            runs.add(connection, workspace.ledger, run)
        holder = Holder(run.run_id, socket.gethostname(), os.getpid(), runs.now(), "")
        fence.beat(connection, workspace.ledger, holder)
    cutting = {name: int(run.options[name]) for name in ("batch_records", "batch_bytes")}
    request = workspace.request.for_workers(settings.digest)
    job = Job(request, run.run_id, epoch, frozenset(), **cutting)
    return _State(workspace, run, job, holder, found is not None, streams)


def _plan(state: _State, accept_foreign: str | None) -> None:
    workspace, ledger = state.workspace, state.workspace.ledger
    cutting = {"batch_records": state.job.batch_records, "batch_bytes": state.job.batch_bytes}
    with workspace.target.engine.begin() as connection:
        history = History(
            tuple(runs.planned(connection, ledger)),
            frozenset(receipts.begun(connection, ledger)),
            frozenset(receipts.complete(connection, ledger)),
        )
    state.plans = planning.build(workspace, state.streams, history, cutting)
    for plan in state.plans:
        for problem in plan.problems:
            _note(state, plan.stream.label, problem)
    signature = Signature(state.run.run_id, state.job.epoch, os.getpid(), runs.now())
    with workspace.target.engine.begin() as connection:
        site = Site(connection, workspace.target.dialect, ledger, signature)
        prove_earlier(site, state.streams, accept_foreign)
        fresh = prepare_tables(site, state.streams)
        for plan in state.plans:
            runs.plan(
                connection, ledger, state.run.run_id, plan.stream, plan.plan_id, plan.partitions
            )
    state.job = replace(state.job, fresh=fresh)


def _work(state: _State, observer: Observer, stop: StopSignals) -> None:
    """Hand the pieces out, parents before children."""
    by_stream = {(plan.stream.name, plan.stream.tenant): plan for plan in state.plans}
    levels = [
        [
            Piece(stream.name, stream.tenant, by_stream[stream.name, stream.tenant].plan_id, part)
            for stream in level
            for part in by_stream[stream.name, stream.tenant].partitions
        ]
        for level in planning.levels(state.streams)
    ]
    total = sum(len(pieces) for pieces in levels)
    if not total:
        return
    state.workers = min(state.workspace.settings.core.worker_count, max(map(len, levels)))
    pulse = _pulse(state, observer)
    with LocalPool(state.job, state.workers) as pool:
        for pieces in levels:
            for finished in pool.run(pieces, pulse, lambda: stop.requested):
                _finished(state, finished, stop)
    observer.progressed(_totals(state))


def _finished(state: _State, finished: Finished, stop: StopSignals) -> None:
    piece = finished.piece
    label = f"{piece.stream}@{piece.tenant}" if piece.tenant else piece.stream
    if finished.error is not None:
        _note(state, label, finished.error)
        if is_fatal(finished.error):
            stop.request()


def _note(state: _State, label: str, problem: MigrationError) -> None:
    state.problems.append(problem)
    state.unfinished.setdefault(label, f"not all of {label} was read: {problem.what}")


def _pulse(state: _State, observer: Observer) -> Callable[[], None]:
    """A few times a minute: the heartbeat, and progress as the ledger knows it."""
    last = 0.0

    def pulse() -> None:
        nonlocal last
        if time.monotonic() - last < BEAT_SECONDS:
            return
        last = time.monotonic()
        try:
            with state.workspace.target.engine.begin() as connection:
                fence.beat(connection, state.workspace.ledger, state.holder)
        except Exception as error:  # noqa: BLE001 - the workers meet the same fault and tell it
            del error
            return
        observer.progressed(_totals(state))

    return pulse


def _totals(state: _State) -> list[StreamTotals]:
    target = state.workspace.target
    with target.dialect.reading(target.engine) as connection:
        return receipts.stream_totals(connection, state.workspace.ledger, state.run.run_id)


def _close(state: _State, stop: StopSignals, began: float) -> Outcome:
    """Reconcile, write the evidence, and close the run in the ledger."""
    workspace = state.workspace
    target = workspace.target
    _incomplete(state)
    if stop.number:
        state.problems.append(
            Interrupted(
                "the run was stopped",
                f"run {short(state.run.run_id)}",
                "",
                "the same command resumes it",
            )
        )
    tables = [(table.name, table.scope) for stream in state.streams for table in stream.tables]
    proof = reconcile(workspace, tables, state.unfinished)
    with target.dialect.reading(target.engine) as connection:
        streams = receipts.stream_totals(connection, workspace.ledger, state.run.run_id)
        rows = receipts.table_totals(connection, workspace.ledger, state.run.run_id)
        reasons = quarantine.reasons(connection, workspace.ledger, state.run.run_id)
    state.problems += _over_limit(streams, workspace.settings.core.quarantine_limit)
    verdict = overall(list(proof.verdicts))
    codes = {problem.exit_code for problem in state.problems}
    if stop.number:
        codes = codes - {Interrupted.exit_code} | {128 + stop.number}
    code = errors.exit_code(codes, mismatch=verdict == "MISMATCH", unknown=verdict == "UNKNOWN")
    outcome = Outcome(
        run=state.run,
        target=target.label,
        resumed=state.resumed,
        workers=state.workers,
        seconds=time.monotonic() - began,
        streams=_all_streams(state, streams),
        tables=tuple(rows),
        proof=proof,
        quarantine=tuple(reasons),
        problems=tuple(_redacted(problem, workspace.request) for problem in state.problems),
        skipped=sum(len(plan.skipped) for plan in state.plans),
        verdict=verdict,
        exit_code=code,
    )
    report = write_evidence(workspace, outcome, state.plans)
    outcome = replace(outcome, report=str(report))
    with target.engine.begin() as connection:
        runs.finish(
            connection,
            workspace.ledger,
            state.run.run_id,
            state="open" if state.unfinished else "done",
            verdict=verdict,
            exit_code=code,
            report=str(report),
        )
    workspace.registry.notify(
        "run.finished", run_id=state.run.run_id, verdict=verdict, exit_code=code
    )
    return outcome


def _redacted(problem: MigrationError, request: Request) -> MigrationError:
    """What a plugin says may hold a secret of its own; from here on it is shown and written."""
    clean = request.redactor.text
    return type(problem)(
        clean(problem.what), clean(problem.where), clean(problem.why), clean(problem.next)
    )


def _incomplete(state: _State) -> None:
    """Streams with a partition whose last batch is not committed."""
    target = state.workspace.target
    with target.dialect.reading(target.engine) as connection:
        complete = receipts.complete(connection, state.workspace.ledger)
    for plan in state.plans:
        stream = plan.stream
        left = [
            part
            for part in plan.partitions
            if (stream.name, stream.tenant, part.digest) not in complete
        ]
        if left:
            count = len(plan.partitions)
            state.unfinished.setdefault(
                stream.label, f"{len(left)} of {count} partitions are not complete"
            )


def _all_streams(state: _State, found: Sequence[StreamTotals]) -> tuple[StreamTotals, ...]:
    """The counts of every selected stream, zeros included."""
    by_name: Mapping[tuple[str, str], StreamTotals] = {
        (item.stream, item.tenant): item for item in found
    }
    return tuple(
        by_name.get(
            (plan.stream.name, plan.stream.tenant),
            StreamTotals(plan.stream.name, plan.stream.tenant),
        )
        for plan in state.plans
    )


def _over_limit(streams: Sequence[StreamTotals], limit: float) -> list[MigrationError]:
    found: list[MigrationError] = []
    for item in streams:
        share = 100 * item.quarantined / item.extracted if item.extracted else 0.0
        if share > limit:
            found.append(
                QualityError(
                    f"{share:.2f} % of the records are in quarantine",
                    f"stream {item.stream}",
                    f"{item.quarantined:,} of {item.extracted:,}, the limit is {limit:g} %",
                    "repair them at the source, or raise quarantine_limit in the profile",
                )
            )
    return found
