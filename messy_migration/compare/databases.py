"""Hold two databases against each other, with no run and no ledger behind them.

Each side is one read-only snapshot. A table costs one scan of either side at the same time: the
difference of two sketches proves it, and names the rows that differ. What could not be read is
UNKNOWN, and never anything else.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from messy_migration.compare import differences as pairing
from messy_migration.compare import matching as tables
from messy_migration.compare.budget import Budget, Progress, TimeUp
from messy_migration.compare.findings import Findings, Word
from messy_migration.compare.matching import CompareOptions, Pair, Side
from messy_migration.compare.resolve import MOST, resolve
from messy_migration.databases import convert
from messy_migration.databases.dialect import planned_otherwise
from messy_migration.databases.errors import Unplanned, driver_errors_as_ours
from messy_migration.databases.postgresql.sketch import probe
from messy_migration.databases.sketch import CELLS, SHA256, Choice, FoundRow, Hashing, Sketch, View
from messy_migration.databases.timeouts import limit_time
from messy_migration.errors import TargetError
from messy_migration.model import Fingerprint

T = TypeVar("T")


@dataclass(frozen=True)
class TableComparison:
    """Two tables held against each other.

    Attributes:
        pair: what was compared, and how.
        left, right: fingerprints of both sides; None if a side was not read.
        verdict: MATCH only if all rows of both were read and are equal.
        reason: why it is not MATCH, in words.
        findings: what is behind a mismatch, or None.
    """

    pair: Pair
    left: Fingerprint | None
    right: Fingerprint | None
    verdict: Word
    reason: str = ""
    findings: Findings | None = None


class Compared(NamedTuple):
    """A verdict for each table, and the hash by which rows were compared."""

    tables: list[TableComparison]
    hashing: Hashing


def compare(left: Side, right: Side, wishes: CompareOptions, budget: Budget) -> Compared:
    """A verdict for each table.

    Raises:
        UsageProblem: a wish names nothing, or columns cannot be compared exactly.
        TargetError: the catalogue of a side cannot be read.
    """
    for side in (left, right):
        with driver_errors_as_ours("the database"):
            convert.set_session(side.connection, side.reader.name)
    progress = Progress(budget)
    pairs = tables.pairs(left, right, wishes)
    with ThreadPoolExecutor(2, "side") as threads:
        both = _Both(left, right, threads, _hashing(left, right), progress)
        return Compared([_compared(both, pair) for pair in pairs], both.hashing)


def _hashing(left: Side, right: Side) -> Hashing:
    """The servers' own hash under a new seed, where both have it and agree; else SHA-256."""
    if left.reader.name != "postgresql" or right.reader.name != "postgresql":
        return SHA256
    hashing = Hashing(secrets.randbits(63))
    same = probe(left.connection, hashing) == probe(right.connection, hashing)
    return hashing if same else SHA256


@dataclass(frozen=True)
class _Both:
    """Both sides, asked at the same time."""

    left: Side
    right: Side
    threads: ThreadPoolExecutor
    hashing: Hashing
    progress: Progress
    notes: dict[str, str] = field(default_factory=dict)

    def ask(self, views: tuple[View, View], what: Callable[[Side, View], T]) -> tuple[T, T]:
        """The answers of both sides; an error of either, once both have come to an end.

        Raises:
            TimeUp: the seconds of the budget are over.
            TargetError: a side could not be read; it says which.
        """
        remaining = self.progress.left()
        calls = [
            self.threads.submit(self._answer, name, side, view, what, remaining)
            for name, side, view in zip(
                ("left", "right"), (self.left, self.right), views, strict=True
            )
        ]
        errors = [error for call in calls if (error := call.exception()) is not None]
        if errors:
            raise next((one for one in errors if not isinstance(one, TimeUp)), errors[0])
        return calls[0].result(), calls[1].result()

    def _answer(
        self,
        name: str,
        side: Side,
        view: View,
        what: Callable[[Side, View], T],
        seconds: float | None,
    ) -> T:
        if side.connection.invalidated:
            raise TargetError(f"the {name} side could not be read", why="its connection was lost")
        try:
            try:
                with self._attempt(side, view, seconds):
                    return what(side, view)
            except Unplanned as error:
                with (
                    self._attempt(side, view, seconds),
                    planned_otherwise(
                        side.connection, side.reader, error, view.table.name, self.notes
                    ),
                ):
                    return what(side, view)
        except TargetError as error:
            late = self.progress.late()
            if late:
                raise TimeUp(late, f"table {view.table.name}") from error
            raise TargetError(
                f"the {name} side could not be read", why=error.why or error.what
            ) from error

    @contextmanager
    def _attempt(self, side: Side, view: View, seconds: float | None) -> Iterator[None]:
        """A savepoint where an error would end the transaction for other tables: on Postgres."""
        is_nested = side.reader.name == "postgresql"
        with (
            driver_errors_as_ours(f"table {view.table.name}"),
            side.connection.begin_nested() if is_nested else nullcontext(),
            limit_time(side.connection, side.reader.name, seconds),
        ):
            yield


