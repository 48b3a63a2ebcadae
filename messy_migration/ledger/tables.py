"""The tables of the ledger, as SQLAlchemy sees them.

They live in the target, because only there can a batch and its receipt share a transaction:
in the schema `messy_migration` on Postgres, under the prefix `messy_migration_` elsewhere.
The Alembic revisions in `migrations/` create them; a test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from messy_migration.errors import TargetError

SCHEMA = "messy_migration"


@dataclass(frozen=True)
class Ledger:
    """The ledger's tables under the names of one kind of database."""

    metadata: MetaData
    run: Table
    partition: Table
    receipt: Table
    receipt_table: Table
    quarantine: Table
    table_state: Table
    landing: Table
    bookmark: Table
    stamp: Table
    epoch: Table
    heartbeat: Table
    chain: Table
    change: Table
    event: Table


def naming(dialect: str) -> tuple[str | None, str]:
    """Schema and prefix of the ledger's tables in a database of that kind."""
    return (SCHEMA, "") if dialect == "postgresql" else (None, SCHEMA + "_")


@contextmanager
def legible(what: str) -> Iterator[None]:
    """Read what the ledger wrote as text.

    Raises:
        TargetError: somebody else wrote something there.
    """
    try:
        yield
    except (ValueError, KeyError, TypeError) as error:
        raise TargetError(
            "the ledger was edited by hand",
            what,
            f"it cannot be read ({type(error).__name__})",
            "restore the tables of the ledger; nothing can be proven without them",
        ) from error


