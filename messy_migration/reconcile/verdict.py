"""The words of a reconciliation: verdicts per table, and the differences behind a mismatch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from messy_migration.compare.findings import Word
from messy_migration.model import Fingerprint
from messy_migration.pipeline.rules import FIRST
from messy_migration.reconcile.authors import Authors


@dataclass(frozen=True)
class Check:
    """Something that has to hold beside the rows of a table.

    Attributes:
        name: `counter` (a sequence, identity or AUTOINCREMENT is ahead of the data), `key` (the
            database refuses a second row with the key), `insert` (a write probe).
        subject: the counter, the key or the table.
        verdict: UNKNOWN where it could not be looked at; that stops no MATCH of the rows
            unless `--strict` or `--probe` asks for it.
        why: in words; empty for MATCH.
        next: the statement that mends it, whole.
    """

    name: Literal["counter", "key", "insert"]
    subject: str
    verdict: Word
    why: str = ""
    next: str = ""


@dataclass(frozen=True)
class Drift:
    """Who wrote the rows of a table that differ, as far as the database can tell.

    Attributes:
        others: rows that a transaction of somebody else wrote since the load; None if unknown.
        corrupted: rows that differ though only transactions of ours wrote them; None if unknown.
        note: why it cannot be told; empty if it can.
    """

    others: int | None
    corrupted: int | None
    note: str = ""


@dataclass(frozen=True)
class Money:
    """The total of an amount in one currency; `expected` is None where receipts keep none."""

    column: str
    currency: str
    expected: Decimal | None
    actual: Decimal


@dataclass(frozen=True)
class Keyed:
    """What the `fingerprint_key` says of a table.

    Attributes:
        key_id: of the key.
        verdict: MATCH where all rows were read back and add up under it; MISMATCH where they do
            not, though they do without a key; UNKNOWN where not all of them are under it.
        why: in words; empty for MATCH.
        is_unread: the rows are under it, and could not be read back.
    """

    key_id: str
    verdict: Word
    why: str = ""
    is_unread: bool = False


@dataclass(frozen=True)
class TableVerdict:
    """One table (and scope) held against its receipts.

    Attributes:
        table, scope: what was compared.
        stream: who owns it, with its tenant.
        expected: the sum of all receipts of all runs.
        actual: what one scan of the target found; None if it could not be read.
        verdict: MATCH only if everything was read and is equal.
        reason: why it is not MATCH, in words.
        orphans: foreign key -> rows whose parent is missing; None if the parent's table is.
        checks: counters, keys and the write probe.
        drift: who wrote the rows that differ; None where nothing differs or nobody can know.
        money: totals per currency of what the table declares as amounts.
        waivers: names of the waivers that were needed for MATCH, and how many rows each covers.
        tolerated: values that differ within the tolerance of their column.
        losses: "column rule" -> values that a declared loss changed before they were loaded,
            over all runs.
        authors: who wrote its rows, where the database remembers it.
        keyed: what the key says; None without one, and where values were compared.
    """

    table: str
    scope: tuple[tuple[str, str], ...]
    stream: str
    expected: Fingerprint
    actual: Fingerprint | None
    verdict: Word
    reason: str = ""
    orphans: tuple[tuple[str, int | None], ...] = ()
    checks: tuple[Check, ...] = ()
    drift: Drift | None = None
    money: tuple[Money, ...] = ()
    waivers: tuple[tuple[str, int], ...] = ()
    tolerated: int = 0
    losses: tuple[tuple[str, int], ...] = ()
    authors: Authors | None = None
    keyed: Keyed | None = None

    @property
    def not_taken(self) -> int:
        """Rows that differ from the one that came first of their key, and were left out."""
        return dict(self.losses).get(FIRST, 0)


def not_taken_words(verdict: TableVerdict) -> str:
    """How many rows a table has left out for others of their keys, in words."""
    rows = "1 row differs" if verdict.not_taken == 1 else f"{verdict.not_taken:,} rows differ"
    return f"{rows} from the first of their key and were left out ({FIRST})"


def overall(verdicts: Sequence[TableVerdict]) -> Word:
    """One word for all tables: the worst, and UNKNOWN where nothing was compared."""
    words = {verdict.verdict for verdict in verdicts}
    if "MISMATCH" in words:
        return "MISMATCH"
    return "UNKNOWN" if "UNKNOWN" in words or not words else "MATCH"
