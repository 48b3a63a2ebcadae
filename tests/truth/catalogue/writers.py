"""Other programs that write, lock, or have begun and not ended, while a proof reads."""

from __future__ import annotations

import sqlite3

from ..entries import (
    BETWEEN,
    CLOSING,
    ERROR_6,
    LANDED,
    LEDGER,
    MATCH,
    MISMATCH,
    POSTGRESQL,
    QUICK,
    SOURCE,
    SQLITE,
    UNKNOWN,
    Entry,
    postgresql,
)

READING = (LEDGER, LANDED, SOURCE, QUICK, BETWEEN)
CHANGE = "UPDATE orders SET total = 9 WHERE id = 7"


def _open_change(site):
    site.hold(CHANGE)


def _prepared(site):
    """Two-phase commit: the transaction has ended its session and is neither here nor there."""
    site.execute("BEGIN", CHANGE, "PREPARE TRANSACTION 'later'")
    site.held.callback(site.execute, "ROLLBACK PREPARED 'later'")


def _prepared_and_committed(site):
    site.execute("BEGIN", CHANGE, "PREPARE TRANSACTION 'now'", "COMMIT PREPARED 'now'")


def _alone(site):
    connection = sqlite3.connect(site.path, isolation_level=None)
    site.held.callback(connection.close)
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("BEGIN EXCLUSIVE")


ENTRIES = [
    Entry(
        "open-change",
        "another program has changed an amount and not committed",
        {POSTGRESQL: _open_change, SQLITE: _open_change},
        MATCH,
        forms=READING,
    ),
    Entry(
        "rolled-back-change",
        "another program changed an amount and took it back",
        {
            POSTGRESQL: ("BEGIN", CHANGE, "ROLLBACK"),
            SQLITE: ("BEGIN", CHANGE, "ROLLBACK"),
        },
        MATCH,
    ),
    Entry(
        "prepared-change",
        "another program has prepared a transaction that changes an amount, and not committed it",
        {POSTGRESQL: _prepared},
        MATCH,
        forms=READING,
        is_sampled=True,
    ),
    Entry(
        "prepared-change-committed",
        "another program commits a prepared transaction that changes an amount",
        {POSTGRESQL: _prepared_and_committed},
        MISMATCH,
        rows=("orders 7 total",),
    ),
    Entry(
        "table-locked",
        "another program holds a lock on the table that lets nobody read",
        {POSTGRESQL: lambda site: site.hold("LOCK TABLE notes IN ACCESS EXCLUSIVE MODE")},
        UNKNOWN,
        says="lock",
        forms=(LEDGER, LANDED, QUICK, CLOSING),
    ),
    Entry(
        "file-locked",
        "another program holds the file of SQLite for itself",
        {SQLITE: _alone},
        UNKNOWN,
        forms=(LEDGER, LANDED),
        but=dict.fromkeys((LEDGER, LANDED), f"{ERROR_6}|UNKNOWN|REFUSED"),
        why_but="not even the ledger can be read",
    ),
    Entry(
        "sequence-drawn",
        "another program draws numbers and takes advisory locks",
        postgresql(
            "CREATE SEQUENCE theirs", "SELECT nextval('theirs')", "SELECT pg_advisory_lock(1)"
        ),
        MATCH,
    ),
]
