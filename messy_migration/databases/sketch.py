"""A sketch of a table: a small sum of its rows from which the rows that differ can be named.

Every row falls into one cell, chosen by its own hash, and a cell holds the number of its rows,
the sum of their keys, and the sums of both lanes, all modulo 2^64. Two sketches are subtracted:
what is equal on both sides cancels, and a cell in which one row is left over spells out that
row's key. The cells together are the fingerprint of the table, so that one scan both proves and
locates. A sketch is constant in size (32 bytes a cell) however many rows it is of.

The idea is that of an invertible Bloom table with one hash function (arXiv 2402.02668).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from messy_migration.databases.naming import Spelling, quote
from messy_migration.model import Fingerprint, Table

CELLS = 8_192
"""Cells of a sketch: names some hundred rows in one scan, and costs little more than a sum."""

INTEGERS = frozenset({"int16", "int32", "int64"})
"""Kinds of a key that a sketch spells out; of others it spells out a hash."""

_LANE = 1 << 64
_MOST_HIT = 0.9


@dataclass(frozen=True)
class View:
    """The rows that are compared, in names and types that both sides share.

    Attributes:
        table: columns in the order of the fingerprint, and the key, if there is one.
        source: a FROM clause, alias `t`, that has those columns and no condition.
        where: a condition on `t` that holds for all rows meant, or empty.
    """

    table: Table
    source: str
    where: str = ""

    def from_clause(self, condition: str = "") -> str:
        """The FROM clause with all conditions."""
        both = " AND ".join(part for part in (self.where, condition) if part)
        return f"{self.source} WHERE {both}" if both else self.source

    @property
    def is_spelled(self) -> bool:
        """The key is one integer, which a sketch spells out."""
        kinds = [self.table.column(name).type.kind for name in self.table.key]
        return len(kinds) == 1 and kinds[0] in INTEGERS


@dataclass(frozen=True)
class Cells:
    """Those rows that fall into some cells of a sketch."""

    numbers: frozenset[int]
    of: int


@dataclass(frozen=True)
class Keys:
    """Those rows that have one of these keys, as a sketch has them: modulo 2^64."""

    numbers: frozenset[int]


Choice = Cells | Keys


@dataclass(frozen=True)
class Hashing:
    """How a row becomes two lanes.

    Attributes:
        seed: None for SHA-256 of its C1 text, the same everywhere. A seed for PostgreSQL's own
            hash of 64 bits over values that are equal where C1 fields are, if both sides agree
            on it: it costs a quarter. One row that differs is missed with a chance of 2^-64, which
            nobody can prepare for a seed that is drawn anew.
    """

    seed: int | None = None

    @property
    def name(self) -> str:
        """The hash as a comparison names it."""
        return "SHA-256 of C1" if self.seed is None else "PostgreSQL hash_extended, seeded"


SHA256 = Hashing()
"""The hash of the receipts."""


@dataclass(frozen=True)
class FoundRow:
    """A row that was fetched: its lanes, what stands for its key, its C1 fields in order."""

    lane0: int
    lane1: int
    key: int
    fields: tuple[bytes, ...]


class Scans(Protocol):
    """How one kind of database is sketched."""

    def sketch(self, connection: Connection, view: View, hashing: Hashing, cells: int) -> Sketch:
        """One scan of all rows."""

    def rows(
        self, connection: Connection, view: View, hashing: Hashing, choice: Choice
    ) -> Iterator[FoundRow]:
        """The rows of a choice; one scan at most."""


class RowFields(Protocol):
    """A kind of database whose rows can be fetched as C1 fields; every `Reader` is one."""

    spelling: Spelling

    def row_fields(
        self, connection: Connection, table: Table, source: str
    ) -> Iterator[list[tuple[bytes, ...]]]:
        """See `Reader`."""


@dataclass(frozen=True, eq=False)
class Sketch:
    """Sums per cell, each an array of shape (cells,); `counts` is signed."""

    counts: NDArray[np.int64]
    keys: NDArray[np.uint64]
    lane0: NDArray[np.uint64]
    lane1: NDArray[np.uint64]

    @classmethod
    def empty(cls, cells: int = CELLS) -> Sketch:
        """Of no row; the number of cells is a power of two."""
        sums = (np.zeros(cells, np.uint64) for _ in range(3))
        return cls(np.zeros(cells, np.int64), *sums)

    @property
    def cells(self) -> int:
        """How many there are."""
        return len(self.counts)

    def add(self, keys: NDArray[np.uint64], hashes: NDArray[np.uint64], sign: int = 1) -> None:
        """Add rows in place, or take them away.

        Args:
            keys: of shape (n,).
            hashes: both lanes, of shape (n, 2).
            sign: 1 or -1.
        """
        cell = (hashes[:, 1] & np.uint64(self.cells - 1)).astype(np.intp)
        self.counts[:] += sign * np.bincount(cell, minlength=self.cells)
        put = np.add if sign > 0 else np.subtract
        for sums, values in (
            (self.keys, keys),
            (self.lane0, hashes[:, 0]),
            (self.lane1, hashes[:, 1]),
        ):
            put.at(sums, cell, values)

    def __sub__(self, other: Sketch) -> Sketch:
        return Sketch(
            self.counts - other.counts,
            self.keys - other.keys,
            self.lane0 - other.lane0,
            self.lane1 - other.lane1,
        )

    def total(self) -> Fingerprint:
        """The fingerprint of all rows."""
        return Fingerprint(
            int(self.counts.sum()),
            int(self.lane0.sum(dtype=np.uint64)),
            int(self.lane1.sum(dtype=np.uint64)),
        )

    def unequal(self) -> NDArray[np.intp]:
        """Of a difference: the cells in which something is left over."""
        return np.flatnonzero((self.counts != 0) | (self.lane0 != 0) | (self.lane1 != 0))

    def single(self) -> set[int]:
        """Each cell whose count is 1 or -1 gives a key; some of these may be of no row."""
        cells_of_one = np.flatnonzero(np.abs(self.counts) == 1)
        return {
            int(self.keys[cell]) if self.counts[cell] > 0 else -int(self.keys[cell]) % _LANE
            for cell in cells_of_one
        }

    def surplus(self) -> int:
        """Of a difference: how many rows are left over, about; equal ones count once.

        While some cells are untouched their number tells (linear counting). Once all are hit,
        the squares of the counts around their mean add up to the number of rows, since rows
        fall into cells independently; the relative error is about sqrt(2 / cells).
        """
        hit = len(self.unequal())
        if hit < _MOST_HIT * self.cells:
            return round(-self.cells * math.log1p(-hit / self.cells))
        net = float(self.counts.sum())
        squares = float(np.square(self.counts.astype(np.float64)).sum())
        return round(max(squares - net * net / self.cells, abs(net)))


def key_hash(text: bytes) -> int:
    """The number that stands for a key in a sketch, from the C1 text of its columns."""
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")


def lanes(text: bytes) -> tuple[int, int]:
    """Both lanes of a row from its C1 text."""
    digest = hashlib.sha256(text).digest()
    return int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:16], "big")


class Streamed:
    """Rows fetched and hashed here: for kinds of databases that cannot do it themselves."""

    def __init__(self, reader: RowFields) -> None:
        self.reader = reader

    def sketch(self, connection: Connection, view: View, hashing: Hashing, cells: int) -> Sketch:
        """See `Scans`."""
        del hashing
        filled = Sketch.empty(cells)
        key_indices = key_places(view.table)
        for chunk in self.reader.row_fields(connection, view.table, view.from_clause()):
            add_texts(
                filled,
                [number(view, [row[index] for index in key_indices]) for row in chunk],
                [b"|".join(row) for row in chunk],
            )
        return filled

    def rows(
        self, connection: Connection, view: View, hashing: Hashing, choice: Choice
    ) -> Iterator[FoundRow]:
        """See `Scans`."""
        del hashing
        key_indices = key_places(view.table)
        condition = ""
        if isinstance(choice, Keys) and view.is_spelled:
            condition = spelled_in(self.reader.spelling, view, choice)
        for chunk in self.reader.row_fields(connection, view.table, view.from_clause(condition)):
            for row in chunk:
                row_found = row_of(view, key_indices, row)
                if chosen(row_found, choice):
                    yield row_found


def key_places(table: Table) -> list[int]:
    """Where the columns of the key are among all columns."""
    return [table.names.index(name) for name in table.key]


def number(view: View, fields: Sequence[bytes]) -> int:
    """What stands for a key in a sketch, modulo 2^64, from the C1 fields of its columns."""
    if not fields:
        return 0
    if view.is_spelled:
        try:
            return int(fields[0]) % _LANE
        except ValueError:
            # A cell that holds no integer, of a database that lets anybody store anything.
            return 0
    return key_hash(b"|".join(fields))


def row_of(view: View, key_indices: Sequence[int], fields: tuple[bytes, ...]) -> FoundRow:
    """A row from its C1 fields; `key_indices` are those of its key."""
    key = number(view, [fields[index] for index in key_indices])
    return FoundRow(*lanes(b"|".join(fields)), key, fields)


def chosen(row: FoundRow, choice: Choice) -> bool:
    """Is the row one of those that were chosen?"""
    if isinstance(choice, Cells):
        return row.lane1 % choice.of in choice.numbers
    return row.key in choice.numbers


def add_texts(sketch: Sketch, keys: Sequence[int], texts: Iterable[bytes]) -> None:
    """Add rows by their C1 texts."""
    digests = b"".join([hashlib.sha256(text).digest() for text in texts])
    words: NDArray[Any] = np.frombuffer(digests, ">u8").reshape(len(keys), 4)
    sketch.add(np.array(keys, np.uint64), words[:, :2].astype(np.uint64))


def spelled_in(spelling: Spelling, view: View, choice: Keys) -> str:
    """The condition that an integer key is among the chosen ones."""
    values = (signed(value) for value in sorted(choice.numbers))
    return spelling.among(f"t.{quote(view.table.key[0])}", values)


def signed(value: int) -> int:
    """A number modulo 2^64 as a signed one of 64 bits."""
    return value - _LANE if value >> 63 else value
