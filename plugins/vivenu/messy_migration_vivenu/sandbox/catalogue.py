"""What is sold: events with their ticket types, and coupons with their series."""

from __future__ import annotations

from dataclasses import dataclass, field

from messy_migration_vivenu.sandbox.names import EVENTS, PLACES, TICKETS, VENUES
from messy_migration_vivenu.sandbox.seller import DAY, MINUTE, OPENS, Seller
from messy_migration_vivenu.sandbox.values import Record, iso, money, number


@dataclass(frozen=True)
class Offer:
    """A ticket type as an order needs it; `is_listed` unless its event has lost it."""

    type_id: str
    name: str
    cents: int
    category: str
    is_listed: bool = True


@dataclass(frozen=True)
class Show:
    """An event as orders and tickets need it; gone ones are not served any more."""

    event_id: str
    root_id: str | None
    offers: tuple[Offer, ...]
    weight: int
    is_gone: bool = False


@dataclass
class Catalogue:
    """Everything that is sold."""

    events: list[Record] = field(default_factory=list)
    shows: list[Show] = field(default_factory=list)
    coupons: list[Record] = field(default_factory=list)
    series: list[Record] = field(default_factory=list)


def make_catalogue(seller: Seller) -> Catalogue:
    """The catalogue of a tenant."""
    catalogue = Catalogue()
    names = EVENTS[seller.name]
    for ordinal, name in enumerate(names):
        kind = "GROUP" if ordinal == len(names) - 1 else "SINGLE"
        _add(catalogue, seller, name, kind, None, 100)
    root = _add(catalogue, seller, VENUES[seller.name][-1], "ROOT", None, 0)
    for ordinal in range(seller.profile.dates):
        name = f"{VENUES[seller.name][-1]} {ordinal + 1}"
        _add(catalogue, seller, name, "RECURRENCE", root["_id"], 1)
    children = [show.event_id for show in catalogue.shows[:2]]
    catalogue.events[len(names) - 1]["childEvents"] = children
    for _ in range(2):
        gone = _show(seller, seller.make_id(OPENS), None, 3, is_gone=True)[0]
        catalogue.shows.append(gone)
    _coupons(catalogue, seller)
    return catalogue


def _add(
    catalogue: Catalogue, seller: Seller, name: str, kind: str, root: str | None, weight: int
) -> Record:
    created = OPENS + seller.below(20 * DAY)
    event_id = seller.make_id(created)
    show, offers = _show(seller, event_id, root, weight, is_gone=False)
    event = _event(seller, event_id, name, kind, created)
    if root is not None:
        event["rootId"] = root
    event["tickets"] = [_type(seller, offer) for offer in offers if offer.is_listed]
    catalogue.events.append(event)
    if weight:
        catalogue.shows.append(show)
    return event


def _event(seller: Seller, event_id: str, name: str, kind: str, created: int) -> Record:
    """An event; some have no time zone of their own, and descriptions are JSON in a text."""
    address = seller.pick(PLACES[seller.name])
    # Starts spread over a year, so that some fall into the hours around a change of the clock.
    start = OPENS + (60 + seller.below(300)) * DAY + seller.below(96) * 15 * MINUTE
    event: Record = {
        "_id": event_id,
        "sellerId": seller.seller_id,
        "name": f"ZZTEST {name}" if seller.is_messy("M14", "events") else name,
        "description": '[{"type":"paragraph","children":[{"text":"Doors at \\"six\\""}]}]',
        "locationName": seller.pick(VENUES[seller.name]),
        "locationStreet": f"{address[0]} {1 + seller.below(90)}",
        "locationPostal": address[1],
        "locationCity": address[2],
        "locationCountry": address[3],
        "eventType": kind,
        "createdAt": iso(created),
        "updatedAt": iso(created + seller.below(20 * DAY)),
        "start": iso(start),
        "end": iso(start + (90 + seller.below(300)) * MINUTE),
        "sellStart": iso(created),
        "sellEnd": iso(start),
        "maxAmount": 999999 if seller.below(20) == 0 else 200 + seller.below(4000),
        "maxAmountPerOrder": 10,
        "minAmountPerOrder": 1,
        "hideInListing": seller.below(8) == 0,
        "geoCode": {
            "_id": seller.make_id(created),
            "lat": number("-36.848461" if seller.name == "auckland" else "50.110924"),
            "lng": number("174.763336" if seller.name == "auckland" else "8.682127"),
        },
        "ticketExtraFields": [
            _field(seller, "diet", "text", deleted=False),
            _field(seller, "shirt", "select", deleted=True),
        ],
        "timezone": seller.profile.zone,
    }
    if seller.is_messy("M1", "events"):
        del event["timezone"]
    return event


