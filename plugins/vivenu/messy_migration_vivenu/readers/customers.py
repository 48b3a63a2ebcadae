"""GET /customers/rich."""

from __future__ import annotations

from typing import Any

from messy_migration_ticketing import (
    Record,
    email_key,
    flag,
    identifier,
    instant,
    listed,
    mapping,
    text,
)
from messy_migration_vivenu.context import Context
from messy_migration_vivenu.readers.common import custom_fields, extra, identity, key

_READ = (
    "primaryEmail", "prename", "lastname", "name", "company", "phone", "location", "number",
    "externalId", "blocked", "verified", "tags", "createdAt", "extraFields",
)  # fmt: skip
# Numbers of identity documents are nothing that a migration should spread.
_IGNORED = ("identification", "image")


def read(document: dict[str, Any], out: Record, context: Context) -> None:
    """A customer, and what was asked of them besides."""
    customer = identity("customers", key(document), document, context)
    email = text(document.get("primaryEmail"), "email")
    full_name = text(document.get("name"), "full_name")
    address = mapping(document.get("location"), "street")
    tags = [text(tag, "tags") for tag in listed(document.get("tags"), "tags")]
    out.add(
        "customers",
        {
            **customer,
            "is_test": context.is_test_name(full_name, text(document.get("lastname"), "last_name")),
            "email": email,
            "email_key": email_key(email),
            "first_name": text(document.get("prename"), "first_name"),
            "last_name": text(document.get("lastname"), "last_name"),
            "full_name": full_name,
            "company": text(document.get("company"), "company"),
            "phone": text(document.get("phone"), "phone"),
            "street": text(address.get("street"), "street"),
            "line2": text(address.get("line2"), "line2"),
            "postal_code": text(address.get("postal"), "postal_code"),
            "city": text(address.get("city"), "city"),
            "region": text(address.get("state"), "region"),
            "country": text(address.get("country"), "country"),
            "customer_number": text(document.get("number"), "customer_number"),
            "external_ref": identifier(document.get("externalId"), "external_ref"),
            "is_blocked": flag(document.get("blocked"), "is_blocked"),
            "is_verified": flag(document.get("verified"), "is_verified"),
            "tags": [tag for tag in tags if tag is not None],
            "created_at": instant(document.get("createdAt"), "created_at"),
            "extra": extra(document, _READ, _IGNORED),
        },
    )
    custom_fields(customer, document, out)
