"""One run, from the lock to the verdict.

lock -> ledger -> epoch -> open or resume -> audit -> plan -> prove what is there -> tables
     -> tasks to workers -> keys, stubs, bookmarks -> reconcile -> evidence -> close
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace

from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.open import HURRIED
from messy_migration.databases.retry import Retry
from messy_migration.errors import (
    MigrationError,
    TargetBusy,
    TargetError,
    TargetUnavailable,
    UsageProblem,
    exit_code,
)
from messy_migration.ledger import fence, receipts, runs, schema
from messy_migration.ledger.history import History
from messy_migration.ledger.receipts import Scope
from messy_migration.ledger.runs import short
from messy_migration.ledger.totals import StreamTotals, stream_totals
from messy_migration.model import Stream
from messy_migration.pipeline import partitions
from messy_migration.pipeline.cut import Cutting
from messy_migration.pipeline.reread import sampled
from messy_migration.run import plan as planning
from messy_migration.run.anchors import check_ledger
from messy_migration.run.close import close_run
from messy_migration.run.derive import derivable
from messy_migration.run.events import RunEvents
from messy_migration.run.finish import finish
from messy_migration.run.keying import begin_key
from messy_migration.run.keys import add_earlier_keys
from messy_migration.run.lock import RunLock
from messy_migration.run.open import locked, open_run, opened, say_begun, write_down
from messy_migration.run.options import RunOptions
from messy_migration.run.outcome import Observer, Outcome
from messy_migration.run.prepare import Misfits, Site, prepare_tables, prove_earlier
from messy_migration.run.scouts import find_scouts, is_hopeless
from messy_migration.run.sealing import Sealer
from messy_migration.run.signals import Overdue, StopSignals
from messy_migration.run.state import RunState
from messy_migration.streams import select
from messy_migration.workers.executor import EnginePool, find_engine
from messy_migration.workers.nursery import Nursery
from messy_migration.workers.pool import Finished, LocalPool
from messy_migration.workers.task import Briefing, Task
from messy_migration.workers.worker import is_fatal
from messy_migration.workspace import Request, Workspace

BEAT_SECONDS = 2.0
FIRST_SECONDS = 1.0
"""A run that has not begun waits for nobody; whoever typed the command is there."""


def execute(
    request: Request,
    observer: Observer,
    options: RunOptions,
    events: RunEvents,
    nursery: Nursery | None = None,
) -> Outcome:
    """Run, or resume, a migration, and reconcile it.

    Args:
        request: which settings to use.
        observer: told of progress.
        options: what the run is asked to do.
        events: what is said of it.
        nursery: where local workers come from; without one they are spawned.

    Raises:
        MigrationError: the run could not begin; everything later is in the outcome.
    """
    began = time.monotonic()
    with opened(request, events) as workspace:
        return _execute(workspace, observer, options, events, began, nursery)


def _execute(
    workspace: Workspace,
    observer: Observer,
    options: RunOptions,
    events: RunEvents,
    began: float,
    nursery: Nursery | None,
) -> Outcome:
    streams = chosen(workspace, options)
    target, run_id = workspace.target, workspace.request.run_id
    at_first = Retry(FIRST_SECONDS, FIRST_SECONDS)
    with (
        StopSignals() as stop,
        driver_errors_as_ours(f"target {target.label}"),
        RunLock(target, workspace.ledger) as lock,
    ):
        # Of several that begin at once the winner ends the connections of the others.
        if not at_first.call(lock.take):
            raise locked(workspace, at_first)
        try:
            retry = workspace.retry(lambda: stop.requested)
            with _local(workspace, run_id, nursery) as pool:
                retry.call(lambda: _warm(pool, workspace, options))
                state = retry.call(
                    lambda: open_run(workspace, run_id, streams, options, lock, retry, events)
                )
                say_begun(state)
                state.patiently(lambda: check_ledger(state))
                state.patiently(lambda: begin_key(state))
                _plan(state)
                pool.briefing = state.briefing
                workers = workspace.settings.core.worker_count
                observer.planned(state.plans, workers, _before(state))
                with _unproven(state):
                    _work(state, stop, pool)
            with _unproven(state):
                state.patiently(lambda: _incomplete(state))
                state.patiently(state.tell_untold)
                _settle(state, stop)
                observer.proving()
                return close_run(state, stop, began)
        except (Overdue, TargetError) as error:
            # Told to stop, and the target does not answer: there is no verdict to wait for.
            if not stop.number:
                raise
            raise stop.interrupted(f"run {short(run_id)}") from error


@contextmanager
def _unproven(state: RunState) -> Iterator[None]:
    """What is said of a run that cannot go on to its verdict, with all that went wrong before."""
    try:
        yield
    except TargetError as error:
        codes = {problem.exit_code for problem in (*state.problems, error)}
        code = exit_code(codes, mismatch=False, unknown=True)
        if code != error.exit_code:
            raise next(
                reported for reported in state.problems if reported.exit_code == code
            ) from error
        met = dict.fromkeys(problem.what for problem in state.problems)
        why = "; ".join([*met, f"at the end {error.what}: {error.why}"])
        what = "nothing is proven, the verdict is UNKNOWN"
        raise type(error)(what, error.where, why, error.next) from error


def _local(workspace: Workspace, run_id: str, nursery: Nursery | None) -> LocalPool:
    """The local workers, none of which runs yet. Their briefing is not the last word."""
    core, request = workspace.settings.core, workspace.request
    briefing = Briefing(
        request.for_workers(workspace.settings.digest),
        run_id,
        0,
        frozenset(),
        Cutting(core.batch_records, core.batch_bytes),
    )
    return LocalPool(briefing, core.worker_count, core.frozen_after, nursery)


def _warm(pool: LocalPool, workspace: Workspace, options: RunOptions) -> None:
    """Where nothing was ever loaded there is something to do, whatever the plan will say.

    One worker keeps the second processor busy while this process makes the ledger and plans.
    """
    if options.engine is None:
        with driver_errors_as_ours("target"), workspace.target.engine.connect() as connection:
            is_new = schema.version(connection) is None
        pool.warm(int(is_new))


def chosen(workspace: Workspace, options: RunOptions) -> list[Stream]:
    """The streams that a run is asked for.

    Raises:
        UsageProblem: a pattern or a tenant names nothing.
    """
    streams = select(workspace.streams(), options.selection)
    tenants = {stream.tenant for stream in streams}
    for tenant in options.tenants:
        if tenant not in tenants:
            names = ", ".join(sorted(tenants - {""})) or "none"
            raise UsageProblem(f"--tenant {tenant!r} names no tenant", why=f"there are {names}")
    if not options.tenants:
        return streams
    return [stream for stream in streams if stream.tenant in options.tenants]


def _plan(state: RunState) -> None:
    workspace, ledger = state.workspace, state.workspace.ledger

    def history() -> History:
        with workspace.target.engine.begin() as connection:
            return History.read_for_plan(connection, ledger)

    state.plans = planning.build(
        workspace,
        state.streams,
        state.patiently(history),
        state.briefing.cutting,
        run_id=state.run.run_id,
        since=state.options.since,
        is_restart=state.run.is_restart,
    )
    for plan in state.plans:
        for problem in plan.problems:
            state.note(plan.stream.name, plan.stream.tenant, problem)
    fresh, misfits = state.patiently(lambda: _prepare(state))
    for stream, misfit in misfits:
        state.note(stream.name, stream.tenant, misfit)
    state.plans = _without(state.plans, misfits)
    state.briefing = replace(state.briefing, fresh=fresh, streams=tuple(state.streams))


def _prepare(state: RunState) -> tuple[frozenset[tuple[str, Scope]], Misfits]:
    """Prove what is there, make the tables, and write the plan down: one transaction.

    A table that does not fit costs its stream and those that depend on it, and no other.
    """
    workspace, ledger = state.workspace, state.workspace.ledger
    registry = workspace.registry
    with state.writing() as connection:
        write_down(state, connection)
        site = Site(connection, workspace.target.dialect, ledger, state.signature())
        state.derived = derivable(state, connection)
        derived_streams = [derived.stream for derived in state.derived]
        accept = state.options.accept_foreign
        # What others did to a derived table is never adopted: it is made again.
        prove_earlier(site, [*state.streams, *([] if accept else derived_streams)], accept)
        add_earlier_keys(site, state.streams)
        # A plugin that loads may rely on the key.
        loads = any(registry.implements(name, "load") for name in registry.names)
        if derived_streams:
            prepare_tables(site, derived_streams)
        misfits: Misfits = []
        fresh = prepare_tables(site, state.streams, keys_later=not loads, misfits=misfits)
        if len(misfits) == len(state.streams):
            raise misfits[0][1]
        for plan in _without(state.plans, misfits):
            runs.plan(
                connection, ledger, state.signature(), plan.stream, plan.plan_id, plan.partitions
            )
    return fresh, misfits


def _without(plans: Sequence[planning.StreamPlan], misfits: Misfits) -> list[planning.StreamPlan]:
    """The plans, in which streams whose tables do not fit read nothing."""
    labels = {stream.label for stream, _ in misfits}
    return [
        replace(plan, partitions=(), skipped=()) if plan.stream.label in labels else plan
        for plan in plans
    ]


def _work(state: RunState, stop: StopSignals, local: LocalPool) -> None:
    """Hand the tasks out, parents before children."""
    by_stream = {(plan.stream.name, plan.stream.tenant): plan for plan in state.plans}
    levels = [
        [task for stream in level for task in _tasks(state, by_stream[stream.name, stream.tenant])]
        for level in partitions.levels(state.streams)
    ]
    total = sum(len(tasks) for tasks in levels)
    if not total:
        return
    state.workers = min(state.workspace.settings.core.worker_count, max(map(len, levels)))
    pulse = _pulse(state, stop)
    with _pool(state, local) as pool:
        scouts = find_scouts(state, levels)
        for tasks in [
            scouts,
            *([task for task in level if task not in scouts] for level in levels),
        ]:
            ready = [task for task in tasks if not is_hopeless(state, task)]
            for finished in pool.run(ready, pulse, lambda: stop.requested):
                _finished(state, finished, scouts, stop)


def _tasks(state: RunState, plan: planning.StreamPlan) -> list[Task]:
    stream = plan.stream
    twice = sampled(state.workspace, stream, plan.partitions)
    return [
        Task(stream.name, stream.tenant, plan.plan_id, part, is_sampled=part.digest == twice)
        for part in plan.partitions
    ]


def _pool(
    state: RunState, local: LocalPool
) -> AbstractContextManager[LocalPool] | AbstractContextManager[EnginePool]:
    if state.options.engine is None:
        return nullcontext(local)
    registry = state.workspace.registry
    return EnginePool(state.briefing, find_engine(registry, state.options.engine, state.workers))


def _settle(state: RunState, stop: StopSignals) -> None:
    """Keys, stubs and bookmarks; what fails there is told with the verdict, not instead of it."""
    if stop.requested and not stop.number:
        return
    try:
        state.patiently(lambda: finish(state))
        state.is_settled = True
    except MigrationError as error:
        state.problems.append(error)


def _finished(
    state: RunState, finished: Finished, scouts: Sequence[Task], stop: StopSignals
) -> None:
    task = finished.task
    state.told.update(finished.lanes)
    state.events.add_usage(task.stream, task.tenant, finished.usage)
    if finished.error is not None:
        state.note(task.stream, task.tenant, finished.error)
        if task in scouts:
            state.closed.add((task.plugin, task.tenant))
        if is_fatal(finished.error):
            stop.request()


def _pulse(state: RunState, stop: StopSignals) -> Callable[[], None]:
    """Every few seconds the run checks its lock, beats, and writes what the ledger is to hold.

    While the target is away the workers wait for it by themselves, and so does this, as long.
    """
    last = 0.0
    away_since: float | None = None
    sealer = Sealer(state)

    def pulse() -> None:
        nonlocal last, away_since
        if stop.requested or time.monotonic() - last < BEAT_SECONDS:
            return
        last = time.monotonic()
        try:
            state.lock.ensure()
            _beat(state)
            sealer.seal()
            state.write_events()
            away_since = None
        except TargetBusy:
            away_since = None  # it is there, and the workers write
        except TargetUnavailable as error:
            away_since = away_since or last
            if time.monotonic() - away_since >= state.retry.limit(error):
                state.problems.append(error)
                stop.request()
        except MigrationError as error:
            state.problems.append(error)
            stop.request()

    return pulse


def _beat(state: RunState) -> None:
    # A frozen worker may hold the file, and only who does not wait for it sees that.
    hurried = state.workspace.target.engine.execution_options(**{HURRIED: True})
    with driver_errors_as_ours("heartbeat"), hurried.begin() as connection:
        fence.beat(connection, state.workspace.ledger, state.holder)


def _before(state: RunState) -> list[StreamTotals]:
    """What a run that is resumed has done already; nothing of it is told again."""
    target, ledger = state.workspace.target, state.workspace.ledger

    def read() -> list[StreamTotals]:
        with target.dialect.reading(target.engine) as connection:
            return stream_totals(connection, ledger, state.run.run_id)

    return state.patiently(read) if state.resumed else []


def _incomplete(state: RunState) -> None:
    """Streams with a partition whose last batch is not committed."""
    target = state.workspace.target
    with target.dialect.reading(target.engine) as connection:
        complete = receipts.complete(connection, state.workspace.ledger)
    for plan in state.plans:
        stream = plan.stream
        unread = [
            part
            for part in plan.partitions
            if (stream.name, stream.tenant, part.digest) not in complete
        ]
        if unread:
            count = len(plan.partitions)
            state.unfinished.setdefault(
                stream.label, f"{len(unread)} of {count} partitions are not complete"
            )
