"""Events: a title, two kinds of clock, a venue, and a parent for occurrences."""

from __future__ import annotations

from typing import Any

from messy_migration_eventcombo.fields import Fields
from messy_migration_eventcombo.reading import Reading, moment, soft, utc, word, zone_of
from messy_migration_ticketing import Record, amount_of, coordinate, flag, mapping, required, text

_NESTED = ("EventVenue", "EventVenues", "Venue", "MultipleEvent", "Address", "Addresses")
_STATUS = {"save": "draft", "live": "live", "expired": "expired"}
_NAME_LIMIT = 600


def read(document: dict[str, Any], record: Record, reading: Reading) -> None:
    """Add the row of one event.

    Raises:
        Bad: it has no name or no start, or something in it cannot be read.
    """
    fields = reading.fields("events", document, _NESTED)
    key = required(text(fields["EventID"], "source_id"), "source_id")
    name = required(text(fields["EventTitle"], "name"), "name")
    zone = zone_of(fields["TimeZone"], reading.zone, "timezone")
    if len(name) > _NAME_LIMIT:
        record.warn("events", "name", "long_name", f"it is longer than {_NAME_LIMIT} characters")
    starts_at = moment(
        record,
        "events",
        "starts_at",
        fields["E_Startdate"],
        (fields["EventStartDate"], fields["EventStartTime"], zone),
    )
    ends_at = moment(
        record,
        "events",
        "ends_at",
        fields["E_Enddate"],
        (fields["EventEndDate"], fields["EventEndTime"], zone),
    )
    values = {
        "id": reading.id_of("events", key),
        "source_id": key,
        "parent_event_id": reading.link("events", fields["Parent_EventID"], "parent_event_id"),
        "kind": _kind(document, fields),
        "name": name,
        "status": _status(record, fields),
        "starts_at": required(starts_at, "starts_at"),
        "ends_at": ends_at,
        "timezone": zone,
        "is_private": _is_private(record, fields),
        "is_online": _is_online(fields),
        "description": text(fields["EventDescription"], "description"),
        "created_at": utc(fields["CreateDate"], "created_at"),
        "source_updated_at": utc(fields["ModifyDate"], "source_updated_at"),
        "is_test": reading.is_test(name),
        **_venue(record, fields),
    }
    record.add("events", {**values, "extra": fields.rest()})


def _kind(document: dict[str, Any], fields: Fields) -> str:
    recurs = any(
        name.casefold() == "multipleevent" and mapping(value, "kind")
        for name, value in document.items()
        if not isinstance(value, list)
    )
    return "root" if flag(fields["IsMultipleEvent"], "kind") or recurs else "single"


def _status(record: Record, fields: Fields) -> str:
    if flag(fields["EventCancel"], "status"):
        return "cancelled"
    status = word(fields["EventStatus"], "status")
    if status in _STATUS:
        return _STATUS[status]
    why = "the status is missing" if status is None else "the status is none that is known"
    record.warn("events", "status", "unknown_status", why)
    return "unknown"


def _is_private(record: Record, fields: Fields) -> bool | None:
    privacy = word(fields["EventPrivacy"], "is_private")
    if privacy not in (None, "public", "private"):
        record.warn("events", "is_private", "unknown_privacy", "it is neither public nor private")
        return None
    return None if privacy is None else privacy == "private"


def _is_online(fields: Fields) -> bool | None:
    address = word(fields["AddressStatus"], "is_online")
    return None if address is None else address == "online"


def _venue(record: Record, fields: Fields) -> dict[str, Any]:
    """Where it is; coordinates are text, and nothing depends on them."""
    lines = [text(fields[name], "street") for name in ("Address1", "Address2")]
    return {
        "venue_name": text(fields["VenueName"], "venue_name"),
        "street": ", ".join(line for line in lines if line) or None,
        "postal_code": text(fields["Zip"], "postal_code"),
        "city": text(fields["City"], "city"),
        "region": text(fields["State"], "region"),
        # The ids of countries are in no public list, so only a name is taken.
        "country": text(fields["Country"], "country"),
        "lat": soft(record, "events", "lat", lambda: coordinate(fields["Latitude"], "lat", 90)),
        "lon": soft(record, "events", "lon", lambda: coordinate(fields["Longitude"], "lon", 180)),
        "capacity": amount_of(fields["Capacity"], "capacity"),
    }
