"""Verdicts as a table: one line a table, and the scopes of a table where they are wanted.

Several streams may share a table; each of them has a scope of it, such as the rows of one
tenant. A reader wants the table, and its scopes only where one of them is not MATCH.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from messy_migration.cli.render import counted, table
from messy_migration.ledger.totals import TableTotals
from messy_migration.reconcile.verdict import TableVerdict, overall

_LOADED = ("inserted", "updated", "unchanged")
_Scoped = tuple[str, tuple[tuple[str, str], ...]]


def verdicts_text(
    verdicts: Sequence[TableVerdict],
    loaded: Iterable[TableTotals] | None = None,
    *,
    verbose: bool = False,
) -> str:
    """A line for each table, with those of its scopes under it that have something to say.

    Args:
        verdicts: of tables and their scopes.
        loaded: what the run did to each of them; None where nothing was loaded.
        verbose: show every scope.
    """
    totals = (
        None
        if loaded is None
        else {(table_totals.table, table_totals.scope): table_totals for table_totals in loaded}
    )
    headers = ["table", *(_LOADED if totals is not None else ()), "expected", "actual", "verdict"]
    rows: list[list[object]] = []
    folded: list[int] = []
    for name, scopes in _by_table(verdicts).items():
        if len(scopes) == 1 and not scopes[0].scope:
            rows.append(_row(name, scopes, totals))
            continue
        is_folded = not verbose and all(_is_plain(verdict) for verdict in scopes)
        rows.append(_row(name, scopes, totals, is_sum=True))
        if is_folded:
            folded.append(len(scopes))
        else:
            rows += (_row(f"  {_label(verdict)}", [verdict], totals) for verdict in scopes)
    text = table(headers, rows, "l" + "r" * (len(headers) - 2) + "l")
    if folded:
        parts = f"{counted(sum(folded), 'scope')} of {counted(len(folded), 'table')}"
        text += f"\n{parts} summed up; -v shows each"
    return text


def _by_table(verdicts: Sequence[TableVerdict]) -> dict[str, list[TableVerdict]]:
    tables: dict[str, list[TableVerdict]] = {}
    for verdict in verdicts:
        tables.setdefault(verdict.table, []).append(verdict)
    return tables


def _is_plain(verdict: TableVerdict) -> bool:
    return verdict.verdict == "MATCH" and not verdict.reason


def _label(verdict: TableVerdict) -> str:
    return " ".join(f"{column}={value}" for column, value in verdict.scope) or "the rest"


def _row(
    name: str,
    scopes: Sequence[TableVerdict],
    totals: Mapping[_Scoped, TableTotals] | None,
    *,
    is_sum: bool = False,
) -> list[object]:
    """One line: of a scope, or of all scopes of a table in sum."""
    row: list[object] = [name]
    if totals is not None:
        own = [totals.get((verdict.table, verdict.scope)) for verdict in scopes]
        row += (
            sum(getattr(table_totals, word) for table_totals in own if table_totals)
            for word in _LOADED
        )
    counts = [verdict.actual.rows for verdict in scopes if verdict.actual is not None]
    row.append(sum(verdict.expected.rows for verdict in scopes))
    row.append(sum(counts) if len(counts) == len(scopes) else "-")
    reason = "" if is_sum else scopes[0].reason
    row.append(overall(scopes) + (f": {reason}" if reason else ""))
    return row
