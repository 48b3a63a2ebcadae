"""`migrate reconcile`: prove the target again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from messy_migration import api
from messy_migration.cli import compare as two
from messy_migration.cli.options import (
    Common,
    common_options,
    json_option,
    limit_option,
    plugins_option,
    sandbox_option,
    target_option,
    verbose_option,
)
from messy_migration.cli.reconcile_options import asked_options, changed_options
from messy_migration.cli.render import complain, emit_json, say
from messy_migration.cli.summary import reconciliation_text
from messy_migration.cli.verdict import alarming


@click.command("reconcile")
@plugins_option
@target_option
@sandbox_option
@click.option("--run", "run_id", metavar="ID", help="Only the tables that this run wrote.")
@limit_option
@two.between_options
@asked_options
@verbose_option
@json_option
@common_options
def command(
    common: Common,
    *,
    between: two.Between | None,
    run_id: str | None,
    limit: int,
    sandbox: int | None,
    options: api.ReconcileOptions,
    verbose: bool,
    as_json: bool,
    **flags: Any,
) -> int:
    """Prove the target against the receipts of everything that was ever loaded.

    Reads every table once, and the whole ledger against its chain of heads. Where a table
    differs, the input is read again to name the rows, by key, and the columns, and on Postgres
    rows that others wrote since are told from corrupted ones. `--against landed` compares every
    value with what was read, `--against source` with what the source has now. With --between two
    databases are held against each other instead. Exit code 0 only if all of it is MATCH.
    """
    if between is not None:
        changed = changed_options(
            replace(options, stop_after=None, seconds=None, show_values=False)
        )
        others = {"run": run_id, "sandbox": sandbox, **changed, **flags}
        return two.run(common, between, options.budget(limit), as_json=as_json, others=others)
    result = api.reconcile(
        common.recalled(**flags), run_id=run_id, limit=limit, options=options, sandbox=sandbox
    )
    for problem in result.problems:
        complain(problem)
    if as_json:
        emit_json(result.as_json())
    else:
        red = alarming(result.verdict, result.proof)
        say(reconciliation_text(result, verbose=verbose), red=red)
    return result.exit_code
