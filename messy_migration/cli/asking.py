"""The options that say how to reconcile; the command gets them as one `Asked`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import click

from messy_migration.errors import UsageProblem
from messy_migration.runner.asked import Asked


def asked_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--against`, `--quick`, `--probe` and `--strict`; the command gets `asked`."""

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
    @functools.wraps(function)
    def wrapper(
        *args: Any, against: Any, quick: bool, probe: bool, strict: bool, **kwargs: Any
    ) -> Any:
        if quick and (probe or strict or against != "ledger"):
            raise UsageProblem(
                "--quick reads no values, so it goes with no other form",
                next="migrate reconcile, without --quick",
            )
        asked = Asked(against=against, quick=quick, probe=probe, strict=strict)
        return function(*args, asked=asked, **kwargs)

    return wrapper


def changed_options(asked: Asked) -> dict[str, object]:
    """What was given on the command line, name of the option -> value."""
    default = Asked()
    return {
        item.name: getattr(asked, item.name)
        for item in fields(asked)
        if getattr(asked, item.name) != getattr(default, item.name)
    }
