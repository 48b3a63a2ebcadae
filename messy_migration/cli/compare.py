"""`migrate compare LEFT RIGHT`: two databases, and no run before it.

`migrate reconcile --between LEFT RIGHT` is the same.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from messy_migration import api
from messy_migration.api import Budget, CompareOptions, Comparison, TableComparison
from messy_migration.cli.options import (
    Common,
    common_options,
    json_option,
    limit_option,
    stop_options,
)
from messy_migration.cli.render import cell, counted, emit_json, say, table
from messy_migration.cli.summary import differences_text
from messy_migration.compare.mapping import merged, read_mapping
from messy_migration.errors import UsageProblem

_HELP = {
    "tables": "Only these tables (sales*,orders).",
    "map": "A table (Orders=orders_v2) or a column (orders.total=amount) that has another name on"
    " the right.",
    "ignore": "Leave a column out; the verdict says so.",
    "mapping": "A TOML file that says the same: only, ignore, [tables], [columns].",
}


def _names(_ctx: click.Context, _param: click.Parameter, text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _wish_options(beside: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options that say what is compared; the command gets them as one `CompareOptions`."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        @click.option(
            "--tables", callback=_names, metavar="PATTERNS", help=beside + _HELP["tables"]
        )
        @click.option(
            "--map", "maps", multiple=True, metavar="LEFT=RIGHT", help=beside + _HELP["map"]
        )
        @click.option(
            "--ignore",
            "ignored",
            multiple=True,
            metavar="TABLE.COLUMN",
            help=beside + _HELP["ignore"],
        )
        @click.option(
            "--mapping",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help=beside + _HELP["mapping"],
        )
        @functools.wraps(function)
        def wrapper(
            *args: Any,
            tables: Sequence[str],
            maps: Sequence[str],
            ignored: Sequence[str],
            mapping: Path | None,
            **kwargs: Any,
        ) -> Any:
            wishes = _wishes(tables, maps, ignored)
            if mapping is not None:
                wishes = merged(read_mapping(mapping), wishes)
            return function(*args, wishes=wishes, **kwargs)

        return wrapper

    return add


def _budget_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say how much is looked at; the command gets them as one `Budget`."""

    @limit_option
    @stop_options
    @functools.wraps(function)
    def wrapper(
        *args: Any,
        limit: int,
        stop_after: int | None,
        seconds: float | None,
        show_values: bool,
        **kwargs: Any,
    ) -> Any:
        return function(*args, budget=Budget(limit, stop_after, seconds, show_values), **kwargs)

    return wrapper


@click.command("compare")
@click.argument("left")
@click.argument("right")
@_wish_options()
@_budget_options
@json_option
@common_options
def command(
    common: Common, *, left: str, right: str, wishes: CompareOptions, budget: Budget, as_json: bool
) -> int:
    """Hold two databases against each other, table by table, row by row, column by column.

    LEFT and RIGHT are URLs of PostgreSQL, SQLite, MariaDB, MySQL or DuckDB, or references such as
    env://NAME. Needs no run, no ledger and no plugin, and writes nothing on either side. Exit
    code 0 only if all of it is MATCH.
    """
    return run(common, Between(left, right, wishes), budget, as_json=as_json, others={})


@dataclass(frozen=True)
class Between:
    """What was asked for with `--between`."""

    left: str
    right: str
    wishes: CompareOptions


