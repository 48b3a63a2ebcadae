"""Where evidence stands: of which target, at which link, in which file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from messy_migration.evidence.check import Check

_RUN = re.compile(r"migration-(.{13})(?:-\d+)?\.\w+", re.DOTALL)
_RECONCILIATION = re.compile(r"reconciliation-(\d{14})(?:-\d+)?\.\w+")


@dataclass(frozen=True)
class Place:
    """What a set of evidence is judged by; of a forged document as much as is in shape.

    Attributes:
        file: its name.
        target: its URL without password.
        ledger: the name of the ledger; empty where it is not known.
        ordinal: of its link, or of the newest when it was written; 0 if there was none.
        head, previous: of its link; empty without one.
        first: the first link that its own follows from, with those that it lists.
        before: the head before that link.
        digest: of its content.
    """

    file: str
    target: str
    ledger: str
    ordinal: int
    head: str
    previous: str
    first: int
    before: str
    digest: str

    @property
    def is_linked(self) -> bool:
        """A link holds it fast."""
        return bool(self.head)


def place_of(document: Mapping[str, Any], path: Path) -> Place:
    """Where a document stands."""
    ledger, link = _mapping(document.get("ledger")), _mapping(document.get("chain"))
    between = document.get("links")
    first = _mapping(between[0]) if isinstance(between, list) and between else link
    ordinal = _number(link.get("ordinal", ledger.get("links")))
    previous = str(link.get("previous", ""))
    name = str(ledger.get("id", ""))
    if link and ordinal == 1 and not name:
        name = previous  # the first link gave the ledger its name
    return Place(
        path.name,
        str(document.get("target", "")),
        name,
        ordinal,
        str(link.get("head", "")),
        previous,
        _number(first.get("ordinal", ordinal)),
        str(first.get("previous", "")),
        str(document.get("digest", "")),
    )


def check_name(document: Mapping[str, Any], path: Path) -> Check | None:
    """The name of a file against its content; None where the name says nothing."""
    what = "its name is that of its content"
    run, reconciliation = _RUN.fullmatch(path.name), _RECONCILIATION.fullmatch(path.name)
    if run:
        run_id = str(document.get("run_id", ""))
        same = document.get("kind") == "run" and run_id.startswith(run[1])
        return Check(what, same, "" if same else f"it is of run {run_id[:13] or '(none)'}")
    if reconciliation:
        at = str(_mapping(document.get("moments")).get("written_at", ""))
        same = document.get("kind") == "reconciliation" and digits(at) == reconciliation[1]
        return Check(what, same, "" if same else f"it was written at {at[:19]}")
    return None


def digits(at: str) -> str:
    """A moment to the second as the name of a reconciliation's evidence has it."""
    return "".join(char for char in at[:19] if char.isdigit())


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
