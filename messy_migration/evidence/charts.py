"""The shapes of the charts; the page draws them as inline SVG, coloured by its style.

Text inside of an SVG shrinks with it on a phone and cannot wrap; every chart therefore stands
beside the figures that it draws, and carries them as its title.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PARTS = ("loaded", "quarantined", "filtered")
"""Where a record can end."""

THINNEST = 1.2
"""The least width of a part that is not zero, in percent: one record must be seen."""

_HEIGHT, _GAP, _LOW = 150.0, 14.0, 5.0


@dataclass(frozen=True)
class Piece:
    """A part of a bar: what it is, where it begins and how wide it is, in percent."""

    name: str
    left: float
    width: float


@dataclass(frozen=True)
class Band:
    """A part of the flow: where it leaves the source, where it arrives, and how thick it is."""

    name: str
    source: float
    end: float
    size: float


def shares(values: Sequence[int]) -> list[float]:
    """Widths in percent that add up to 100; a part that is not zero is at least `THINNEST`."""
    total = sum(values)
    if total <= 0:
        return [0.0 for _ in values]
    raw = [max(100 * value / total, THINNEST) if value else 0.0 for value in values]
    return [100 * value / sum(raw) for value in raw]


def bar(counts: Mapping[str, int]) -> list[Piece]:
    """One line, cut into loaded, quarantined and filtered."""
    pieces, start = [], 0.0
    for name, width in zip(PARTS, shares([counts[name] for name in PARTS]), strict=True):
        if width:
            pieces.append(Piece(name, start, width))
        start += width
    return pieces


def measure(value: int, largest: int, name: str) -> list[Piece]:
    """One line as long as a value is, beside the largest of its kind."""
    if not value or not largest:
        return []
    return [Piece(name, 0.0, max(100 * value / largest, THINNEST))]


def flow(totals: Mapping[str, int]) -> list[Band]:
    """All records, from the source on the left to where they went, in a field 150 high."""
    room = _HEIGHT - _GAP * (len(PARTS) - 1)
    raw = [
        max(room * share / 100, _LOW) if share else 0.0
        for share in shares([totals[name] for name in PARTS])
    ]
    scale = room / (sum(raw) or 1)
    bands, source, end = [], (_HEIGHT - room) / 2, 0.0
    for name, size in zip(PARTS, (value * scale for value in raw), strict=True):
        if size:
            bands.append(Band(name, source, end, size))
        source += size
        end += size + _GAP
    return bands
