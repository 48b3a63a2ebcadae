"""The streams: where each is served, what it fills, who reads its records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from messy_migration.errors import ConfigurationError
from messy_migration.model import Column, ColumnType, Stream
from messy_migration_ticketing import BOOKMARK, CUSTOM_FIELDS, Record, stream_tables
from messy_migration_vivenu.context import PLUGIN, Context
from messy_migration_vivenu.readers import coupons, customers, events, orders, tickets
from messy_migration_vivenu.settings import Tenant, VivenuSettings
from messy_migration_vivenu.words import DENY

OVERLAP = 300
"""Seconds that a later run reads again."""

# The contract promises it of tickets only, and there is no way to ask for the others.
_STAMPED = "every record has an updatedAt: one without it is in no window of time"

_TEXT = ColumnType("text")
_RECORD = (
    Column("id", _TEXT, required=True),
    Column("updated_at", _TEXT),
    Column("payload", _TEXT, required=True),
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One list of the API.

    Attributes:
        path: relative to the base URL.
        envelope: the field of the answer that holds the records.
        tables: what is made of it, the main table first.
        read: makes the rows of one record.
        parents: the streams that it points at.
        assumed: what is not documented.
        windowed: it can be asked for records by `updatedAt`; else it is read whole.
    """

    path: str
    envelope: str
    tables: tuple[str, ...]
    read: Callable[[dict[str, Any], Record, Context], None]
    parents: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    windowed: bool = True


ENDPOINTS: Mapping[str, Endpoint] = MappingProxyType(
    {
        "vivenu.events": Endpoint(
            "/events", "rows", ("events", "ticket_types"), events.read, assumed=(_STAMPED,)
        ),
        "vivenu.customers": Endpoint(
            "/customers/rich",
            "docs",
            ("customers", CUSTOM_FIELDS),
            customers.read,
            assumed=(_STAMPED,),
        ),
        "vivenu.coupons": Endpoint(
            "/coupon/rich",
            "rows",
            ("coupons",),
            coupons.read,
            ("vivenu.events",),
            windowed=False,
        ),
        "vivenu.orders": Endpoint(
            "/transactions",
            "docs",
            ("orders", "order_items", "order_discounts", CUSTOM_FIELDS),
            orders.read,
            ("vivenu.events", "vivenu.customers", "vivenu.coupons"),
            (
                _STAMPED,
                "discountId of a discount of the category coupon is the _id of the coupon",
            ),
        ),
        "vivenu.tickets": Endpoint(
            "/tickets",
            "rows",
            ("tickets", CUSTOM_FIELDS),
            tickets.read,
            ("vivenu.events", "vivenu.customers", "vivenu.orders"),
        ),
    }
)
"""Stream -> its endpoint, parents before children."""

SERIES_PATH = "/coupon/series"


def streams_of(settings: VivenuSettings) -> list[Stream]:
    """Every stream of every account."""
    return [
        Stream(
            name=name,
            tables=stream_tables(PLUGIN, account, endpoint.tables),
            tenant=account,
            record=_RECORD,
            bookmark=BOOKMARK,
            depends_on=endpoint.parents,
            deny=DENY,
            lands=True,
            overlap=OVERLAP,
            assumed=endpoint.assumed,
            settings=tenant,
        )
        for account, tenant in settings.tenants.items()
        for name, endpoint in ENDPOINTS.items()
    ]


def tenant_of(stream: Stream, settings: VivenuSettings) -> Tenant:
    """The account of a stream; ConfigurationError if it is not configured any more."""
    tenant = settings.tenants.get(stream.tenant)
    if tenant is None:
        raise ConfigurationError(
            f"the account {stream.tenant!r} is not configured",
            f"{PLUGIN}.tenants",
            f"the accounts are {', '.join(settings.tenants)}",
        )
    return tenant
