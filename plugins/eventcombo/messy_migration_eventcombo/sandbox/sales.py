"""Orders and the tickets issued for them, with the mess of a platform that grew for years."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any

from messy_migration_eventcombo.sandbox.catalogue import Kind
from messy_migration_eventcombo.sandbox.truth import Truth

_FIRST = ("Ana", "Ben", "Chloé", "Dmitri", "Eve", "Fatima", "Gus", "Hana", "Ian", "José", "Kim")
_LAST = ("O'Hara", "Smith", "Núñez", "de la Cruz", "Ng", "Weiß", "Brown", "Łuk", "Li", "Roy", "Poe")
_STATES = (None, None, None, 1, 1, 1, 1, 2, 3, 4)
_EPOCH = datetime(2025, 11, 3, 14, 0, tzinfo=UTC)
_CENT = Decimal("0.01")

Promo = tuple[int, Decimal, Decimal]


@dataclass(slots=True)
class Sales:
    """Makes orders one after the other; remembers where each is listed.

    Attributes:
        orders, attendees: event -> the records of its lists.
    """

    chance: Random
    truth: Truth
    orders: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    attendees: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    _made: int = 0
    _issued: int = 0
    _number: str = ""

    def sell(self, kinds: Sequence[Kind], promos: Sequence[Promo], tickets: int) -> None:
        """Orders for one event until that many tickets are issued."""
        event = kinds[0].event
        goal = len(self.attendees.setdefault(event, [])) + tickets
        while len(self.attendees[event]) < goal:
            open_seats = goal - len(self.attendees[event])
            chosen = self.chance.sample(
                kinds, 1 if open_seats < 2 or self.chance.random() < 0.7 else 2
            )
            quantities = [self.chance.choice([1, 1, 2, 2, 3, 4]) for _ in chosen]
            self.order(list(zip(chosen, quantities, strict=True)), promos)

    def order(
        self,
        bought: Sequence[tuple[Kind, int]],
        promos: Sequence[Promo] = (),
        *,
        is_plain: bool = False,
    ) -> dict[str, Any]:
        """One order, listed with every event that it has tickets of, and its tickets.

        A plain one adds up and has nothing but its lines.
        """
        self._made += 1
        truth, key = self.truth, 700_000 + self._made
        when = _EPOCH + timedelta(minutes=37 * self._made)
        state = self.chance.choice(_STATES)
        lines = [
            self._line(key, number, *kind_and_quantity, is_plain=is_plain)
            for number, kind_and_quantity in enumerate(bought)
        ]
        record = {
            "O_Id": key,
            "O_Order_Id": self._order_number(),
            "O_User_Id": f"{f'user-{self._made % 59}':<128}",
            **self._buyer(),
            "O_OrderDateTime": f"{when:%Y-%m-%dT%H:%M:%S}.{self._made % 1000:03d}",
            "OrderStateId": state,
            "PaymentTypeId": 11 if self._made == 50 else self.chance.choice([4, 4, 3, 2, 5, 9]),
            "IsManualOrder": self.chance.choice([False, False, False, True, None]),
            "O_PayPal_TokenId": "DENIED",
            "O_Card_TransHash": "DENIED",
            "Lines": lines,
        }
        record.update(self._sums(lines) if is_plain else self._money(key, lines, promos))
        self._count_mess(record)
        for event in dict.fromkeys(kind.event for kind, _ in bought):
            self.orders.setdefault(event, []).append(record)
            truth.served("orders")
        for _ in range(len({kind.event for kind, _ in bought}) - 1):
            truth.repeated("orders")
        truth.row("orders", key, total_amount=record["O_TotalAmount"])
        events = {kind.event for kind, _ in bought}
        if len(events) == 1:
            truth.points("events", next(iter(events)))
        for (kind, quantity), line in zip(bought, lines, strict=True):
            for _ in range(quantity):
                self._issue(record, kind, line)
        return record

    def _line(
        self, order: int, number: int, kind: Kind, quantity: int, *, is_plain: bool
    ) -> dict[str, Any]:
        amount = kind.unit * quantity
        key = order * 10 + number
        discount = Decimal(0)
        if not is_plain and kind.kind != 1 and self.chance.random() < 0.06:
            discount = Decimal(self.chance.randrange(500, 2_500)) / 100
        # The column has no decimal places: cents get lost on the way in.
        kept = discount.quantize(Decimal(1), ROUND_HALF_UP)
        self.truth.row("order_items", key, line_total=amount)
        self.truth.points("events", kind.event)
        self.truth.points("ticket_types", kind.id)
        if kept:
            self.truth.row("order_items", f"{key}:donation", line_total=kept)
            self.truth.mess("M2")
        return {
            "TPD_Id": key,
            "TPD_Event_Id": kind.event,
            "TQD_Ticket_Id": kind.id,
            "T_name": kind.name,
            "TPD_Purchased_Qty": quantity,
            "TPD_Amount": amount,
            "TPD_Donate": int(kept),
            "TicketPrice": kind.price,
            "TicketECFee": kind.ec_fee,
            "TicketMerchantFee": kind.merchant_fee,
            "Customer_Fee": kind.customer_fee,
            "TicketFeeType": kind.fee_type,
            "TPD_PromoCodeID": 0,
            "TPD_PromoCodeAmount": Decimal("0.00"),
            "TQD_StartTime": "07:30 PM",
            "_given": discount,
        }

    def _money(
        self, key: int, lines: Sequence[dict[str, Any]], promos: Sequence[Promo]
    ) -> dict[str, Any]:
        """Amounts of an order, its variable charges and its promo code; some do not add up."""
        truth, chance = self.truth, self.chance
        ordered = sum((line["TPD_Amount"] + line.pop("_given") for line in lines), Decimal(0))
        if chance.random() < 0.01:
            ordered += 3
            truth.warning("lines_differ")
            truth.mess("M16")
        charges = self._charges(key)
        gross = ordered + charges["O_VariableAmount"]
        promo, off = 0, Decimal(0)
        if promos and gross > 20 and chance.random() < 0.12:
            promo, fixed, share = chance.choice(promos)
            off = (fixed + gross * share).quantize(_CENT)
            truth.row("order_discounts", f"{key}:{promo}", amount=off)
            truth.points("coupons", promo)
            if chance.random() < 0.5:
                lines[0]["TPD_PromoCodeID"], lines[0]["TPD_PromoCodeAmount"] = promo, off
        else:
            truth.mess("M7")
        total = gross - off
        if not promo and gross > 20 and chance.random() < 0.012:
            total -= Decimal("1.50")
            truth.warning("total_differs")
            truth.mess("M16")
        return {
            "O_OrderAmount": ordered,
            **charges,
            "O_TotalAmount": total,
            "O_PromoCodeId": promo,
        }

    def _sums(self, lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
        ordered = sum((line["TPD_Amount"] + line.pop("_given") for line in lines), Decimal(0))
        nothing = {"O_VariableId": None, "O_VariableAmount": Decimal("0.00")}
        return {
            "O_OrderAmount": ordered,
            **nothing,
            "O_TotalAmount": ordered,
            "O_PromoCodeId": 0,
        }

    def _count_mess(self, record: dict[str, Any]) -> None:
        truth = self.truth
        truth.mess("M22")
        if record["PaymentTypeId"] == 11:
            truth.warning("unknown_payment")
            truth.mess("M20")
        if record["PaymentTypeId"] == 5:
            truth.mess("M14")
        if record["OrderStateId"] in (2, 3):
            truth.mess("M10")
        if any(line["TPD_Purchased_Qty"] > 1 for line in record["Lines"]):
            truth.mess("M12", "M19")

    def _charges(self, key: int) -> dict[str, Any]:
        """Variable charges: none, their ids and sum, or in detail."""
        truth, draw = self.truth, self.chance.random()
        if draw < 0.9:
            return {"O_VariableId": None, "O_VariableAmount": Decimal("0.00")}
        truth.mess("M9")
        for option in (41, 42):
            truth.row("custom_field_values", f"{key}:{option}")
        answer = {"O_VariableId": "41,42", "O_VariableAmount": Decimal("12.50")}
        if draw < 0.95:
            truth.row("order_items", f"{key}:variable:all", line_total=Decimal("12.50"))
            return answer
        prices = ((41, "Dinner", Decimal("8.00")), (42, "Parking", Decimal("4.50")))
        for option, _, price in prices:
            truth.row("order_items", f"{key}:variable:{option}", line_total=price)
        details = [
            {"Variable_Id": option, "VariableDesc": name, "Price": price}
            for option, name, price in prices
        ]
        return {**answer, "Variables": details}

    def _issue(self, order: dict[str, Any], kind: Kind, line: dict[str, Any]) -> None:
        """One issued ticket; its number is the barcode, padded now and then."""
        self._issued += 1
        number = 2_000_000 + self._issued
        key = f"{number}" if self._issued % 3 else f"{number}00000"
        if self._issued % 31 == 0:
            key = f" {key}" if self._issued % 2 else f"{key} "
            self.truth.mess("M5")
        if self._issued == 100:
            key = f"{key}*"
        person = self._issued * 7 % len(_FIRST)
        name = f"{_FIRST[person]} {_LAST[(person + self._issued) % len(_LAST)]}"
        self.attendees.setdefault(kind.event, []).append(
            {
                "TicketbearerId": self._issued,
                "T_Id": key,
                "T_Order_Id": order["O_Order_Id"],
                "O_Id": order["O_Id"],
                "T_TQD_Id": kind.id * 10,
                "TQD_Event_Id": kind.event,
                "TQD_Ticket_Id": kind.id,
                "TicketAttendeeId": self.chance.choice([None, self._issued]),
                "OrderStateId": order["OrderStateId"],
                "O_OrderDateTime": order["O_OrderDateTime"],
                "Name": f"{name:<128}",
                "Email": self.chance.choice([None, "", f"{f'guest{person}@mail.example':<256}"]),
                "PhoneNumber": "413-555-0100 ",
                "TicketPrice": kind.price,
                "TPD_Amount": line["TPD_Amount"],
                "TPD_Purchased_Qty": line["TPD_Purchased_Qty"],
                "TQD_StartTime": "07:30 PM",
            }
        )
        truth = self.truth
        truth.served("attendees")
        truth.row("tickets", key, regular_price=kind.price)
        truth.points("events", kind.event)
        truth.points("ticket_types", kind.id)
        truth.points("orders", order["O_Id"])

    def _order_number(self) -> str:
        """A letter and nine digits; the platform has blank ones, and gives some out twice."""
        if self._made % 90 == 0:
            self.truth.mess("M15")
            return ""
        if self._made % 70 != 1 or not self._number:
            self._number = f"T{100_000_000 + self._made * 3}"
        else:
            self.truth.mess("M15")
        return self._number

    def _buyer(self) -> dict[str, Any]:
        person = self.chance.randrange(len(_FIRST))
        email: str | None = f"{_FIRST[person][:3].lower()}{person}@mail.example"
        if self.chance.random() < 0.44:
            email = self.chance.choice([None, ""])
            self.truth.mess("M4", "M8")
        elif person == 3 and self.chance.random() < 0.3:
            email = (email or "").upper()
        return {
            "O_First_Name": _FIRST[person],
            "O_Last_Name": _LAST[person],
            "O_Email": email,
            "BillingAddress": {
                "Address1": f"{person} Elm Street",
                "Address2": None,
                "City": "Boston",
                "State": "MA",
                "Zip": "2108" if person % 2 else "02108",
                "Country": "US",
                "Phone_Number": "617-555-0199",
                "CardId": "DENIED",
                "card_type": "DENIED",
                "ExpirationDate": "DENIED",
                "Cvv": "DENIED",
            },
        }
