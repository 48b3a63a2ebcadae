"""Show a run while it goes: a live display on a terminal, plain lines on a pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from messy_migration.cli.render import cell, log_is_json, say
from messy_migration.ledger.runs import Run, short
from messy_migration.ledger.totals import StreamTotals
from messy_migration.model import Stream, stream_label
from messy_migration.run.plan import StreamPlan, reread_lines

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Lines:
    """Plain lines on stderr: what begins, what moved, what comes next."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._said = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to put away."""

    def started(self, run: Run, target: str, streams: Sequence[Stream], *, resumed: bool) -> None:
        """See `Observer`."""
        word = "resumed" if resumed else "started"
        self._say(
            f"run {short(run.run_id)} {word}: plugins {', '.join(run.plugins)}, streams"
            f" {', '.join(stream.label for stream in streams)}"
            f" -> {target}"
        )
        for line in _assumptions(streams):
            self._say(line)

    def planned(self, plans: Sequence[StreamPlan], workers: int) -> None:
        """See `Observer`."""
        todo = sum(len(plan.partitions) for plan in plans)
        skipped = sum(len(plan.skipped) for plan in plans)
        already = f", {skipped:,} already in the target" if skipped else ""
        self._say(f"{todo:,} partitions to read with up to {workers} workers{already}")
        for line in [*_renewals(plans), *reread_lines(plans)]:
            self._say(line)

    def progressed(self, totals: Sequence[StreamTotals]) -> None:
        """See `Observer`."""
        done = sum(stream_totals.extracted for stream_totals in totals)
        if done > self._said:
            self._said = done
            self._say(f"{done:,} records committed")

    def proving(self) -> None:
        """See `Observer`."""
        self._say("reading the target back")

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

    def started(self, run: Run, target: str, streams: Sequence[Stream], *, resumed: bool) -> None:
        """See `Observer`."""
        word = " (resumed)" if resumed else ""
        for line in (f"run {short(run.run_id)}{word} -> {target}", *_assumptions(streams)):
            self._progress.console.print(cell(line), highlight=False, markup=False)

    def planned(self, plans: Sequence[StreamPlan], workers: int) -> None:
        """See `Observer`."""
        del workers
        for line in [*_renewals(plans), *reread_lines(plans)]:
            self._progress.console.print(cell(line), highlight=False, markup=False)
        for plan in plans:
            counts = [part.records for part in plan.partitions]
            total = sum(count or 0 for count in counts) if counts and all(counts) else None
            key = (plan.stream.name, plan.stream.tenant)
            self._tasks[key] = self._progress.add_task(
                cell(plan.stream.label), total=total if plan.partitions else 1, shown=""
            )
            if not plan.partitions:
                self._progress.update(self._tasks[key], completed=1, shown="nothing new")

    def progressed(self, totals: Sequence[StreamTotals]) -> None:
        """See `Observer`."""
        for stream_totals in totals:
            task = self._tasks.get((stream_totals.stream, stream_totals.tenant))
            if task is not None:
                self._progress.update(
                    task,
                    completed=stream_totals.extracted,
                    shown=f"{stream_totals.extracted:,} records",
                )

    def proving(self) -> None:
        """See `Observer`."""
        for task in self._tasks.values():
            total = max(self._progress.tasks[task].completed, 1)
            self._progress.update(task, total=total, completed=total)
        self._progress.add_task("reading the target back", total=None, shown="")


def _assumptions(streams: Sequence[Stream]) -> list[str]:
    """What the plugins assume about their sources, once each."""
    lines = dict.fromkeys(line for stream in streams for line in stream.assumed)
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
