"""Was the table touched since the load? By transaction ids and counts, reading no value.

If every row was written by a transaction of ours, or signed for, and there are as many as the
receipts say, nobody added, changed or removed one. That is no proof of values: what changes a
row without a transaction (a damaged disk) is not seen. So its words are its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection

from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.postgresql import xmin
from messy_migration.errors import TargetError
from messy_migration.ledger.xids import Transactions
from messy_migration.model import Fingerprint, Table
from messy_migration.reconcile.drift import Written, written

QuickWord = Literal["UNTOUCHED", "TOUCHED", "UNKNOWN"]
CLAIM = "by transaction ids and row counts; no value was read, so this proves no values"


@dataclass(frozen=True)
class Untouched:
    """What transaction ids say of one table and scope.

    Attributes:
        table, scope: which.
        expected: rows, by the receipts.
        ours: rows of our transactions.
        others: rows of others since; None if it cannot be told.
        verdict, reason: in words.
    """

    table: str
    scope: tuple[tuple[str, str], ...]
    expected: int
    ours: int
    others: int | None
    verdict: QuickWord
    reason: str = ""


def word(verdicts: Sequence[Untouched]) -> QuickWord:
    """One word for all tables: the worst, and UNKNOWN where there is none."""
    words = {verdict.verdict for verdict in verdicts}
    if "TOUCHED" in words:
        return "TOUCHED"
    return "UNKNOWN" if "UNKNOWN" in words or not words else "UNTOUCHED"


def untouched(
    connection: Connection,
    table: Table,
    transactions: Transactions,
    expected: Fingerprint,
    elsewhere: str = "",
) -> Untouched:
    """Ask the database who wrote the rows of a table.

    Args:
        connection: of a database that knows, in a snapshot.
        table: to look at.
        transactions: its transactions by the ledger.
        expected: the sum of its receipts.
        elsewhere: why the name means another table now; empty if it does not.
    """
    if elsewhere:
        return Untouched(table.name, table.scope, expected.rows, 0, None, "UNKNOWN", elsewhere)
    try:
        with driver_errors_as_ours(f"table {table.name}"), connection.begin_nested():
            shape = xmin.shape(connection, table)
            rows = written(connection, table, transactions) if shape.is_ordinary else Written()
    except TargetError as error:
        if connection.invalidated:
            raise
        why = f"the table could not be read: {error.why or error.what}"
        return Untouched(table.name, table.scope, expected.rows, 0, None, "UNKNOWN", why)
    word, why = _judged(table, transactions, expected, shape, rows)
    others = None if rows.others is None else sum(rows.others.values())
    return Untouched(table.name, table.scope, expected.rows, rows.ours, others, word, why)


def _judged(
    table: Table,
    transactions: Transactions,
    expected: Fingerprint,
    shape: xmin.Shape,
    rows: Written,
) -> tuple[QuickWord, str]:
    if not shape.is_ordinary:
        return "UNKNOWN", "the table is gone or no ordinary one"
    if shape.missing:
        return "TOUCHED", f"{shape.missing:,} columns of {table.name} are gone"
    if rows.others is None:
        return "UNKNOWN", rows.problem
    count = sum(rows.others.values())
    if count:
        return "TOUCHED", f"{count:,} rows were written since by others"
    there = rows.ours + rows.before
    if there != expected.rows:
        return "TOUCHED", f"{there:,} rows are there, {expected.rows:,} were loaded"
    if transactions.adopted is not None:
        why = "rows were adopted or there before the first run, and have no transaction of ours"
        return "UNKNOWN", why
    if len(shape.altered) == 0 or _altered_since(shape, transactions):
        return "UNKNOWN", f"columns of {table.name} were altered since the load"
    return "UNTOUCHED", ""


def _altered_since(shape: xmin.Shape, transactions: Transactions) -> bool:
    """A column that is dropped and made again changes no row's transaction."""
    if not transactions.ours:
        return False
    last = max(transactions.ours)
    # Older catalogue rows may be of any age; of those only the newest reading could be later.
    return any(xmin.whole(xid, last + (1 << 31)) > last for xid in shape.altered)
