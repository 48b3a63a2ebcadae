"""What a column's declaration allows: losses that are applied, and tolerances in a comparison.

Nothing is lost without one. A loss is written as one or more rules with commas between, applied
in that order: `round(n)` to n digits after the point, halves away from zero; `truncate(n)` to n
characters; `milliseconds` and `seconds`, downwards; `trim` of white space at both ends; `nfc`,
the composed Unicode form; `strip_nul`. A tolerance is a number, or for instants a number of
`us`, `ms` or `s`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from messy_migration.errors import ConfigurationError

_RULE = re.compile(r"([a-z_]+)(?:\((\d{1,5})\))?\Z")
_TOLERANCE = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)\s*(us|ms|s)?\Z")
_UNITS = {"us": 1, "ms": 1_000, "s": 1_000_000}
_INTEGERS = ("int16", "int32", "int64")
_RULES: dict[str, tuple[bool, tuple[str, ...]]] = {
    "round": (True, ("decimal", "float64")),
    "truncate": (True, ("text",)),
    "milliseconds": (False, ("timestamp",)),
    "seconds": (False, ("timestamp",)),
    "trim": (False, ("text",)),
    "nfc": (False, ("text",)),
    "strip_nul": (False, ("text",)),
}


@dataclass(frozen=True, slots=True)
class Loss:
    """One rule that changes values before they are loaded; `size` where it takes one."""

    kind: str
    size: int = 0

    def __str__(self) -> str:
        return f"{self.kind}({self.size})" if _RULES[self.kind][0] else self.kind


def losses(text: str, kind: str) -> tuple[Loss, ...]:
    """Read the declared losses of a column.

    Args:
        text: as it is declared; empty for none.
        kind: of the column.

    Raises:
        ConfigurationError: a rule is unknown, or means nothing for this kind of column.
    """
    return tuple(_loss(part.strip(), kind) for part in text.split(",")) if text else ()


def tolerance(text: str, kind: str) -> Decimal:
    """Read the declared tolerance of a column; for instants in microseconds.

    Raises:
        ConfigurationError: it is no number, or the column has no distances.
    """
    match = _TOLERANCE.match(text.strip())
    unit = match[2] if match else None
    numeric = kind in ("decimal", "float64", *_INTEGERS)
    if match is None or (unit is None) != numeric or not (numeric or kind == "timestamp"):
        raise ConfigurationError(
            f"the tolerance {text!r} is not usable",
            why=f"the column is {kind}; numbers take a number such as 0.01, instants one with a"
            " unit such as 500 ms, other columns none",
        )
    return Decimal(match[1]) * _UNITS.get(unit or "", 1)


def _loss(text: str, kind: str) -> Loss:
    match = _RULE.match(text)
    if match is None or match[1] not in _RULES or (match[2] is not None) != _RULES[match[1]][0]:
        rules = ", ".join(f"{name}(n)" if sized else name for name, (sized, _) in _RULES.items())
        raise ConfigurationError(f"unknown loss {text!r}", why=f"the rules are {rules}")
    if kind not in _RULES[match[1]][1]:
        raise ConfigurationError(
            f"the loss {text!r} means nothing for a column of kind {kind}",
            why=f"it is for {' and '.join(_RULES[match[1]][1])}",
        )
    return Loss(match[1], int(match[2] or 0))
