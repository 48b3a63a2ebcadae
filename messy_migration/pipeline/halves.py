"""A batch that workers died of is committed in parts: halves of halves, down to one record.

Each part is a batch of its own in the ledger, so what is committed of it stays, and what is
left costs one record in the end. A part's identity is that of its batch and the rows it holds.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from messy_migration.pipeline.cut import Cut

_PART = re.compile(r"(\d+)-(\d+)\Z")


class Span(NamedTuple):
    """Rows of a batch: its place in the partition, the first row, and the one after the last."""

    ordinal: int
    start: int
    stop: int


def span_of(cut: Cut) -> Span:
    """The rows that a batch, or a part of one, holds."""
    start, stop = cut.span or (0, cut.rows)
    return Span(cut.ordinal, start, stop)


def part_id(batch_id: str, cut: Cut) -> str:
    """The identity of what is committed at once: a batch, or a part of one."""
    return batch_id if cut.span is None else f"{batch_id}.{cut.span[0]}-{cut.span[1]}"


def left_over(
    cut: Cut, batch_ids: Collection[str], committed: AbstractSet[str], fatal: Collection[Span]
) -> Iterator[Cut]:
    """What of a batch is still to be committed, in order, none of it larger than it may be.

    Args:
        cut: the whole batch.
        batch_ids: its identity under each plan by which any of it was committed.
        committed: identities that the ledger knows.
        fatal: rows that workers died of when they took them at once.
    """
    if committed.isdisjoint(batch_ids):
        spans = [span for identity in batch_ids for span in _committed(identity, committed)]
        yield from _divided(cut, spans, fatal, 0, cut.rows)


# Not within the function above: a closure that calls itself is a cycle, and would keep the rows
# of batch after batch in memory until Python looks for such.
def _divided(
    cut: Cut, spans: Collection[tuple[int, int]], fatal: Collection[Span], start: int, stop: int
) -> Iterator[Cut]:
    if (start, stop) in spans:
        return
    is_begun = any(start <= low and high <= stop for low, high in spans)
    if stop - start > 1 and (is_begun or Span(cut.ordinal, start, stop) in fatal):
        middle = (start + stop) // 2
        yield from _divided(cut, spans, fatal, start, middle)
        yield from _divided(cut, spans, fatal, middle, stop)
    else:
        yield cut if (start, stop) == (0, cut.rows) else cut.part(start, stop)


def committed_parts(cut: Cut, batch_id: str, committed: AbstractSet[str]) -> Iterator[Cut]:
    """What of a batch is committed: all of it as it is, or the parts that are."""
    if batch_id in committed:
        yield cut
        return
    for start, stop in sorted(_committed(batch_id, committed)):
        yield cut.part(start, stop)


def _committed(batch_id: str, committed: AbstractSet[str]) -> Iterator[tuple[int, int]]:
    for identity in committed:
        if identity.startswith(f"{batch_id}."):
            match = _PART.match(identity, len(batch_id) + 1)
            if match:
                yield int(match[1]), int(match[2])
