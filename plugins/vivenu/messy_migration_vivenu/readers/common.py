"""What the records of all streams have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from messy_migration_ticketing import (
    BOOKMARK,
    CUSTOM_FIELDS,
    Bad,
    Record,
    at,
    identifier,
    instant,
    is_blank,
    json_text,
    leftovers,
    mapping,
    required,
    text,
)
from messy_migration_vivenu.context import Context

Document = Mapping[str, Any]

_PLUMBING = ("_id", "__v", "updatedAt")


def key(document: Document) -> str:
    """The id of a record."""
    return required(identifier(document.get("_id"), "source_id"), "source_id")


def identity(entity: str, source_id: str, document: Document, context: Context) -> dict[str, Any]:
    """The columns that say which record a row was made of, and how new it is."""
    return {
        "id": context.uid(entity, source_id),
        "source_id": source_id,
        BOOKMARK: instant(document.get("updatedAt"), BOOKMARK),
    }


def extra(document: Document, read: Iterable[str], ignored: Iterable[str] = ()) -> dict[str, Any]:
    """The fields that were neither read nor are to be ignored."""
    return leftovers(document, {*_PLUMBING, *read, *ignored})


def custom_fields(owner: Mapping[str, Any], document: Document, out: Record) -> None:
    """A row for every answer in `extraFields`, whether its field is defined anywhere or not."""
    with at(CUSTOM_FIELDS):
        for slug, value in mapping(document.get("extraFields"), "value").items():
            if is_blank(value):
                continue
            kind, written = _value(value)
            out.add(
                CUSTOM_FIELDS,
                {
                    "owner_id": owner["id"],
                    "slug": _slug(slug),
                    "value_type": kind,
                    "value": written,
                    BOOKMARK: owner[BOOKMARK],
                },
            )


def _slug(slug: str) -> str:
    if not slug.strip():
        raise Bad("required", "slug", "a custom field has no name")
    return slug


def _value(value: object) -> tuple[str, str | None]:
    if isinstance(value, bool):
        return "flag", "true" if value else "false"
    if isinstance(value, str):
        return "text", value
    if isinstance(value, dict | list):
        return "json", json_text(value)
    return "number", text(value, "value")
