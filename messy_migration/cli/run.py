"""`migrate run`: options, one call, an exit code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from messy_migration import api
from messy_migration.cli.options import (
    Common,
    anchor_option,
    choice_options,
    common_options,
    json_option,
    plugins_option,
    sandbox_option,
    target_option,
    workers_option,
)
from messy_migration.cli.plan import show_plan
from messy_migration.cli.progress import observer
from messy_migration.cli.render import complain, emit_json, say
from messy_migration.cli.summary import outcome_text
from messy_migration.run.as_json import run_object


@click.command("run")
@plugins_option
@target_option
@workers_option
@choice_options
@sandbox_option
@click.option("--engine", metavar="NAME", help="Work on an executor that a plugin brings.")
@click.option("--dry-run", is_flag=True, help="Only plan: what would be read and written.")
@click.option(
    "--accept-foreign",
    metavar="REASON",
    help="Adopt what somebody else changed in the target, for this reason.",
)
@anchor_option
@json_option
@common_options
def command(
    common: Common,
    *,
    choice: api.Options,
    sandbox: int | None,
    engine: str | None,
    dry_run: bool,
    accept_foreign: str | None,
    anchor: str | None,
    as_json: bool,
    **flags: Any,
) -> int:
    """Migrate, then reconcile the target with what was loaded.

    Called again after anything, a kill included, the same command resumes what is unfinished
    and repeats nothing. It ends with a verdict per table; only MATCH on all of them, with no
    problem on the way, is exit code 0.
    """
    options = replace(
        choice,
        accept_foreign=accept_foreign or None,
        sandbox=sandbox,
        engine=engine,
        anchor=anchor,
    )
    request = common.request(**flags)
    if dry_run:
        return show_plan(api.plan(request, options), as_json=as_json)
    with observer(quiet=as_json) as watching:
        outcome = api.run(request, watching, options)
    for problem in outcome.problems:
        complain(problem)
    if as_json:
        emit_json(run_object(outcome))
    else:
        say(outcome_text(outcome))
    return outcome.exit_code
