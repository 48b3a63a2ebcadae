"""The values that move through a migration: frozen, plain, and safe to send between processes.

Three groups. What a plugin declares: `ColumnType`, `Column`, `Table`, `Stream`, `Partition`.
What flows: `Frame`, `Rejected`, `Filtered`, `Batch`, `Violation`. What proves: `Fingerprint`,
`TableReceipt`, `Receipt`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from messy_migration.errors import ConfigurationError

if TYPE_CHECKING:
    import pandas as pd

RECORD = "_record"
"""Name of the column (int32) that says which record of the batch a row came from."""

_LANE = 1 << 64
_NAME = re.compile(r"[a-z_][a-z0-9_]*\Z")
_TYPE = re.compile(r"([a-z0-9]+)(?:\(\s*(\d+)\s*,\s*(\d+)\s*\))?\Z")

_ARROW: dict[str, pa.DataType] = {
    "text": pa.string(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "bool": pa.bool_(),
    "float64": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
    "uuid": pa.string(),
    "json": pa.string(),
    "bytes": pa.binary(),
}


@dataclass(frozen=True, slots=True)
class ColumnType:
    """The type of a column, the same in every target.

    `text`, `int16`, `int32`, `int64`, `bool`, `float64`, `decimal(p,s)` with p <= 38, `date`,
    `timestamp` (an instant in UTC, microseconds), `uuid` (36 lower-case characters), `json`
    (text in the canonical form of the fingerprint module) and `bytes`.
    """

    kind: str
    precision: int = 0
    scale: int = 0

    @classmethod
    def parse(cls, text: str) -> ColumnType:
        """Read a type as a schema file writes it.

        Raises:
            ConfigurationError: the text names no type, or a decimal outside 1..38 digits.
        """
        match = _TYPE.match(text.strip())
        known = ", ".join([*_ARROW, "decimal(p,s)"])
        if match is None or (match[1] != "decimal" and (match[1] not in _ARROW or match[2])):
            raise ConfigurationError(f"unknown column type {text!r}", why=f"the types are {known}")
        if match[1] != "decimal":
            return cls(match[1])
        if match[2] is None or not 1 <= int(match[2]) <= 38 or int(match[3]) > int(match[2]):
            raise ConfigurationError(
                f"decimal type {text!r} is out of range",
                why="it needs decimal(precision,scale), precision 1 to 38, scale at most that",
            )
        return cls("decimal", int(match[2]), int(match[3]))

    def __str__(self) -> str:
        return f"decimal({self.precision},{self.scale})" if self.kind == "decimal" else self.kind

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type in which a batch holds this column."""
        if self.kind == "decimal":
            return pa.decimal128(self.precision, self.scale)
        return _ARROW[self.kind]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its name, its type, and whether NULL is a violation."""

    name: str
    type: ColumnType
    required: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """What one stream writes into one target table.

    Attributes:
        name: the table, lower case, letters, digits and underscores.
        columns: in the order of the fingerprint.
        key: names of the key columns; empty for a multiset.
        scope: (column, value) pairs that all rows of this stream share, when several streams
            write into one table; the WHERE of its proof.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    scope: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        names = self.names
        used = (*self.key, *(name for name, _ in self.scope))
        wrong = [name for name in (self.name, *names) if not _NAME.match(name) or len(name) > 63]
        problems = {
            "is not a name of lower-case letters, digits and underscores up to 63": wrong,
            "is a column twice": sorted({name for name in names if names.count(name) > 1}),
            "is in the key or scope but is no column": [n for n in used if n not in names],
            "is a name of ours": [RECORD] if RECORD in names else [],
            "has no columns": [] if names else [self.name],
        }
        for problem, found in problems.items():
            if found:
                why = f"{', '.join(found)!r} {problem}"
                raise ConfigurationError(f"table {self.name!r} is not usable", why=why)

    @property
    def names(self) -> tuple[str, ...]:
        """The column names in order."""
        return tuple(column.name for column in self.columns)

    def arrow_schema(self) -> pa.Schema:
        """The Arrow schema of a batch of this table, without the record column."""
        return pa.schema([(column.name, column.type.arrow) for column in self.columns])

    def column(self, name: str) -> Column:
        """The column of that name; KeyError where there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Stream:
    """A named sequence of records of one kind, as its plugin offers it.

    Attributes:
        name: `plugin.stream`, unique together with the tenant.
        tables: what it writes; the first is where an extracted frame belongs when `record`
            is empty.
        tenant: the account of the source, or empty.
        record: the columns of an extracted frame, when a transform has to make the tables
            from it (fan-out).
        bookmark: the column that says which of two rows with one key is newer, or None.
        depends_on: names of streams to be finished first.
        deny: names of source fields that are dropped before anything is stored.
    """

    name: str
    tables: tuple[Table, ...]
    tenant: str = ""
    record: tuple[Column, ...] = ()
    bookmark: str | None = None
    depends_on: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()

    @property
    def plugin(self) -> str:
        """The plugin that owns the stream."""
        return self.name.partition(".")[0]

    @property
    def label(self) -> str:
        """The stream as people see it: its name, and its tenant if it has one."""
        return f"{self.name}@{self.tenant}" if self.tenant else self.name

    def table(self, name: str) -> Table:
        """The declared table of that name; KeyError where there is none."""
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Partition:
    """An independent slice of a stream.

    Attributes:
        name: what people call it: a file, a key range, a window of time.
        digest: identifies the content and how it is read; equal digests are the same input.
        bounds: what `extract` needs to find it again; plain JSON values.
        records: the number of records if it is known beforehand.
    """

    name: str
    digest: str
    bounds: Mapping[str, Any] = field(default_factory=dict)
    records: int | None = None


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
    """

    raw: bytes
    where: str
    reason: str
    rule: str
    column: str | None = None


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


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """An order-independent checksum of a multiset of rows, or the difference of two.

    Attributes:
        rows: how many; negative in a difference that removes.
        lane0: sum of the first 8 bytes of each row's SHA-256, modulo 2^64.
        lane1: sum of the second 8 bytes, modulo 2^64.
    """

    rows: int = 0
    lane0: int = 0
    lane1: int = 0

    def __add__(self, other: Fingerprint) -> Fingerprint:
        return Fingerprint(
            self.rows + other.rows,
            (self.lane0 + other.lane0) % _LANE,
            (self.lane1 + other.lane1) % _LANE,
        )

    def __sub__(self, other: Fingerprint) -> Fingerprint:
        return Fingerprint(
            self.rows - other.rows,
            (self.lane0 - other.lane0) % _LANE,
            (self.lane1 - other.lane1) % _LANE,
        )

    @property
    def lanes(self) -> str:
        """Both lanes as 32 hexadecimal characters."""
        return f"{self.lane0:016x}{self.lane1:016x}"

    @classmethod
    def of(cls, rows: int, lanes: str) -> Fingerprint:
        """The fingerprint whose `lanes` were written down."""
        return cls(rows, int(lanes[:16], 16), int(lanes[16:], 16))


@dataclass(frozen=True, slots=True)
class LoadCounts:
    """What a `load` hook did with the rows of one table.

    `net` is the fingerprint of the rows added minus that of the rows removed. Left out, it is
    the fingerprint of the whole batch, which is right only when every row was inserted.
    """

    inserted: int
    updated: int = 0
    unchanged: int = 0
    net: Fingerprint | None = None


@dataclass(frozen=True, slots=True)
class TableReceipt:
    """What one batch did to one table; `net` is rows and lanes added minus removed."""

    table: str
    scope: tuple[tuple[str, str], ...]
    format_id: str
    inserted: int
    updated: int
    unchanged: int
    net: Fingerprint


@dataclass(frozen=True, slots=True)
class Receipt:
    """The counts and fingerprints of one committed batch.

    `extracted` = `loaded` + `quarantined` + the sum of `filtered`, in source records.
    """

    batch_id: str
    stream: str
    tenant: str
    partition: str
    ordinal: int
    last: bool
    extracted: int
    loaded: int
    quarantined: int
    filtered: Mapping[str, int]
    tables: tuple[TableReceipt, ...]
