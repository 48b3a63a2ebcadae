"""Columns and their types, the same in every target."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa

from messy_migration.errors import ConfigurationError
from messy_migration.model.loss import Loss, losses, tolerance

_TYPE = re.compile(r"([a-z0-9]+)(?:\(\s*(\d+)\s*,\s*(\d+)\s*\))?\Z")

_ARROW: dict[str, pa.DataType] = {
    "text": pa.string(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "bool": pa.bool_(),
    "float64": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
    "uuid": pa.string(),
    "json": pa.string(),
    "bytes": pa.binary(),
}


@dataclass(frozen=True, slots=True)
class ColumnType:
    """The type of a column, the same in every target.

    `text`, `int16`, `int32`, `int64`, `bool`, `float64`, `decimal(p,s)` with p <= 38, `date`,
    `timestamp` (an instant in UTC, microseconds), `uuid` (36 lower-case characters), `json`
    (text in the canonical form of the fingerprint module) and `bytes`.
    """

    kind: str
    precision: int = 0
    scale: int = 0

    def __post_init__(self) -> None:
        if self.kind not in _ARROW and not (self.kind == "decimal" and self.precision):
            raise ConfigurationError(
                f"{self.kind!r} is no kind of column", next="use ColumnType.parse for a whole type"
            )

    @classmethod
    def parse(cls, text: str) -> ColumnType:
        """Read a type as a schema file writes it.

        Raises:
            ConfigurationError: the text names no type, or a decimal outside 1..38 digits.
        """
        match = _TYPE.match(text.strip())
        names = ", ".join([*_ARROW, "decimal(p,s)"])
        if match is None or (match[1] != "decimal" and (match[1] not in _ARROW or match[2])):
            raise ConfigurationError(f"unknown column type {text!r}", why=f"the types are {names}")
        if match[1] != "decimal":
            return cls(match[1])
        if match[2] is None or not 1 <= int(match[2]) <= 38 or int(match[3]) > int(match[2]):
            raise ConfigurationError(
                f"decimal type {text!r} is out of range",
                why="it needs decimal(precision,scale), precision 1 to 38, scale at most that",
            )
        return cls("decimal", int(match[2]), int(match[3]))

    def __str__(self) -> str:
        return f"decimal({self.precision},{self.scale})" if self.kind == "decimal" else self.kind

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type in which a batch holds this column."""
        if self.kind == "decimal":
            return pa.decimal128(self.precision, self.scale)
        return _ARROW[self.kind]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        name: of the column.
        type: of its values.
        required: NULL is a violation.
        loss: rules by which values are changed before they are loaded; every changed value is
            counted. See `messy_migration.model.loss`.
        tolerance: how far apart two values may be and count as equal where values are compared.
    """

    name: str
    type: ColumnType
    required: bool = False
    loss: str = ""
    tolerance: str = ""

    def __post_init__(self) -> None:
        try:
            losses(self.loss, self.type.kind)
            if self.tolerance:
                tolerance(self.tolerance, self.type.kind)
        except ConfigurationError as error:
            raise ConfigurationError(error.what, f"column {self.name}", error.why) from None

    @property
    def losses(self) -> tuple[Loss, ...]:
        """The declared losses, in the order in which they are applied."""
        return losses(self.loss, self.type.kind)

    @property
    def tolerance_value(self) -> Decimal:
        """The declared tolerance, in microseconds for instants; 0 without one."""
        return tolerance(self.tolerance, self.type.kind) if self.tolerance else Decimal(0)
