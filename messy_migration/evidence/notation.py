"""How the page writes numbers, moments and text, so that every reader anywhere reads the same.

Numbers as ISO 31-0 has it, in groups of three with a narrow space between and a point before
decimals; moments as ISO 8601 in UTC. Text of the data is shown so that nothing in it can move
what stands beside it: control and direction marks become visible escapes.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from messy_migration.redaction import printable

NARROW = "\u202f"
"""Between groups of digits."""

_COMMA = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")


def number(value: float | Decimal | str | None) -> str:
    """A number for people of any country; None is a dash."""
    if value is None:
        return "\u2013"
    if isinstance(value, str):
        try:
            value = Decimal(value)
        except InvalidOperation:
            return shown(value)
    return (
        f"{value:,f}".replace(",", NARROW)
        if isinstance(value, Decimal)
        else (f"{value:,}".replace(",", NARROW))
    )


def plural(count: int, noun: str) -> str:
    """A count with its noun."""
    many = "" if count == 1 else "es" if noun.endswith("ch") else "s"
    return f"{number(count)} {noun}{many}"


def shown(value: object) -> str:
    """A text of the data: what does not print, or turns the direction of others, is escaped."""
    return printable(str(value), keep=NARROW)


def prose(value: object) -> str:
    """A sentence: as `shown`, its numbers with our spaces in place of commas."""
    return _COMMA.sub(NARROW, shown(value))


def moment(text: str | None) -> str:
    """A moment of the ledger to the second, or a dash."""
    if not text:
        return "\u2013"
    return shown(text[:19].replace("T", " ") + " UTC" if text[10:11] == "T" else text)


def label(stream: str, tenant: str) -> str:
    """A stream and its tenant, as everywhere else."""
    return f"{stream}@{tenant}" if tenant else stream
