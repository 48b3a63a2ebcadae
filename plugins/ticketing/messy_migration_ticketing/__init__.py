"""What all ticketing sources have in common: the unified schema, its keys, readers and rules.

A source plugin declares `stream_tables`, reads payloads with the functions of `values` and
`moments`, gathers rows with `Rows` (or hands `transform` a function), and calls `check` in its
`validate` hook. This package is a library, no plugin: it has no hooks and no settings.
"""

from __future__ import annotations

from messy_migration_ticketing.keys import NAMESPACE, uid
from messy_migration_ticketing.moments import instant, local_instant, zone
from messy_migration_ticketing.rows import Record, Rows, leftovers, parse, transform
from messy_migration_ticketing.rules import check
from messy_migration_ticketing.schema import (
    BOOKMARK,
    CUSTOM_FIELDS,
    FIELDS,
    Field,
    needed,
    stream_tables,
    tables,
)
from messy_migration_ticketing.values import (
    Bad,
    amount_of,
    at,
    coordinate,
    currency,
    email_key,
    enum,
    flag,
    identifier,
    is_blank,
    json_text,
    listed,
    mapping,
    money,
    number,
    percent,
    required,
    sentinel,
    text,
)

__all__ = [
    "BOOKMARK",
    "CUSTOM_FIELDS",
    "FIELDS",
    "NAMESPACE",
    "Bad",
    "Field",
    "Record",
    "Rows",
    "amount_of",
    "at",
    "check",
    "coordinate",
    "currency",
    "email_key",
    "enum",
    "flag",
    "identifier",
    "instant",
    "is_blank",
    "json_text",
    "leftovers",
    "listed",
    "local_instant",
    "mapping",
    "money",
    "needed",
    "number",
    "parse",
    "percent",
    "required",
    "sentinel",
    "stream_tables",
    "tables",
    "text",
    "transform",
    "uid",
    "zone",
]
