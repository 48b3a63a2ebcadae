"""Tables that are made from other tables of the target when a run ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from messy_migration.errors import ConfigurationError
from messy_migration.model.schema import Stream, Table

_SUFFIX = ".derive()"


@dataclass(frozen=True, slots=True)
class Derived:
    """A table that is made from others, and proven by making it again.

    Attributes:
        table: its name, columns and key. No float64, whose sums depend on the order of the rows:
            a float that SQL gives is rounded to the scale of a declared decimal.
        bases: names of the tables that it is made from; they may be derived before it.
        sql: a query that gives the columns by their names. It runs under the role's own
            search_path, and may depend neither on the order of rows nor on the clock.
        function: in the place of `sql`, gives the rows from the bases: name -> all of its rows.
        plugin: who derives it; set by the core.
    """

    table: Table
    bases: tuple[str, ...]
    sql: str = ""
    function: Callable[[Mapping[str, pa.Table]], pa.Table] | None = None
    plugin: str = ""

    def __post_init__(self) -> None:
        self.table.check_names()
        refused = {"float64", "json"} if self.sql else {"float64"}
        kinds = [column.name for column in self.table.columns if column.type.kind in refused]
        more = (self.table.scope, self.table.foreign_keys, self.table.amounts, self.table.conflict)
        problems = {
            "it has neither SQL nor a function, or both": bool(self.sql) == bool(self.function),
            "it has no bases": not self.bases,
            "it is made from itself": self.table.name in self.bases,
            f"{', '.join(kinds)} is of a type that is not the same each time": bool(kinds),
            "it may have columns and a key only": any(more),
        }
        reasons = [why for why, is_wrong in problems.items() if is_wrong]
        if reasons:
            raise ConfigurationError(
                f"the derived table {self.table.name!r} is not usable", why="; ".join(reasons)
            )

    @property
    def label(self) -> str:
        """What stands for its stream in the ledger; no stream has such a name."""
        return f"{self.plugin}{_SUFFIX}"

    @property
    def stream(self) -> Stream:
        """Its table as if a stream wrote it."""
        return Stream(self.label, (self.table,))


def is_derived(stream: str) -> bool:
    """Does the ledger speak of a derived table, by what stands for its stream?"""
    return stream.endswith(_SUFFIX)
