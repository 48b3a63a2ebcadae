"""The words of a comparison: what two sets of rows differ in, row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Word = Literal["MATCH", "MISMATCH", "UNKNOWN"]


Kind = Literal["missing", "extra", "changed"]


Writer = Literal["", "others", "load"]
"""Who wrote a row; empty where nobody can tell."""


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
        since: which side changed since the load: `source`, `target` or `both`; empty where the
            source was not read again or it cannot be told.
        writer: `others` if somebody else's transaction wrote the row of the target since the
            load, `load` if one of ours did, empty where the database cannot tell.
        rules: column -> the rule that could explain its difference, of a changed row.
        values: (column, expected, actual) as text, only where somebody asked to see them.
    """

    table: str
    key: tuple[tuple[str, str], ...]
    kind: Kind
    columns: tuple[str, ...]
    rows: int = 1
    since: Literal["", "source", "target", "both"] = ""
    writer: Writer = ""
    rules: tuple[tuple[str, str], ...] = ()
    values: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Findings:
    """What was located behind one mismatch.

    Attributes:
        table: where.
        differences: the first of them, in order of their keys.
        total: how many rows differ.
        columns: column -> number of changed rows in which it differs.
        note: what could not be said, and why; empty if everything was located.
        rules: column -> (rule, changed rows that it could explain), the most frequent first.
        is_exact: `total` is a count and no estimate.
        looked_at: rows behind `columns` and `rules`, where that is a sample.
        batches: batch -> how many of its rows, of those looked at, are missing or changed.
    """

    table: str
    differences: tuple[Difference, ...]
    total: int
    columns: tuple[tuple[str, int], ...]
    note: str = ""
    rules: tuple[tuple[str, tuple[tuple[str, int], ...]], ...] = ()
    is_exact: bool = True
    looked_at: int = 0
    batches: tuple[tuple[str, int], ...] = ()
