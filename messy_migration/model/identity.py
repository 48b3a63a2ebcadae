"""Which table of a database is meant, beyond its name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """The place of a table.

    Attributes:
        schema: that holds it; None where it is not known.
        oid: the number by which the database knows it; None where it has none.
        stand_in: what answers to its name where that is no table, such as `view`; else empty.
            It is no part of what a ledger keeps.
    """

    schema: str | None = None
    oid: str | None = None
    stand_in: str = ""


UNKNOWN = Identity()
"""Of a table that an older program loaded, and of one that is not there."""
