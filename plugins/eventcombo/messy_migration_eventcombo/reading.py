"""What all records of this service are read with: the account's settings, its dates, its flags.

Dates come as local text and as UTC beside each other, and year 1 stands for none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

from messy_migration_eventcombo.fields import Fields, aliases_of
from messy_migration_eventcombo.settings import Account, Entity, EventComboSettings
from messy_migration_eventcombo.timezones import iana, iana_of_windows
from messy_migration_ticketing import Bad, Record, instant, local_instant, sentinel, text, uid, zone

SOURCE = "eventcombo"

_ZONED = re.compile(r"(?:Z|[+-]\d\d:?\d\d)\s*\Z")
_MVC = re.compile(r"/Date\((-?\d{1,15})\)/\Z")
_YEAR_1 = -62_135_596_800_000
_TOLERANCE = timedelta(minutes=1)

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Reading:
    """What rows depend on beside their record.

    Attributes:
        account: the tenant.
        zone, currency: of records that name none.
        local_before: orders from before that day hold local times.
        test_prefixes: lower-case beginnings of the names of test data.
        aliases: more names of the entity's fields.
    """

    account: str
    zone: str
    currency: str
    local_before: date | None = None
    test_prefixes: tuple[str, ...] = ()
    aliases: Mapping[str, Sequence[str]] | None = None

    @classmethod
    def of(cls, settings: EventComboSettings, account: Account, entity: Entity) -> Reading:
        """As the settings have it for one entity; the account's name comes with the stream."""
        return cls(
            "",
            settings.zone_of(account),
            settings.currency_of(account),
            settings.local_orders_before,
            tuple(prefix.lower() for prefix in settings.test_prefixes),
            settings.aliases.get(entity, {}),
        )

    def as_bounds(self) -> dict[str, Any]:
        """Plain JSON values, for the bounds of a partition."""
        return {
            "zone": self.zone,
            "currency": self.currency,
            "local_before": self.local_before.isoformat() if self.local_before else None,
            "test_prefixes": list(self.test_prefixes),
            "aliases": {name: list(more) for name, more in (self.aliases or {}).items()},
        }

    @classmethod
    def from_bounds(cls, account: str, bounds: Mapping[str, Any]) -> Reading:
        """What `as_bounds` wrote."""
        before = bounds["local_before"]
        return cls(
            account,
            bounds["zone"],
            bounds["currency"],
            date.fromisoformat(before) if before else None,
            tuple(bounds["test_prefixes"]),
            bounds["aliases"],
        )

    def fields(self, entity: str, record: Mapping[str, Any], nested: Sequence[str] = ()) -> Fields:
        """The record by the names of its fields."""
        return Fields(record, aliases_of(entity, self.aliases or {}), nested)

    def id_of(self, table: str, key: str) -> str:
        """The `id` of a row of ours."""
        return uid(SOURCE, self.account, table, key)

    def link(self, table: str, value: object, column: str) -> str | None:
        """The `id` of the row that a reference means; 0 and blanks mean none."""
        key = text(sentinel(value, 0, "0"), column)
        return None if key is None else self.id_of(table, key)

    def is_test(self, *names: str | None) -> bool:
        """Whether a name begins like those of test data."""
        return bool(self.test_prefixes) and any(
            name is not None and name.strip().lower().startswith(self.test_prefixes)
            for name in names
        )


def utc(value: object, column: str) -> datetime | None:
    """A date and time that is UTC where it names no zone; year 1 is none."""
    if isinstance(value, str):
        match = _MVC.match(value.strip())
        if match:
            return _from_milliseconds(int(match[1]), column)
        if not says_zone(value):
            return local_instant(value, None, "UTC", column)
    return instant(value, column)


def says_zone(value: object) -> bool:
    """Whether a date and time is UTC, or has an offset, by its own words."""
    written = value.strip() if isinstance(value, str) else ""
    return bool(_ZONED.search(written) or _MVC.match(written))


def moment(
    record: Record,
    table: str,
    column: str,
    utc_value: object,
    local: tuple[object, object, str],
) -> datetime | None:
    """The UTC column if it says something, else the local text; their difference is warned of.

    `local` is day, time and zone. A wall clock that cannot be told is no matter beside UTC.
    """
    exact = utc(utc_value, column)
    day, clock, zone_name = local
    if exact is None:
        return local_instant(day, clock, zone_name, column)
    try:
        shown = local_instant(day, clock, zone_name, column)
    except Bad as error:
        record.warn(table, column, error.rule, f"beside the UTC column: {error.message}")
        return exact
    if shown is not None and abs(shown - exact) > _TOLERANCE:
        minutes = round((shown - exact) / timedelta(minutes=1))
        why = f"the local text is {minutes:+d} minutes off the UTC column, which is taken"
        record.warn(table, column, "times_differ", why)
    return exact


def zone_of(value: object, default: str, column: str) -> str:
    """The IANA zone behind an id of the platform, or the default where there is none."""
    name = text(sentinel(value, 0, "0"), column)
    if name is None:
        return default
    name_found = iana(int(name)) if name.isdecimal() and len(name) < 10 else iana_of_windows(name)
    if name_found is None and "/" in name:
        name_found = zone(name, column)
    if name_found is None:
        raise Bad("zone", column, "the value is no time zone of the platform")
    return name_found


def soft(
    record: Record,
    table: str,
    column: str,
    read: Callable[[], Value],
) -> Value | None:
    """What `read` gives; NULL and a warning where it is Bad, for columns of no consequence."""
    try:
        return read()
    except Bad as error:
        record.warn(table, column, error.rule, f"left out: {error.message}")
        return None


def word(value: object, column: str) -> str | None:
    """A word of an enumeration, in lower case."""
    written = text(value, column)
    return None if written is None else written.lower()


def _from_milliseconds(number: int, column: str) -> datetime | None:
    if number == _YEAR_1:
        return None
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=number)
    except OverflowError:
        raise Bad("instant", column, "the value is no moment of the calendar") from None
