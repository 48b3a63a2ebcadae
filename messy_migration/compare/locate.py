"""Name the rows and columns behind a mismatch between a table and its receipts.

The input is replayed once and gives the rows that should be there. The difference of two
sketches names those that differ, and only they are fetched from either side. Where the replay
does not sum up to the receipts (a run met a key twice, or an input has changed) the newest row
of each key is worked out first. Where it is known which batches are as they were loaded, only
the rest is replayed; if that does not sum up either, the whole is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pyarrow as pa
from sqlalchemy import Connection

from messy_migration.compare import differences as pairing
from messy_migration.compare.budget import Progress, TimeUp
from messy_migration.compare.differences import Names
from messy_migration.compare.findings import Findings
from messy_migration.compare.resolve import MOST, resolve
from messy_migration.compare.stored_rows import Expected
from messy_migration.databases.dialect import Reader
from messy_migration.databases.naming import scope, scoped
from messy_migration.databases.sketch import CELLS, SHA256, Choice, FoundRow, Sketch, View
from messy_migration.errors import MigrationError
from messy_migration.model import Fingerprint, Table

Replay = Callable[[], Iterator[pa.Table]]
"""Gives the rows that were loaded into a table, oldest first."""


@dataclass(frozen=True)
class Replayable:
    """Rows of a table, and how to have them again.

    Attributes:
        expected: the sum of their receipts, against which the replay itself is checked.
        replay: gives them as they were loaded.
        where: a condition on `t`, beside the scope, that holds for them alone.
    """

    expected: Fingerprint
    replay: Replay
    where: str = ""


_CHANGED = (
    "the input read again does not give the rows that were loaded; differences may be incomplete"
)


def locate(
    connection: Connection,
    dialect: Reader,
    table: Table,
    whole: Replayable,
    limit: int,
    bookmark: str | None = None,
    *,
    rest: Replayable | None = None,
    progress: Progress | None = None,
) -> Findings:
    """The rows in which the target differs from what was loaded.

    Args:
        connection: in a read-only snapshot of the target.
        dialect: of the target.
        table: with the scope to look at.
        whole: all rows of the table.
        limit: how many differences to list; all are counted.
        bookmark: the column that says which of two rows with one key is newer, or None.
        rest: the rows without those that are known to be as they were loaded, or None.
        progress: what is left of a budget, and whether values are listed, not only keys.

    Raises:
        TargetError: the target cannot be read; `TimeUp` if there was no time to.
    """
    progress = progress or Progress()
    note = ""
    source = scoped(connection, dialect, replace(table, scope=()))
    for part in (rest, whole) if rest is not None else (whole,):
        where = " AND ".join(filter(None, (scope(dialect.spelling, table), part.where)))
        view = View(table, source, where)
        try:
            ours = Expected(view, progress.watched(part.replay()))
        except TimeUp:
            raise
        except MigrationError as error:
            note = f"the input cannot be read again: {error}"
            continue
        with ours:
            if ours.sketch.total() != part.expected and table.conflict == "first":
                ours.keep_first()
            elif ours.sketch.total() != part.expected and table.key:
                ours.keep_newest(bookmark if bookmark in table.names else None)
            is_as_loaded = ours.sketch.total() == part.expected
            if is_as_loaded or part is whole:
                findings = _compared(connection, dialect, view, ours, limit, progress)
                return (
                    findings if is_as_loaded else replace(findings, note=findings.note or _CHANGED)
                )
    return Findings(table.name, (), 0, (), note)


def _compared(
    connection: Connection,
    dialect: Reader,
    view: View,
    ours: Expected,
    limit: int,
    progress: Progress,
) -> Findings:
    scans = dialect.scans

    def sketch(cells: int) -> Sketch:
        with progress.limited(connection, dialect.name):
            return scans.sketch(connection, view, SHA256, cells)

    def finer(cells: int) -> tuple[Sketch, Sketch]:
        return ours.sketched(cells), sketch(cells)

    def fetch(choice: Choice) -> tuple[list[FoundRow], list[FoundRow]]:
        with progress.limited(connection, dialect.name):
            return ours.rows(choice), list(scans.rows(connection, view, SHA256, choice))

    most = min(MOST, 2 * progress.rest(MOST))
    leftover = resolve((ours.sketch, sketch(CELLS)), view, fetch, finer, most)
    names = Names.of(view.table, show_values=progress.budget.show_values)
    findings = pairing.findings(names, leftover, progress.rest(limit))
    return replace(findings, batches=ours.batches(leftover.left))
