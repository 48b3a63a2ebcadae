"""What hangs on an order: lines, donations, variable charges, discounts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from messy_migration_eventcombo.fields import Fields
from messy_migration_eventcombo.reading import Reading, soft, zone_of
from messy_migration_ticketing import (
    Record,
    amount_of,
    at,
    enum,
    listed,
    local_instant,
    mapping,
    money,
    required,
    sentinel,
    text,
)

_FEE_TYPES = {"0": False, "1": True}


@dataclass(frozen=True, slots=True)
class Owner:
    """The order that rows belong to: its id, its key in the source, when it changed."""

    id: str
    key: str
    updated: datetime | None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an order.

    Attributes:
        total: of the line, without the donation in it.
        donation: whole units only: the source has no decimal places here.
        fees: of the platform and of the merchant, for all tickets of the line.
        absorbs_fees: the organiser pays them; else they are on top of the price.
        promo: the promo code of the line in the source, and what it took off.
        zone: IANA name, where the line says one.
    """

    key: str
    event_id: str | None
    ticket_type_id: str | None
    name: str | None
    quantity: int
    unit_price: Decimal | None
    total: Decimal
    donation: Decimal
    fees: Decimal
    absorbs_fees: bool
    promo: str | None
    promo_amount: Decimal
    zone: str | None
    occurrence: tuple[Any, Any]
    extra: Mapping[str, Any]

    @classmethod
    def read(cls, entry: object, reading: Reading) -> Line:
        """A line as the source has it.

        Raises:
            Bad: it has no key, quantity or total, or something in it cannot be read.
        """
        with at("order_items"):
            return cls._read(Fields.of("lines", mapping(entry, "source_id")), reading)

    @classmethod
    def _read(cls, fields: Fields, reading: Reading) -> Line:
        quantity = required(amount_of(fields["TPD_Purchased_Qty"], "quantity"), "quantity")
        fees = [money(fields[name], "fee_on_top") for name in ("TicketECFee", "TicketMerchantFee")]
        zone = text(sentinel(fields["TimeZone"], 0, "0"), "occurrence_starts_at")
        types = (fields["TQD_Ticket_Id"], "ticket_type_id")
        return cls(
            key=required(text(fields["TPD_Id"], "source_id"), "source_id"),
            event_id=reading.link("events", fields["TPD_Event_Id"], "event_id"),
            ticket_type_id=reading.link("ticket_types", *types),
            name=text(fields["T_name"], "name"),
            quantity=quantity,
            unit_price=money(fields["TicketPrice"], "unit_price"),
            total=required(money(fields["TPD_Amount"], "line_total"), "line_total"),
            donation=money(fields["TPD_Donate"], "line_total") or Decimal(0),
            fees=quantity * sum((fee or Decimal(0) for fee in fees), Decimal(0)),
            absorbs_fees=enum(fields["TicketFeeType"], "fee_inside", _FEE_TYPES) or False,
            promo=text(sentinel(fields["TPD_PromoCodeID"], 0, "0"), "coupon_id"),
            promo_amount=money(fields["TPD_PromoCodeAmount"], "amount") or Decimal(0),
            zone=zone and zone_of(zone, reading.zone, "occurrence_starts_at"),
            occurrence=(fields["TQD_StartDate"], fields["TQD_StartTime"]),
            extra=fields.rest(),
        )


@dataclass(frozen=True, slots=True)
class Charge:
    """A variable charge; without an id it is the sum of several, and without a price unknown."""

    key: str | None
    name: str | None
    price: Decimal | None
    others: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Discount:
    """What one promo code took off an order; the amount is None where nothing says it."""

    promo: str
    code: str | None = None
    amount: Decimal | None = field(default=None)


def charges(fields: Fields, total: Decimal | None) -> list[Charge]:
    """The variable charges: in detail where the order has it, else its list of ids and the sum."""
    detailed = listed(fields["Variables"], "order_items")
    if detailed:
        return [_charge(entry) for entry in detailed]
    codes = text(sentinel(fields["O_VariableId"], 0, "0"), "source_id") or ""
    keys = [key.strip() for key in codes.split(",") if key.strip() not in ("", "0")]
    if len(keys) == 1:
        return [Charge(keys[0], None, total)]
    named = [Charge(key, None, None) for key in keys]
    return [*named, Charge(None, None, total, tuple(keys))] if total or keys else []


