"""Names of the target for the names of a source, and an order of tables without circles."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from messy_migration.errors import ConfigurationError

__all__ = ["acyclic", "plain_name", "plain_names"]

_OTHER = re.compile(r"[^a-z0-9_]+")


def plain_name(name: str) -> str:
    """The name in lower case, accents dropped, anything else than a-z, 0-9 and _ as one _.

    That is what PostgreSQL makes of a name that somebody types without quotes, as far as it can
    be typed: `CustomerID` becomes `customerid`, `Order Details` becomes `order_details`.
    """
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = _OTHER.sub(" ", ascii_only.lower()).strip().replace(" ", "_")
    return f"_{plain}" if plain[:1].isdigit() else plain


def plain_names(
    names: Iterable[str], renamed: Mapping[str, str], what: str, where: str
) -> dict[str, str]:
    """Name in the source -> name in the target, each target name once.

    Args:
        names: of the source.
        renamed: those that were decided in the settings.
        what: is named, for messages.
        where: it is named, for messages.

    Raises:
        ConfigurationError: nothing is left of a name, or two become the same.
    """
    plain_of = {name: renamed.get(name) or plain_name(name) for name in names}
    for name, plain in plain_of.items():
        same = [repr(other) for other, its in plain_of.items() if its == plain]
        if not plain or len(same) > 1:
            raise ConfigurationError(
                f"{what}s of the source need names of their own in the target",
                where,
                f"{' and '.join(same)} would both be {plain!r}"
                if plain
                else f"nothing is left of {name!r} but what no name may hold",
                "set `rename` of the table's entry" if what == "column" else "set its `target`",
            )
    return plain_of


def acyclic(edges: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The dependencies without those that go in a circle, where no order can keep them."""
    parents_left = {name: set(parents) - {name} for name, parents in edges.items()}
    while True:
        try:
            TopologicalSorter(parents_left).prepare()
        except CycleError as error:
            circle: list[str] = error.args[1]
            # Each of the list is a parent of the one after it.
            for parent, child in pairwise(circle):
                parents_left[child].discard(parent)
        else:
            return parents_left
