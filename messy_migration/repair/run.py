"""A repair as a run: plan, carry out, reconcile again, close."""

from __future__ import annotations

import time

from messy_migration.errors import ProofError
from messy_migration.ledger import stamps
from messy_migration.ledger.receipts import Scope
from messy_migration.reconcile.options import ReconcileOptions, Repair
from messy_migration.reconcile.reconcile import Tables
from messy_migration.repair.apply import Repaired, RepairedTable, carry_out
from messy_migration.repair.plan import Todo, plan_repair
from messy_migration.run.close import close_run
from messy_migration.run.derive import derivable, make_derived
from messy_migration.run.events import RunEvents
from messy_migration.run.keying import begin_key
from messy_migration.run.lock import RunLock
from messy_migration.run.open import new_run_id, open_run, say_begun
from messy_migration.run.options import SEED, RunOptions
from messy_migration.run.outcome import Outcome
from messy_migration.run.prepare import Site, prove_earlier
from messy_migration.run.signals import StopSignals
from messy_migration.run.state import RunState
from messy_migration.workspace import Workspace

REPAIR, ADOPT = "reconcile --repair", "reconcile --accept-foreign"
"""What stands as the selection of such a run in the ledger; no stream is named like that."""
_MADE = "table is made again from its bases"


def repair(
    workspace: Workspace,
    lock: RunLock,
    tables: Tables | None,
    incomplete: dict[str, str],
    options: ReconcileOptions,
    events: RunEvents,
) -> tuple[Repaired, Outcome | None]:
    """Repair, and reconcile what was repaired; the caller holds the run lock.

    Args:
        workspace: with the plugins of the streams.
        lock: the run lock.
        tables: (table, scope) pairs, or None for all.
        incomplete: label of a stream -> why not all of it was read.
        options: how far to go, and whether only to say so.
        events: what is said of the run.
    """
    wish: Repair = options.repair or "differing"
    todos = plan_repair(workspace, tables, incomplete, wish)
    repaired = tuple(_told(todo) for todo in todos)
    if options.dry_run or not any(todo.is_any for todo in todos):
        return Repaired(repaired), None
    began = time.monotonic()
    with StopSignals() as stop:
        state = _opened(workspace, lock, stop, REPAIR, {todo.state.key for todo in todos}, events)
        state.unfinished.update(incomplete)
        carry_out(state, todos, stop)
        if not state.problems and not stop.requested:
            state.patiently(lambda: make_derived(state, again=True))
        state.is_settled = not state.problems and not stop.requested
        outcome = close_run(state, stop, began)
    return Repaired(repaired, outcome.run.run_id, outcome.report), outcome


def adopt(
    workspace: Workspace,
    lock: RunLock,
    tables: Tables | None,
    incomplete: dict[str, str],
    reason: str,
    events: RunEvents,
) -> Outcome | None:
    """Adopt what another program changed as receipts with a reason; None if it changed nothing.

    Raises:
        ProofError: a table cannot be read, or not all of its stream was.
    """
    began = time.monotonic()
    if incomplete:
        label, why = next(iter(incomplete.items()))
        raise ProofError(
            "changes can be adopted only when all was read",
            f"stream {label}",
            why,
            "finish the run first",
        )
    with StopSignals() as stop:
        chosen = None if tables is None else set(tables)
        state = _opened(workspace, lock, stop, ADOPT, chosen, events)
        with state.writing() as connection:
            target = workspace.target
            site = Site(connection, target.dialect, workspace.ledger, state.signature())
            prove_earlier(site, state.streams, reason)
        state.patiently(lambda: make_derived(state, again=True))
        state.is_settled = not state.problems
        return close_run(state, stop, began)


def _opened(
    workspace: Workspace,
    lock: RunLock,
    stop: StopSignals,
    selection: str,
    tables: set[tuple[str, Scope]] | None,
    events: RunEvents,
) -> RunState:
    """A run over the streams of these tables; one of the kind that was killed is taken up."""
    streams = [
        stream
        for stream in workspace.streams()
        if tables is None or any((table.name, table.scope) in tables for table in stream.tables)
    ]
    target = workspace.target
    with target.dialect.reading(target.engine) as connection:
        kind = stamps.kind(connection, workspace.ledger)
    options = RunOptions(selection=(selection,), sandbox=SEED if kind == "sandbox" else None)
    retry = workspace.retry(lambda: stop.requested)
    state = open_run(workspace, new_run_id(), streams, options, lock, retry, events)
    say_begun(state)
    begin_key(state)
    with target.dialect.reading(target.engine) as connection:
        state.derived = derivable(state, connection)
    return state


def _told(todo: Todo) -> RepairedTable:
    return RepairedTable(
        *todo.state.key,
        todo.count("missing"),
        todo.count("changed"),
        todo.count("extra"),
        (*todo.kept.items(), *([(_MADE, 1)] if todo.is_made_again else [])),
        todo.problem,
    )
