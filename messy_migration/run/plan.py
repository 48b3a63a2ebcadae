"""What a run is going to read and write, minus what is committed already."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from messy_migration.errors import MigrationError, SourceError
from messy_migration.ledger.history import History
from messy_migration.ledger.runs import Planned, short
from messy_migration.model import Partition, Stream
from messy_migration.pipeline.cut import Cutting
from messy_migration.pipeline.earlier_plans import EarlierPlans
from messy_migration.pipeline.partitions import ordered, partitions, whole
from messy_migration.pipeline.plan_id import Basis, basis
from messy_migration.run.half_loaded import course_of
from messy_migration.workspace import Workspace


@dataclass(frozen=True)
class StreamPlan:
    """One stream of a plan.

    Attributes:
        stream: what to read.
        plan_id: identifies how its records become rows.
        partitions: what is still to be read.
        skipped: partitions that are in the target already.
        problems: why some or all of it cannot be read.
        renewed: the source is read in another snapshot than when the run began.
        unread: table -> columns that no run has read so far, for which all of it is read again.
        notes: what is to be said of partitions that were loaded in part, or are not read again.
    """

    stream: Stream
    plan_id: str
    partitions: tuple[Partition, ...] = ()
    skipped: tuple[Partition, ...] = ()
    problems: tuple[MigrationError, ...] = field(default=())
    renewed: bool = False
    unread: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def build(
    workspace: Workspace,
    streams: Sequence[Stream],
    history: History,
    cutting: Cutting,
    *,
    run_id: str = "",
    since: datetime | None = None,
    is_restart: bool = False,
) -> list[StreamPlan]:
    """Ask every stream for its partitions, parents before children.

    A stream that cannot be asked is a problem of its own and stops no other. A stream that
    lands and was planned by this very run before is not asked for others: its windows stay, and
    those of which nothing is loaded are read under the settings of today.

    Args:
        workspace: with the plugins.
        streams: the selected ones.
        history: what the ledger says of earlier work.
        cutting: bounds of a batch, part of the plan id.
        run_id: of the run, if it may have planned before.
        since: begin here, whatever the bookmarks say.
        is_restart: read again what is in the target already, as far as it has a key.

    Raises:
        PluginError: streams depend on each other in a circle.
    """
    plans = []
    before = EarlierPlans(workspace, lambda: history.runs)
    for stream in ordered(streams):
        plan = basis(workspace, stream, cutting)
        earlier = [
            planned.partition
            for planned in history.planned
            if (planned.run_id, planned.stream, planned.tenant)
            == (run_id, stream.name, stream.tenant)
        ]
        unread = history.unread_columns(stream)
        is_whole = is_restart or unread
        start = since or (None if is_whole else _bookmark(stream, history))
        try:
            if stream.problem is not None:
                raise stream.problem
            # What the run planned before ends where the bookmark stood.
            planned = [] if unread and stream.lands else earlier
            offered = _offered(workspace, stream, history, start, planned, cutting, run_id)
        except MigrationError as error:
            plans.append(StreamPlan(stream, plan.id, problems=(error,)))
            continue
        if not is_restart:
            offered = [_under_columns(stream, history, part, earlier, unread) for part in offered]
        asked = _Asked(stream, history, plan, before, run_id if is_restart else "")
        stream_plan = asked.sorted_out(offered)
        is_renewed = bool(earlier) and any(part.held for part in stream_plan.partitions)
        plans.append(replace(stream_plan, renewed=is_renewed, unread=unread))
    return plans


def reread_lines(plans: Iterable[StreamPlan]) -> list[str]:
    """Which streams are read again from their beginning, and for which columns."""
    lines = []
    for plan in plans:
        columns = [f"{table}.{name}" for table, names in plan.unread.items() for name in names]
        if columns:
            verb = "is new or has" if len(columns) == 1 else "are new or have"
            lines.append(
                f"{plan.stream.label}: {', '.join(columns)} {verb} another type, so all of it is"
                " read again"
            )
    return lines


def _under_columns(
    stream: Stream,
    history: History,
    partition: Partition,
    earlier: Sequence[Partition],
    unread: Mapping[str, Sequence[str]],
) -> Partition:
    """The partition, under a digest of its own if it is complete and lacks columns of now.

    Args:
        stream: of the partition.
        history: what the ledger says.
        partition: as its plugin offers it.
        earlier: what this very run planned before; it may have been killed meanwhile.
        unread: table -> columns that no run has read so far.
    """
    if partition.held or not history.is_complete(stream, partition):
        return partition
    if not unread:
        again = (part for part in earlier if part.digest.startswith(f"{partition.digest}~"))
        return next(again, partition)
    columns = hashlib.sha256(json.dumps([dict(unread)]).encode()).hexdigest()[:16]
    return replace(partition, digest=f"{partition.digest}~{columns}")


def _bookmark(stream: Stream, history: History) -> datetime | None:
    """Where a stream goes on: its bookmark minus its overlap; nowhere if it is doubtful."""
    stream_key = (stream.name, stream.tenant)
    position = history.bookmarks.get(stream_key)
    if position is None or stream_key in history.doubtful:
        return None
    return datetime.fromisoformat(position) - timedelta(seconds=stream.overlap)


def _offered(
    workspace: Workspace,
    stream: Stream,
    history: History,
    since: datetime | None,
    earlier: Sequence[Partition],
    cutting: Cutting,
    run_id: str,
) -> list[Partition]:
    """The partitions that there are now; `earlier` are those that this very run planned."""
    if stream.lands and earlier:
        return _windows(workspace, stream, history, earlier, cutting)
    if not workspace.registry.implements(stream.plugin, "partitions"):
        return [whole(stream, run_id)]
    done = [partition for partition in earlier if history.is_complete(stream, partition)]
    unread = _left(stream, history, earlier, done) if earlier else None
    offered = partitions(workspace, stream, since, unread, _records(workspace, cutting))
    if any(partition.held is None for partition in offered):
        return offered
    # A plugin that keeps what was planned gives only what is left of it.
    return [*offered, *done]


def _left(
    stream: Stream, history: History, earlier: Sequence[Partition], done: Sequence[Partition]
) -> list[Partition]:
    """What a run planned and has not completed; of two of one name the one not yet begun."""
    names = {partition.name for partition in done}
    unread: dict[str, Partition] = {}
    for partition in earlier:
        if partition.name not in names and (
            partition.name not in unread or not history.is_begun(stream, partition)
        ):
            unread[partition.name] = partition
    return list(unread.values())


def _windows(
    workspace: Workspace,
    stream: Stream,
    history: History,
    earlier: Sequence[Partition],
    cutting: Cutting,
) -> list[Partition]:
    """The windows that a run planned; those of which nothing is loaded under today's settings."""
    begun = [part for part in earlier if history.is_begun(stream, part)]
    names = {part.name for part in begun}
    unread = {part.name: _first_known(part) for part in earlier if part.name not in names}
    windows = list(unread.values())
    if windows and workspace.registry.takes(stream.plugin, "partitions", "planned"):
        windows = partitions(workspace, stream, None, windows, _records(workspace, cutting))
    return [*map(_first_known, begun), *windows]


