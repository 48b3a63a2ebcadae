"""Orders: their lines, donations, variable charges and discounts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from messy_migration_eventcombo import lines
from messy_migration_eventcombo.fields import Fields
from messy_migration_eventcombo.reading import Reading, says_zone, utc
from messy_migration_ticketing import (
    Record,
    at,
    enum,
    flag,
    listed,
    local_instant,
    money,
    required,
    sentinel,
    text,
)

STATES = {
    "1": ("completed", "paid"),
    "2": ("cancelled", "cancelled"),
    "3": ("refunded", "refunded"),
    "4": ("pending", "pending"),
}
"""OrderStateId -> status and payment status of an order; the platform reads null as 1."""

_METHODS = {
    "1": "check",
    "2": "cash",
    "3": "paypal",
    "4": "online",
    "5": "complimentary",
    "6": "none",
    "7": "voucher",
    "8": "credit",
    "9": "debit",
    "10": "other",
}
_NESTED = ("BillingAddress", "Billing")
_LOST_CENTS = Decimal("0.50")


@dataclass(frozen=True, slots=True)
class Amounts:
    """The money of an order; `gross` is what was ordered plus variable charges."""

    ordered: Decimal | None
    variable: Decimal | None
    total: Decimal

    @property
    def gross(self) -> Decimal | None:
        """What it would cost without a discount."""
        return None if self.ordered is None else self.ordered + (self.variable or Decimal(0))

    @property
    def discount(self) -> Decimal | None:
        """What was taken off."""
        return None if self.gross is None else self.gross - self.total


def read(document: dict[str, Any], record: Record, reading: Reading) -> None:
    """Add the rows of one order.

    Raises:
        Bad: it has no total or no date, or something in it cannot be read.
    """
    fields = reading.fields("orders", document, _NESTED)
    key = required(text(fields["O_Id"], "source_id"), "source_id")
    updated = utc(fields["ModifyDate"], "source_updated_at")
    owner = lines.Owner(reading.id_of("orders", key), key, updated)
    amounts = _amounts(fields)
    bought = [lines.Line.read(entry, reading) for entry in listed(fields["Lines"], "order_items")]
    with at("order_items"):
        charges = lines.charges(fields, amounts.variable)
    with at("order_discounts"):
        discounts = lines.discounts(fields, bought, amounts.gross, amounts.total)
    values = {
        "id": owner.id,
        "source_id": key,
        "order_number": text(fields["O_Order_Id"], "order_number"),
        "event_id": _event(bought),
        "payment_method": _method(record, fields),
        "currency": reading.currency,
        **_money(amounts, bought),
        **_buyer(fields),
        "channel": "manual" if flag(fields["IsManualOrder"], "channel") else "online",
        "ordered_at": ordered_at(fields, reading, "ordered_at"),
        "source_updated_at": updated,
    }
    values["status"], values["payment_status"] = state_of(fields)
    values["is_test"] = reading.is_test(values["buyer_first_name"], values["buyer_last_name"])
    _check_sums(record, bought, amounts, discounts)
    record.add("orders", {**values, "extra": fields.rest()})
    lines.add_items(record, reading, owner, bought, charges)
    lines.add_discounts(record, reading, owner, discounts)
    lines.add_custom_fields(record, owner, charges)


def state_of(fields: Fields) -> tuple[str, str]:
    """Status and payment status; a state that is not known is Bad, for money hangs on it."""
    return enum(fields["OrderStateId"], "status", STATES) or STATES["1"]


def ordered_at(fields: Fields, reading: Reading, column: str) -> datetime:
    """When it was ordered: UTC, or a local time where the settings say so of old orders."""
    value = fields["O_OrderDateTime"]
    moment = required(utc(value, column), column)
    before = reading.local_before
    if before is not None and moment.date() < before and not says_zone(value):
        return required(local_instant(value, None, reading.zone, column), column)
    return moment


def _amounts(fields: Fields) -> Amounts:
    return Amounts(
        ordered=money(fields["O_OrderAmount"], "gross_amount"),
        variable=money(fields["O_VariableAmount"], "gross_amount"),
        total=required(money(fields["O_TotalAmount"], "total_amount"), "total_amount"),
    )


def _money(amounts: Amounts, bought: list[lines.Line]) -> dict[str, Decimal | None]:
    inside = sum((line.fees for line in bought if line.absorbs_fees), Decimal(0))
    return {
        "gross_amount": amounts.gross,
        "total_amount": amounts.total,
        "discount_amount": amounts.discount,
        "fee_inside": inside,
        "fee_on_top": sum((line.fees for line in bought), Decimal(0)) - inside,
    }


def _event(bought: list[lines.Line]) -> str | None:
    event_ids = {line.event_id for line in bought}
    return next(iter(event_ids)) if len(event_ids) == 1 else None


def _method(record: Record, fields: Fields) -> str | None:
    if text(fields["O_PayPal_TrancId"], "payment_method") is not None:
        return "paypal"
    kind = text(sentinel(fields["PaymentTypeId"], 0, "0"), "payment_method")
    if kind is not None and kind not in _METHODS:
        why = "the kind of payment is none that is known"
        record.warn("orders", "payment_method", "unknown_payment", why)
        return "unknown"
    return None if kind is None else _METHODS[kind]


def _buyer(fields: Fields) -> dict[str, Any]:
    """Who bought, and where the bill went."""
    names = {
        "buyer_first_name": "O_First_Name",
        "buyer_last_name": "O_Last_Name",
        "buyer_email": "O_Email",
        "buyer_phone": "Phone_Number",
        "billing_street": "Address1",
        "billing_line2": "Address2",
        "billing_postal_code": "Zip",
        "billing_city": "City",
        "billing_region": "State",
        "billing_country": "Country",
    }
    return {column: text(fields[name], column) for column, name in names.items()}


def _check_sums(
    record: Record,
    bought: list[lines.Line],
    amounts: Amounts,
    discounts: list[lines.Discount],
) -> None:
    """The order against its lines, and its total against its parts; warnings with the delta."""
    if amounts.ordered is None or amounts.gross is None:
        return
    if bought:
        # The column of donations has no decimal places, so each has lost up to 50 cents.
        lost = _LOST_CENTS * sum(line.donation > 0 for line in bought)
        delta = amounts.ordered - sum((line.total + line.donation for line in bought), Decimal(0))
        if abs(delta) > lost:
            why = f"the amount differs from its lines by {delta:f}"
            record.warn("orders", "gross_amount", "lines_differ", why)
    discounted = sum((discount.amount or Decimal(0) for discount in discounts), Decimal(0))
    # The platform drops a discount that is larger than the sum.
    delta = amounts.total - (
        amounts.gross - (discounted if discounted <= amounts.gross else Decimal(0))
    )
    if delta:
        why = f"the total differs from amount and discount by {delta:f}"
        record.warn("orders", "total_amount", "total_differs", why)
