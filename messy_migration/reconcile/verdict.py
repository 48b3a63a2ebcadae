"""The words of a reconciliation: verdicts per table, and the differences behind a mismatch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from messy_migration.model import Fingerprint

Word = Literal["MATCH", "MISMATCH", "UNKNOWN"]
Kind = Literal["missing", "extra", "changed"]


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
    """

    table: str
    scope: tuple[tuple[str, str], ...]
    stream: str
    expected: Fingerprint
    actual: Fingerprint | None
    verdict: Word
    reason: str = ""
    orphans: tuple[tuple[str, int | None], ...] = ()


@dataclass(frozen=True)
class Difference:
    """One row that differs.

    Attributes:
        table: where.
        key: column -> value as text; empty for a table without a key.
        kind: missing from the target, extra in it, or changed.
        columns: the columns that differ; in a table without a key, those in which the missing
            and the extra rows differ as a whole.
        rows: how many equal rows this stands for; 1 unless the table has no key.
    """

    table: str
    key: tuple[tuple[str, str], ...]
    kind: Kind
    columns: tuple[str, ...]
    rows: int = 1


@dataclass(frozen=True)
class Findings:
    """What was located behind one mismatch.

    Attributes:
        table: where.
        differences: the first of them, in order of their keys.
        total: how many rows differ.
        columns: column -> number of changed rows in which it differs.
        note: what could not be said, and why; empty if everything was located.
    """

    table: str
    differences: tuple[Difference, ...]
    total: int
    columns: tuple[tuple[str, int], ...]
    note: str = ""


def overall(verdicts: list[TableVerdict]) -> Word:
    """One word for all tables: the worst, and UNKNOWN where nothing was compared."""
    words = {item.verdict for item in verdicts}
    if "MISMATCH" in words:
        return "MISMATCH"
    return "UNKNOWN" if "UNKNOWN" in words or not words else "MATCH"
