"""Orders with their lines, and the tickets that came out of them."""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass, field
from itertools import accumulate

from messy_migration_vivenu.sandbox.catalogue import Catalogue, Show
from messy_migration_vivenu.sandbox.drafts import Draft, Line
from messy_migration_vivenu.sandbox.names import FIRST, LAST, PLACES, PRODUCTS
from messy_migration_vivenu.sandbox.seller import CLOSES, DAY, MINUTE, OPENS, Seller
from messy_migration_vivenu.sandbox.tickets import make_tickets
from messy_migration_vivenu.sandbox.values import Record, digits, iso, money, number

_STATES = (
    (880, "COMPLETE", "RECEIVED"),
    (910, "COMPLETE", "POS-RECEIVED"),
    (920, "COMPLETE", "CHARGEBACK"),
    (955, "CANCELED", "REFUND"),
    (970, "CANCELED", "CANCELED"),
    (985, "ABORTED", "FAILED"),
    (995, "NEW", "AWAITING"),
    (1000, "RESERVED-BY-SYSTEM", "PENDING"),
)
_SALES_OPEN = OPENS + 60 * DAY
_SALES_DAYS = 260


@dataclass
class Sales:
    """What a tenant sold."""

    orders: list[Record] = field(default_factory=list)
    tickets: list[Record] = field(default_factory=list)


def make_sales(seller: Seller, catalogue: Catalogue, customers: list[Record]) -> Sales:
    """Orders, one after the other, until there are tickets enough."""
    sales = Sales()
    weights = list(accumulate(show.weight for show in catalogue.shows))
    codes = [coupon for coupon in catalogue.coupons if coupon["code"] and "name" in coupon]
    lost = [seller.make_id(OPENS) for _ in range(6)]
    while len(sales.tickets) < seller.profile.tickets:
        show = catalogue.shows[bisect(weights, seller.below(weights[-1]))]
        if show.is_gone:
            seller.mark("M13", "orders")
        draft = _draft(seller, show, customers)
        draft.order = _order(seller, draft, len(sales.orders), codes)
        if seller.is_messy("M13", "customers"):
            draft.order["customerId"] = seller.pick(lost)
        sales.orders.append(draft.order)
        sales.tickets += make_tickets(seller, draft)
    return sales


