"""The options that say how to reconcile; the command gets them as one `ReconcileOptions`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import click

from messy_migration.cli.options import anchor_option, stop_options
from messy_migration.reconcile.options import ReconcileOptions


def asked_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options behind `ReconcileOptions`; the command gets one as `options`."""

    @click.option(
        "--against",
        type=click.Choice(["ledger", "landed", "source"]),
        default="ledger",
        show_default=True,
        help="What to hold the target against: the receipts, the values that were read, or the"
        " source read again.",
    )
    @click.option(
        "--quick",
        is_flag=True,
        help="Only ask whether tables are untouched, by transaction ids (Postgres); no values.",
    )
    @click.option("--probe", is_flag=True, help="Write a row into each table, and roll it back.")
    @click.option(
        "--strict",
        is_flag=True,
        help="Accept no waiver, tolerance, declared loss, adopted change or warning.",
    )
    @click.option(
        "--repair",
        is_flag=False,
        flag_value="differing",
        type=click.Choice(["differing", "corrupted", "all"]),
        help="Put rows right from the input, as a new run: those that are missing or changed;"
        " `corrupted`, only those that the load wrote last, never one that is gone; `all`, remove"
        " extra rows too.",
    )
    @click.option("--dry-run", is_flag=True, help="Only say what --repair would do.")
    @click.option(
        "--accept-foreign",
        metavar="REASON",
        help="Adopt what somebody else changed in the target, for this reason.",
    )
    @stop_options
    @click.option("--report", is_flag=True, help="Write the evidence and its page too.")
    @anchor_option
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        values = {field.name: kwargs.pop(field.name) for field in fields(ReconcileOptions)}
        options = ReconcileOptions(**{**values, "accept_foreign": values["accept_foreign"] or None})
        return function(*args, options=options, **kwargs)

    return wrapper


def changed_options(options: ReconcileOptions) -> dict[str, object]:
    """What was given on the command line, name of the option -> value."""
    default = ReconcileOptions()
    return {
        field.name: getattr(options, field.name)
        for field in fields(options)
        if getattr(options, field.name) != getattr(default, field.name)
    }