def _compared(both: _Both, pair: Pair) -> TableComparison:
    if pair.left is None or pair.right is None:
        both.progress.found += 1
        side = "left" if pair.left is None else "right"
        return TableComparison(
            pair, None, None, "MISMATCH", f"there is no such table on the {side}"
        )
    over = both.progress.over()
    if pair.views is None or over:
        return TableComparison(pair, None, None, "UNKNOWN", over or pair.unread)
    try:
        ours, theirs = both.ask(pair.views, lambda side, view: _sketch(both, side, view, CELLS))
    except TargetError as error:
        return TableComparison(pair, None, None, "UNKNOWN", _words(error))
    left, right = ours.total(), theirs.total()
    lonely = _lonely(pair)
    noted = _joined(*(both.notes.pop(name, "") for name in {pair.left, pair.right}))
    if left == right:
        # The cells have to be equal one by one: that is the stronger proof.
        if len((ours - theirs).unequal()):
            return TableComparison(pair, left, right, "MISMATCH", "the rows differ")
        return TableComparison(
            pair, left, right, "MISMATCH" if lonely else "MATCH", _joined(lonely, noted)
        )
    findings = _located(both, pair, pair.views, (ours, theirs))
    both.progress.found += findings.total
    reason = f"{left.rows:,} rows on the left, {right.rows:,} on the right"
    if left.rows == right.rows:
        reason = "the number of rows is the same, their content is not"
    return TableComparison(pair, left, right, "MISMATCH", _joined(lonely, reason, noted), findings)


def _joined(*parts: str) -> str:
    return "; ".join(filter(None, parts))


def _lonely(pair: Pair) -> str:
    """Columns that only one side has, in words."""
    parts = []
    for side, names in (("right", pair.only_left), ("left", pair.only_right)):
        if names:
            noun = "column" if len(names) == 1 else "columns"
            parts.append(f"{noun} {', '.join(names)} missing on the {side}")
    return "; ".join(parts)


def _words(error: TargetError) -> str:
    return f"{error.what}: {error.why}" if error.why else error.what


def _sketch(both: _Both, side: Side, view: View, cells: int) -> Sketch:
    return side.reader.scans.sketch(side.connection, view, both.hashing, cells)


def _located(
    both: _Both, pair: Pair, views: tuple[View, View], sketches: tuple[Sketch, Sketch]
) -> Findings:
    def fetch(choice: Choice) -> tuple[list[FoundRow], list[FoundRow]]:
        return both.ask(
            views,
            lambda side, view: list(
                side.reader.scans.rows(side.connection, view, both.hashing, choice)
            ),
        )

    def finer(cells: int) -> tuple[Sketch, Sketch]:
        return both.ask(views, lambda side, view: _sketch(both, side, view, cells))

    budget = both.progress.budget
    names = pairing.Names(views[0].table, pair.label, pair.columns, budget.show_values)
    try:
        leftover = resolve(
            sketches, views[0], fetch, finer, min(MOST, 2 * both.progress.rest(MOST))
        )
    except TargetError as error:
        return Findings(
            pair.label, (), 0, (), f"what differs could not be looked at: {_words(error)}"
        )
    return pairing.findings(names, leftover, both.progress.rest(budget.limit))


def overall(comparisons: Sequence[TableComparison]) -> Word:
    """One word for all tables: the worst, and UNKNOWN where nothing was compared."""
    words = {comparison.verdict for comparison in comparisons}
    if "MISMATCH" in words:
        return "MISMATCH"
    return "UNKNOWN" if "UNKNOWN" in words or not words else "MATCH"
