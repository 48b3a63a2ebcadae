"""`migrate reconcile`: prove the target again."""

from __future__ import annotations

from typing import Any

import click

from messy_migration import api
from messy_migration.cli import between as two
from messy_migration.cli.asking import asked_options, changed_options
from messy_migration.cli.options import (
    Common,
    common_options,
    json_option,
    plugins_option,
    target_option,
)
from messy_migration.cli.render import cell, emit_json
from messy_migration.cli.results import reconciliation_text
from messy_migration.runner.evidence import proof_object
from messy_migration.runner.facts import quick_facts, repair_facts


@click.command("reconcile")
@plugins_option
@target_option
@click.option("--run", "run_id", metavar="ID", help="Only the tables that this run wrote.")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=50,
    show_default=True,
    help="How many differences of a table to list; all are counted.",
)
@two.between_options
@asked_options
@json_option
@common_options
def command(
    common: Common,
    *,
    between: tuple[two.Between, two.Depth] | None,
    run_id: str | None,
    limit: int,
    asked: api.Asked,
    as_json: bool,
    **flags: Any,
) -> int:
    """Prove the target against the receipts of everything that was ever loaded.

    Reads every table once. Where one differs, the input is read again to name the rows, by
    key, and the columns, and on Postgres rows that others wrote since are told from corrupted
    ones. `--against landed` compares every value with what was read, `--against source` with
    what the source has now. With --between two databases are held against each other instead.
    Exit code 0 only if all of it is MATCH.
    """
    if between is not None:
        others = {"run": run_id, **changed_options(asked), **flags}
        return two.run(common, between, limit, as_json=as_json, others=others)
    result = api.reconcile(common.request(**flags), run_id=run_id, limit=limit, asked=asked)
    for problem in result.problems:
        click.echo(f"error: {cell(' '.join(str(problem).splitlines()))}", err=True)
    if as_json:
        emit_json(reconciliation_object(result))
    else:
        click.echo(reconciliation_text(result))
    return result.exit_code


def reconciliation_object(result: api.Reconciliation) -> dict[str, Any]:
    """What `--json` prints."""
    whole = proof_object(result.proof, result.verdict, result.exit_code, result.target)
    if not result.untouched:
        more: dict[str, Any] = {"problems": [problem.as_dict() for problem in result.problems]}
        if result.repaired is not None:
            more["repair"] = repair_facts(result.repaired)
        return {**whole, "strict": result.strict, **more}
    named = ("schema", "exit_code", "target")
    return {**{name: whole[name] for name in named}, **quick_facts(result.untouched)}
