"""What the ledger says about earlier work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from messy_migration.ledger import bookmarks, receipts, runs, source_proofs
from messy_migration.ledger.known_tables import all_states
from messy_migration.ledger.receipts import Scope
from messy_migration.ledger.runs import Planned, Run
from messy_migration.ledger.tables import Ledger
from messy_migration.model import Partition, Stream, Table
from messy_migration.model.evolution import gained

__all__ = ["History"]

Place = tuple[str, str, str]
"""(stream, tenant, partition digest or run id)."""


@dataclass(frozen=True)
class History:
    """What the ledger says about earlier work.

    Attributes:
        planned: every partition that any run planned.
        begun: partitions whose first batch is committed.
        complete: partitions whose last batch is committed.
        bookmarks: (stream, tenant) -> how far it was read, ISO 8601 in UTC.
        doubtful: (stream, tenant) of which something was extracted that the source did not have.
        tables: those that runs have met, with their scopes, as they count now.
        half: partitions that are begun and not complete -> place -> identities of the batches.
        runs: all of them, the newest first, if there is anything half.
    """

    planned: tuple[Planned, ...] = ()
    begun: frozenset[Place] = frozenset()
    complete: frozenset[Place] = frozenset()
    bookmarks: Mapping[tuple[str, str], str] = field(default_factory=dict)
    doubtful: frozenset[tuple[str, str]] = frozenset()
    tables: Mapping[tuple[str, Scope], Table] = field(default_factory=dict)
    half: Mapping[Place, Mapping[int, AbstractSet[str]]] = field(default_factory=dict)
    runs: tuple[Run, ...] = ()

    @classmethod
    def read(cls, connection: Connection, ledger: Ledger) -> History:
        """What the ledger says now, without what only a plan asks for."""
        planned = runs.planned(connection, ledger)
        return cls(
            tuple(planned),
            frozenset(receipts.begun(connection, ledger)),
            frozenset(receipts.complete(connection, ledger)),
            bookmarks.positions(connection, ledger),
            frozenset(
                (proof.planned.stream, proof.planned.tenant)
                for proof in source_proofs.standing(connection, ledger, planned)
                if proof.is_doubtful
            ),
        )

    @classmethod
    def read_for_plan(cls, connection: Connection, ledger: Ledger) -> History:
        """The same with `tables`, `half` and `runs`, which only a plan asks for."""
        history = cls.read(connection, ledger)
        half = history.begun - history.complete
        return replace(
            history,
            tables={key: state.table for key, state in all_states(connection, ledger).items()},
            half={place: receipts.batches(connection, ledger, *place) for place in half},
            runs=tuple(runs.history(connection, ledger, None)) if half else (),
        )

    def unread_columns(self, stream: Stream) -> dict[str, list[str]]:
        """Table -> columns that it has now and that no run has read under this type before.

        A whole number that became wider holds what it held; a column that is gone was read.
        """
        unread = {}
        for table in stream.tables:
            before = self.tables.get((table.name, table.scope))
            if before is not None and (names := gained(before, table)):
                unread[table.name] = names
        return unread

    def is_complete(self, stream: Stream, partition: Partition) -> bool:
        """Is its last batch committed?"""
        return (stream.name, stream.tenant, partition.digest) in self.complete

    def is_begun(self, stream: Stream, partition: Partition) -> bool:
        """Is any of its batches committed?"""
        return (stream.name, stream.tenant, partition.digest) in self.begun

    def loaded(self, stream: Stream) -> list[Planned]:
        """What was loaded of a stream, in whole or in part, oldest run first."""
        return [
            planned
            for planned in self.planned
            if (planned.stream, planned.tenant) == (stream.name, stream.tenant)
            and (planned.stream, planned.tenant, planned.partition.digest) in self.begun
        ]

    def standing(self, stream: Stream) -> list[Planned]:
        """What was loaded of a stream and not replaced since by other content of its input."""
        return _newest(self.loaded(stream))

    def standing_places(self) -> set[Place]:
        """Of all streams: the partitions that stand, and the runs that loaded any of these.

        A receipt that belongs to no partition (of a row that lost its place to another one when
        the key came after the load) stands as long as something of its run does.
        """
        groups: dict[tuple[str, str], list[Planned]] = {}
        for planned in self.planned:
            identity = (planned.stream, planned.tenant, planned.partition.digest)
            if identity in self.begun:
                groups.setdefault(identity[:2], []).append(planned)
        return {
            (planned.stream, planned.tenant, name)
            for group in groups.values()
            for planned in _newest(group)
            for name in (planned.partition.digest, planned.run_id)
        }


def _newest(loaded: Sequence[Planned]) -> list[Planned]:
    versions = {planned.partition.input: planned.partition.version for planned in loaded}
    return [
        planned
        for planned in loaded
        if planned.partition.version == versions[planned.partition.input]
    ]
