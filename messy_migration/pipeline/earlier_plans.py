"""Plans of before: under which settings the batches of the ledger became rows.

A plan id follows from what it stands for, so nothing says what an old one was: the settings that
runs kept are laid over those of today, one version after the other, until the id comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from sqlalchemy import Connection

from messy_migration.config.row_settings import differing
from messy_migration.errors import MigrationError
from messy_migration.ledger import receipts, runs
from messy_migration.ledger.runs import Kept, Run
from messy_migration.model import Stream
from messy_migration.pipeline.cut import Cutting
from messy_migration.pipeline.plan_id import Basis, basis
from messy_migration.registry import Registry
from messy_migration.streams import reshaped
from messy_migration.workspace import Workspace


@dataclass(frozen=True)
class Batch:
    """A batch that the ledger knows.

    Attributes:
        digest: of its partition.
        ordinal: its place there.
        identity: of the batch; of parts what they have in common.
    """

    digest: str
    ordinal: int
    identity: str

    def is_of(self, stream: Stream, plan: Basis) -> bool:
        """Was it made under a plan, or under what older programs called this plan?"""
        place = (stream.name, stream.tenant)
        return self.identity in {
            receipts.batch_id(*place, plan_id, self.digest, self.ordinal)
            for plan_id in (plan.id, plan.former)
        }


@dataclass(frozen=True)
class Made:
    """How rows of a stream are, or were, made.

    Attributes:
        workspace: with the settings of then, and the secrets and addresses of today.
        stream: as its plugin offers it under these settings.
        plan: what it all amounts to.
    """

    workspace: Workspace
    stream: Stream
    plan: Basis


def kept_now(registry: Registry) -> Kept:
    """What a ledger keeps of the settings and versions of today; never a secret."""
    sections = {
        name: counted
        for name, section in registry.sections.items()
        if (counted := registry.counted(section))
    }
    return Kept(dict(registry.versions), sections)


@dataclass
class EarlierPlans:
    """What the batches of a target may have been made under; looked up only where it is asked.

    Attributes:
        workspace: of today.
        runs: gives the runs of the target, the newest first.
    """

    workspace: Workspace
    runs: Callable[[], Sequence[Run]]
    _offered: dict[int, tuple[Workspace, list[Stream]] | None] = field(default_factory=dict)

    @classmethod
    def of(cls, workspace: Workspace, connection: Connection) -> EarlierPlans:
        """Those of the ledger behind a connection, which has to stay open."""
        return cls(workspace, lambda: runs.history(connection, workspace.ledger, None))

    def made(self, stream: Stream, cutting: Cutting, batch: Batch) -> Made | None:
        """How a batch was made, as far as the plugins of today can make it again."""
        return next(
            (made for made in self._all(stream, cutting) if batch.is_of(made.stream, made.plan)),
            None,
        )

    def changed(self, stream: Stream, made: Made) -> list[str]:
        """The dotted names of the settings that were others; no value."""
        names = list(differing(made.stream.settings or {}, stream.settings or {}, stream.plugin))
        now, then = self.workspace.registry, made.workspace.registry
        for plugin in (rule[0] for rule in made.plan.rules if len(rule) > 2):
            before, after = (one.counted(one.sections.get(plugin)) for one in (then, now))
            names += differing(before, after, plugin)
        return list(dict.fromkeys(names))

    def unlike(self, stream: Stream, cutting: Cutting, batch: Batch) -> str:
        """Why no plan of today is that of a batch, in words; names of settings, no value."""
        now = self.workspace.registry
        cuttings = {Cutting.of_options(run.options) for run in self.runs()}
        for other in cuttings - {cutting}:
            if self.made(stream, other, batch):
                return (
                    f"it was cut into batches of {other.records:,} records, {other.bytes:,} bytes"
                )
        for kept in self._kept:
            for made in self._under(stream, cutting, kept, versions=kept.versions):
                if batch.is_of(made.stream, made.plan):
                    return "; ".join(
                        f"{name} was {kept.versions[name]} and is {now.versions[name]}"
                        for name in now.names
                        if kept.versions.get(name, now.versions[name]) != now.versions[name]
                    )
        today = kept_now(now).sections or {}
        names = [
            name
            for kept in self._kept[:1]
            if kept.sections is not None
            for plugin in sorted({*kept.sections, *today})
            for name in differing(kept.sections.get(plugin), today.get(plugin), plugin)
        ]
        return f"of its settings differ: {', '.join(names)}" if names else ""

    @cached_property
    def _kept(self) -> list[Kept]:
        return runs.kept(self.runs())

    def _all(self, stream: Stream, cutting: Cutting) -> Iterator[Made]:
        yield Made(self.workspace, stream, basis(self.workspace, stream, cutting))
        today = kept_now(self.workspace.registry).sections
        for kept in self._kept:
            if kept.sections not in (None, today):
                yield from self._under(stream, cutting, kept)

    def _under(
        self,
        stream: Stream,
        cutting: Cutting,
        kept: Kept,
        versions: Mapping[str, str] | None = None,
    ) -> Iterator[Made]:
        offered = self._streams(kept)
        if offered is None:
            return
        workspace, streams = offered
        if versions is not None:
            of_then = {**workspace.registry.versions, **versions}
            workspace = replace(workspace, registry=replace(workspace.registry, versions=of_then))
        place = (stream.name, stream.tenant)
        there = [one for one in streams if (one.name, one.tenant) == place]
        if not there and stream.plugin in workspace.registry.unset:
            declared = replace(stream.as_offered, settings=stream.settings)
            there = [reshaped(workspace.registry, declared)]
        for one in there:
            yield Made(workspace, one, basis(workspace, one, cutting))

    def _streams(self, kept: Kept) -> tuple[Workspace, list[Stream]] | None:
        """What there is under kept settings; None where today's plugins do not take them."""
        number = id(kept)
        if number not in self._offered:
            try:
                workspace = self.workspace.with_kept(kept.sections or {})
                self._offered[number] = (workspace, workspace.streams())
            except MigrationError:
                self._offered[number] = None
        return self._offered[number]
