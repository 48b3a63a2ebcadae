"""The records for which a database refuses a batch, found by halving."""

from __future__ import annotations

from collections.abc import Callable

from messy_migration.databases.errors import RowsRefused
from messy_migration.model import Violation
from messy_migration.pipeline.rules import TARGET

Trial = Callable[[list[int]], RowsRefused | None]
"""Writes some records of a batch and takes them back; how they were refused."""


def culprits(records: list[int], trial: Trial) -> list[Violation]:
    """One violation for each record that is refused.

    None of them if nothing is refused any more: another worker's row was in the way.
    """
    error = trial(records)
    return _halve(records, trial, error) if error else []


def _halve(records: list[int], trial: Trial, error: RowsRefused) -> list[Violation]:
    if len(records) == 1:
        why = f"the target refused the row: {error.why}"
        return [Violation(records[0], error.where, None, TARGET, why)]
    violations: list[Violation] = []
    middle = len(records) // 2
    for half in (records[:middle], records[middle:]):
        refusal = trial(half)
        if refusal is not None:
            violations += _halve(half, trial, refusal)
    if not violations:
        # Each half is taken alone, so rows refuse each other: the one that completes it goes.
        return _halve([_completing(records, trial)], trial, error)
    return violations


def _completing(records: list[int], trial: Trial) -> int:
    """The last record of the shortest beginning that is refused."""
    low, high = 1, len(records)
    while low < high:
        middle = (low + high) // 2
        if trial(records[:middle]) is None:
            low = middle + 1
        else:
            high = middle
    return records[low - 1]
