"""`migrate run`: options, one call, an exit code."""

from __future__ import annotations

import functools
from collections.abc import Callable
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
    restart_option,
    sandbox_option,
    target_option,
    verbose_option,
    workers_option,
)
from messy_migration.cli.plan import show_plan
from messy_migration.cli.progress import observer
from messy_migration.cli.render import complain, emit_json, say
from messy_migration.cli.summary import outcome_text, reconciliation_text
from messy_migration.cli.verdict import alarming
from messy_migration.errors import UsageProblem


def final_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--final` to the options behind `choice`."""

    @click.option(
        "--final",
        is_flag=True,
        help="The last run: create foreign keys, then hold all values against the source.",
    )
    @functools.wraps(function)
    def wrapper(*args: Any, final: bool, **kwargs: Any) -> Any:
        choice = replace(kwargs.pop("choice"), final=final)
        return function(*args, choice=choice, **kwargs)

    return wrapper


def rotation_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a change of key to those behind `choice`."""

    @click.option(
        "--rotate-key",
        is_flag=True,
        help="Read no source: prove all tables, and put them under the key that is set.",
    )
    @click.option(
        "--lost-key",
        metavar="REASON",
        help="With --rotate-key: the key before is lost, for this reason; go without its proof.",
    )
    @functools.wraps(function)
    def wrapper(*args: Any, rotate_key: bool, lost_key: str | None, **kwargs: Any) -> Any:
        choice, others = kwargs.pop("choice"), ("dry_run", "engine", "accept_foreign")
        if lost_key and not rotate_key:
            raise UsageProblem("--lost-key goes with --rotate-key", next="add --rotate-key")
        if rotate_key and (choice != api.RunOptions() or any(kwargs[name] for name in others)):
            raise UsageProblem(
                "--rotate-key reads no source and proves all tables; no other option goes with it"
            )
        choice = replace(choice, rotate_key=rotate_key, lost_key=lost_key or None)
        return function(*args, choice=choice, **kwargs)

    return wrapper


@click.command("run")
@plugins_option
@target_option
@workers_option
@choice_options
@final_option
@restart_option
@rotation_options
@sandbox_option
@click.option("--engine", metavar="NAME", help="Work on an executor that a plugin brings.")
@click.option("--dry-run", is_flag=True, help="Only plan: what would be read and written.")
@click.option(
    "--accept-foreign",
    metavar="REASON",
    help="Adopt what somebody else changed in the target, for this reason.",
)
@anchor_option
@verbose_option
@json_option
@common_options
def command(
    common: Common,
    *,
    choice: api.RunOptions,
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
    verbose = flags.pop("verbose")
    request = common.request(**flags)
    if dry_run:
        return show_plan(api.plan(request, options), as_json=as_json)
    with observer(quiet=as_json or common.log_format == "json") as watching:
        outcome = api.run(request, watching, options)
    for problem in outcome.problems:
        complain(problem)
    if as_json:
        emit_json(outcome.as_json())
    else:
        red = alarming(outcome.verdict, outcome.proof)
        say(outcome_text(outcome, verbose=verbose), red=red)
        if outcome.final:
            say("held against the source as it is now:")
            red = alarming(outcome.final.verdict, outcome.final.proof)
            say(reconciliation_text(outcome.final, verbose=verbose), red=red)
    return outcome.exit_code
