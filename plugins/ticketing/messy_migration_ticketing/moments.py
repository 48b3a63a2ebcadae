"""Instants, wall clocks and zones; what is ambiguous is refused, never guessed."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from messy_migration_ticketing.values import Bad, text

_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)\Z", re.ASCII
)
_LOCAL = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?\Z", re.ASCII)
_ISO_DAY = re.compile(r"(\d{4})-(\d\d?)-(\d\d?)\Z", re.ASCII)
_US_DAY = re.compile(r"(\d\d?)/(\d\d?)/(\d{4})\Z", re.ASCII)
_CLOCK = re.compile(r"(\d\d?):(\d\d)(?::(\d\d))?(?:\s*([AaPp])\.?[Mm]\.?)?\Z", re.ASCII)


def instant(value: object, column: str) -> datetime | None:
    """ISO 8601 with `Z` or an offset, as UTC to the microsecond; year 1 means none.

    A number, a local time, 24:00 and a 60th second are Bad `instant`: each could be read in
    more than one way.
    """
    written = _written(value, column)
    if written is None:
        return None
    match = _INSTANT.match(written)
    if match is None:
        raise Bad("instant", column, "the value is no ISO 8601 instant with a zone")
    if match[1].startswith("0001-"):
        return None
    try:
        local = datetime.fromisoformat(f"{match[1]}T{match[2]}{match[4]}")
        return local.astimezone(UTC) + _fraction(match[3])
    except (ValueError, OverflowError):
        raise Bad("instant", column, "the value is no moment of the calendar") from None


def zone(value: object, column: str) -> str | None:
    """The name of an IANA time zone; Bad `zone` if there is none of that name."""
    name = text(value, column)
    if name is not None:
        _zone(name, column)
    return name


def local_instant(day: object, clock: object, zone_name: str, column: str) -> datetime | None:
    """The instant of a wall clock.

    A time that comes twice when the clock is set back, or is skipped when it is set forward,
    is Bad `local_time`.

    Args:
        day: `2016-03-01`, `3/1/2016` (month first), or a local date and time in ISO 8601.
        clock: `16:00`, `4:00 PM`; None is midnight, or the time that `day` carries.
        zone_name: an IANA name.
        column: of the target.
    """
    written, hour = text(day, column), text(clock, column)
    if written is None:
        return None
    whole = _LOCAL.match(written)
    if whole is not None:
        written, hour = whole[1], hour or whole[2]
    date_read = _day(written, column)
    if date_read.year == 1:
        return None
    local = datetime.combine(date_read, _clock(hour, column))
    if whole is not None and clock is None:
        local += _fraction(whole[3])
    return _resolved(local, _zone(zone_name, column), column)


def _written(value: object, column: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise Bad("instant", column, "the value is no text")
    return value.strip() or None


def _fraction(digits: str | None) -> timedelta:
    return timedelta(microseconds=int((digits or "0").ljust(6, "0")[:6]))


def _day(written: str, column: str) -> date:
    iso, american = _ISO_DAY.match(written), _US_DAY.match(written)
    try:
        if iso:
            return date(int(iso[1]), int(iso[2]), int(iso[3]))
        if american:
            return date(int(american[3]), int(american[1]), int(american[2]))
    except ValueError:
        raise Bad("instant", column, "the value is no day of the calendar") from None
    raise Bad("instant", column, "the value is no date that can be read in one way only")


def _clock(written: str | None, column: str) -> time:
    if written is None:
        return time()
    match = _CLOCK.match(written)
    if match is None:
        raise Bad("instant", column, "the value is no time of the day")
    hour = int(match[1])
    half = (match[4] or "").lower()
    if half and not 1 <= hour <= 12:
        raise Bad("instant", column, "the value is no time of the day")
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    try:
        return time(hour, int(match[2]), int(match[3] or 0))
    except ValueError:
        raise Bad("instant", column, "the value is no time of the day") from None


def _resolved(local: datetime, zone_info: ZoneInfo, column: str) -> datetime:
    try:
        early, late = (
            local.replace(tzinfo=zone_info, fold=fold).astimezone(UTC) for fold in (0, 1)
        )
    except OverflowError:
        raise Bad("instant", column, "the value is no moment of the calendar") from None
    if early != late:
        word = "comes twice" if early < late else "is skipped"
        raise Bad("local_time", column, f"the local time {word} in {zone_info.key}")
    return early


def _zone(name: str, column: str) -> ZoneInfo:
    zone_found = _known(name)
    if zone_found is None:
        raise Bad("zone", column, "the value is no name of an IANA time zone")
    return zone_found


@lru_cache(maxsize=1024)
def _known(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None
