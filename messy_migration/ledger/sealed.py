"""What the chain holds fast of the ledger: each table and column, and since which revision.

A table is append-only (sealed by ranges of its rows), current state (its digest stands in each
link, and rows of the table `change` say what it follows from), or left out by name. A test fails
on a table or column that is declared nowhere.

Whoever adds a column with a later revision adds it here under that revision, in the order in
which links are to hold it; what an older link holds does not change by it.
"""

from __future__ import annotations

import hashlib
import json

FIRST = "0002"
"""The revision of links that name none."""

_APPEND_ONLY: dict[str, dict[str, tuple[str, ...]]] = {
    "0002": {
        "receipt": (
            *("batch_id", "kind", "run_id", "stream", "tenant", "partition", "ordinal", "last"),
            *("extracted", "loaded", "quarantined", "filtered", "filters", "warnings", "epoch"),
            *("pid", "started_at", "committed_at", "xid"),
        ),
        "receipt_table": (
            *("table_name", "scope", "format_id", "inserted", "updated", "unchanged"),
            *("net_rows", "net_lanes", "amounts", "losses"),
        ),
        "quarantine": (
            *("batch_id", "run_id", "stream", "tenant", "identity", "place", "table_name"),
            *("column_name", "rule", "reason", "payload_encoding", "created_at"),
        ),
    },
    "0003": {
        "receipt": ("lane", "lane_number", "previous", "server", "key_id"),
        "receipt_table": ("file_node", "keyed_lanes"),
        "change": (
            *("run_id", "table_name", "row_key", "row_digest", "lane", "lane_number", "previous"),
            "written_at",
        ),
    },
    "0004": {
        "receipt": ("read_rows", "read_lanes", "source_rows", "source_lanes", "source_note"),
    },
}
"""Revision -> append-only table -> the columns that links hold fast from then on."""

_DROPPED: dict[str, dict[str, tuple[str, ...]]] = {
    "0003": {"quarantine": ("identity", "payload_encoding")},
}
"""Revision -> table -> columns that enter in another way from then on."""

CURRENT: dict[str, tuple[str, ...]] = {
    "run": ("run_id",),
    "partition": ("run_id", "stream", "tenant"),
    "table_state": ("table_name", "scope"),
    "landing": ("stream", "tenant", "partition"),
    "bookmark": ("stream", "tenant"),
    "stamp": ("id",),
    "event": ("run_id", "epoch", "number"),
}
"""Table of current state -> the columns by which its rows are told apart; all others count.

The partitions of one stream in one run are taken together.
"""

OTHERWISE: dict[str, tuple[str, ...]] = {
    "receipt": ("seq", "reason", "salt", "reason_digest", "mac"),
    "receipt_table": ("batch_id",),
    "quarantine": (
        "id",
        "state",
        "identity",
        "payload_encoding",
        "payload",
        "salt",
        "payload_digest",
    ),
    "change": ("seq", "mac"),
}
"""Columns of append-only tables that enter in another way: numbers of rows as such, personal
values by their salted digest, a MAC as what is made of all the rest, and the state of a record in
quarantine as what receipts of the kind `superseded` say of it."""

LEFT_OUT: dict[str, str] = {
    "heartbeat": "it says who is alive, and nothing of what was loaded",
    "epoch": "it only grows, and each receipt names the epoch that it was written in",
    "chain": "each link holds itself and the one before it by its head",
}
"""Tables that no link holds fast, and why."""


def columns(table: str, revision: str) -> tuple[str, ...]:
    """The columns of an append-only table that links of a revision hold fast, in their order."""
    dropped = {
        name
        for since, tables in _DROPPED.items()
        if since <= revision
        for name in tables.get(table, ())
    }
    return tuple(
        name
        for since, tables in sorted(_APPEND_ONLY.items())
        if since <= revision
        for name in tables.get(table, ())
        if name not in dropped
    )


def columns_digest(revision: str) -> str:
    """What stands in a link of that revision for the columns that it holds fast."""
    held = sorted(
        {table for since, tables in _APPEND_ONLY.items() if since <= revision for table in tables}
    )
    text = json.dumps([[name, list(columns(name, revision))] for name in held])
    return hashlib.sha256(text.encode()).hexdigest()
