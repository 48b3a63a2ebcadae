"""Promo codes: an amount or a percentage, for one event, valid from and until."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from messy_migration_eventcombo.fields import Fields
from messy_migration_eventcombo.reading import Reading, utc
from messy_migration_ticketing import (
    Bad,
    Record,
    amount_of,
    email_key,
    money,
    percent,
    required,
    sentinel,
    text,
)


def read(document: dict[str, Any], record: Record, reading: Reading) -> None:
    """Add the row of one promo code.

    Raises:
        Bad: it has an amount and a percentage, or something in it cannot be read.
    """
    fields = reading.fields("promo_codes", document)
    key = required(text(fields["PC_id"], "source_id"), "source_id")
    code = text(fields["PC_Code"], "code")
    kind, value = _discount(fields)
    uses = amount_of(text(fields["PC_Uses"], "uses_left"), "uses_left")
    values = {
        "id": reading.id_of("coupons", key),
        "source_id": key,
        "code": code,
        "code_key": email_key(code),
        "name": code,
        "event_id": reading.link("events", fields["PC_Eventid"], "event_id"),
        "discount_kind": kind,
        "discount_value": value,
        "uses_left": uses,
        "applies_to": _applies_to(fields),
        "valid_from": _limit(fields, "P_Startdate", "PC_Startdatetype", "valid_from"),
        "valid_until": _limit(fields, "P_Enddate", "Pc_Enddatetype", "valid_until"),
        "is_active": uses != 0,
        "source_updated_at": utc(fields["ModifyDate"], "source_updated_at"),
        "is_test": reading.is_test(code),
    }
    if kind == "none":
        record.warn("coupons", "discount_kind", "no_discount", "neither amount nor percentage")
    record.add("coupons", {**values, "extra": fields.rest()})


def _discount(fields: Fields) -> tuple[str, Decimal | None]:
    amount = money(fields["PC_Amount"], "discount_value")
    share = percent(fields["PC_Percentage"], "discount_value", whole=100)
    # The form writes 0 into the one of the two that is not used.
    amount, share = amount or None, share or None
    if amount is not None and share is not None:
        raise Bad("two_discounts", "discount_value", "it has an amount and a percentage")
    if share is not None:
        return "percent", share
    return ("none", None) if amount is None else ("fixed", amount)


def _applies_to(fields: Fields) -> dict[str, Any]:
    """`A` is all ticket types, else their ids in a list with commas."""
    applies_to = text(fields["PC_Apply"], "applies_to")
    if applies_to is None:
        return {}
    if applies_to.lower() == "a":
        return {"all": True}
    return {
        "ticket_type_source_ids": [code.strip() for code in applies_to.split(",") if code.strip()]
    }


def _limit(fields: Fields, moment_field: str, kind: str, column: str) -> datetime | None:
    """The UTC column; an offset from the event's date is a matter of the event, and in extra."""
    moment = utc(fields[moment_field], column)
    is_offset = text(sentinel(fields[kind], 0, "0"), column) is not None
    return None if is_offset and moment is None else moment
