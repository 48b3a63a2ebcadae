"""What workers died of, and what is tried next: the same again, in halves, or not at all."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from messy_migration.pipeline.halves import Span
from messy_migration.workers.task import Task

ATTEMPTS = 3
"""Workers that may die of a whole batch, or of a single record, before it is held against it."""
LIMIT = 100
"""Workers that may die of one partition; more records that kill are no accident of the data."""


class Crashes:
    """The deaths of one run's workers."""

    def __init__(self) -> None:
        self._of: Counter[tuple[tuple[str, str, str], Span]] = Counter()
        self._in: Counter[tuple[str, str, str]] = Counter()

    def after(self, task: Task, span: Span, how: str) -> Task | None:
        """The task as it is to be tried again, or None if that makes no sense.

        Args:
            task: what the worker had been given.
            span: the rows that it was at; no rows while it extracted.
            how: it died, in words.
        """
        self._in[task.place] += 1
        self._of[task.place, span] += 1
        rows = span.stop - span.start
        # Halves of a batch that was given up on are suspect from the start.
        is_suspect = rows > 1 and any(other.ordinal == span.ordinal for other in task.fatal)
        if self._in[task.place] >= LIMIT:
            return None
        if self._of[task.place, span] < (1 if is_suspect else ATTEMPTS):
            return task
        if rows == 0 or span in task.fatal:
            return None
        return replace(task, fatal=(*task.fatal, span), death=how)
