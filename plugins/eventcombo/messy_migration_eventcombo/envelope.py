"""The records in an answer, whatever it is wrapped in.

Nothing public says which wrapper the service uses, and its other calls use two. The candidates
are tried in order; an answer that fits none is an error and never an empty list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from messy_migration.errors import SourceError
from messy_migration_eventcombo.settings import Envelope

_FAILED = 400
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}\Z")


@dataclass(frozen=True, slots=True)
class Answer:
    """What one answer holds.

    Attributes:
        records: in the order of the answer.
        total: how many there are in all pages, where the answer says so and can be believed.
    """

    records: Sequence[Any]
    total: int | None


def unwrap(document: Any, envelope: Envelope, where: str) -> Answer:
    """The records of a parsed answer and the total that it names.

    Raises:
        SourceError: the answer reports a failure, or holds no list where one may be.
    """
    _refuse_failure(document, where)
    for path in envelope.paths:
        records = _follow(document, path)
        if isinstance(records, list):
            return Answer(records, _total(document, path, envelope.totals))
    raise SourceError(
        "an answer has a shape that is not known",
        where,
        f"it is {_shape(document)}, without a list at any of {_listed(envelope.paths)}",
        "name the place of the list in eventcombo.envelope.paths",
    )


def _refuse_failure(document: Any, where: str) -> None:
    if not isinstance(document, dict):
        return
    success = _get(document, "Success")
    status = _get(document, "StatusCode")
    if success is False or (isinstance(success, str) and success.strip().lower() == "false"):
        raise _failure(where, "Success is false")
    if isinstance(status, str) and status.strip().isdecimal():
        status = int(status)
    if isinstance(status, int | Decimal) and not isinstance(status, bool) and status >= _FAILED:
        raise _failure(where, f"StatusCode is {status}")


def _failure(where: str, why: str) -> SourceError:
    return SourceError(
        "the service reports a failure inside an answer of status 200",
        where,
        why,
        "see that the account may read this, then type the same command again",
    )


def _follow(document: Any, path: str) -> Any:
    for name in path.split(".") if path else ():
        if not isinstance(document, dict):
            return None
        document = _get(document, name)
    return document


def _get(document: Mapping[str, Any], name: str) -> Any:
    """The value under a name, the exact one before one of another case."""
    if name in document:
        return document[name]
    folded = name.casefold()
    return next((entry for key, entry in document.items() if key.casefold() == folded), None)


def _total(document: Any, path: str, names: Sequence[str]) -> int | None:
    """The first believable total next to the list, or anywhere between it and the root."""
    steps = path.split(".") if path else []
    for depth in range(len(steps) - 1, -1, -1):
        holder = _follow(document, ".".join(steps[:depth]))
        for name in names:
            value = _get(holder, name) if isinstance(holder, dict) else None
            if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
                return value
    return None


def _shape(document: Any) -> str:
    if isinstance(document, dict):
        # Keys that are no names of fields may be data: a map by e-mail, say.
        names = [key for key in sorted(document) if _FIELD.match(key)]
        return f"an object of {_listed(names[:8])}" if names else "an object without named fields"
    return "nothing" if document is None else f"a bare {type(document).__name__}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
