"""What the steps of one run hand on to each other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import Connection

from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.open import HURRIED
from messy_migration.databases.retry import Retry
from messy_migration.errors import MigrationError
from messy_migration.fingerprint.keyed import Key
from messy_migration.ledger import events, fence
from messy_migration.ledger.audit import Audit
from messy_migration.ledger.clock import now
from messy_migration.ledger.fence import Holder
from messy_migration.ledger.lanes import Heads, Lane, Signature
from messy_migration.ledger.receipts import Scope
from messy_migration.ledger.runs import Run
from messy_migration.model import Derived, Stream, stream_label
from messy_migration.model.event import tell
from messy_migration.run.events import RunEvents, condition
from messy_migration.run.lock import RunLock
from messy_migration.run.options import RunOptions
from messy_migration.run.plan import StreamPlan
from messy_migration.workers.task import Briefing
from messy_migration.workspace import Workspace

T = TypeVar("T")


@dataclass
class RunState:
    """A run that holds its target.

    Attributes:
        workspace: settings, plugins, target and ledger.
        options: what it was asked to do.
        run: as the ledger has it.
        briefing: what its workers have to know.
        holder: who this process is, for the heartbeat.
        lock: the run lock.
        retry: how long the run waits for its target.
        resumed: it took up an unfinished run.
        streams: the selected ones.
        plans: what is to be read of each.
        problems: what went wrong, in the order in which it was met.
        unfinished: label of a stream -> why not all of it was read.
        is_settled: keys, stubs and bookmarks are done.
        closed: (plugin, tenant) of accounts whose first task failed.
        workers: processes that worked.
        lane: of what this process writes into the ledger.
        is_new_ledger: this run made the ledger.
        key: that this process signs under; None without one.
        told: what workers say of the lanes that they have written in.
        events: what is said of the run.
        derived: the tables that are made when all is loaded.
        audit: what the ledger and its chain were found to be when the run began.
    """

    workspace: Workspace
    options: RunOptions
    run: Run
    briefing: Briefing
    holder: Holder
    lock: RunLock
    retry: Retry
    resumed: bool
    streams: list[Stream]
    events: RunEvents
    plans: list[StreamPlan] = field(default_factory=list)
    problems: list[MigrationError] = field(default_factory=list)
    unfinished: dict[str, str] = field(default_factory=dict)
    is_settled: bool = False
    closed: set[tuple[str, str]] = field(default_factory=set)
    workers: int = 0
    lane: Lane = field(default_factory=Lane)
    is_new_ledger: bool = False
    derived: list[Derived] = field(default_factory=list)
    audit: Audit | None = None
    key: Key | None = None
    told: Heads = field(default_factory=dict)

    def note(self, stream: str, tenant: str, problem: MigrationError) -> None:
        """A stream met a problem, and is not complete."""
        label = stream_label(stream, tenant)
        # What a plugin says may hold a secret of its own; from here on it is shown and written.
        # Of two accounts at one address, the address does not say which one it is.
        problem = problem.located(label, self.workspace.request.redactor.text)
        self.problems.append(problem)
        if (met := condition(problem, stream, tenant)) is not None:
            tell(met)
        self.unfinished.setdefault(label, f"not all of {label} was read: {problem.what}")

    def patiently(self, step: Callable[[], T]) -> T:
        """What a step on the target gives, done again while the target is away, busy or full.

        Raises:
            Locked: the lock was lost to another run.
            TargetUnavailable, TargetBusy, TargetFull: the target stayed so beyond the deadline.
        """

        def attempt() -> T:
            self.lock.ensure()
            with driver_errors_as_ours(f"target {self.workspace.target.label}"):
                return step()

        return self.retry.call(attempt)

    @property
    def tables(self) -> list[tuple[str, Scope]]:
        """What the run writes: the tables of its streams, and those that are made from them."""
        streams = [*self.streams, *(derived.stream for derived in self.derived)]
        return [(table.name, table.scope) for stream in streams for table in stream.tables]

    @contextmanager
    def writing(self, *, is_hurried: bool = False) -> Iterator[Connection]:
        """A transaction that commits only if no newer run took the target over.

        Args:
            is_hurried: wait for nobody who holds the file.

        Raises:
            Locked: one did.
            TargetBusy: somebody holds the file.
        """
        engine = self.workspace.target.engine
        if is_hurried:
            engine = engine.execution_options(**{HURRIED: True})
        with engine.begin() as connection:
            yield connection
            fence.check(
                connection,
                self.workspace.ledger,
                self.briefing.epoch,
            )
        self.lane.settle()

    @contextmanager
    def closing(self) -> Iterator[Connection]:
        """The last transaction of a run: what is still under way somewhere can commit no more.

        Raises:
            Locked: a newer run took the target over.
        """
        with self.workspace.target.engine.begin() as connection:
            fence.check(connection, self.workspace.ledger, self.briefing.epoch)
            # Waits for the batches that hold the epoch, and fences off all others.
            fence.raise_epoch(connection, self.workspace.ledger)
            yield connection
        self.lane.settle()

    def write_events(self) -> None:
        """Bring what is said of the run into the ledger, in a transaction of its own.

        Raises:
            TargetBusy, TargetUnavailable: it could not be written now; it is kept.
            Locked: a newer run took the target over.
        """
        if not (kept := self.events.kept()):
            return
        with driver_errors_as_ours("events"), self.writing(is_hurried=True) as connection:
            events.write(connection, self.workspace.ledger, self.signature(), kept)
        self.events.written(kept[-1][0])

    def tell_untold(self) -> None:
        """Tell the batches that workers committed and did not live to tell."""
        names = {part.digest: part.name for plan in self.plans for part in plan.partitions}
        target, batches = self.workspace.target, self.events.batches
        with target.dialect.reading(target.engine) as connection:
            ours = (connection, self.workspace.ledger, self.signature())
            for event in events.untold(*ours, batches, names):
                tell(event)

    def signature(self) -> Signature:
        """How this process signs receipts."""
        run, epoch = self.run.run_id, self.briefing.epoch
        return Signature(run, epoch, os.getpid(), now(), self.lane, self.key)
