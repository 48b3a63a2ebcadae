"""Show a run by its events while it goes: a live display on a terminal, lines on a pipe."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from messy_migration.cli.render import cell, log_is_json, say
from messy_migration.ledger.runs import short
from messy_migration.ledger.totals import StreamTotals
from messy_migration.model import stream_label
from messy_migration.model.event import Event
from messy_migration.model.events import BatchCommitted, RunResumed, RunStarted
from messy_migration.run.plan import StreamPlan, reread_lines

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

EVERY_SECONDS = 2.0
"""Between two lines that say how much is committed."""


class Lines:
    """Plain lines on stderr: what begins, what moved, what comes next."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._done = 0
        self._said = 0
        self._said_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say what was committed last."""
        self._say_done()

    def hear(self, event: Event) -> None:
        """See `Observer`."""
        if isinstance(event, RunStarted):
            word = "resumed" if isinstance(event, RunResumed) else "started"
            self._say(
                f"run {short(event.run)} {word}: plugins {', '.join(event.plugins)}, streams"
                f" {', '.join(event.streams)} -> {event.target}"
            )
        elif isinstance(event, BatchCommitted):
            self._done += event.extracted
            if time.monotonic() - self._said_at >= EVERY_SECONDS:
                self._say_done()

    def planned(
        self, plans: Sequence[StreamPlan], workers: int, before: Sequence[StreamTotals]
    ) -> None:
        """See `Observer`."""
        self._done += sum(stream_totals.extracted for stream_totals in before)
        todo = sum(len(plan.partitions) for plan in plans)
        skipped = sum(len(plan.skipped) for plan in plans)
        already = f", {skipped:,} already in the target" if skipped else ""
        for line in _assumptions(plans):
            self._say(line)
        self._say(f"{todo:,} partitions to read with up to {workers} workers{already}")
        for line in [*_renewals(plans), *reread_lines(plans)]:
            self._say(line)

    def proving(self) -> None:
        """See `Observer`."""
        self._say_done()
        self._say("reading the target back")

    def _say_done(self) -> None:
        self._said_at = time.monotonic()
        if self._done > self._said:
            self._said = self._done
            self._say(f"{self._done:,} records committed")

    def _say(self, text: str) -> None:
        # There the events say the same.
        if not self._quiet and not log_is_json():
            say(cell(text), err=True)


class Live:
    """A bar per stream on a terminal, drawn on stderr."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress: Progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[shown]}", justify="right"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._tasks: dict[tuple[str, str], TaskID] = {}
        self._done: Counter[tuple[str, str]] = Counter()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def hear(self, event: Event) -> None:
        """See `Observer`."""
        if isinstance(event, RunStarted):
            word = " (resumed)" if isinstance(event, RunResumed) else ""
            self._print(f"run {short(event.run)}{word} -> {event.target}")
        elif isinstance(event, BatchCommitted):
            self._add((event.stream, event.tenant), event.extracted)

    def planned(
        self, plans: Sequence[StreamPlan], workers: int, before: Sequence[StreamTotals]
    ) -> None:
        """See `Observer`."""
        del workers
        for line in [*_assumptions(plans), *_renewals(plans), *reread_lines(plans)]:
            self._print(line)
        for plan in plans:
            counts = [part.records for part in plan.partitions]
            total = sum(count or 0 for count in counts) if counts and all(counts) else None
            key = (plan.stream.name, plan.stream.tenant)
            self._tasks[key] = self._progress.add_task(
                cell(plan.stream.label), total=total if plan.partitions else 1, shown=""
            )
            if not plan.partitions:
                self._progress.update(self._tasks[key], completed=1, shown="nothing new")
        for stream_totals in before:
            self._add((stream_totals.stream, stream_totals.tenant), stream_totals.extracted)

    def _add(self, key: tuple[str, str], records: int) -> None:
        task = self._tasks.get(key)
        if task is not None:
            self._done[key] += records
            done = self._done[key]
            self._progress.update(task, completed=done, shown=f"{done:,} records")

    def _print(self, line: str) -> None:
        self._progress.console.print(cell(line), highlight=False, markup=False)

    def proving(self) -> None:
        """See `Observer`."""
        for task in self._tasks.values():
            total = max(self._progress.tasks[task].completed, 1)
            self._progress.update(task, total=total, completed=total)
        self._progress.add_task("reading the target back", total=None, shown="")


def _assumptions(plans: Sequence[StreamPlan]) -> list[str]:
    """What the plugins assume about their sources, once each."""
    lines = dict.fromkeys(line for plan in plans for line in plan.stream.assumed)
    return [f"assumed: {line}" for line in lines]


def _renewals(plans: Sequence[StreamPlan]) -> list[str]:
    """What a resumed run reads in another snapshot than it began with, a line for each tenant."""
    names_of: dict[tuple[str, str], list[str]] = {}
    for plan in plans:
        if plan.renewed:
            stream = plan.stream
            names_of.setdefault((stream.plugin, stream.tenant), []).append(stream.name)
    return [
        f"a new snapshot of {stream_label(plugin, tenant)}: what is left of {', '.join(names)} is"
        " read as it is now, not as it was when the run began"
        for (plugin, tenant), names in names_of.items()
    ]


def observer(*, quiet: bool) -> Lines | Live:
    """A live display where a person watches, lines elsewhere, nothing if it is to be quiet."""
    if not quiet and sys.stderr.isatty():
        return Live()
    return Lines(quiet=quiet)
