"""`migrate plan`: what a run would read and write."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from messy_migration import api
from messy_migration.cli.options import (
    Common,
    choice_options,
    common_options,
    json_option,
    plugins_option,
    restart_option,
    sandbox_option,
    target_option,
)
from messy_migration.cli.render import cell, emit_json, say, table
from messy_migration.run.plan import StreamPlan, reread_lines


@click.command("plan")
@plugins_option
@choice_options
@restart_option
@target_option
@sandbox_option
@json_option
@common_options
def command(
    common: Common,
    *,
    choice: api.RunOptions,
    sandbox: int | None,
    as_json: bool,
    **flags: Any,
) -> int:
    """Show what `run` would read and write, and write nothing.

    Sources are asked for their partitions and the target for its tables; a table that is
    missing is shown with the statement that would create it.
    """
    options = replace(choice, sandbox=sandbox)
    return show_plan(api.plan(common.request(**flags), options), as_json=as_json)


def show_plan(plan: api.Plan, *, as_json: bool) -> int:
    """Print a plan; its exit code."""
    if as_json:
        emit_json(plan.as_json())
    else:
        say(plan_text(plan))
    return plan.exit_code


def plan_text(plan: api.Plan) -> str:
    """A plan for people."""
    parts = [cell(f"target {plan.target} ({plan.server})")]
    parts.append(
        table(
            ["stream", "to read", "records", "in the target"],
            [
                [
                    stream_plan.stream.label,
                    len(stream_plan.partitions),
                    _records(stream_plan),
                    len(stream_plan.skipped),
                ]
                for stream_plan in plan.streams
            ],
            "lrrr",
        )
    )
    for table_plan in plan.tables:
        state = "is there" if table_plan.exists else f"would be created:\n  {table_plan.ddl}"
        parts.append(
            f"{cell(f'table {table_plan.table.name} (stream {table_plan.stream})')} {state}"
        )
        parts += [cell(f"  error: {problem}") for problem in table_plan.problems]
        if table_plan.remedy:
            parts.append(cell(f"  Next: {table_plan.remedy}"))
    parts += [cell(line) for line in reread_lines(plan.streams)]
    parts += [cell(note) for stream_plan in plan.streams for note in stream_plan.notes]
    parts += [
        cell(f"error: {problem}")
        for stream_plan in plan.streams
        for problem in stream_plan.problems
    ]
    return "\n".join(parts)


def _records(plan: StreamPlan) -> str:
    """Records to read: `~` marks what the source only expects, `?` what it does not say."""
    counts = [part.records for part in plan.partitions if part.records is not None]
    if len(counts) < len(plan.partitions):
        return "?"
    mark = "~" if any(part.estimated for part in plan.partitions) else ""
    return f"{mark}{sum(counts):,}"
