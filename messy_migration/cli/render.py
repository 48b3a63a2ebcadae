"""Results as text: aligned tables, numbers for people, one JSON object for machines."""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Container, Mapping, Sequence
from decimal import Decimal
from typing import Any

import click

from messy_migration.config.commands import runnable
from messy_migration.redaction import Redactor, printable

GIVEN = "messy_migration.given"
"""Where the context of a command keeps the arguments that were given or recalled."""

SCHEMA = 1
"""Version of the objects that `--json` prints."""


def table(headers: Sequence[str], rows: Sequence[Sequence[object]], align: str = "") -> str:
    """Rows as lines of aligned columns; numbers get thousands separators.

    `align` has one letter for each column, `l` or `r`; columns without a letter are `l`.
    Nothing is cut off: a narrow terminal wraps, a pipe gets all of it.
    """
    lines = [[cell(name) for name in headers], *([cell(value) for value in row] for row in rows)]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(headers))]
    sides = align.ljust(len(headers), "l")
    return "\n".join(
        "  ".join(
            _padded(text, width, side)
            for text, width, side in zip(line, widths, sides, strict=True)
        ).rstrip()
        for line in lines
    )


def cell(value: object) -> str:
    """One value for people: None is empty, control characters are escaped."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float | Decimal):
        return number(value)
    return printable(str(value))


def say(text: str, *, err: bool = False, red: Container[str] = ()) -> None:
    """Print lines: whatever data they hold, none of it acts on the terminal.

    A line of data that may hold a newline of its own goes through `cell` first. Lines in `red`
    are red on a terminal, unless NO_COLOR is set.
    """
    lines = [
        click.style(printable(line), fg="red") if line in red else printable(line)
        for line in _masked(text).split("\n")
    ]
    click.echo("\n".join(lines), err=err, color=False if os.environ.get("NO_COLOR") else None)


def complain(problem: Exception) -> None:
    """One line on stderr for an error; the command in it runs as it is printed."""
    error_line(as_typed(" ".join(str(problem).splitlines())))


def error_line(text: str) -> None:
    """One line on stderr, which is one of the log where that is JSON."""
    if log_is_json():
        import logging

        logging.getLogger(__name__).error("%s", text)
    else:
        say(f"error: {cell(text)}", err=True)


def log_is_json() -> bool:
    """Whether stderr is for machines: then every line of it has to be one of the log."""
    import logging  # `--help` does without it

    return any(getattr(handler, "is_json", False) for handler in logging.getLogger().handlers)


def as_typed(text: str) -> str:
    """The text with the commands in it as they have to be typed after the one that runs now."""
    context = click.get_current_context(silent=True)
    return runnable(text, context.meta.get(GIVEN, ()) if context else ())


def number(value: float | Decimal) -> str:
    """The number with a comma between thousands; a decimal keeps all of its places."""
    return f"{value:,f}" if isinstance(value, Decimal) else f"{value:,}"


def counted(number: int, noun: str) -> str:
    """A number of things, in the plural where it has to be."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def emit_json(obj: Mapping[str, Any]) -> None:
    """Print one JSON object on stdout, with the schema version as its first key."""
    click.echo(json.dumps({"schema": SCHEMA, **_runnable(obj)}, indent=2, default=str))


def _runnable(value: Any) -> Any:
    """The value without secrets, and with every `next` in it as it has to be typed."""
    if isinstance(value, Mapping):
        return {
            name: _masked(as_typed(part))
            if name == "next" and isinstance(part, str)
            else _runnable(part)
            for name, part in value.items()
        }
    if isinstance(value, str):
        return _masked(value)
    return [_runnable(part) for part in value] if isinstance(value, list | tuple) else value


def _masked(text: str) -> str:
    """The text without the secrets that this command knows, whoever put them into it."""
    context = click.get_current_context(silent=True)
    redactor = context.find_object(Redactor) if context else None
    return text if redactor is None else redactor.known(text)


def _padded(text: str, width: int, side: str) -> str:
    blank = " " * (width - _width(text))
    return blank + text if side == "r" else text + blank


def _width(text: str) -> int:
    """Columns on a terminal: wide East Asian characters take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )
