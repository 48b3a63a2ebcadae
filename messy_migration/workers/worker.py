"""The work of one process: take a partition end to end.

Only names, bounds and receipts cross the process border. A worker builds its settings, its
plugins and its own connections once, and keeps them for every task that it is given.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from messy_migration.databases.errors import RowsRefused, driver_errors_as_ours
from messy_migration.databases.merge import Overtaken
from messy_migration.databases.retry import Retry
from messy_migration.errors import (
    AccessRefused,
    ConfigurationError,
    Locked,
    MigrationError,
    PluginError,
    SourceCountDrift,
    TargetUnavailable,
)
from messy_migration.ledger import fence, landings, receipts, superseded
from messy_migration.ledger.clock import now
from messy_migration.ledger.lanes import Lane, Signature
from messy_migration.ledger.superseded import Waiting
from messy_migration.model import Fingerprint, Partition, Stream
from messy_migration.model.event import tell
from messy_migration.model.events import BatchRetriesExhausted, PartitionLanded
from messy_migration.model.usage import Usage
from messy_migration.pipeline import landing
from messy_migration.pipeline.commit import ReceiptRefused, batch_id, commit
from messy_migration.pipeline.cut import Cut
from messy_migration.pipeline.extract import cuts, extracted_items, landed_at
from messy_migration.pipeline.halves import Span, left_over, span_of
from messy_migration.pipeline.prepare import Prepared, condemned, prepare_batch
from messy_migration.pipeline.reread import beginning, refuse_other
from messy_migration.pipeline.source_proof import Reading
from messy_migration.pipeline.write import Writer
from messy_migration.workers.task import Briefing, Task
from messy_migration.workers.telling import Meter, batch_committed
from messy_migration.workspace import open_workspace


def _unwatched(_: Span) -> None:
    """Nobody supervises this worker."""


class Worker:
    """A process's own settings, plugins and target for one briefing."""

    def __init__(self, briefing: Briefing) -> None:
        self.briefing = briefing
        self.lane = Lane()
        self._meter = Meter()
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
        self._check_key()
        stream = self._stream(task)
        retry = self.workspace.retry(should_stop)
        where = f"stream {stream.label}"
        batches, waiting = retry.call(lambda: self._known(where, stream, task))
        done = {identity: read for identity, (_, read) in batches.items()}
        # Batches may have been committed under other settings; each keeps its own identity.
        committed: dict[int, set[str]] = defaultdict(set)
        for identity, (ordinal, _) in batches.items():
            committed[ordinal].add(identity.partition(".")[0])
        writer = self._writer(retry, waiting)
        if stream.lands:
            self._land(stream, task.partition, retry, is_begun=bool(done))
        reading = Reading(self.workspace, stream, task.partition, done)
        sample = self._sample(stream, task)
        extracted = 0
        for part in cuts(self.workspace, self.briefing.cutting, stream, task.partition):
            if should_stop():
                return False
            if sample is not None and part.ordinal == 0:
                refuse_other(sample, part, stream, task.partition)
            extracted += part.records
            if part.last and not stream.lands:
                self._check_count(stream, task.partition, extracted, extracted)
            identity = batch_id(stream, task.partition, task.plan_id, part)
            identities = committed[part.ordinal] | {identity}
            reading.take(part, identities)
            for some in left_over(part, identities, done.keys(), task.fatal):
                at(span_of(some))
                prepared = reading.with_extraction(self._prepare(stream, task, some), part)
                self._commit(writer, task, prepared, identity, some)
            at(Span(part.ordinal + 1, 0, 0))
        return True

    def _commit(
        self, writer: Writer, task: Task, prepared: Prepared, identity: str, part: Cut
    ) -> None:
        """Commit a batch, or a part of one, and say so.

        Raises:
            MigrationError: see `pipeline.commit.commit`.
        """
        label = {"stream": task.stream, "tenant": task.tenant}
        try:
            receipt = commit(writer, task.partition, task.plan_id, prepared)
        except (Overtaken, ReceiptRefused, RowsRefused) as error:
            texts = {"what": error.what, "where": error.where, "why": error.why}
            tell(BatchRetriesExhausted(**label, batch=identity, **texts))
            raise
        if receipt is not None:
            tell(batch_committed(receipt, task.partition.name, self._meter.read(part.size)))

    def usage(self) -> Usage:
        """What was used since the last batch was told."""
        return self._meter.read()

    def _known(
        self, where: str, stream: Stream, task: Task
    ) -> tuple[dict[str, tuple[int, Fingerprint | None]], Waiting]:
        """The batches of the partition that are committed, and what waits in quarantine."""
        target, ledger = self.workspace.target, self.workspace.ledger
        stream_key = (stream.name, stream.tenant)
        with driver_errors_as_ours(where), target.dialect.reading(target.engine) as connection:
            return (
                receipts.of_partition(connection, ledger, *stream_key, task.partition.digest),
                superseded.waiting(connection, ledger, *stream_key, self.briefing.run_id),
            )

    def _land(self, stream: Stream, partition: Partition, retry: Retry, *, is_begun: bool) -> None:
        """Ask the source, unless the partition has landed already."""
        workspace = self.workspace
        identity = (stream.name, stream.tenant, partition.digest)
        earlier = retry.call(lambda: landed_at(workspace, *identity))
        if earlier is not None and (is_begun or Path(earlier.path).is_file()):
            return
        folder = workspace.settings.directory / workspace.settings.core.landing
        path = landing.path_of(folder.absolute(), stream, partition.digest, self.briefing.run_id)
        landed, names = landing.write(path, stream, extracted_items(workspace, stream, partition))
        self._check_count(stream, partition, names, landed.records)

        def remember() -> None:
            with (
                driver_errors_as_ours(f"stream {stream.label}"),
                workspace.target.engine.begin() as connection,
            ):
                landings.add(connection, workspace.ledger, self._signature(), identity, landed)
                # What an older run still lands must not replace what a newer one has landed.
                fence.check(connection, workspace.ledger, self.briefing.epoch)
            self.lane.settle()

        # Apart from the rest: a source is not asked again because the target was away.
        retry.call(remember)
        tell(
            PartitionLanded(
                stream=stream.name,
                tenant=stream.tenant,
                partition=partition.name,
                records=landed.records,
            )
        )

    def _check_count(self, stream: Stream, partition: Partition, least: int, most: int) -> None:
        """Hold what was read against what the source itself says it has.

        A source that repeats a record may count it once or each time.
        """
        said = self.workspace.registry.call_one(
            stream.plugin,
            "count",
            stream=stream.as_offered,
            partition=partition,
        )
        if said is not None and not least <= said <= most:
            raise SourceCountDrift(
                "the source has another number of records than were read",
                f"stream {stream.label}, {partition.name}",
                f"it says {said:,}, read were {most:,}",
                "type the same command again; if it stays so, the source hides records",
            )

    def _sample(self, stream: Stream, task: Task) -> Cut | MigrationError | None:
        if not task.is_sampled:
            return None
        return beginning(self.workspace, self.briefing.cutting, stream, task.partition)

    def _prepare(self, stream: Stream, task: Task, part: Cut) -> Prepared:
        if part.rows == 1 and span_of(part) in task.fatal:
            return condemned(stream, part, f"workers that took it on died: {task.death}")
        target = self.workspace.target
        return prepare_batch(
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

    def _writer(self, retry: Retry, waiting: Waiting) -> Writer:
        return Writer(
            self.workspace.target,
            self.workspace.ledger,
            self._signature(),
            self.workspace.registry,
            self.briefing.fresh,
            retry,
            waiting,
            self.workspace.request.redactor.known,
        )

    def _signature(self) -> Signature:
        run = self.briefing
        key = self.workspace.key
        return Signature(run.run_id, run.epoch, os.getpid(), now(), self.lane, key)

    def _check_key(self) -> None:
        """Refuse to sign under another key than the run."""
        key = self.workspace.key
        if (key.id if key else "") != self.briefing.key_id:
            raise ConfigurationError(
                "the fingerprint_key changed while the run was under way",
                "fingerprint_key",
                "a worker finds another secret behind the reference than the run",
                "type the same command again",
            )


def is_fatal(error: MigrationError) -> bool:
    """No other task can do better: the target is gone, or it belongs to another run."""
    return isinstance(error, (Locked, AccessRefused, TargetUnavailable))
