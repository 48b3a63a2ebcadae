"""The unified schema: what a ticketing system holds, whatever it is called there.

Every row says which system and which account it came from; together they are the scope of its
stream. What is needed of a row but unknown of a stub (a parent that the source no longer has) is
nullable in the database and required by the rule `ticketing.required`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from messy_migration.model import Column, ColumnType, ForeignKey, Table

BOOKMARK = "source_updated_at"
"""The column, in every table, that says which of two rows with one key is newer."""

CUSTOM_FIELDS = "custom_field_values"

_MONEY = "decimal(18,4)"
_RATE = "decimal(7,6)"


@dataclass(frozen=True, slots=True)
class Field:
    """One column of the schema.

    Attributes:
        name: of the column.
        type: as a schema file writes it.
        about: what it holds, for the documentation.
        needed: a row without it is not usable, unless it is a stub.
        parent: the table whose `id` it points at, or empty.
        stub: what a stub holds here, as text, or None for NULL.
    """

    name: str
    type: str
    about: str = ""
    needed: bool = False
    parent: str = ""
    stub: str | None = None


_FIRST = (
    Field("id", "uuid", "uuid5 of system, account, table and source_id", needed=True),
    Field("source_system", "text", "the plugin", needed=True),
    Field("source_account", "text", "the tenant", needed=True),
    Field("source_id", "text", "the key in the source, as it stands there", needed=True),
)
_LAST = (
    Field(BOOKMARK, "timestamp", "when the source changed the record last"),
    Field("is_test", "bool", "test data, by the rules of the source", needed=True, stub="false"),
    Field("is_stub", "bool", "a parent that the source no longer has", needed=True, stub="true"),
    Field("extra", "json", "fields of the source without a column", needed=True, stub="{}"),
)

_OWN: dict[str, tuple[Field, ...]] = {
    "events": (
        Field("parent_event_id", "uuid", "the series or group it belongs to", parent="events"),
        Field("kind", "text", "single, group, recurrence, root", needed=True),
        Field("name", "text", needed=True),
        Field("status", "text", "draft, live, expired, cancelled, unknown", needed=True),
        Field("starts_at", "timestamp", needed=True),
        Field("ends_at", "timestamp"),
        Field("timezone", "text", "IANA name", needed=True),
        Field("sale_starts_at", "timestamp"),
        Field("sale_ends_at", "timestamp"),
        Field("venue_name", "text"),
        Field("street", "text"),
        Field("postal_code", "text"),
        Field("city", "text"),
        Field("region", "text"),
        Field("country", "text"),
        Field("lat", "decimal(9,6)"),
        Field("lon", "decimal(9,6)"),
        Field("capacity", "int64"),
        Field("is_private", "bool"),
        Field("is_online", "bool"),
        Field("description", "text", "as the source holds it: HTML, rich text"),
        Field("created_at", "timestamp"),
    ),
    "ticket_types": (
        Field("event_id", "uuid", needed=True, parent="events"),
        Field("name", "text", needed=True),
        Field("kind", "text", "free, paid, donation", needed=True),
        Field("price", _MONEY, needed=True),
        Field("currency", "text", "ISO 4217", needed=True),
        Field("fee_mode", "text", "buyer, organiser"),
        Field("service_fee", _MONEY),
        Field("merchant_fee", _MONEY),
        Field("customer_fee", _MONEY),
        Field("tax_rate", _RATE, "a fraction: 0.19 is 19 percent"),
        Field("capacity", "int64"),
        Field("min_per_order", "int64"),
        Field("max_per_order", "int64"),
        Field("is_active", "bool", needed=True),
        Field("category_source_id", "text"),
    ),
    "customers": (
        Field("email", "text", "not unique"),
        Field("email_key", "text", "the e-mail without padding, lower case"),
        Field("first_name", "text"),
        Field("last_name", "text"),
        Field("full_name", "text"),
        Field("company", "text"),
        Field("phone", "text"),
        Field("street", "text"),
        Field("line2", "text"),
        Field("postal_code", "text"),
        Field("city", "text"),
        Field("region", "text"),
        Field("country", "text"),
        Field("customer_number", "text"),
        Field("external_ref", "text"),
        Field("is_blocked", "bool"),
        Field("is_verified", "bool"),
        Field("tags", "json", "a list", needed=True, stub="[]"),
        Field("merged_into_id", "uuid", "by a rule of yours", parent="customers"),
        Field("created_at", "timestamp"),
    ),
    "coupons": (
        Field("code", "text"),
        Field("code_key", "text", "the code without padding, lower case; not unique"),
        Field("series_source_id", "text"),
        Field("name", "text"),
        Field("event_id", "uuid", "where it is good for one event only", parent="events"),
        Field(
            "discount_kind", "text", "fixed, percent, fixed_per_item, waive_fees, none", needed=True
        ),
        Field("discount_value", "decimal(18,6)", "an amount, or a fraction for percent"),
        Field("max_uses", "int64"),
        Field("uses_left", "int64"),
        Field("applies_to", "json", "an object", needed=True, stub="{}"),
        Field("valid_from", "timestamp"),
        Field("valid_until", "timestamp"),
        Field("is_active", "bool", needed=True),
    ),
    "orders": (
        Field("order_number", "text", "not unique"),
        Field("event_id", "uuid", parent="events"),
        Field("customer_id", "uuid", parent="customers"),
        Field(
            "status",
            "text",
            "pending, reserved, abandoned, completed, partially_cancelled, cancelled, refunded",
            needed=True,
        ),
        Field(
            "payment_status",
            "text",
            "paid, pending, refunded, failed, disputed, cancelled, external",
            needed=True,
        ),
        Field("payment_method", "text"),
        Field("currency", "text", "ISO 4217", needed=True),
        Field("gross_amount", _MONEY, "before discounts"),
        Field("total_amount", _MONEY, "what was charged", needed=True),
        Field("discount_amount", _MONEY),
        Field("fee_inside", _MONEY),
        Field("fee_on_top", _MONEY),
        Field("payment_fee", _MONEY),
        Field("voucher_amount", _MONEY),
        Field("tax_rate", _RATE),
        Field("buyer_first_name", "text"),
        Field("buyer_last_name", "text"),
        Field("buyer_email", "text"),
        Field("buyer_phone", "text"),
        Field("billing_street", "text"),
        Field("billing_line2", "text"),
        Field("billing_postal_code", "text"),
        Field("billing_city", "text"),
        Field("billing_region", "text"),
        Field("billing_country", "text"),
        Field("channel", "text"),
        Field("shop_source_id", "text"),
        Field("ordered_at", "timestamp", needed=True),
        Field("cancelled_at", "timestamp"),
    ),
    "order_items": (
        Field("order_id", "uuid", needed=True, parent="orders"),
        Field(
            "kind", "text", "ticket, product, fee, donation, variable_charge, other", needed=True
        ),
        Field("ticket_type_id", "uuid", parent="ticket_types"),
        Field("event_id", "uuid", parent="events"),
        Field("name", "text"),
        Field("quantity", "int32", "at least 1", needed=True),
        Field("unit_price", _MONEY),
        Field("unit_net_price", _MONEY),
        Field("line_total", _MONEY, needed=True),
        Field("tax_rate", _RATE),
        Field("parent_item_source_ids", "json", "a list"),
        Field("bundle_source_id", "text"),
        Field("occurrence_starts_at", "timestamp"),
    ),
    "order_discounts": (
        Field("order_id", "uuid", needed=True, parent="orders"),
        Field("coupon_id", "uuid", parent="coupons"),
        Field("code", "text"),
        Field("amount", _MONEY),
    ),
    "tickets": (
        Field("event_id", "uuid", needed=True, parent="events"),
        Field("ticket_type_id", "uuid", parent="ticket_types"),
        Field("order_id", "uuid", parent="orders"),
        Field("customer_id", "uuid", parent="customers"),
        Field("barcode", "text", "not unique"),
        Field("status", "text", "valid, pending_details, reserved, cancelled, blank", needed=True),
        Field("replaces_ticket_id", "uuid", "the ticket before it", parent="tickets"),
        Field("replace_reason", "text", "transfer, rebooking, upgrade"),
        Field("holder_name", "text"),
        Field("holder_first_name", "text"),
        Field("holder_last_name", "text"),
        Field("holder_email", "text"),
        Field("holder_phone", "text"),
        Field("regular_price", _MONEY),
        Field("price", _MONEY),
        Field("currency", "text", "ISO 4217"),
        Field("seat_section", "text"),
        Field("seat_row", "text"),
        Field("seat_number", "text"),
        Field("seat_kind", "text", "seat, general"),
        Field("slot_starts_local", "text", "wall clock of the event"),
        Field("delivery", "text", "hard, virtual"),
        Field("is_personalised", "bool"),
        Field("expires_at", "timestamp"),
        Field("package_source_id", "text"),
        Field("issued_at", "timestamp", needed=True),
    ),
}

_CUSTOM = (
    Field("owner_entity", "text", "the table of the owner", needed=True),
    Field("owner_id", "uuid", "its id", needed=True),
    Field("slug", "text", "the name of the field", needed=True),
    Field("value_type", "text", "text, number, flag, json", needed=True),
    Field("value", "text"),
    Field("source_system", "text", "the plugin", needed=True),
    Field("source_account", "text", "the tenant", needed=True),
    Field(BOOKMARK, "timestamp", "when the source changed the owner last"),
)

FIELDS: Mapping[str, tuple[Field, ...]] = {
    **{name: (*_FIRST, *own, *_LAST) for name, own in _OWN.items()},
    CUSTOM_FIELDS: _CUSTOM,
}
"""All tables, parents before children."""

# A row of these is made of the same record as the row that it points at.
_WITH_PARENT = {("order_items", "order_id"), ("order_discounts", "order_id")}


def needed(table: str) -> tuple[str, ...]:
    """The columns without which a row is not usable, unless it is a stub."""
    return tuple(field.name for field in FIELDS[table] if field.needed)


def tables(source: str, account: str, owner: str | None = None) -> Mapping[str, Table]:
    """The unified tables as one account of one source writes them.

    Args:
        source: the plugin, `source_system` of its rows.
        account: the tenant, `source_account` of its rows.
        owner: the table whose custom fields the stream writes. It belongs to the scope of
            `custom_field_values`: streams of one account that share that table need different
            owners, since one stream owns a table and scope.
    """
    scope = (("source_system", source), ("source_account", account))
    tables_made = {name: _table(name, scope) for name in FIELDS}
    if owner is not None:
        tables_made[CUSTOM_FIELDS] = _table(CUSTOM_FIELDS, (*scope, ("owner_entity", owner)))
    return tables_made


def stream_tables(source: str, account: str, names: Iterable[str]) -> tuple[Table, ...]:
    """The named tables for one stream; custom fields are those of the first one."""
    chosen = list(names)
    by_name = tables(source, account, chosen[0])
    return tuple(by_name[name] for name in chosen)


_AMOUNTS = {
    "orders": (("total_amount", "currency"),),
    "tickets": (("price", "currency"),),
}
"""Table -> (amount, its currency): the totals that a reconciliation proves."""


def _table(name: str, scope: tuple[tuple[str, str], ...]) -> Table:
    fields = FIELDS[name]
    parents = {field.parent for table in FIELDS.values() for field in table}
    return Table(
        name=name,
        columns=tuple(
            Column(field.name, ColumnType.parse(field.type), _is_required(name, field, parents))
            for field in fields
        ),
        key=("owner_entity", "owner_id", "slug") if name == CUSTOM_FIELDS else ("id",),
        scope=scope,
        foreign_keys=tuple(
            ForeignKey((field.name,), field.parent, ("id",), _stub(name, field, scope))
            for field in fields
            if field.parent
        ),
        amounts=_AMOUNTS.get(name, ()),
    )


def _is_required(table: str, field: Field, parents: set[str]) -> bool:
    """Whether the database itself refuses NULL: only what a stub has too, if there are stubs."""
    if not field.needed:
        return False
    return table not in parents or field in _FIRST or field.stub is not None


def _stub(
    table: str, field: Field, scope: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    if (table, field.name) in _WITH_PARENT:
        return ()
    columns = [
        (parent.name, parent.stub) for parent in FIELDS[field.parent] if parent.stub is not None
    ]
    this = f"={field.name}"
    return (("id", this), *scope[:2], ("source_id", this), *columns)