def _draft(seller: Seller, show: Show, customers: list[Record]) -> Draft:
    throw = seller.below(1000)
    status, payment = next((s, p) for limit, s, p in _STATES if throw < limit)
    created = _SALES_OPEN + seller.below(_SALES_DAYS * DAY // 1000) * 1000 + seller.below(1000)
    updated = min(created + seller.below(20 * DAY), CLOSES)
    customer = seller.pick(customers) if seller.below(6) else None
    lines = [_line(seller, show, created) for _ in range(1 + (seller.below(4) == 0))]
    return Draft(show, created, updated, status, payment, customer, lines)


def _line(seller: Seller, show: Show, created: int) -> Line:
    offer = show.offers[int(seller.dice.random() ** 2 * len(show.offers))]
    if not offer.is_listed:
        seller.mark("M13", "orders")
    cents = offer.cents
    amount = seller.pick((1, 1, 1, 2, 2, 2, 3, 4))
    net = round(cents * 100 / (100 + seller.profile.tax_percent))
    entry: Record = {
        "type": "ticket",
        "_id": seller.make_id(created),
        "name": offer.name,
        "amount": amount,
        "netPrice": money(net),
        "price": money(cents),
        "taxRate": number(f"0.{seller.profile.tax_percent}"),
        "ticketTypeId": offer.type_id,
        "categoryRef": offer.category,
        "seatingInfo": None,
    }
    if seller.is_messy("M12", "orders"):
        entry["bundleInfo"] = {"bundleId": seller.make_id(created), "componentId": "c1"}
        entry["triggeredBy"] = seller.pick(("rule-1", ["rule-1", "rule-2"]))
    return Line(offer, amount, cents, entry)


def _order(seller: Seller, draft: Draft, ordinal: int, codes: list[Record]) -> Record:
    order: Record = {
        "_id": seller.make_id(draft.created),
        "sellerId": seller.seller_id,
        "eventId": draft.show.event_id,
        "tickets": [line.item for line in draft.lines],
        "products": _products(seller, draft),
        "currency": seller.profile.currency,
        "taxRate": number(f"0.{seller.profile.tax_percent}"),
        "createdAt": iso(draft.created),
        "updatedAt": iso(draft.updated),
        "status": draft.status,
        "paymentStatus": draft.payment,
        "psp": "stripe",
        "paymentMethod": seller.pick(("stripe", "paypal", "local", "vivenu-payments")),
        "origin": seller.pick(("yourticket", "yourticket", "pos")),
        "historyEntries": _history(seller, draft),
        "tid": f"T{100_000 + ordinal}",
        "secret": seller.hidden(),
        "seatingReservationToken": seller.hidden(),
        "ipLookup": {"ip": seller.hidden()},
        "userAgent": {"_id": seller.make_id(draft.created), "ua": seller.hidden()},
    }
    if seller.below(20) == 0:
        order["additionalItems"] = [_fulfilment(seller, draft)]
    order |= _buyer(seller, draft)
    order |= _amounts(seller, draft, order, codes)
    _dirty(seller, draft, order, ordinal)
    return order


def _products(seller: Seller, draft: Draft) -> list[Record]:
    if seller.below(12):
        return []
    name, cents = seller.pick(PRODUCTS)
    draft_tax = seller.profile.tax_percent
    return [
        {
            "type": "product",
            "_id": seller.make_id(draft.created),
            "name": name,
            "amount": 1 + seller.below(3),
            "netPrice": money(round(cents * 100 / (100 + draft_tax))),
            "price": money(cents),
            "taxRate": None,
            "productVariantId": f"variant-{name.lower()}",
        }
    ]


def _fulfilment(seller: Seller, draft: Draft) -> Record:
    return {
        "itemId": seller.make_id(draft.created),
        "type": "bundle",
        "netPrice": money(336),
        "price": money(390),
        "taxRate": number(f"0.{seller.profile.tax_percent}"),
        "data": {"bundleId": seller.make_id(draft.created)},
    }


def _history(seller: Seller, draft: Draft) -> list[Record]:
    kinds = ["created"]
    kinds += ["completed"] if draft.status in {"COMPLETE", "CANCELED"} else []
    kinds += ["canceled"] if draft.status == "CANCELED" else []
    if draft.status == "CANCELED":
        seller.mark("M10", "orders")
    return [
        {
            "_id": seller.make_id(draft.created),
            "date": iso(draft.updated if kind == "canceled" else draft.created + step * MINUTE),
            "type": kind,
            "risk": "NEUTRAL",
        }
        for step, kind in enumerate(kinds)
    ]


def _buyer(seller: Seller, draft: Draft) -> Record:
    street, postal, city, country = seller.pick(PLACES[seller.name])
    customer = draft.customer
    first = customer["prename"] if customer else None
    buyer: Record = {
        "prename": first or seller.pick(FIRST[seller.name]),
        "lastname": customer["lastname"] if customer else seller.pick(LAST[seller.name]),
        "email": customer["primaryEmail"] if customer else f"once@{seller.name}.example",
        "street": f"{street} {1 + seller.below(120)}",
        "postal": postal,
        "city": city,
        "country": country,
    }
    buyer["name"] = f"{buyer['prename']} {buyer['lastname']}"
    if customer:
        buyer["customerId"] = customer["_id"]
    return buyer


def _amounts(seller: Seller, draft: Draft, order: Record, codes: list[Record]) -> Record:
    lines = sum(line.cents * line.amount for line in draft.lines)
    gross = lines + sum(_cents(entry) for entry in order["products"])
    gross += sum(_cents(entry) for entry in order.get("additionalItems", ()))
    outer = 150 * sum(line.amount for line in draft.lines) if lines else 0
    amounts: Record = {
        "regularPrice": money(gross),
        "innerCharge": money(lines // 50),
        "outerCharge": money(outer),
        "paymentCharge": money(0),
    }
    discount = 0
    if lines and seller.below(12) == 0:
        discount, applied = _discount(seller, draft, lines, codes)
        amounts |= applied
    wrong = 0
    if seller.is_messy("M16", "orders"):
        wrong = seller.pick((1, 100, 250))
    amounts["realPrice"] = money(gross + outer - discount + wrong)
    return amounts


def _cents(entry: Record) -> int:
    whole, _, fraction = digits(entry["price"]).partition(".")
    return (int(whole) * 100 + int(fraction)) * int(entry.get("amount", 1))


def _discount(seller: Seller, draft: Draft, lines: int, codes: list[Record]) -> tuple[int, Record]:
    """One coupon, or two; what each took off stands on the order, not on its lines."""
    chosen = [seller.pick(codes)]
    if seller.below(8) == 0:
        chosen += [coupon for coupon in (seller.pick(codes),) if coupon is not chosen[0]]
    total = 0
    discounts = []
    for coupon in chosen:
        value = digits(coupon["discountValue"])
        taken = _taken(str(coupon["discountType"]), value, lines, draft)
        taken = min(taken, lines - total)
        total += taken
        discounts.append(
            {
                "_id": seller.make_id(draft.created),
                "discountId": coupon["_id"],
                "category": "coupon",
                "name": coupon["name"],
                "type": coupon["discountType"],
                "value": coupon["discountValue"],
                "absoluteDiscountValue": money(taken),
            }
        )
    applied = [{"_id": coupon["_id"], "code": coupon["code"]} for coupon in chosen]
    return total, {"appliedCoupons": applied, "appliedDiscountInfo": {"discounts": discounts}}


def _taken(kind: str, value: str, lines: int, draft: Draft) -> int:
    if kind == "waiveFees":
        return 0
    if kind == "var":
        return round(lines * float(value))
    cents = round(float(value) * 100)
    return cents * sum(line.amount for line in draft.lines) if kind == "fixPerItem" else cents


def _dirty(seller: Seller, draft: Draft, order: Record, ordinal: int) -> None:
    """Cases that only touch the order itself."""
    if seller.is_messy("M15", "orders"):
        order["tid"] = seller.pick((None, f"T{100_000 + seller.below(ordinal + 1)}"))
    if seller.is_messy("M8", "orders"):
        order["phone"] = seller.pick((None, "", "069 5550123"))
        order["salesChannelId"] = None
        order["city"] = ""
        del order["postal"]
    if seller.is_messy("M9", "orders"):
        order["extraFields"] = {"heard_from": "radio", "newsletter": False, "zz_old": 3}
    if draft.status == "CANCELED" and seller.below(4) == 0:
        order["cancellationReason"] = seller.pick(("CLAIM", "TRAINING/TEST"))
        if order["cancellationReason"] == "TRAINING/TEST":
            seller.mark("M14", "orders")
    if seller.is_messy("M14", "orders"):
        order["underShop"] = "staff-only"
