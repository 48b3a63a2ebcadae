"""Keys that any worker can compute: the same record has the same uuid in every run."""

from __future__ import annotations

from uuid import UUID, uuid5

NAMESPACE = UUID("0d6a2b1e-6f0c-5b5e-9a51-3a7e8f4c2d90")
"""Changing it would give every row of every target another key."""


def uid(source: str, account: str, entity: str, source_id: str) -> str:
    """The `id` of a row.

    Args:
        source: the plugin.
        account: the tenant.
        entity: the table.
        source_id: the key in the source, in the form in which the source holds it.

    Raises:
        ValueError: one of the first three holds a `|`, so that two rows could share a key.
    """
    if "|" in source + account + entity:
        raise ValueError("source, account and entity of a key may not hold a |")
    return str(uuid5(NAMESPACE, f"{source}|{account}|{entity}|{source_id}"))
