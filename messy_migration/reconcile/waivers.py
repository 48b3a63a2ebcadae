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
    verdict: TableVerdict, findings: Findings | None, waivers: Sequence[Waiver], today: date
) -> TableVerdict:
    """The verdict under the waivers; MATCH only if each single difference is covered by one.

    Args:
        verdict: of the rows, parents, counters and keys.
        findings: the differences behind it, all of them listed.
        waivers: of the configuration; expired ones count for nothing.
        today: the day, in UTC.
    """
    valid = [
        waiver
        for waiver in waivers
        if waiver.table == verdict.table and not waiver.has_expired(today)
    ]
    if verdict.verdict != "MISMATCH" or verdict.actual is None or not valid:
        return verdict
    used: Counter[str] = Counter()
    is_covered = (
        _rows(verdict, findings, valid, used)
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
    used = {name for verdict in verdicts for name, _ in verdict.waivers}
    proven = {verdict.table for verdict in verdicts}
    said = []
    for waiver in waivers:
        if waiver.has_expired(today):
            said.append(f"waiver {waiver.name} expired on {waiver.until}")
        elif waiver.table in proven and waiver.name not in used:
            said.append(f"waiver {waiver.name} was not used")
    return tuple(said)


def _rows(
    verdict: TableVerdict, findings: Findings | None, waivers: Sequence[Waiver], used: Counter[str]
) -> bool:
    if findings is None:
        return verdict.actual == verdict.expected
    if (
        findings.note
        or not findings.is_exact
        or sum(difference.rows for difference in findings.differences) != findings.total
    ):
        return False
    for difference in findings.differences:
        names = _covering(difference, waivers)
        if not names:
            return False
        used.update(dict.fromkeys(names, difference.rows))
    return True


def _covering(difference: Difference, waivers: Sequence[Waiver]) -> list[str]:
    """The waivers that cover a difference together; empty if something of it is left."""
    fitting = [
        waiver
        for waiver in waivers
        if waiver.kind in (None, difference.kind)
        and all((name, str(value)) in difference.key for name, value in waiver.key.items())
    ]
    whole = next((waiver.name for waiver in fitting if waiver.column is None), None)
    if whole is not None:
        return [whole]
    by_column = {waiver.column: waiver.name for waiver in fitting}
    if not difference.columns or not by_column.keys() >= set(difference.columns):
        return []
    return list(dict.fromkeys(by_column[column] for column in difference.columns))


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
