"""The work of one process: take a partition end to end.

Only names, bounds and receipts cross the process border. A worker builds its settings, its
plugins and its own connections once, and keeps them for every task that it is given.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from messy_migration import errors
from messy_migration.errors import (
    AccessRefused,
    Locked,
    MigrationError,
    PluginError,
    SourceError,
    TargetUnavailable,
)
from messy_migration.ledger import landings, receipts
from messy_migration.ledger.receipts import Scope, Signature
from messy_migration.ledger.runs import now
from messy_migration.model import Extracted, Partition, Stream, stream_label
from messy_migration.pipeline.commit import Writer, batch_id, commit
from messy_migration.pipeline.cut import Cut, cut
from messy_migration.pipeline.halves import Span, left_over, span_of
from messy_migration.pipeline.prepare import Prepared, condemned, prepare
from messy_migration.pipeline import landing
from messy_migration.workspace import Request, Workspace, open_workspace
from messy_migration.databases.errors import refusals
from messy_migration.databases.retry import Patience

_END = object()


@dataclass(frozen=True)
class Briefing:
    """What every worker of a run has to know; plain data.

    Attributes:
        request: how to find the settings, with the digest they must have.
        run_id, epoch: of the run.
        fresh: (table, scope) pairs that the run found empty.
        batch_records, batch_bytes: bounds of a batch, fixed when the run began.
        streams: those of the run, as it was planned; none if the plugins are to be asked.
    """

    request: Request
    run_id: str
    epoch: int
    fresh: frozenset[tuple[str, Scope]]
    batch_records: int
    batch_bytes: int
    streams: tuple[Stream, ...] = ()

    @property
    def application(self) -> str:
        """The name of the run's connections on the server."""
        return f"mm:{self.run_id}"


@dataclass(frozen=True)
class Task:
    """One partition to be read.

    Attributes:
        stream, tenant, plan_id: what it belongs to, and how its records become rows.
        partition: what to read.
        fatal: rows of which workers died when they took them at once: they are taken in halves,
            and a single record goes to quarantine.
        death: how the last of those workers died, in words.
    """

    stream: str
    tenant: str
    plan_id: str
    partition: Partition
    fatal: tuple[Span, ...] = ()
    death: str = ""

    @property
    def plugin(self) -> str:
        """The plugin that reads it."""
        return self.stream.partition(".")[0]

    @property
    def place(self) -> tuple[str, str, str]:
        """What identifies the task: stream, tenant and digest of the partition."""
        return self.stream, self.tenant, self.partition.digest

    @property
    def label(self) -> str:
        """The task as people see it."""
        return f"{stream_label(self.stream, self.tenant)}, {self.partition.name}"


def _unwatched(_: Span) -> None:
    """Nobody supervises this worker."""


class Worker:
    """A process's own settings, plugins and target for one briefing."""

    def __init__(self, briefing: Briefing) -> None:
        self.briefing = briefing
        self.workspace = open_workspace(
            briefing.request, application=briefing.application, keep=True
        )

    def close(self) -> None:
        """Give the connection to the target back."""
        self.workspace.target.engine.dispose()

    def work(
        self,
        task: Task,
        should_stop: Callable[[], bool],
        at: Callable[[Span], None] = _unwatched,
    ) -> bool:
        """Read, prepare and commit what is left of a partition; False if told to stop before.

        Args:
            task: which partition.
            should_stop: asked before each batch.
            at: told of the rows that are taken on; of no rows while the next ones are extracted.

        Raises:
            MigrationError: what is committed stays committed, the rest can be resumed.
        """
        at(Span(0, 0, 0))
        stream = self._stream(task)
        patience = self.workspace.patience(should_stop)
        writer = self._writer(patience)
        where = f"stream {stream.label}"
        done = patience.persist(lambda: self._done(where, stream, task))
        if stream.lands:
            self._land(stream, task.partition, patience, is_begun=bool(done))
        extracted = 0
        for part in cuts(self.workspace, self.briefing, stream, task.partition):
            if should_stop():
                return False
            extracted += part.records
            if part.last and not stream.lands:
                self._check_count(stream, task.partition, extracted, extracted)
            identity = batch_id(stream, task.partition, task.plan_id, part)
            for some in left_over(part, identity, done, task.fatal):
                at(span_of(some))
                prepared = self._prepare(stream, task, some)
                commit(writer, task.partition, task.plan_id, prepared)
            at(Span(part.ordinal + 1, 0, 0))
        return True

    def _done(self, where: str, stream: Stream, task: Task) -> set[str]:
        target = self.workspace.target
        with refusals(where), target.dialect.reading(target.engine) as connection:
            return receipts.of_partition(
                connection,
                self.workspace.ledger,
                stream.name,
                stream.tenant,
                task.partition.digest,
            )

    def _land(
        self, stream: Stream, partition: Partition, patience: Patience, *, is_begun: bool
    ) -> None:
        """Ask the source, unless the partition has landed already."""
        workspace = self.workspace
        place = (stream.name, stream.tenant, partition.digest)
        found = patience.persist(lambda: landed_at(workspace, *place))
        if found is not None and (is_begun or Path(found.path).is_file()):
            return
        folder = workspace.settings.directory / workspace.settings.core.landing
        path = landing.path_of(folder.absolute(), stream, partition.digest, self.briefing.run_id)
        landed, names = landing.write(path, stream, extracted_items(workspace, stream, partition))
        self._check_count(stream, partition, names, landed.records)

        def remember() -> None:
            with refusals(f"stream {stream.label}"), workspace.target.engine.begin() as connection:
                landings.add(connection, workspace.ledger, place, self.briefing.run_id, landed)

        # Apart from the rest: a source is not asked again because the target was away.
        patience.persist(remember)

    def _check_count(self, stream: Stream, partition: Partition, least: int, most: int) -> None:
        """Hold what was read against what the source itself says it has.

        A source that repeats a record may count it once or each time.
        """
        said = self.workspace.registry.call_one(
            stream.plugin,
            "count",
            stream=stream,
            partition=partition,
            settings=self.workspace.sections[stream.plugin],
        )
        if said is not None and not least <= said <= most:
            raise SourceError(
                "the source has another number of records than were read",
                f"stream {stream.label}, {partition.name}",
                f"it says {said:,}, read were {most:,}",
                "type the same command again; if it stays so, the source hides records",
            )

    def _prepare(self, stream: Stream, task: Task, part: Cut) -> Prepared:
        if part.rows == 1 and span_of(part) in task.fatal:
            return condemned(stream, part, f"workers that took it on died: {task.death}")
        target = self.workspace.target
        return prepare(
            self.workspace.registry, stream, task.partition, part, target.dialect.unstorable
        )

    def _stream(self, task: Task) -> Stream:
        # A source that has to be asked what it has (a database) is asked once, by the parent.
        for stream in self.briefing.streams or self._asked:
            if (stream.name, stream.tenant) == (task.stream, task.tenant):
                return stream
        raise PluginError(
            "a plugin no longer offers a stream that it offered before",
            f"stream {task.stream}",
            "streams() has to give the same answer in every process",
        )

    @cached_property
    def _asked(self) -> list[Stream]:
        return self.workspace.streams()

    def _writer(self, patience: Patience) -> Writer:
        signature = Signature(self.briefing.run_id, self.briefing.epoch, os.getpid(), now())
        return Writer(
            self.workspace.target,
            self.workspace.ledger,
            signature,
            self.workspace.registry,
            self.briefing.fresh,
            patience,
        )


