"""From the difference of two sketches to the rows that are left over on either side.

A cell in which one row is left over spells out its key. The rows of those keys are fetched on
both sides and taken out of the cells, by which others come to hold a single row, and so on.
What does not peel that way (a table without a key, keys that are held twice) costs one more
scan, which returns the rows of the cells that are left. Where more rows differ than anybody
would read, a sample of them stands for all. At the end the cells say whether that was all of
it: no difference can be left out by mistake.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from messy_migration.compare.budget import TimeUp
from messy_migration.databases.sketch import Cells, Choice, FoundRow, Keys, Sketch, View

Fetch = Callable[[Choice], tuple[list[FoundRow], list[FoundRow]]]
"""Gives the rows of a choice on both sides."""

MOST = 50_000
"""Rows left over on both sides together up to which all of them are named."""

SAMPLE = 2_000
"""Keys that are looked at where more differ."""

_MOST_CELLS = 1 << 18
_SCANNED = 100_000
_CHUNK = 5_000
_ROUNDS = {True: 8, False: 2}


@dataclass
class Leftover:
    """Rows that one side has and the other has not.

    Attributes:
        left, right: the rows, each as often as it is left over.
        is_whole: these are all of them; nothing is left in any cell.
        about: how many there are on both sides together, exact if `is_whole`.
        note: why these are not all of them.
    """

    left: list[FoundRow] = field(default_factory=list)
    right: list[FoundRow] = field(default_factory=list)
    is_whole: bool = False
    about: int = 0
    note: str = ""


def resolve(
    sketches: tuple[Sketch, Sketch],
    view: View,
    fetch: Fetch,
    finer: Callable[[int], tuple[Sketch, Sketch]],
    most: int = MOST,
) -> Leftover:
    """The rows behind the difference of two sketches.

    Args:
        sketches: of the left and of the right.
        view: what was sketched.
        fetch: gives rows of both sides.
        finer: gives both sketches in more cells, by one more scan.
        most: how many rows left over are all named; of more than that, a sample.
    """
    difference, held = _taken(sketches)
    leftover = Leftover(about=difference.surplus())
    try:
        if leftover.about > most:
            _sample(difference, view, leftover, held, fetch)
            return leftover
        if leftover.about > difference.cells // 8:
            cells = 1 << (8 * leftover.about - 1).bit_length()
            difference, held = _taken(finer(min(cells, _MOST_CELLS)))
        if view.table.key:
            _peel(difference, view, leftover, fetch)
        _scan(difference, leftover, held, fetch)
    except TimeUp as error:
        leftover.note = str(error.what)
    if not leftover.note and len(difference.unequal()):
        leftover.note = "not all of the rows that differ could be named"
    leftover.is_whole = not leftover.note
    if leftover.is_whole:
        leftover.about = len(leftover.left) + len(leftover.right)
    return leftover


def _peel(difference: Sketch, view: View, leftover: Leftover, fetch: Fetch) -> None:
    """Take out what single cells spell."""
    tried: set[int] = set()
    for _ in range(_ROUNDS[view.is_spelled]):
        keys = sorted(difference.single() - tried)
        if not keys:
            break
        for start in range(0, len(keys), _CHUNK if view.is_spelled else len(keys)):
            chosen = frozenset(keys[start : start + _CHUNK] if view.is_spelled else keys)
            tried |= chosen
            _take(difference, leftover, *fetch(Keys(chosen)))


def _taken(sketches: tuple[Sketch, Sketch]) -> tuple[Sketch, NDArray[np.int64]]:
    """The difference, and how many rows each cell has on both sides together."""
    left, right = sketches
    return left - right, left.counts + right.counts


def _affordable(cells: NDArray[np.intp], held: NDArray[np.int64], most: int) -> NDArray[np.intp]:
    """As many cells as have no more rows than that, those with few rows first; one at least."""
    ordered = cells[np.argsort(held[cells], kind="stable")]
    return ordered[: max(1, int(np.searchsorted(np.cumsum(held[ordered]), most, side="right")))]


def _scan(difference: Sketch, leftover: Leftover, held: NDArray[np.int64], fetch: Fetch) -> None:
    """Take out the rows of the cells in which something is left, if those are not too many."""
    unequal = difference.unequal()
    if not len(unequal):
        return
    chosen = _affordable(unequal, held, _SCANNED)
    if len(chosen) < len(unequal):
        unseen = f"{len(unequal) - len(chosen):,} of {difference.cells:,}"
        leftover.note = f"the rows of {unseen} cells were not looked at"
    ours, theirs = fetch(Cells(frozenset(chosen.tolist()), difference.cells))
    # Some of the rows have been taken out already, by their keys.
    _take(difference, leftover, _surplus(ours, leftover.left), _surplus(theirs, leftover.right))


def _sample(
    difference: Sketch, view: View, leftover: Leftover, held: NDArray[np.int64], fetch: Fetch
) -> None:
    """Some of the rows, whole cells of them, and with a key both versions of each."""
    unequal = _affordable(difference.unequal(), held, SAMPLE)
    ours, theirs = fetch(Cells(frozenset(unequal.tolist()), difference.cells))
    leftover.note = "more rows differ than are named; these are a sample"
    if not view.table.key:
        _take(difference, leftover, ours, theirs)
        return
    surplus = [*_surplus(ours, theirs), *_surplus(theirs, ours)]
    keys = sorted({row.key for row in surplus})[:SAMPLE]
    _take(difference, leftover, *fetch(Keys(frozenset(keys))))


def _take(
    difference: Sketch, leftover: Leftover, ours: list[FoundRow], theirs: list[FoundRow]
) -> None:
    for rows, others, kept, sign in (
        (ours, theirs, leftover.left, -1),
        (theirs, ours, leftover.right, 1),
    ):
        surplus = _surplus(rows, others)
        kept.extend(surplus)
        if surplus:
            keys = np.array([row.key for row in surplus], np.uint64)
            lanes = np.array([(row.lane0, row.lane1) for row in surplus], np.uint64)
            difference.add(keys, lanes, sign)


def _surplus(rows: Iterable[FoundRow], others: Iterable[FoundRow]) -> list[FoundRow]:
    """Those rows that are more often here than there, as often as that."""
    there = Counter((row.lane0, row.lane1) for row in others)
    surplus = []
    for row in rows:
        if there[row.lane0, row.lane1] > 0:
            there[row.lane0, row.lane1] -= 1
        else:
            surplus.append(row)
    return surplus
