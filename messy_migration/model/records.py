"""What flows: frames and records out of a source, batches through the rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from messy_migration.model.schema import Partition, Stream

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Origin:
    """A record as the source gave it: its raw payload and its place (file:line, page, key)."""

    raw: bytes
    where: str


@dataclass(frozen=True, slots=True)
class Frame:
    """Some records of a partition, one row each, in source order.

    Attributes:
        table: columns of the stream's record (or of its first table).
        origin: gives the raw record behind row i, for the quarantine; without it the
            quarantine holds the row itself.
    """

    table: pa.Table
    origin: Callable[[int], Origin] | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """One record that could not become a row; it goes to the quarantine.

    Attributes:
        raw: the record as the source gave it.
        where: its place in the source.
        reason: why, in words, without personal data.
        rule: the rule it broke, `plugin.rule`.
        column: the column it broke in, if there is one.
        key: column -> value of the key of the row that it would have become, where that is known;
            by it a later run knows that the record was mended.
    """

    raw: bytes
    where: str
    reason: str
    rule: str
    column: str | None = None
    key: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Filtered:
    """Records that are left out on purpose, under a named rule."""

    rule: str
    records: int = 1


Extracted = Frame | Rejected | Filtered
"""What an `extract` hook yields."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A bounded piece of a partition: the unit of transaction. Never changed in place.

    Attributes:
        stream: where it came from.
        partition: the slice it was cut from.
        ordinal: its place in the partition, from 0.
        table: the rows, with the record column.
    """

    stream: Stream
    partition: Partition
    ordinal: int
    table: pa.Table

    @property
    def frame(self) -> pd.DataFrame:
        """The rows as a pandas frame with Arrow types; a copy."""
        import pandas as pd  # costs most of a second, and many batches never need it

        return self.table.to_pandas(types_mapper=pd.ArrowDtype)


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that one record breaks.

    Attributes:
        record: value of the record column.
        table: the table of the row that breaks it.
        column: the column, if there is one.
        rule: `plugin.rule`.
        message: why, in words, without personal data.
        severity: an `error` sends the record to quarantine, a `warning` is counted.
    """

    record: int
    table: str
    column: str | None
    rule: str
    message: str
    severity: Literal["error", "warning"] = "error"


@dataclass(frozen=True, slots=True)
class Transformed:
    """What a `transform` hook returns when it has more to say than new rows.

    Attributes:
        frames: one frame, or a mapping table -> frame; None keeps the rows as they are.
        violations: records that cannot be transformed.
        filtered: rule -> values of the record column that are left out under it.
    """

    frames: pa.Table | pd.DataFrame | Mapping[str, pa.Table | pd.DataFrame] | None = None
    violations: tuple[Violation, ...] = ()
    filtered: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