def cuts(
    workspace: Workspace, briefing: Briefing, stream: Stream, partition: Partition
) -> Iterator[Cut]:
    """The batches of a partition, cut the same way every time."""
    limit = min(briefing.batch_records, workspace.target.dialect.batch_records)
    return cut(_items(workspace, stream, partition), limit, briefing.batch_bytes)


def _items(workspace: Workspace, stream: Stream, partition: Partition) -> Iterator[Extracted]:
    """The records of a partition: from the file in which it landed, or from its source."""
    if not stream.lands:
        return extracted_items(workspace, stream, partition)
    place = (stream.name, stream.tenant, partition.digest)
    landed = workspace.patience(lambda: False).persist(lambda: landed_at(workspace, *place))
    if landed is None:
        raise SourceError("a partition has not landed", f"stream {stream.label}, {partition.name}")
    return landing.read(landed, stream)


def landed_at(workspace: Workspace, *place: str) -> landings.Landed | None:
    """The file in which a partition landed: stream, tenant and digest."""
    with workspace.target.dialect.reading(workspace.target.engine) as connection:
        return landings.find(connection, workspace.ledger, *place)


def extracted_items(
    workspace: Workspace, stream: Stream, partition: Partition
) -> Iterator[Extracted]:
    """What the plugin's `extract` yields; whatever it raises names the plugin."""
    registry = workspace.registry
    items = registry.call_one(
        stream.plugin,
        "extract",
        stream=stream,
        partition=partition,
        settings=workspace.sections[stream.plugin],
    )
    if items is None:
        raise PluginError(
            "a plugin offers a stream and does not extract it",
            f"plugin {stream.plugin}, stream {stream.label}",
        )
    with registry.guard(stream.plugin, "extract"):
        iterator = iter(items)
    while True:
        try:
            with registry.guard(stream.plugin, "extract"):
                item: Any = next(iterator, _END)
        except GeneratorExit as error:
            raise PluginError(
                "a plugin ended its own generator",
                f"plugin {stream.plugin}, stream {stream.label}",
                "extract raised GeneratorExit",
            ) from error
        if item is _END:
            return
        yield item


def failure(error: BaseException, label: str = "") -> dict[str, str]:
    """An error as plain data, so that no exception class has to cross the process border.

    Args:
        error: of any class.
        label: the task that was worked on, added where a plugin or we ourselves failed.
    """
    if isinstance(error, MigrationError):
        # A plugin may derive from our errors; only ours are known everywhere.
        kind = next(item for item in type(error).__mro__ if item in vars(errors).values())
        is_told = error.exit_code not in (1, 4) or label.partition(",")[0] in error.where
        where = error.where if is_told else ", ".join(filter(None, (error.where, label)))
        return {
            "kind": kind.__name__,
            "what": error.what,
            "where": where,
            "why": error.why,
            "next": error.next,
        }
    return {
        "kind": "MigrationError",
        "what": "a defect in a worker",
        "where": label,
        "why": type(error).__name__,
        "next": "type the command again with --debug and report what it prints",
    }


def is_fatal(error: MigrationError) -> bool:
    """No other task can do better: the target is gone, or it belongs to another run."""
    return isinstance(error, (Locked, AccessRefused, TargetUnavailable))