def _records(workspace: Workspace, cutting: Cutting) -> int:
    return min(cutting.records, workspace.target.dialect.batch_records)


def _first_known(partition: Partition) -> Partition:
    """A partition under the digest that its source gave it."""
    return replace(partition, digest=partition.digest.partition("~")[0])


@dataclass(frozen=True)
class _Asked:
    """A stream that has offered its partitions.

    Attributes:
        stream: which.
        history: what the ledger says of earlier work.
        plan: under which it is to be read.
        before: plans under which some of it may have been loaded.
        restarting: the run that reads all of it again, or empty.
    """

    stream: Stream
    history: History
    plan: Basis
    before: EarlierPlans
    restarting: str

    def sorted_out(self, offered: Sequence[Partition]) -> StreamPlan:
        """What of the partitions is to be read, what is there, and what cannot be read."""
        stream, history = self.stream, self.history
        todo, skipped, problems, notes = [], [], [], []
        loaded = history.loaded(stream)
        by_digest = {planned.partition.digest: planned for planned in loaded}
        newest = {planned.partition.input: planned for planned in loaded}
        siblings: dict[str, set[str]] = {}
        for offer in offered:
            siblings.setdefault(offer.input, set()).add(offer.digest)
        for offer in offered:
            last = newest.get(offer.input)
            is_same = last is not None and _content(last) in siblings[offer.input]
            was_there = not siblings[offer.input].isdisjoint(by_digest)
            partition = offer
            if self._is_due_again(last):
                partition = _under(offer, self.restarting)
            elif offer.held:
                partition = _read_again(stream, history, offer)
            elif last is not None and self._has_key:
                partition = _renewed(offer, last, is_same=is_same, was_there=was_there)
            same = by_digest.get(partition.digest)
            half = self._half(partition)
            run_id = "" if same is None else same.run_id
            course = course_of(stream, partition, half, self.plan, self.before, run_id)
            namesake = None if is_same else last
            problem = course.problem or _conflict(stream, partition, same, namesake)
            if history.is_complete(stream, partition):
                skipped.append(partition)
            elif problem:
                problems.append(problem)
            else:
                todo.append(partition)
                notes.append(course.note)
        if self.restarting and skipped and not self._has_key:
            count = f"{len(skipped):,} of its partitions"
            notes.append(f"{count} are in the target and are not read again: it has no key")
        return StreamPlan(
            stream,
            self.plan.id,
            tuple(todo),
            tuple(skipped),
            tuple(problems),
            notes=tuple(f"{stream.label}: {note}" for note in notes if note),
        )

    @property
    def _has_key(self) -> bool:
        return all(table.key for table in self.stream.tables)

    def _is_due_again(self, last: Planned | None) -> bool:
        """Does a run that reads all again still have to read an input for the first time?"""
        is_first = last is None or last.run_id != self.restarting
        return bool(self.restarting) and self._has_key and is_first

    def _half(self, partition: Partition) -> Mapping[int, AbstractSet[str]]:
        place = (self.stream.name, self.stream.tenant, partition.digest)
        return self.history.half.get(place, {})


