"""What proves: fingerprints, and the receipts that are made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

_LANE = 1 << 64

Totals = Mapping[tuple[str, str], Decimal]
"""(column, currency) -> total; exact. A row without a currency counts under an empty one."""


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
    """What one batch did to one table.

    Attributes:
        table, scope: where.
        format_id: of the fingerprint.
        inserted, updated, unchanged: rows.
        net: rows and lanes added minus removed.
        amounts: (column, currency) -> total added minus removed; None if it is not known.
        losses: "column rule" -> values that a declared loss has changed.
        keyed: as `net`, under the `fingerprint_key`; None if it is not known.
    """

    table: str
    scope: tuple[tuple[str, str], ...]
    format_id: str
    inserted: int
    updated: int
    unchanged: int
    net: Fingerprint
    amounts: Totals | None = None
    losses: Mapping[str, int] = field(default_factory=dict)
    keyed: Fingerprint | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Extraction:
    """What a batch held before any hook, and what the source itself says of its partition.

    Attributes:
        read: the fingerprint of the batch's rows as `extract` gave them; None where the source
            was not asked.
        source: the source's own fingerprint of the whole partition, in the receipt of its last
            batch only.
        note: why the two are not held against each other; empty where they are.
    """

    read: Fingerprint | None = None
    source: Fingerprint | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The counts and fingerprints of one committed batch.

    `extracted` = `loaded` + `quarantined` + the sum of `filtered`, in source records.
    `extraction` is empty where the source cannot compute a fingerprint.
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
    extraction: Extraction = field(default_factory=Extraction)