def between_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command gets `between`, None without the option."""

    @click.option(
        "--between",
        "urls",
        nargs=2,
        metavar="LEFT RIGHT",
        help="The same as `migrate compare LEFT RIGHT`.",
    )
    @_wish_options("With --between: ")
    @functools.wraps(function)
    def wrapper(
        *args: Any, urls: tuple[str, str] | None, wishes: CompareOptions, **kwargs: Any
    ) -> Any:
        if urls is not None:
            return function(*args, between=Between(*urls, wishes), **kwargs)
        options = {
            "--tables": wishes.tables,
            "--map": wishes.tables_map or wishes.columns_map,
            "--ignore": wishes.ignored,
        }
        if lonely := [name for name, value in options.items() if value]:
            raise UsageProblem(f"{', '.join(lonely)} needs --between LEFT RIGHT")
        return function(*args, between=None, **kwargs)

    return wrapper


def run(
    common: Common,
    between: Between,
    budget: Budget,
    *,
    as_json: bool,
    others: dict[str, object],
) -> int:
    """Compare, print, and return the exit code.

    Raises:
        UsageProblem: options that mean something with a run only were given too.
    """
    foreign = [f"--{name.replace('_', '-')}" for name, value in others.items() if value]
    if foreign:
        raise UsageProblem(f"{', '.join(foreign)} cannot go with --between")
    result = api.compare(common.request(), between.left, between.right, between.wishes, budget)
    if as_json:
        emit_json(result.as_json())
    else:
        say(comparison_text(result))
    return result.exit_code


def comparison_text(result: Comparison) -> str:
    """Both sides, tables, differences, verdict."""
    lines = [
        cell(f"left   {result.left} ({result.servers[0]})"),
        cell(f"right  {result.right} ({result.servers[1]})"),
        table(
            ["table", "left", "right", "verdict"],
            [
                [
                    _label(comparison),
                    comparison.left.rows if comparison.left else "-",
                    comparison.right.rows if comparison.right else "-",
                    comparison.verdict + (f": {comparison.reason}" if comparison.reason else ""),
                ]
                for comparison in result.tables
            ],
            "lrrl",
        ),
    ]
    findings = [
        comparison.findings for comparison in result.tables if comparison.findings is not None
    ]
    lines += differences_text(findings)
    lines += map(cell, (*_compared_as(result), _last_line(result)))
    return "\n".join(lines)


def _label(comparison: TableComparison) -> str:
    left, right = comparison.pair.left, comparison.pair.right
    return f"{left} = {right}" if left and right and left != right else comparison.pair.label


def _compared_as(result: Comparison) -> list[str]:
    """How columns of different types were compared, once for all that were alike."""
    columns_of: dict[str, list[str]] = {}
    for comparison in result.tables:
        for column, note in comparison.pair.compared_as.items() if comparison.left else ():
            columns_of.setdefault(note, []).append(f"{comparison.pair.label}.{column}")
    return [f"compared {note}: {', '.join(names)}" for note, names in columns_of.items()]


def _last_line(result: Comparison) -> str:
    ignored = [
        f"{comparison.pair.label}.{name}"
        for comparison in result.tables
        for name in comparison.pair.ignored
    ]
    but = f" (without {', '.join(ignored)})" if ignored else ""
    if result.verdict == "MATCH":
        rows = sum(comparison.left.rows for comparison in result.tables if comparison.left)
        size = f"{rows:,} rows in {counted(len(result.tables), 'table')}"
        return f"MATCH  {size}: 0 missing, 0 extra, 0 changed{but}"
    wrong = [comparison for comparison in result.tables if comparison.verdict == result.verdict]
    names = ", ".join(comparison.pair.label for comparison in wrong) or "nothing was compared"
    total = sum(comparison.findings.total for comparison in wrong if comparison.findings)
    is_exact = all(comparison.findings.is_exact for comparison in wrong if comparison.findings)
    verb = "differs" if total == 1 else "differ"
    size = f": {'' if is_exact else 'about '}{counted(total, 'row')} {verb}" if total else ""
    unread = sum(comparison.verdict == "UNKNOWN" for comparison in result.tables)
    rest = (
        f"; {counted(unread, 'table')} could not be proven"
        if unread and result.verdict == "MISMATCH"
        else ""
    )
    return f"{result.verdict}  {names}{size}{rest}{but}"


def _wishes(tables: Sequence[str], maps: Sequence[str], ignored: Sequence[str]) -> CompareOptions:
    named: dict[str, str] = {}
    columns: dict[tuple[str, str], str] = {}
    for text in maps:
        left, equals, right = text.partition("=")
        if not equals or not left.strip() or not right.strip():
            raise UsageProblem(f"--map {text!r} is not LEFT=RIGHT")
        one, dot, column = left.strip().rpartition(".")
        if dot:
            columns[one, column] = right.strip().rpartition(".")[2]
        else:
            named[left.strip()] = right.strip()
    return CompareOptions(tuple(tables), named, columns, tuple(_column(text) for text in ignored))


def _column(text: str) -> tuple[str, str]:
    name, dot, column = text.strip().rpartition(".")
    if not dot or not name or not column:
        raise UsageProblem(f"--ignore {text!r} is not TABLE.COLUMN")
    return name, column