@cache
def ledger(dialect: str) -> Ledger:
    """The ledger's tables for a database of that kind (SQLAlchemy's dialect name)."""
    schema, prefix = naming(dialect)
    metadata = MetaData(schema=schema)

    def table(name: str, *items: Column[object] | CheckConstraint | PrimaryKeyConstraint) -> Table:
        return Table(prefix + name, metadata, *items)

    number = BigInteger().with_variant(Integer(), "sqlite")  # SQLite numbers rows by INTEGER only
    run = table(
        "run",
        Column("run_id", Text, primary_key=True),
        Column("profile", Text, nullable=False),
        Column("plugins", Text, nullable=False),
        Column("selection", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("options", Text, nullable=False),
        Column("versions", Text, nullable=False),
        Column("host", Text, nullable=False),
        Column("pid", Integer, nullable=False),
        Column("actor", Text, nullable=False),
        Column("started_at", Text, nullable=False),
        Column("finished_at", Text),
        Column("verdict", Text),
        Column("exit_code", Integer),
        Column("report", Text),
        CheckConstraint("state IN ('open', 'done')", name="run_state"),
    )
    partition = table(
        "partition",
        Column("run_id", Text, nullable=False),
        Column("stream", Text, nullable=False),
        Column("tenant", Text, nullable=False),
        Column("digest", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column("bounds", Text, nullable=False),
        Column("plan_id", Text, nullable=False),
        Column("ordinal", Integer, nullable=False),
        Column("records", BigInteger),
        Column("until", Text),
        PrimaryKeyConstraint("run_id", "stream", "tenant", "digest"),
    )
    receipt = table(
        "receipt",
        Column("seq", number, primary_key=True, autoincrement=True),
        Column("batch_id", Text, nullable=False, unique=True),
        Column("kind", Text, nullable=False),
        Column("run_id", Text, nullable=False),
        Column("stream", Text, nullable=False),
        Column("tenant", Text, nullable=False),
        Column("partition", Text, nullable=False),
        Column("ordinal", Integer, nullable=False),
        Column("last", Integer, nullable=False),
        Column("extracted", BigInteger, nullable=False),
        Column("loaded", BigInteger, nullable=False),
        Column("quarantined", BigInteger, nullable=False),
        Column("filtered", BigInteger, nullable=False),
        Column("filters", Text, nullable=False),
        Column("warnings", BigInteger, nullable=False),
        Column("reason", Text),
        Column("epoch", BigInteger, nullable=False),
        Column("pid", Integer, nullable=False),
        Column("started_at", Text, nullable=False),
        Column("committed_at", Text, nullable=False),
        Column("xid", Text),
        Column("lane", Text),
        Column("lane_number", BigInteger),
        Column("previous", Text),
        Column("server", Text),
        Column("salt", Text),
        Column("reason_digest", Text),
        Column("key_id", Text),
        Column("mac", Text),
        Column("read_rows", BigInteger),
        Column("read_lanes", Text),
        Column("source_rows", BigInteger),
        Column("source_lanes", Text),
        Column("source_note", Text),
        CheckConstraint("extracted = loaded + quarantined + filtered", name="receipt_balance"),
    )
    Index(f"{prefix}receipt_partition", receipt.c.stream, receipt.c.tenant, receipt.c.partition)
    receipt_table = table(
        "receipt_table",
        Column("batch_id", Text, nullable=False),
        Column("table_name", Text, nullable=False),
        Column("scope", Text, nullable=False),
        Column("format_id", Text, nullable=False),
        Column("inserted", BigInteger, nullable=False),
        Column("updated", BigInteger, nullable=False),
        Column("unchanged", BigInteger, nullable=False),
        Column("net_rows", BigInteger, nullable=False),
        Column("net_lanes", Text, nullable=False),
        Column("amounts", Text),
        Column("losses", Text),
        Column("file_node", Text),
        Column("keyed_lanes", Text),
        PrimaryKeyConstraint("batch_id", "table_name", "scope"),
    )
    quarantine = table(
        "quarantine",
        Column("id", number, primary_key=True, autoincrement=True),
        Column("batch_id", Text, nullable=False),
        Column("run_id", Text, nullable=False),
        Column("stream", Text, nullable=False),
        Column("tenant", Text, nullable=False),
        Column("identity", Text, nullable=False),
        Column("place", Text, nullable=False),
        Column("table_name", Text),
        Column("column_name", Text),
        Column("rule", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("payload", Text, nullable=False),
        Column("payload_encoding", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("created_at", Text, nullable=False),
        Column("salt", Text),
        Column("payload_digest", Text),
        CheckConstraint("payload_encoding IN ('utf-8', 'base64')", name="quarantine_encoding"),
    )
    Index(f"{prefix}quarantine_stream", quarantine.c.stream, quarantine.c.tenant, quarantine.c.rule)
    table_state = table(
        "table_state",
        Column("table_name", Text, nullable=False),
        Column("scope", Text, nullable=False),
        Column("stream", Text, nullable=False),
        Column("tenant", Text, nullable=False),
        Column("format_id", Text, nullable=False),
        Column("definition", Text, nullable=False),
        Column("created", Integer, nullable=False),
        Column("first_run", Text, nullable=False),
        Column("baseline_rows", BigInteger, nullable=False),
        Column("bookmark", Text),
        Column("state", Text, nullable=False),
        Column("schema_name", Text),
        Column("object_id", Text),
        Column("key_id", Text),
        PrimaryKeyConstraint("table_name", "scope"),
        CheckConstraint("state IN ('key_pending', 'ready')", name="table_state_state"),
    )
    landing = table(
        "landing",
        Column("stream", Text, nullable=False),
        Column("tenant", Text, nullable=False),
        Column("partition", Text, nullable=False),
        Column("run_id", Text, nullable=False),
        Column("path", Text, nullable=False),
        Column("sha256", Text, nullable=False),
        Column("records", BigInteger, nullable=False),
        Column("landed_at", Text, nullable=False),
        PrimaryKeyConstraint("stream", "tenant", "partition"),
    )
    bookmark = table(
        "bookmark",
        Column("stream", Text, nullable=False),
        Column("tenant", Text, nullable=False),
        Column("position", Text, nullable=False),
        Column("run_id", Text, nullable=False),
        PrimaryKeyConstraint("stream", "tenant"),
    )
    stamp = table(
        "stamp",
        Column("id", Integer, primary_key=True),
        Column("kind", Text, nullable=False),
        CheckConstraint("kind IN ('real', 'sandbox')", name="stamp_kind"),
    )
    epoch = table(
        "epoch",
        Column("id", Integer, primary_key=True),
        Column("epoch", BigInteger, nullable=False),
    )
    heartbeat = table(
        "heartbeat",
        Column("id", Integer, primary_key=True),
        Column("run_id", Text, nullable=False),
        Column("host", Text, nullable=False),
        Column("pid", Integer, nullable=False),
        Column("started_at", Text, nullable=False),
        Column("beat_at", Text, nullable=False),
    )
    chain = table(
        "chain",
        Column("ordinal", BigInteger, primary_key=True, autoincrement=False),
        Column("run_id", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("previous", Text, nullable=False),
        Column("last_seq", BigInteger, nullable=False),
        Column("receipts", BigInteger, nullable=False),
        Column("receipts_digest", Text, nullable=False),
        Column("quarantine_digest", Text, nullable=False),
        Column("plans_digest", Text, nullable=False),
        Column("evidence_digest", Text, nullable=False),
        Column("verdict", Text, nullable=False),
        Column("head", Text, nullable=False),
        Column("written_at", Text, nullable=False),
        Column("revision", Text),
        Column("columns_digest", Text),
        Column("lanes", Text),
        Column("last_change", BigInteger),
        Column("changes", BigInteger),
        Column("changes_digest", Text),
        Column("state_digest", Text),
        Column("key_id", Text),
        Column("mac", Text),
    )
    change = table(
        "change",
        Column("seq", number, primary_key=True, autoincrement=True),
        Column("run_id", Text, nullable=False),
        Column("table_name", Text, nullable=False),
        Column("row_key", Text, nullable=False),
        Column("row_digest", Text, nullable=False),
        Column("lane", Text, nullable=False),
        Column("lane_number", BigInteger, nullable=False),
        Column("previous", Text, nullable=False),
        Column("written_at", Text, nullable=False),
        Column("mac", Text),
    )
    event = table(
        "event",
        Column("run_id", Text, nullable=False),
        Column("epoch", BigInteger, nullable=False),
        Column("number", Integer, nullable=False),
        Column("name", Text, nullable=False),
        Column("severity", Text, nullable=False),
        Column("stream", Text, nullable=False),
        Column("tenant", Text, nullable=False),
        Column("batch", Text, nullable=False),
        Column("at", Text, nullable=False),
        Column("facts", Text, nullable=False),
        PrimaryKeyConstraint("run_id", "epoch", "number"),
    )
    return Ledger(
        metadata,
        run,
        partition,
        receipt,
        receipt_table,
        quarantine,
        table_state,
        landing,
        bookmark,
        stamp,
        epoch,
        heartbeat,
        chain,
        change,
        event,
    )
