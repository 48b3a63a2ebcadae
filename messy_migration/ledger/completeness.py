"""How much of what was read is in the target: the second fact beside a verdict.

A verdict says whether the target holds what was loaded. This says what was not loaded, from the
receipts of all runs. Both are told together, by every command, so that an empty table under a
MATCH is never taken for a migration.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection

from messy_migration.errors import QualityError
from messy_migration.ledger import totals
from messy_migration.ledger.history import History
from messy_migration.ledger.tables import Ledger
from messy_migration.model import stream_label

COUNTED = ("extracted", "loaded", "quarantined", "filtered")
"""What is counted of each stream; the first is the sum of the others."""


@dataclass(frozen=True)
class Completeness:
    """What became of the records of one stream, over all runs.

    An input that was read again with other content counts with its newest content only.

    Attributes:
        stream, tenant: whose records.
        extracted, loaded, quarantined, filtered: records; the first is the sum of the others.
        limit: percent of the records that may be in quarantine.
    """

    stream: str
    tenant: str
    extracted: int
    loaded: int
    quarantined: int
    filtered: int
    limit: float

    @property
    def label(self) -> str:
        """The stream with its tenant, for people."""
        return stream_label(self.stream, self.tenant)

    @property
    def is_empty(self) -> bool:
        """The stream had records, and none of them was loaded."""
        return self.extracted > 0 and self.loaded <= 0

    @property
    def is_over(self) -> bool:
        """More of its records are in quarantine than the profile allows."""
        return self.extracted > 0 and 100 * self.quarantined / self.extracted > self.limit

    def as_dict(self) -> dict[str, Any]:
        """The value as `--json` and evidence write it."""
        return asdict(self)


def completeness(
    connection: Connection,
    ledger: Ledger,
    limit: float,
    streams: Collection[tuple[str, str]] | None = None,
) -> tuple[Completeness, ...]:
    """What the ledger says of each stream that was ever read, in the order of their names.

    Args:
        connection: any; nothing is read but the ledger.
        ledger: of the target.
        limit: percent of a stream's records that may be in quarantine.
        streams: (stream, tenant) of those that are wanted, or None for all.
    """
    places = History.read(connection, ledger).standing_places()
    counts = totals.standing(connection, ledger, places)
    return tuple(
        Completeness(*stream_key, *counts[stream_key], limit)
        for stream_key in sorted(counts)
        if streams is None or stream_key in streams
    )


def of_rows(rows: Iterable[Mapping[str, Any]]) -> tuple[Completeness, ...]:
    """The values that `as_dict` wrote."""
    return tuple(Completeness(**row) for row in rows)


def told(streams: Sequence[Completeness], number: Callable[[int], str] = "{:,}".format) -> str:
    """What was not loaded, in words that follow a verdict; empty where all of it was."""
    held = sum(one.quarantined for one in streams)
    parts = []
    if held:
        extracted = sum(one.extracted for one in streams)
        verb = "is" if held == 1 else "are"
        noun = "record" if extracted == 1 else "records"
        parts.append(f"{number(held)} of {number(extracted)} {noun} {verb} in quarantine")
    empty = [one.label for one in streams if one.is_empty]
    if empty:
        more = f" and {number(len(empty) - 4)} more streams" if len(empty) > 4 else ""
        parts.append(f"nothing was loaded of {', '.join(empty[:4])}{more}")
    return "; ".join(parts)


def headline(verdict: str, streams: Sequence[Completeness]) -> str:
    """The word of a verdict with what it does not cover: `MATCH of what was loaded`."""
    is_partial = verdict == "MATCH" and told(streams)
    return f"{verdict} of what was loaded" if is_partial else verdict


def problems(streams: Iterable[Completeness]) -> list[QualityError]:
    """What ends a command with exit code 7; a stream stays so until its records are repaired."""
    errors = []
    for one in streams:
        if one.is_over:
            errors.append(
                QualityError(
                    f"{100 * one.quarantined / one.extracted:.2f} % of the records are in "
                    "quarantine",
                    f"stream {one.label}",
                    f"{one.quarantined:,} of {one.extracted:,}, the limit is {one.limit:g} %",
                    "repair them at the source, or raise quarantine_limit in the profile",
                )
            )
        elif one.is_empty:
            errors.append(
                QualityError(
                    "nothing was loaded of a stream that has records",
                    f"stream {one.label}",
                    f"of {one.extracted:,}, {one.quarantined:,} are in quarantine and "
                    f"{one.filtered:,} are filtered by a rule",
                    "repair them at the source, or select the streams without this one",
                )
            )
    return errors
