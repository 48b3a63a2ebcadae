"""Local times to instants: a clock that is set back has some times twice, and skips others."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from messy_migration_files.moments import DAY, Micros

MIN_INSTANT = -62_135_596_800_000_000
"""The start of year 1; with `MAX_INSTANT` what Python, and so every reader, can represent."""
MAX_INSTANT = 253_402_300_800_000_000 - 1


def zone_of(name: str) -> ZoneInfo | None:
    """The time zone of that IANA name, if there is one."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        return None


def to_utc(local: Micros, zone: ZoneInfo, ambiguous: str | None) -> tuple[Micros, NDArray[np.int8]]:
    """Instants of local times, and what is wrong with them.

    Args:
        local: microseconds as a clock in that zone shows them.
        zone: the time zone.
        ambiguous: `earliest` or `latest` chooses between the two instants that a local time has
            around a change of the clock: before and after it for a time that comes twice, by the
            old and by the new offset for one that is skipped. None chooses neither.

    Returns:
        The instants, and per cell 0 (fine), 1 (comes twice) or 2 (is skipped).
    """
    faults = np.zeros(len(local), np.int8)
    days, day_of = np.unique(local // DAY, return_inverse=True)
    offsets = [_offset_of_day(int(day), zone) for day in days]
    changing = np.array([offset is None for offset in offsets], bool)[day_of]
    instants = local - np.array([offset or 0 for offset in offsets], np.int64)[day_of]
    if changing.any():
        values, inverse = np.unique(local[changing], return_inverse=True)
        each = [_instant(int(value), zone, ambiguous) for value in values]
        instants[changing] = np.array([instant for instant, _ in each], np.int64)[inverse]
        faults[changing] = np.array([fault for _, fault in each], np.int8)[inverse]
    return instants, faults


def _offset_of_day(day: int, zone: ZoneInfo) -> int | None:
    """The offset that holds from a day's start to its end in microseconds; None if it changes."""
    try:
        start = datetime(1970, 1, 1) + timedelta(days=day)  # noqa: DTZ001
        probes = {
            (start + timedelta(hours=hour)).replace(tzinfo=zone, fold=fold).utcoffset()
            for hour in (0, 6, 12, 18, 24)
            for fold in (0, 1)
        }
    except OverflowError:
        return None
    return None if len(probes) > 1 else _micros(probes.pop())


def _instant(local: int, zone: ZoneInfo, ambiguous: str | None) -> tuple[int, int]:
    moment = datetime(1970, 1, 1) + timedelta(microseconds=local)  # noqa: DTZ001
    old = _micros(moment.replace(tzinfo=zone, fold=0).utcoffset())
    new = _micros(moment.replace(tzinfo=zone, fold=1).utcoffset())
    if old == new:
        return local - old, 0
    if ambiguous is None:
        return 0, 1 if old > new else 2
    return local - (max(old, new) if ambiguous == "earliest" else min(old, new)), 0


def _micros(delta: timedelta | None) -> int:
    return 0 if delta is None else delta // timedelta(microseconds=1)