def _field(seller: Seller, name: str, kind: str, *, deleted: bool) -> Record:
    return {
        "_id": seller.make_id(OPENS),
        "name": name,
        "type": kind,
        "required": False,
        "deleted": deleted,
    }


def _show(
    seller: Seller, event_id: str, root: str | None, weight: int, *, is_gone: bool
) -> tuple[Show, list[Offer]]:
    """The event's offers; a main event has lost one of its ticket types (M13)."""
    is_main = weight > 1
    listed = TICKETS if is_main else TICKETS[:2]
    offers = [
        Offer(seller.make_id(OPENS), name, cents, f"cat-{ordinal}")
        for ordinal, (name, cents) in enumerate(listed)
    ]
    if is_main and not is_gone and seller.below(2):
        offers.append(Offer(seller.make_id(OPENS), "Early Bird", 2995, "cat-9", is_listed=False))
    return Show(event_id, root, tuple(offers), weight, is_gone), offers


def _type(seller: Seller, offer: Offer) -> Record:
    return {
        "_id": offer.type_id,
        "name": offer.name,
        "price": money(offer.cents),
        "amount": 100 + seller.below(900),
        "active": seller.below(10) > 0,
        "categoryRef": offer.category,
        "maxAmountPerOrder": 10,
        "minAmountPerOrder": 1,
        "taxRate": number(f"0.{seller.profile.tax_percent}"),
        "sold": seller.below(500),  # undeclared, and a counter that drifts
    }


def _coupons(catalogue: Catalogue, seller: Seller) -> None:
    for ordinal in range(3):
        terms = _terms(seller, "var", number("0.125"))
        created = OPENS + seller.below(10 * DAY)
        about = {"_id": seller.make_id(created), "sellerId": seller.seller_id}
        stamps = {"createdAt": iso(created), "updatedAt": iso(created + DAY)}
        catalogue.series.append({**terms, "name": f"Partner {ordinal + 1}", **about, **stamps})
    kinds = (("fix", money(500)), ("var", number("0.2")), ("fixPerItem", money(150)))
    for ordinal in range(330):
        created = OPENS + seller.below(40 * DAY)
        coupon: Record = {
            "_id": seller.make_id(created),
            "sellerId": seller.seller_id,
            "code": f"{seller.name[:3].upper()}{seller.dice.getrandbits(32):08X}",
            "createdAt": iso(created),
            "updatedAt": iso(created + seller.below(5 * DAY)),
            "used": seller.below(4),
        }
        if ordinal % 6 == 0:
            series = catalogue.series[ordinal % 3]
            coupon |= {"couponType": "couponSeries", "couponSeriesId": series["_id"]}
            if ordinal % 30 == 0:
                coupon["code"] = None
        elif ordinal % 41 == 0:
            coupon |= {**_terms(seller, "waiveFees", money(0)), "name": "No fees"}
        else:
            kind, value = kinds[ordinal % 3]
            coupon |= {**_terms(seller, kind, value), "name": f"Offer {ordinal}"}
            if ordinal % 7 == 0:
                coupon |= {"allowAllEvents": False, "allowedEvents": [catalogue.shows[0].event_id]}
        catalogue.coupons.append(coupon)


def _terms(seller: Seller, kind: str, value: str) -> Record:
    return {
        "active": seller.below(12) > 0,
        "maxUsage": 1 + seller.below(50),
        "discountType": kind,
        "discountValue": value,
        "allowAllEvents": True,
        "allowedEvents": [],
        "allowAllTickets": True,
        "allowedTickets": [],
        "validFrom": iso(OPENS),
        "validUntil": None,
        "unlocks": [],
    }
