"""The first half of the proof: what was extracted, held against what the source itself says.

Both stand in the receipts of the partition, so that nothing that happens later touches it: a
resumed run, a delta, a rule that filters, a record in quarantine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from messy_migration.compare.findings import Word
from messy_migration.ledger.known_tables import TableState
from messy_migration.ledger.source_proofs import EARLIER, PartitionProof
from messy_migration.model import Fingerprint, stream_label
from messy_migration.reconcile.verdict import TableVerdict

_NAMED = 3
_NEXT = "the next run reads all of it again, if its table has a key"


@dataclass(frozen=True)
class SourceVerdict:
    """The partitions of a stream, held against their source.

    Attributes:
        stream, tenant: which.
        proofs: one for each partition that stands.
        is_stored: everything that was sent is stored: the tables of the stream match.
        is_through: what the source says is also what is stored: nothing was changed, filtered
            or set aside on the way.
    """

    stream: str
    tenant: str
    proofs: tuple[PartitionProof, ...]
    is_stored: bool = False
    is_through: bool = False

    @property
    def label(self) -> str:
        """The stream as people see it."""
        return stream_label(self.stream, self.tenant)

    @property
    def verdict(self) -> Word:
        """The worst of its partitions."""
        words = {proof.verdict for proof in self.proofs}
        worst: tuple[Word, ...] = ("MISMATCH", "UNKNOWN")
        return next((word for word in worst if word in words), "MATCH")

    @property
    def rows(self) -> int:
        """Of the partitions that are what the source says."""
        return sum(proof.read.rows for proof in self.proofs if proof.verdict == "MATCH")

    @property
    def differing(self) -> list[PartitionProof]:
        """The partitions that are not what the source says."""
        return [proof for proof in self.proofs if proof.verdict == "MISMATCH"]

    @property
    def notes(self) -> dict[str, int]:
        """Why others are not held against the source -> how many of them."""
        return dict(Counter(proof.note for proof in self.proofs if proof.verdict == "UNKNOWN"))


def source_verdicts(
    standing: Iterable[PartitionProof],
    states: Iterable[TableState],
    verdicts: Sequence[TableVerdict],
) -> tuple[SourceVerdict, ...]:
    """What is known of the sources of some tables; nothing of those that cannot say anything.

    Args:
        standing: the partitions that count, of all streams.
        states: the tables.
        verdicts: on these tables.
    """
    streams = {(state.stream, state.tenant) for state in states}
    proofs = sorted((proof for proof in standing if _place(proof) in streams), key=_place)
    return tuple(
        _of_stream(stream, tenant, list(group), verdicts)
        for (stream, tenant), group in groupby(proofs, key=_place)
    )


def _place(proof: PartitionProof) -> tuple[str, str]:
    return proof.planned.stream, proof.planned.tenant


def _of_stream(
    stream: str, tenant: str, proofs: Sequence[PartitionProof], verdicts: Sequence[TableVerdict]
) -> SourceVerdict:
    source = sum((proof.read for proof in proofs if proof.verdict == "MATCH"), Fingerprint())
    tables = [verdict for verdict in verdicts if verdict.stream == stream_label(stream, tenant)]
    return SourceVerdict(
        stream,
        tenant,
        tuple(proofs),
        is_stored=all(verdict.verdict == "MATCH" for verdict in tables),
        is_through=all(proof.verdict == "MATCH" for proof in proofs)
        and [(verdict.expected, verdict.actual) for verdict in tables] == [(source, source)],
    )


def with_source(verdict: TableVerdict, sources: Iterable[SourceVerdict]) -> TableVerdict:
    """Lower the verdict of a table whose source holds other rows, or where that is not known."""
    for source_verdict in sources:
        if source_verdict.differing and source_verdict.label == verdict.stream:
            reasons = [verdict.reason] if verdict.verdict == "MISMATCH" else []
            reason = "; ".join(
                [*reasons, f"source \u2260 extracted: {differing_words(source_verdict)}"]
            )
            return replace(verdict, verdict="MISMATCH", reason=f"{reason}; {_NEXT}")
        if (
            source_verdict.label == verdict.stream
            and verdict.verdict == "MATCH"
            and EARLIER in source_verdict.notes
        ):
            return replace(verdict, verdict="UNKNOWN", reason=f"{EARLIER}; {_NEXT}")
    return verdict


def differing_words(verdict: SourceVerdict) -> str:
    """Which partitions differ, the first of them with their rows."""
    named = [
        f"{proof.planned.partition.name} ({_rows(proof)})" for proof in verdict.differing[:_NAMED]
    ]
    more = f" and {len(verdict.differing) - _NAMED} more" if len(verdict.differing) > _NAMED else ""
    return ", ".join(named) + more


def _rows(proof: PartitionProof) -> str:
    there = proof.source.rows if proof.source else 0
    if there == proof.read.rows:
        return f"{there:,} rows, not all of them alike"
    return f"{there:,} rows at the source, {proof.read.rows:,} extracted"


def unheld(sources: Iterable[SourceVerdict]) -> list[str]:
    """Which partitions are not held against their source, and why; a line for each reason."""
    return [
        f"{verdict.label}: {count:,} of {len(verdict.proofs):,} partitions"
        f" not held against the source: {note}"
        for verdict in sources
        for note, count in verdict.notes.items()
    ]


def source_facts(sources: Iterable[SourceVerdict]) -> list[dict[str, Any]]:
    """As JSON, partition by partition."""
    return [
        {
            "stream": verdict.stream,
            "tenant": verdict.tenant,
            "verdict": verdict.verdict,
            "rows": verdict.rows,
            "is_stored": verdict.is_stored,
            "is_through": verdict.is_through,
            "partitions": [
                {
                    "partition": proof.planned.partition.name,
                    "digest": proof.planned.partition.digest,
                    "source_rows": proof.source.rows if proof.source else None,
                    "source_lanes": proof.source.lanes if proof.source else None,
                    "read_rows": proof.read.rows,
                    "read_lanes": proof.read.lanes,
                    "verdict": proof.verdict,
                    "note": proof.note,
                }
                for proof in verdict.proofs
            ],
        }
        for verdict in sources
    ]
