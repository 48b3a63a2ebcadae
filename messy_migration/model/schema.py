"""What a plugin declares: tables, streams and their partitions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import pyarrow as pa

from messy_migration.errors import ConfigurationError, MigrationError
from messy_migration.model.columns import Column

RECORD = "_record"
"""Name of the column (int32) that says which record of the batch a row came from."""

_NAME = re.compile(r"[a-z_][a-z0-9_]*\Z")

_ORDERED = frozenset({"int16", "int32", "int64", "date", "timestamp"})
_TAKEN = ("messy_migration", "sqlite_", "pg_", "mm_stage_", "mm_first_")
_LONGEST = 63
Conflict = Literal["", "record", "newest", "first"]
_CONFLICTS = get_args(Conflict)
_COUNTED = frozenset({"decimal", "int16", "int32", "int64"})
_OURS = frozenset(
    {RECORD, "_position", "_kind", "_where", "_raw", "_rule", "_reason", "_column", "_count"}
)


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """Columns whose values, where none is NULL, are a key of another table.

    Proven by an anti-join in every reconciliation.

    Attributes:
        columns: in this table.
        parent: the other table.
        parent_columns: its key, in the same order.
        stub: how a missing parent becomes a row when a run ends: parent column -> a column of
            this table as `=name`, or a literal text in the form of the column's type. Without
            it a missing parent stays a difference.
    """

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    stub: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A table: one that a stream writes into a target, or one that a database holds.

    Attributes:
        name: the table; in a stream lower-case letters, digits and underscores, as for columns.
        columns: in the order of the fingerprint.
        key: names of the key columns; empty for a multiset.
        scope: (column, value) pairs that all rows of this stream share, when several streams
            write into one table; the WHERE of its proof.
        foreign_keys: what its rows point at.
        amounts: (column, column of its currency) pairs whose totals per currency are proven.
        conflict: what becomes of a record whose row differs from one with the same key in the
            same run. `record`: it goes to quarantine (the default). `newest`: the older by the
            bookmark is left out (the default where the stream declares one; of two that are
            equally new one goes to quarantine). `first`: the row that is first in the plan stays,
            across runs the one in the table; the record's rows in other tables are loaded.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    scope: tuple[tuple[str, str], ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    amounts: tuple[tuple[str, str], ...] = ()
    conflict: Conflict = ""

    def __post_init__(self) -> None:
        names = self.names
        pointing = (name for foreign_key in self.foreign_keys for name in foreign_key.columns)
        money = (name for pair in self.amounts for name in pair)
        used = (*self.key, *(name for name, _ in self.scope), *pointing, *money)
        problems = {
            "is no name": [name for name in (self.name, *names) if not name or "\0" in name],
            "is a column twice": sorted({name for name in names if names.count(name) > 1}),
            "is in a key, the scope or an amount but is no column": [
                n for n in used if n not in names
            ],
            "is in the scope but is not text": [
                column.name
                for column in self.columns
                if column.name in dict(self.scope) and column.type.kind != "text"
            ],
            "has no columns": [] if names else [self.name],
            "is no way to settle a conflict": [
                text for text in (str(self.conflict),) if text not in _CONFLICTS
            ],
            "settles conflicts of a key, and there is none": [
                text for text in (str(self.conflict),) if text and not self.key
            ],
            "is an amount but no decimal or integer": [
                column.name
                for column in self.columns
                if column.name in dict(self.amounts) and column.type.kind not in _COUNTED
            ],
            "is a currency but not text": [
                column.name
                for column in self.columns
                if column.name in dict(self.amounts).values() and column.type.kind != "text"
            ],
        }
        _refuse(self.name, problems)

    def check_names(self) -> None:
        """Hold the names against what a stream may write.

        A table of somebody else's database may have any names. What we create has only names
        that no database would have quoted, and none of the ledger's.

        Raises:
            ConfigurationError: a name would need quoting, is too long, or is taken.
        """
        names = (self.name, *self.names)
        problems = {
            "is not a name of lower-case letters, digits and underscores up to 63": [
                name for name in names if not _NAME.match(name) or len(name) > _LONGEST
            ],
            "belongs to the database or to the ledger": [
                name for name in (self.name,) if name.startswith(_TAKEN)
            ],
            "is a name of ours": sorted(_OURS.intersection(self.names)),
        }
        _refuse(self.name, problems)

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
        lands: the source may not be asked twice; a partition is written to a file, whole,
            before anything of it is loaded, and is read from there ever after.
        overlap: seconds that a later run goes back behind the bookmark.
        assumed: what is not documented by the source and was assumed, one line each.
        settings: what of its plugin's settings its rows are made with, a model or a mapping; None
            where that is the whole section. Another value of it makes another plan. The core keeps
            only what changes rows (`Field(json_schema_extra={"rows": False})` says what does not).
        problem: why nothing is known of what the source has; such a stream writes no table,
            stands for all streams of its tenant, and stops none of another.
        offered: the stream as its owner offered it, where plugins have reshaped it; set by the
            core, as is the next.
        reshaped_by: the plugins that did, in order.
    """

    name: str
    tables: tuple[Table, ...]
    tenant: str = ""
    record: tuple[Column, ...] = ()
    bookmark: str | None = None
    depends_on: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    lands: bool = False
    overlap: int = 0
    assumed: tuple[str, ...] = ()
    settings: Any = field(default=None, hash=False)
    problem: MigrationError | None = None
    offered: Stream | None = None
    reshaped_by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for table in self.tables:
            table.check_names()
            if table.conflict == "newest" and self.bookmark not in table.names:
                raise ConfigurationError(
                    f"stream {self.name!r} has no bookmark by which a row could be the newest",
                    why=f"table {table.name} has conflict = newest",
                    next="declare a bookmark that is a column of the table",
                )
            for column in table.columns:
                if column.name == self.bookmark and column.type.kind not in _ORDERED:
                    raise ConfigurationError(
                        f"stream {self.name!r} has a bookmark that has no order",
                        why=f"{column.name} of {table.name} is {column.type}; of two texts a "
                        "database and Python may not agree which comes first",
                    )

    @property
    def plugin(self) -> str:
        """The plugin that owns the stream."""
        return self.name.partition(".")[0]

    @property
    def as_offered(self) -> Stream:
        """The stream as its owner offered it: what `extract` yields is of this one."""
        return self.offered or self

    @property
    def label(self) -> str:
        """The stream as people see it: its name, and its tenant if it has one."""
        return stream_label(self.name, self.tenant)

    def table(self, name: str) -> Table:
        """The declared table of that name; KeyError where there is none."""
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(name)