def _under(partition: Partition, after: str) -> Partition:
    """The partition under a digest of its own, so that it is read from its start and merged."""
    mark = hashlib.sha256(after.encode()).hexdigest()[:16]
    return replace(partition, digest=f"{partition.digest.partition('~')[0]}~{mark}")


def _content(planned: Planned) -> str:
    return planned.partition.digest.partition("~")[0]


def _renewed(partition: Partition, last: Planned, *, is_same: bool, was_there: bool) -> Partition:
    """The partition, under a digest of its own if its content is that of an earlier time again.

    A file that was A, then B, and is A again has to be merged again, though A was loaded.

    Args:
        partition: as its source offers it.
        last: what was loaded last of its input.
        is_same: that was of the content that the input has now.
        was_there: the input had this content at some time.
    """
    if partition.digest == last.partition.digest:
        return partition
    _, mark, after = last.partition.digest.partition("~")
    if not is_same and was_there:
        mark, after = "~", hashlib.sha256(last.partition.digest.encode()).hexdigest()[:16]
    elif not is_same:
        return partition
    return replace(partition, digest=f"{partition.digest}{mark}{after}")


def _read_again(stream: Stream, history: History, partition: Partition) -> Partition:
    """The partition under a digest of its own, if it was half read in an earlier snapshot.

    Its batches would be cut elsewhere in this one: it is read from its start, and what is
    there already is found by its key.
    """
    has_key = all(table.key for table in stream.tables)
    is_half = history.is_begun(stream, partition) and not history.is_complete(stream, partition)
    if not (has_key and is_half):
        return partition
    snapshot = hashlib.sha256(str(partition.held).encode()).hexdigest()[:16]
    return replace(partition, digest=f"{partition.digest.partition('~')[0]}~{snapshot}")


def _conflict(
    stream: Stream, partition: Partition, same: Planned | None, namesake: Planned | None
) -> MigrationError | None:
    """Why reading this partition would double rows, or None.

    Args:
        stream: of the partition.
        partition: what is to be read.
        same: what was loaded with its digest.
        namesake: what was loaded last of its input, if the input had other content then.
    """
    has_key = all(table.key for table in stream.tables)
    if same is None and namesake is not None and not has_key:
        return SourceError(
            f"{partition.name} was loaded before with other content or under another schema",
            f"stream {stream.label}, run {short(namesake.run_id)}",
            "the stream has no key, so its rows can be neither merged nor told apart",
            "give the new records a file of their own, or declare a key",
        )
    return None
