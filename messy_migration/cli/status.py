"""`migrate status`: the ledger for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import click

from messy_migration import api
from messy_migration.cli.options import Common, common_options, json_option, target_option
from messy_migration.cli.render import (
    SCHEMA,
    as_typed,
    cell,
    complain,
    counted,
    emit_json,
    say,
    table,
)
from messy_migration.ledger.completeness import headline, problems, told
from messy_migration.ledger.progress import Progress
from messy_migration.ledger.runs import Run, short
from messy_migration.ledger.totals import StreamTotals
from messy_migration.model import stream_label


@click.command("status")
@target_option
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many runs."
)
@click.option(
    "--watch", is_flag=True, help="Show it again and again until the run under way ends; exit 0."
)
@json_option
@common_options
def command(
    common: Common,
    *,
    limit: int,
    watch: bool,
    as_json: bool,
    **flags: Any,
) -> int:
    """Show the runs and tables that the ledger knows, and who holds the target.

    Works while a run is under way, from any terminal that reaches the target. Exit code 7 if
    too much of a stream is in quarantine, or nothing was loaded of a stream that had records.
    """
    request = common.recalled(**flags)
    if watch:
        _watch(request, limit, as_json=as_json)
        return 0
    status = api.status(request, limit=limit)
    if as_json:
        emit_json(status.as_json())
    else:
        say(status_text(status))
    for problem in problems(status.completeness):
        complain(problem)
    return status.exit_code


def _watch(request: api.Request, limit: int, *, as_json: bool) -> None:
    """Redraw on a terminal; elsewhere a line where something moved, and all of it at the end."""
    said = ""
    for status in api.watch(request, limit=limit):
        if as_json:
            click.echo(json.dumps({"schema": SCHEMA, **status.as_json()}, default=str))
        elif sys.stdout.isatty():
            click.clear()
            say(status_text(status))
        else:
            line = progress_line(status.progress) if status.progress else status_text(status)
            if line != said:
                say(line)
            said = line
        sys.stdout.flush()


def progress_line(progress: Progress) -> str:
    """How far a run is, how fast, and how long it will take."""
    total = ""
    if progress.total:
        total = f" of {progress.total:,} records ({100 * progress.done // progress.total} %)"
    parts = [
        f"run {short(progress.run_id)}: {progress.done:,}{total or ' records'}",
        f"{progress.partitions_done:,} of {counted(progress.partitions, 'partition')}",
    ]
    if progress.rate is not None:
        parts.append(f"{progress.rate:,.0f} records/s")
    if progress.seconds_left is not None:
        parts.append(f"about {timedelta(seconds=round(progress.seconds_left))} left")
    return ", ".join(parts)


def status_text(status: api.Status) -> str:
    """The ledger in tables."""
    rows = []
    for run, totals in status.runs:
        active = status.active and status.holder is not None and status.holder.run_id == run.run_id
        state = "running" if active else "unfinished" if run.state == "open" else run.state
        rows.append(
            [
                short(run.run_id),
                state,
                _verdict(run, totals),
                ",".join(run.plugins),
                sum(stream_totals.extracted for stream_totals in totals),
                sum(stream_totals.loaded for stream_totals in totals),
                sum(stream_totals.quarantined for stream_totals in totals),
                sum(stream_totals.filtered for stream_totals in totals),
                run.started_at[:19] + "Z",
            ]
        )
    headers = ["run", "state", "verdict", "plugins", "extracted", "loaded", "quarantined"]
    parts = [
        f"target {cell(status.target)}",
        table([*headers, "filtered", "started"], rows, "llllrrrrl"),
        table(
            ["table", "rows expected", "stream"],
            [
                [
                    state.table.name
                    + "".join(f" {name}={value}" for name, value in state.table.scope),
                    count,
                    stream_label(state.stream, state.tenant),
                ]
                for state, count in status.tables
            ],
            "lrl",
        ),
    ]
    parts += map(cell, _last(status))
    parts.append(_keyed(status))
    if status.progress is not None:
        parts.append(progress_line(status.progress))
    if status.active and status.holder:
        holder = status.holder
        parts.append(
            cell(
                f"held by run {short(holder.run_id)} on {holder.host}, process {holder.pid},"
                f" last heartbeat {holder.beat_at[:19]}Z"
            )
        )
    elif status.resume:
        parts.append(cell(as_typed(f"an unfinished run can be resumed: `{status.resume}`")))
    return "\n".join(parts)


def _verdict(run: Run, totals: Sequence[StreamTotals]) -> str:
    """The verdict of a run, and that not all of what it read was loaded."""
    is_partial = any(
        stream_totals.quarantined or (stream_totals.extracted and not stream_totals.loaded)
        for stream_totals in totals
    )
    if run.verdict == "MATCH" and is_partial:
        return "MATCH of what was loaded"
    return run.verdict or "-"


def _last(status: api.Status) -> list[str]:
    """The newest verdict, and in the same line what was not loaded over all runs."""
    newest = next((run for run, _ in status.runs if run.verdict), None)
    if newest is None or newest.verdict is None:
        return []
    rest = told(status.completeness)
    line = headline(newest.verdict, status.completeness) + (f"; {rest}" if rest else "")
    return [f"run {short(newest.run_id)}: {line}"]


def _keyed(status: api.Status) -> str:
    """Whether the proof of these tables has a key."""
    facts = status.keyed
    if facts is None:
        return "no fingerprint_key: the sums of these tables have no key"
    tables = counted(facts["of"], "table")
    return f"fingerprint_key {facts['key_id']}: {facts['tables']} of {tables} under it"
