"""The data of the sandbox as a whole: what is good, and then what is bad and how."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

from messy_migration_eventcombo.sandbox.catalogue import (
    SHOWS,
    Kind,
    event_record,
    kind_record,
    kinds_of,
    promo_records,
)
from messy_migration_eventcombo.sandbox.sales import Sales
from messy_migration_eventcombo.sandbox.truth import Truth

_DELETED_EVENT, _DELETED_TYPE, _DELETED_ORDER = 30_998, 309_981, 699_999
_DELETED_PROMO = 3_099_999
_MIN = "0001-01-01T00:00:00"

Lists = Mapping[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class World:
    """Entity -> event -> records as they are served, and the manifest of all of it."""

    entities: Mapping[str, Lists]
    manifest: Mapping[str, Any]

    @property
    def events(self) -> Lists:
        """Event -> its one record."""
        return self.entities["events"]

    def lists(self, entity: str) -> Lists:
        """Event -> records of an entity."""
        return self.entities[entity]


def build_world(seed: int, attendees: int) -> World:
    """The same world for the same arguments; at least `attendees` good attendees.

    Raises:
        ValueError: fewer than 1,500.
    """
    if attendees < 1_500:
        raise ValueError("with fewer than 1,500 attendees the bad ones are more than 1 percent")
    chance, truth = Random(seed), Truth()  # noqa: S311 - the same data every time is the point
    sales = Sales(chance, truth)
    events, types, promos = {}, {}, {}
    kinds: dict[int, tuple[Kind, ...]] = {}
    for show in SHOWS:
        events[show.id] = [event_record(show, truth)]
        kinds[show.id] = tuple(kinds_of(show))
        types[show.id] = [kind_record(kind, chance, truth) for kind in kinds[show.id]]
        promos[show.id], useful = promo_records(show, chance, truth)
        sales.sell(kinds[show.id], useful, -(-attendees * show.share // 100))
    _add_strays(sales, kinds)
    _break_orders(sales, kinds[SHOWS[2].id][0])
    _break_attendees(sales)
    entities = {
        "events": events,
        "ticket_types": types,
        "promo_codes": promos,
        "orders": sales.orders,
        "attendees": sales.attendees,
    }
    served = {
        entity: {str(event): records for event, records in lists.items()}
        for entity, lists in entities.items()
    }
    return World(served, {"plugin": "eventcombo", "seed": seed, **truth.manifest()})


def _add_strays(sales: Sales, kinds: Mapping[int, tuple[Kind, ...]]) -> None:
    """Orders over two events, and rows of which a parent was deleted."""
    truth, first, second = sales.truth, SHOWS[0].id, SHOWS[1].id
    for _ in range(6):
        sales.order([(kinds[first][0], 1), (kinds[second][1], 2)], is_plain=True)
    gone = Kind(_DELETED_TYPE, first, "Withdrawn", 2, Decimal("15.00"))
    for _ in range(3):
        sales.order([(gone, 1)])
        truth.mess("M13")
    for number, record in enumerate(sales.attendees[first][-40:-37]):
        record["TQD_Event_Id"] = _DELETED_EVENT
        record["O_Id"] = _DELETED_ORDER - number
        truth.points("events", _DELETED_EVENT)
        truth.points("orders", _DELETED_ORDER - number)
        truth.mess("M13")
    order, off = sales.order([(kinds[first][0], 2)], is_plain=True), Decimal("2.00")
    order["O_PromoCodeId"] = _DELETED_PROMO
    order["O_TotalAmount"] -= off
    truth.row("orders", order["O_Id"], total_amount=-off)
    truth.row("order_discounts", f"{order['O_Id']}:{_DELETED_PROMO}", amount=off)
    truth.points("coupons", _DELETED_PROMO)


def _break_orders(sales: Sales, kind: Kind) -> None:
    """Five orders that cannot be read; one of them has a ticket all the same."""
    template = sales.order([(kind, 1)], is_plain=True)
    listed = sales.orders[kind.event]
    breaks: list[tuple[str, dict[str, Any], str]] = [
        ("M7", {"O_OrderDateTime": _MIN}, "eventcombo.required"),
        ("M20", {"OrderStateId": 9}, "eventcombo.enum"),
        ("M6", {"IsManualOrder": "maybe"}, "eventcombo.flag"),
        ("M12", {"Lines": None}, "ticketing.quantity"),
        ("M2", {"O_TotalAmount": "12,5x"}, "eventcombo.money"),
    ]
    for number, (case, change, rule) in enumerate(breaks):
        record = copy.deepcopy(template)
        record["O_Id"] = 790_000 + number
        record["O_Order_Id"] = f"T99000000{number}"
        record["Lines"][0]["TPD_Id"] = 7_900_000 + number
        if "Lines" in change:
            record["Lines"][0]["TPD_Purchased_Qty"] = 0
        else:
            record.update(change)
        listed.insert(sales.chance.randrange(len(listed)), record)
        sales.truth.served("orders")
        sales.truth.bad("orders", rule)
        sales.truth.mess(case)
    ticket = sales.attendees[kind.event][5]
    ticket["O_Id"] = 790_000
    sales.truth.points("orders", 790_000)


def _break_attendees(sales: Sales) -> None:
    """Tickets that cannot be read, that come twice, and that contradict each other."""
    listed, truth = sales.attendees[SHOWS[3].id], sales.truth
    good = [copy.deepcopy(record) for record in listed[:8]]
    breaks: list[tuple[str, dict[str, Any], str]] = [
        *[("M8", {"TQD_Event_Id": None}, "eventcombo.required")] * 3,
        *[("M5", {"T_Id": blank}, "eventcombo.no_id") for blank in ("", "   ", None)],
        *[("M20", {"OrderStateId": 7}, "eventcombo.enum")] * 3,
        ("M2", {"TicketPrice": "free"}, "eventcombo.money"),
        ("M8", {"OrderStateId": ...}, "eventcombo.no_order_state"),
        ("M8", {"OrderStateId": ...}, "eventcombo.no_order_state"),
    ]
    for number, (case, change, rule) in enumerate(breaks):
        record = {**copy.deepcopy(good[0]), "TicketbearerId": 90_000 + number}
        record.update({"T_Id": f"90000{number:02d}", **change})
        kept = {name: value for name, value in record.items() if value is not ...}
        listed.insert(sales.chance.randrange(len(listed)), kept)
        truth.served("attendees")
        truth.bad("attendees", rule)
        truth.mess(case)
    for record in good[:6]:
        listed.append(record)
        truth.served("attendees")
        truth.repeated("attendees")
        truth.mess("M15")
    for record in good[6:]:
        listed.append({**record, "Name": "Edited Name"})
        truth.served("attendees")
        truth.bad("attendees", "core.duplicate_key")
        truth.mess("M11")
    twin = {**copy.deepcopy(good[0]), "T_Id": f" {good[0]['T_Id'].strip()} "}
    listed.append(twin)
    truth.served("attendees")
    truth.row("tickets", twin["T_Id"], regular_price=twin["TicketPrice"])
    truth.mess("M5")