def _refuse(table: str, problems: Mapping[str, Sequence[str]]) -> None:
    for problem, names in problems.items():
        if names:
            why = f"{', '.join(names)!r} {problem}"
            raise ConfigurationError(f"table {table!r} is not usable", why=why)


def stream_label(stream: str, tenant: str) -> str:
    """A stream as people see it: its name, and its tenant if it has one."""
    return f"{stream}@{tenant}" if tenant else stream


@dataclass(frozen=True, slots=True)
class Partition:
    """An independent slice of a stream.

    Attributes:
        name: what people call it: a file, a key range, a window of time.
        digest: identifies the content and how it is read; equal digests are the same input.
        bounds: what `extract` needs to find it again; plain JSON values. A slice of something
            that its source replaces as a whole, as of a large file, says so: `input` is the name
            of the whole, and `version` the digest of its content and of how it is read. A slice
            of a reading of all that there is, and not of what changed only, has `since` = None.
        records: the number of records if it is known beforehand.
        until: the closed upper bound of its window of time (ISO 8601 in UTC), where the
            bookmark stands once all partitions are committed.
        held: what of the source the parent process holds open for it (a snapshot), as a text
            that a worker can use; good for one command only, so the ledger never has it.
        estimated: `records` is what the source expects, not a count.
    """

    name: str
    digest: str
    bounds: Mapping[str, Any] = field(default_factory=dict)
    records: int | None = None
    until: str | None = None
    held: str | None = None
    estimated: bool = False

    @property
    def input(self) -> str:
        """What it is a slice of: itself, or something larger that is replaced as a whole."""
        return str(self.bounds.get("input", self.name))

    @property
    def reads_all(self) -> bool:
        """Is it part of a reading of all that there is, which replaces all before it?"""
        return "since" in self.bounds and self.bounds["since"] is None

    @property
    def version(self) -> str:
        """Which content of its input it belongs to, and after which other content it came."""
        content, _, after = self.digest.partition("~")
        return f"{self.bounds.get('version', content)}~{after}"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A source to try things on: an ASGI application that speaks its API over seeded data.

    Attributes:
        app: the application; it refuses every method that could write.
        manifest: what it serves, good and bad: {"streams": {"plugin.stream": {"extracted": n,
            "quarantined": {rule: n}, "filtered": {rule: n}}}, ...}.
        section: base URL -> the plugin's section of the configuration for it.
    """

    app: Callable[..., Any]
    manifest: Mapping[str, Any]
    section: Callable[[str], Mapping[str, Any]]
