"""Customers: several with one e-mail, in several spellings, some with hardly a name."""

from __future__ import annotations

from messy_migration_vivenu.sandbox.names import FIRST, LAST, PLACES
from messy_migration_vivenu.sandbox.seller import DAY, OPENS, Seller
from messy_migration_vivenu.sandbox.values import Record, iso


def make_customers(seller: Seller) -> list[Record]:
    """The customers of a tenant, in the order in which they came."""
    customers: list[Record] = []
    for number in range(seller.profile.customers):
        customers.append(_customer(seller, number, customers))
    return customers


def _customer(seller: Seller, number: int, others: list[Record]) -> Record:
    first, last = seller.pick(FIRST[seller.name]), seller.pick(LAST[seller.name])
    street, postal, city, country = seller.pick(PLACES[seller.name])
    created = OPENS + seller.below(60 * DAY)
    email = f"guest{number}@{seller.name}.example"
    if others and seller.is_messy("M4", "customers"):
        email = str(seller.pick(others)["primaryEmail"])
        email = email.upper() if seller.below(3) == 0 else email
    customer: Record = {
        "_id": seller.make_id(created),
        "sellerId": seller.seller_id,
        "name": f"{first} {last}",
        "prename": first,
        "lastname": last,
        "primaryEmail": email,
        "number": 10_000 + number,
        "phone": seller.pick(("", "+64 21 555 0100", "069/5550100", "555-0100")),
        "location": {
            "street": f"{street} {1 + seller.below(120)}",
            "line2": None,
            "postal": postal,
            "city": city,
            "country": country,
        },
        "tags": ["newsletter"] if seller.below(3) == 0 else [],
        "segments": [],
        "blocked": seller.below(60) == 0,
        "verified": seller.below(2) == 0,
        "externalId": None,
        "_account": {"passwordResetToken": seller.hidden(), "loginType": "password"},
        "createdAt": iso(created),
        "updatedAt": iso(created + seller.below(200 * DAY)),
    }
    if seller.is_messy("M8", "customers"):
        customer["company"] = seller.pick((None, "", "Kauri & Söhne"))
        del customer["phone"]
        customer["prename"] = None
    if seller.is_messy("M9", "customers"):
        customer["extraFields"] = {"birthdate": "31-12-1979", "club_member": True}
    return customer
