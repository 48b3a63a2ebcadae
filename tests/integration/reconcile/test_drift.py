"""On Postgres, rows that others wrote since the load are told from corrupted ones."""

from __future__ import annotations

import pytest

from messy_migration.errors import ProofError, TargetError

from ..shop import ROWS, verdict

# Changes a row and leaves its transaction as it was, as a damaged page would.
CORRUPT = "UPDATE orders SET name = 'rotten' WHERE id = 9"


def corrupt(shop):
    """Make the ledger believe that our own transaction wrote a wrong row."""
    with shop.connect() as connection, connection.transaction():
        connection.execute(CORRUPT)
        xid = connection.execute("SELECT pg_current_xact_id()::text").fetchone()[0]
        connection.execute(
            "INSERT INTO messy_migration.receipt (batch_id, kind, run_id, stream, tenant,"
            " partition, ordinal, last, extracted, loaded, quarantined, filtered, filters,"
            " warnings, epoch, pid, started_at, committed_at, xid)"
            " SELECT 'again', 'late', run_id, stream, tenant, '', 0, 0, 0, 0, 0, 0, '{}', 0, epoch,"
            " pid, started_at, committed_at, %s FROM messy_migration.receipt LIMIT 1",
            [xid],
        )
        connection.execute(
            "INSERT INTO messy_migration.receipt_table (batch_id, table_name, scope, format_id,"
            " inserted, updated, unchanged, net_rows, net_lanes, amounts)"
            " SELECT 'again', table_name, scope, format_id, 0, 1, 0, 0, repeat('0', 32), NULL"
            " FROM messy_migration.receipt_table LIMIT 1"
        )


def test_drift_and_corruption_are_counted_apart_and_named(on_postgres):
    corrupt(on_postgres)
    on_postgres.execute(
        "UPDATE orders SET name = 'paid' WHERE id IN (1, 2)",
        "INSERT INTO orders (id) VALUES (99)",
        "DELETE FROM orders WHERE id = 5",
    )
    result = on_postgres.reconcile()
    found = verdict(result)
    assert (found.verdict, found.drift.others, found.drift.corrupted) == ("MISMATCH", 3, 1)
    assert "cutover: 3 rows written since by others, 1 corrupted" in found.reason
    written = {dict(item.key)["id"]: item.writer for item in result.proof.findings[0].differences}
    assert written == {"1": "others", "2": "others", "99": "others", "9": "load", "5": ""}


def test_rows_that_were_adopted_are_no_drift(on_postgres):
    on_postgres.execute("UPDATE orders SET name = 'paid' WHERE id IN (1, 2)")
    assert on_postgres.reconcile(accept_foreign="paid at the door").exit_code == 0
    on_postgres.execute("UPDATE orders SET name = 'paid' WHERE id = 3")
    assert verdict(on_postgres.reconcile()).drift.others == 1


def test_a_restored_table_is_unknown_and_no_guess(on_postgres):
    on_postgres.execute(
        "CREATE TABLE copy AS SELECT * FROM orders",
        "DELETE FROM orders",
        "INSERT INTO orders SELECT * FROM copy WHERE id > 1",
    )
    drift = verdict(on_postgres.reconcile()).drift
    assert (drift.others, drift.corrupted) == (None, None)
    assert "restored or rewritten" in drift.note
    [quick] = on_postgres.reconcile(quick=True).untouched
    assert quick.verdict == "UNKNOWN"


@pytest.mark.parametrize(
    "xid, why", [("7999999999", "another server"), (None, "before the ledger kept")]
)
def test_transaction_ids_that_cannot_be_ours_are_unknown(on_postgres, xid, why):
    value = "NULL" if xid is None else f"'{xid}'"
    on_postgres.execute(
        f"UPDATE messy_migration.receipt SET xid = {value}",
        "UPDATE orders SET name = 'paid' WHERE id = 1",
    )
    assert why in verdict(on_postgres.reconcile()).drift.note
    with pytest.raises(ProofError, match="were changed"):
        on_postgres.reconcile(quick=True)


def test_quick_says_untouched_and_what_that_is_worth(on_postgres):
    result = on_postgres.reconcile(quick=True)
    [found] = result.untouched
    assert (found.verdict, found.ours, found.others, result.exit_code) == ("UNTOUCHED", ROWS, 0, 0)
    assert result.verdict != "MATCH", "nothing was compared"


@pytest.mark.parametrize(
    "change, others",
    [
        ("UPDATE orders SET name = name WHERE id = 1", 1),
        ("INSERT INTO orders (id) VALUES (99)", 1),
        ("DELETE FROM orders WHERE id = 1", 0),
    ],
)
def test_quick_sees_every_touch(on_postgres, change, others):
    on_postgres.execute(change)
    result = on_postgres.reconcile(quick=True)
    [found] = result.untouched
    assert (found.verdict, found.others, result.exit_code) == ("TOUCHED", others, 8)


def test_quick_is_not_fooled_by_a_column_that_was_made_again(on_postgres):
    on_postgres.execute(
        "ALTER TABLE orders DROP COLUMN name", "ALTER TABLE orders ADD COLUMN name text"
    )
    [found] = on_postgres.reconcile(quick=True).untouched
    assert (found.verdict, "altered" in found.reason) == ("UNKNOWN", True)


def test_quick_outlasts_a_freeze_and_a_rewrite_that_keeps_rows(on_postgres):
    on_postgres.execute("VACUUM (FREEZE, FULL) orders")
    assert on_postgres.reconcile(quick=True).exit_code == 0


@pytest.mark.parametrize("golden", ["sqlite"], indirect=True)
def test_quick_is_refused_where_no_transaction_is_kept(loaded):
    with pytest.raises(TargetError, match="--quick needs a database"):
        loaded.reconcile(quick=True)
