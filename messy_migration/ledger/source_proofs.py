"""What the receipts say of partitions whose source computes fingerprints itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, or_, select

from messy_migration.ledger import runs
from messy_migration.ledger.runs import Planned
from messy_migration.ledger.tables import Ledger, legible
from messy_migration.model import Fingerprint

__all__ = ["EARLIER", "OFF", "OLDER", "SILENT", "PartitionProof", "standing"]

OFF = "source_proof = false"
SILENT = "the source computed no fingerprint"
OLDER = "a part of it was loaded without asking the source"
EARLIER = "a part of it was read at an earlier time, and the source has changed since"
"""Why a partition is not held against its source. Only the last one casts doubt on it."""


@dataclass(frozen=True)
class PartitionProof:
    """A partition that was read to its end.

    Attributes:
        planned: the partition, and the run and plan under which it was read.
        read: the sum of its batches as they were extracted, before any hook.
        source: what the source says of it; None where it was not asked, or does not say.
        note: why the two are not held against each other.
    """

    planned: Planned
    read: Fingerprint
    source: Fingerprint | None
    note: str

    @property
    def verdict(self) -> Literal["MATCH", "MISMATCH", "UNKNOWN"]:
        """UNKNOWN where the two sides are not of one moment, or one of them is missing."""
        if self.note or self.source is None:
            return "UNKNOWN"
        return "MATCH" if self.read == self.source else "MISMATCH"

    @property
    def is_doubtful(self) -> bool:
        """May the target hold what the source does not have? Then it is read again, in whole."""
        return self.verdict == "MISMATCH" or self.note == EARLIER


@dataclass(frozen=True)
class _Batch:
    batch_id: str
    ordinal: int
    is_last: bool
    read: Fingerprint | None
    source: Fingerprint | None
    note: str


def standing(
    connection: Connection, ledger: Ledger, planned: Sequence[Planned] | None = None
) -> list[PartitionProof]:
    """The partitions of all streams that stand, in the order in which they were planned.

    One that was read again since, in whole, stands no more.

    Args:
        connection: any.
        ledger: of the target.
        planned: what any run planned, if it is known already.
    """
    batches = _batches(connection, ledger)
    if not batches:
        return []
    proofs: dict[tuple[str, str, str], PartitionProof] = {}
    for read in _current(runs.planned(connection, ledger) if planned is None else planned):
        identity = (read.stream, read.tenant, read.partition.digest)
        proof = _proof(read, batches.get(identity, ()))
        if proof is not None:
            proofs.setdefault(identity, proof)
    return list(proofs.values())


def _batches(connection: Connection, ledger: Ledger) -> dict[tuple[str, str, str], list[_Batch]]:
    table = ledger.receipt
    query = select(
        *(table.c[name] for name in ("stream", "tenant", "partition", "batch_id", "ordinal")),
        *(table.c[name] for name in ("last", "read_rows", "read_lanes")),
        *(table.c[name] for name in ("source_rows", "source_lanes", "source_note")),
    ).where(
        table.c.kind == "load",
        or_(table.c.read_rows.is_not(None), table.c.source_note.is_not(None)),
    )
    batches_of: dict[tuple[str, str, str], list[_Batch]] = defaultdict(list)
    with legible("table receipt"):
        for stream, tenant, digest, batch_id, ordinal, last, *sums, note in connection.execute(
            query
        ):
            read, source = (
                None if rows is None else Fingerprint.of(rows, lanes)
                for rows, lanes in (sums[:2], sums[2:])
            )
            batch = _Batch(batch_id, ordinal, bool(last), read, source, note or "")
            batches_of[stream, tenant, digest].append(batch)
    return batches_of


def _current(planned: Iterable[Planned]) -> Iterable[Planned]:
    """Without what another content of the same input, or a later reading of all, replaces."""
    streams: dict[tuple[str, str], list[Planned]] = defaultdict(list)
    for read in planned:
        streams[read.stream, read.tenant].append(read)
    for history in streams.values():
        versions = {read.partition.input: read.partition.version for read in history}
        whole = [read.run_id for read in history if read.partition.reads_all]
        first = next((n for n, read in enumerate(history) if whole[-1:] == [read.run_id]), 0)
        yield from (
            read
            for read in history[first:]
            if versions[read.partition.input] == read.partition.version
        )


def _proof(planned: Planned, batches: Sequence[_Batch]) -> PartitionProof | None:
    """What the batches of a partition add up to, whatever their plan; None without the last."""
    last = next((batch for batch in batches if batch.is_last), None)
    if last is None:
        return None
    read = sum((batch.read for batch in batches if batch.read is not None), Fingerprint())
    return PartitionProof(planned, read, last.source, last.note)