def discounts(
    fields: Fields, bought: Sequence[Line], gross: Decimal | None, total: Decimal
) -> list[Discount]:
    """One for each promo code of the order and of its lines; 0 is no promo code."""
    taken: dict[str, Decimal | None] = {}
    for line in bought:
        if line.promo is not None:
            taken[line.promo] = (taken.get(line.promo) or Decimal(0)) + line.promo_amount
    whole = text(sentinel(fields["O_PromoCodeId"], 0, "0"), "coupon_id")
    if whole is not None and not taken.get(whole):
        others = sum((amount or Decimal(0) for amount in taken.values()), Decimal(0))
        rest = None if gross is None else gross - total - others
        taken[whole] = rest if rest is not None and rest > 0 else None
    return [Discount(promo, None, amount) for promo, amount in taken.items()]


def add_items(
    record: Record, reading: Reading, owner: Owner, bought: Sequence[Line], more: Sequence[Charge]
) -> None:
    """The rows of `order_items`."""
    for values in (*_of_lines(record, bought), *_of_charges(owner, more)):
        row = {
            "id": reading.id_of("order_items", values["source_id"]),
            "order_id": owner.id,
            "source_updated_at": owner.updated,
            **values,
        }
        record.add("order_items", row)


def add_discounts(
    record: Record, reading: Reading, owner: Owner, own_discounts: Sequence[Discount]
) -> None:
    """The rows of `order_discounts`."""
    for discount in own_discounts:
        key = f"{owner.key}:{discount.promo}"
        row = {
            "id": reading.id_of("order_discounts", key),
            "source_id": key,
            "order_id": owner.id,
            "coupon_id": reading.link("coupons", discount.promo, "coupon_id"),
            "code": discount.code,
            "amount": discount.amount,
            "source_updated_at": owner.updated,
        }
        record.add("order_discounts", row)


def add_custom_fields(record: Record, owner: Owner, own_charges: Sequence[Charge]) -> None:
    """The rows of `custom_field_values`: which options were chosen, and their price."""
    for charge in own_charges:
        if charge.key is None:
            continue
        price = None if charge.price is None else format(charge.price, "f")
        row = {
            "owner_entity": "orders",
            "owner_id": owner.id,
            "slug": f"variable_{charge.key}",
            "value_type": "number" if charge.name is None else "text",
            "value": price if charge.name is None else charge.name,
            "source_updated_at": owner.updated,
        }
        record.add("custom_field_values", row)


def _of_lines(record: Record, bought: Sequence[Line]) -> Iterator[dict[str, Any]]:
    for line in bought:
        shared = {
            "ticket_type_id": line.ticket_type_id,
            "event_id": line.event_id,
            "name": line.name,
        }
        yield {
            **shared,
            "source_id": line.key,
            "kind": "ticket",
            "quantity": line.quantity,
            "unit_price": line.unit_price,
            "line_total": line.total,
            "occurrence_starts_at": _occurrence(record, line),
            "extra": dict(line.extra),
        }
        if line.donation:
            yield {
                **shared,
                "source_id": f"{line.key}:donation",
                "kind": "donation",
                "quantity": 1,
                "unit_price": line.donation,
                "line_total": line.donation,
            }


def _of_charges(owner: Owner, own_charges: Sequence[Charge]) -> Iterator[dict[str, Any]]:
    for charge in own_charges:
        if charge.price is None:
            continue
        yield {
            "source_id": f"{owner.key}:variable:{charge.key or 'all'}",
            "kind": "variable_charge",
            "name": charge.name,
            "quantity": 1,
            "unit_price": charge.price,
            "line_total": charge.price,
            "extra": {"variable_ids": list(charge.others)} if charge.others else {},
        }


def _occurrence(record: Record, line: Line) -> datetime | None:
    """When it begins; the zone is the event's, so without one on the line it cannot be told."""
    day, clock = line.occurrence
    if day is None or line.zone is None:
        return None
    zone = line.zone
    return soft(
        record,
        "order_items",
        "occurrence_starts_at",
        lambda: local_instant(day, clock, zone, "occurrence_starts_at"),
    )


def _charge(entry: object) -> Charge:
    fields = Fields.of("variables", mapping(entry, "source_id"))
    return Charge(
        required(text(fields["Variable_Id"], "source_id"), "source_id"),
        text(fields["VariableDesc"], "name"),
        money(fields["Price"], "line_total"),
    )
