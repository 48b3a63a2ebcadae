"""Hold what differs against the waivers: what all of it is waived for is a MATCH with waivers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date

from messy_migration.compare.findings import Difference, Findings
from messy_migration.config.waivers import Waiver
from messy_migration.reconcile.verdict import TableVerdict


def waived(
    verdict: TableVerdict, found: Findings | None, waivers: Sequence[Waiver], today: date
) -> TableVerdict:
    """The verdict under the waivers; MATCH only if each single difference is covered by one.

    Args:
        verdict: of the rows, parents, counters and keys.
        found: the differences behind it, all of them listed.
        waivers: of the configuration; expired ones count for nothing.
        today: the day, in UTC.
    """
    valid = [
        item for item in waivers if item.table == verdict.table and not item.has_expired(today)
    ]
    if verdict.verdict != "MISMATCH" or verdict.actual is None or not valid:
        return verdict
    used: Counter[str] = Counter()
    is_covered = (
        _rows(verdict, found, valid, used)
        and _parents(verdict, valid, used)
        and _checks(verdict, valid, used)
    )
    if not is_covered or not used:
        return verdict
    counts = tuple(used.items())
    names = ", ".join(f"{name} ({rows:,})" for name, rows in counts)
    return replace(verdict, verdict="MATCH", waivers=counts, reason=f"waived: {names}")


def remarks(
    waivers: Iterable[Waiver], verdicts: Sequence[TableVerdict], today: date
) -> tuple[str, ...]:
    """What is to be said of waivers that covered nothing."""
    used = {name for item in verdicts for name, _ in item.waivers}
    proven = {item.table for item in verdicts}
    said = []
    for item in waivers:
        if item.has_expired(today):
            said.append(f"waiver {item.name} expired on {item.until}")
        elif item.table in proven and item.name not in used:
            said.append(f"waiver {item.name} was not used")
    return tuple(said)


def _rows(
    verdict: TableVerdict, found: Findings | None, waivers: Sequence[Waiver], used: Counter[str]
) -> bool:
    if found is None:
        return verdict.actual == verdict.expected
    if (
        found.note
        or not found.is_exact
        or sum(item.rows for item in found.differences) != found.total
    ):
        return False
    for item in found.differences:
        names = _covering(item, waivers)
        if not names:
            return False
        used.update(dict.fromkeys(names, item.rows))
    return True


def _covering(item: Difference, waivers: Sequence[Waiver]) -> list[str]:
    """The waivers that cover a difference together; empty if something of it is left."""
    fitting = [
        waiver
        for waiver in waivers
        if waiver.kind in (None, item.kind)
        and all((name, str(value)) in item.key for name, value in waiver.key.items())
    ]
    whole = next((waiver.name for waiver in fitting if waiver.column is None), None)
    if whole is not None:
        return [whole]
    by_column = {waiver.column: waiver.name for waiver in fitting}
    if not item.columns or not by_column.keys() >= set(item.columns):
        return []
    return list(dict.fromkeys(by_column[column] for column in item.columns))


def _parents(verdict: TableVerdict, waivers: Sequence[Waiver], used: Counter[str]) -> bool:
    for label, count in verdict.orphans:
        columns = label.partition(" -> ")[0].split(", ")
        names = [
            waiver.name
            for waiver in waivers
            if waiver.kind == "orphan" and (waiver.column is None or waiver.column in columns)
        ]
        if count is None or (count and not names):
            return False
        if count:
            used[names[0]] += count
    return True


def _checks(verdict: TableVerdict, waivers: Sequence[Waiver], used: Counter[str]) -> bool:
    for check in verdict.checks:
        if check.verdict != "MISMATCH":
            continue
        names = [waiver.name for waiver in waivers if waiver.kind == check.name]
        if not names:
            return False
        used[names[0]] += 1
    return True
