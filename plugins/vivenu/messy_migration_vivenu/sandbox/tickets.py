"""Tickets of an order: transferred, cancelled one by one, seated, personal, half filled in."""

from __future__ import annotations

from messy_migration_vivenu.sandbox.drafts import Draft, Line
from messy_migration_vivenu.sandbox.names import FIRST, LAST, SLOTS
from messy_migration_vivenu.sandbox.seller import CLOSES, DAY, MINUTE, Seller
from messy_migration_vivenu.sandbox.values import Record, iso, money

_STATUS = {
    "COMPLETE": "VALID",
    "CANCELED": "INVALID",
    "NEW": "RESERVED",
    "RESERVED-BY-SYSTEM": "RESERVED",
}
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def make_tickets(seller: Seller, draft: Draft) -> list[Record]:
    """The tickets of an order; none if it was abandoned."""
    if draft.status not in _STATUS:
        return []
    tickets = [
        _ticket(seller, draft, line, _STATUS[draft.status])
        for line in draft.lines
        for _ in range(line.amount)
    ]
    if draft.status != "COMPLETE":
        return tickets
    if len(tickets) > 1 and seller.is_messy("M10", "tickets"):
        _cancel_one(seller, draft, tickets[-1])
    elif seller.is_messy("M11", "tickets"):
        tickets.append(_passed_on(seller, draft, tickets[0]))
    return tickets


def _ticket(seller: Seller, draft: Draft, line: Line, status: str) -> Record:
    order = draft.order
    if draft.show.is_gone or not line.offer.is_listed:
        seller.mark("M13", "tickets")
    if status == "VALID" and seller.below(40) == 0:
        status = seller.pick(("DETAILSREQUIRED", "BLANK"))
    ticket: Record = {
        "_id": seller.make_id(draft.created),
        "sellerId": seller.seller_id,
        "eventId": draft.show.event_id,
        "transactionId": order["_id"],
        "ticketTypeId": line.offer.type_id,
        "ticketName": line.offer.name,
        "cartItemId": line.item["_id"],
        "categoryRef": line.offer.category,
        "name": order["name"],
        "firstname": order["prename"],
        "lastname": order["lastname"],
        "email": order["email"],
        "currency": seller.profile.currency,
        "regularPrice": money(line.cents),
        "realPrice": money(line.cents),
        "completed": True,
        "createdAt": order["createdAt"],
        "updatedAt": order["updatedAt"],
        "status": status,
        "secret": seller.hidden(),
        "barcode": _barcode(seller),
        "type": "SINGLE",
        "origin": order["origin"],
        "deliveryType": "VIRTUAL",
        "personalized": seller.below(5) > 0,
        "claimed": False,
        "expired": False,
    }
    if "customerId" in order:
        ticket["customerId"] = order["customerId"]
    if draft.show.root_id is not None:
        ticket["rootEventId"] = draft.show.root_id
    _dirty(seller, ticket)
    return ticket


def _barcode(seller: Seller) -> str:
    bits = seller.dice.getrandbits(60)
    return "".join(_LETTERS[bits >> shift & 31] for shift in range(0, 60, 5))


def _dirty(seller: Seller, ticket: Record) -> None:
    """Cases that touch a ticket alone."""
    if seller.is_messy("M8", "tickets"):
        ticket["underShopId"] = None
        ticket["slotId"] = None
        which = seller.below(3)
        if which == 0:
            ticket["categoryRef"] = None
        elif which == 1:
            ticket["email"] = ""
            ticket["line2"] = ""
        if "customerId" not in ticket:
            ticket["customerId"] = None
        if "rootEventId" not in ticket:
            ticket["rootEventId"] = None
        ticket["salesChannelId"] = None
        del ticket["firstname"]
    if seller.is_messy("M9", "tickets"):
        ticket["extraFields"] = seller.pick(
            (
                {"diet": "vegan, no nuts", "age": 41},
                {"shirt": "XL", "consent": True, "note": None},
                {"zz_unknown_slug": ["a", "b"], "diet": ""},
            )
        )
    if seller.is_messy("M1", "tickets"):
        ticket["slotStartTime"] = seller.pick(SLOTS)
    if seller.is_messy("M12", "tickets"):
        ticket["packageInfo"] = {"packageId": "pk1", "packageConfigId": "pc1", "name": "Family"}
        ticket["type"] = "MULTI"
    if seller.below(9) == 0:
        ticket["seatingInfo"] = {
            "_type": seller.pick((6, 7)),
            "statusId": "s1",
            "sectionName": "Block Ä",
            "rowName": str(1 + seller.below(30)),
            "seatName": str(1 + seller.below(50)),
        }


def _cancel_one(seller: Seller, draft: Draft, ticket: Record) -> None:
    """The order stays complete; its history tells, and one ticket is invalid."""
    ticket["status"] = "INVALID"
    draft.order["historyEntries"].append(
        {
            "_id": seller.make_id(draft.updated),
            "date": draft.order["updatedAt"],
            "type": "partial.canceled",
            "risk": "NEUTRAL",
        }
    )


def _passed_on(seller: Seller, draft: Draft, old: Record) -> Record:
    """A new ticket takes the place of an old one, which turns invalid."""
    moment = min(draft.updated + DAY + seller.below(5 * DAY), CLOSES + MINUTE)
    first, last = seller.pick(FIRST[seller.name]), seller.pick(LAST[seller.name])
    new = dict(old)
    new |= {
        "_id": seller.make_id(moment),
        "name": f"{first} {last}",
        "firstname": first,
        "lastname": last,
        "createdAt": iso(moment),
        "updatedAt": iso(moment),
        "originTicketId": old["_id"],
        "origin": seller.pick(("transfer", "rebooking", "upgrade")),
        "secret": seller.hidden(),
        "barcode": _barcode(seller),
    }
    old |= {"status": "INVALID", "updatedAt": iso(moment)}
    return new
