"""What becomes of a partition that was half loaded under another plan.

What is committed stays. The rest is loaded under the settings of today where these change what
becomes of a record. Where they may change which records there are, nobody knows at which record
to go on, and it is refused: with a key `--restart` reads all of it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from messy_migration.errors import PluginError
from messy_migration.ledger.runs import short
from messy_migration.model import Partition, Stream
from messy_migration.pipeline.earlier_plans import Batch, EarlierPlans, Made
from messy_migration.pipeline.plan_id import Basis
from messy_migration.redaction import printable

_READS = ("streams", "partitions", "extract")


@dataclass(frozen=True)
class Course:
    """How a run goes on with a partition.

    Attributes:
        note: what is to be said of it, one line; empty if nothing is.
        problem: why it cannot be read.
    """

    note: str = ""
    problem: PluginError | None = None


def course_of(
    stream: Stream,
    partition: Partition,
    committed: Mapping[int, AbstractSet[str]],
    plan: Basis,
    earlier: EarlierPlans,
    run_id: str = "",
) -> Course:
    """How to go on with a partition.

    Args:
        stream: of the partition.
        partition: begun, and not complete.
        committed: its batches: place -> identities.
        plan: under which the rest is to be loaded.
        earlier: what they may have been made under.
        run_id: that planned them.
    """
    others = [
        batch
        for ordinal, identities in sorted(committed.items())
        for identity in sorted(identities)
        if not (batch := Batch(partition.digest, ordinal, identity)).is_of(stream, plan)
    ]
    if not others:
        return Course()
    made = [earlier.made(stream, plan.cutting, batch) for batch in others]
    plans = [one for one in made if one is not None]
    if len(plans) < len(made):
        batch = others[made.index(None)]
        return _refused(stream, partition, run_id, earlier.unlike(stream, plan.cutting, batch))
    if any(one.plan.tables != plan.tables for one in plans):
        return _refused(stream, partition, run_id, "its tables had other columns or types")
    names = list(dict.fromkeys(name for one in plans for name in earlier.changed(stream, one)))
    listed = f" ({', '.join(map(printable, names))})" if names else ""
    if not all(_is_cut_alike(stream, one, plan, earlier) for one in plans):
        why = f"under other settings{listed} its records may be others"
        return _refused(stream, partition, run_id, why)
    count = len({batch.ordinal for batch in others})
    said = f"of {partition.name} {'was' if count == 1 else 'were'} loaded under other settings"
    stays = "stays" if count == 1 else "stay"
    rest = "the rest is loaded under those of today"
    if stream.lands and all(one.plan.rules == plan.rules for one in plans):
        # What becomes of a landed record is in the bounds of its window.
        rest = "the rest of it as it was planned, all else under those of today"
    return Course(f"{_batches(count)} {said}{listed} and {stays}; {rest}")


def _is_cut_alike(stream: Stream, made: Made, plan: Basis, earlier: EarlierPlans) -> bool:
    """Whether the records of the partition are the same, in the same batches."""
    if stream.lands or made.plan.source == plan.source:
        return True
    registry = earlier.workspace.registry
    return not any(registry.takes_settings(stream.plugin, hook) for hook in _READS)


def _refused(stream: Stream, partition: Partition, run_id: str, why: str) -> Course:
    has_key = all(table.key for table in stream.tables)
    again = ", or read all of it again with `migrate run --restart`" if has_key else ""
    return Course(
        problem=PluginError(
            f"{partition.name} is half loaded by other versions of its plugins or settings",
            f"stream {stream.label}, run {short(run_id)}",
            why or "its batches would be cut and counted differently",
            f"finish it with the versions, settings and batch sizes it began with{again}",
        )
    )


def _batches(count: int) -> str:
    return "1 batch" if count == 1 else f"{count:,} batches"
