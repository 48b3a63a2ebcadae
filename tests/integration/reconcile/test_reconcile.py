"""A reader that fails proves nothing: UNKNOWN, exit code 8, the reason, and never MATCH."""

from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy import make_url

from messy_migration import api
from messy_migration.api import reconciliations
from messy_migration.databases.open import open_target
from messy_migration.databases.postgresql import places
from messy_migration.databases.postgresql.dialect import PostgreSQL
from messy_migration.errors import ProofError, UsageProblem

from ..shop import reader_of, verdict

WAITING = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
    " AND wait_event_type = 'Lock' AND application_name = 'messy-migration'"
)
DENIED = """
    CREATE FUNCTION fail() RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'snapshot too old' USING ERRCODE = '72000'; END $$
"""


def while_reading(shop, act):
    """Reconcile while another session holds the table; act on it once the reader waits."""
    problems = []

    def meanwhile():
        try:
            with shop.connect() as watcher:
                end = time.monotonic() + 30
                while time.monotonic() < end:
                    found = watcher.execute(WAITING).fetchall()
                    if found:
                        act(watcher, holder, found[0][0])
                        return
                    time.sleep(0.01)
                problems.append("the reader never waited")
        finally:
            if not holder.closed:
                holder.close()

    with shop.connect() as holder:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        thread = threading.Thread(target=meanwhile)
        thread.start()
        try:
            return shop.reconcile()
        finally:
            thread.join()
            assert not problems


def cut(watcher, _holder, pid):
    watcher.execute("SELECT pg_terminate_backend(%s)", [pid])


def cancelled(watcher, _holder, pid):
    watcher.execute("SELECT pg_cancel_backend(%s)", [pid])


def dropped(_watcher, holder, _pid):
    holder.execute("DROP TABLE orders")
    holder.execute("COMMIT")


# A table that is gone when it is looked for again is no error of the reader.
@pytest.mark.parametrize(
    "act, word", [(cut, "UNKNOWN"), (cancelled, "UNKNOWN"), (dropped, "MISMATCH")]
)
def test_a_reader_that_is_stopped_in_the_middle_is_unknown(on_postgres, act, word):
    result = while_reading(on_postgres, act)
    assert (result.verdict, result.exit_code) == (word, 8)
    assert verdict(result).actual is None
    assert verdict(result).reason
    if act is dropped:
        assert verdict(result).reason.startswith("the table is gone")


def test_a_snapshot_that_is_too_old_is_unknown(on_postgres, monkeypatch):
    """A server that still has the setting raises this state; here a function raises it."""
    on_postgres.execute(DENIED)
    rows = "(SELECT o.xmin, o.* FROM public.orders o WHERE public.fail())"
    monkeypatch.setattr(places.Place, "rows", rows)
    result = on_postgres.reconcile()
    assert (result.verdict, result.exit_code) == ("UNKNOWN", 8)
    assert "72000" in verdict(result).reason


@pytest.fixture
def as_reader(on_postgres, postgres_server):
    """The same target for a role that may read everything; `reader` is its name."""
    with reader_of(on_postgres, postgres_server) as name:
        on_postgres.reader = name
        yield on_postgres


def test_a_role_that_may_only_read_can_reconcile(as_reader):
    for form in ("ledger", "landed", "source"):
        assert as_reader.reconcile(against=form).exit_code == 0


def test_no_right_on_a_table_is_unknown_and_names_the_reason(as_reader):
    as_reader.execute(f"REVOKE SELECT ON orders FROM {as_reader.reader}")
    for form in ("ledger", "landed"):
        result = as_reader.reconcile(against=form)
        assert (result.verdict, result.exit_code) == ("UNKNOWN", 8)
        assert "permission denied" in verdict(result).reason


def test_a_right_that_is_lost_in_the_middle_is_unknown(as_reader):
    def revoked(_watcher, holder, _pid):
        holder.execute(f"REVOKE SELECT ON orders FROM {as_reader.reader}")
        holder.execute("COMMIT")

    result = while_reading(as_reader, revoked)
    assert (result.verdict, result.exit_code) == ("UNKNOWN", 8)


def test_a_server_that_is_gone_claims_nothing(on_postgres, monkeypatch):
    real = PostgreSQL.columns

    def gone(self, connection, table):
        on_postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return real(self, connection, table)

    monkeypatch.setattr(PostgreSQL, "columns", gone)
    result = on_postgres.reconcile()
    assert (result.verdict, result.exit_code) == ("UNKNOWN", 8)


def test_a_server_that_is_gone_before_anything_was_read_is_one_line(on_postgres, monkeypatch):
    monkeypatch.setattr(reconciliations, "_scope_of", lambda *_: _terminated(on_postgres))
    with pytest.raises(ProofError, match="UNKNOWN: the target went away"):
        on_postgres.reconcile()


def _terminated(shop):
    """Read on a connection that the server ends."""
    target = open_target(make_url(shop.target), "messy-migration")
    with target.dialect.reading(target.engine) as connection:
        shop.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        target.dialect.columns(connection, "orders")


EDITS = {
    "a receipt is gone": "DELETE FROM {receipt}",
    "counts do not add up": "UPDATE {receipt} SET loaded = loaded + 1",
    "rows of a part": "UPDATE {receipt_table} SET net_rows = net_rows - 1",
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_ledger_that_was_edited_proves_nothing(loaded, edit):
    if loaded.kind == "postgresql":
        loaded.execute("ALTER TABLE messy_migration.receipt DROP CONSTRAINT receipt_balance")
    names = {name: loaded.ledger(name) for name in ("receipt", "receipt_table")}
    with loaded.connect() as connection:
        if loaded.kind == "sqlite":
            connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(EDITS[edit].format(**names))
    result = loaded.reconcile()
    assert result.verdict in ("UNKNOWN", "MISMATCH")
    assert (result.exit_code, bool(result.audit.reasons)) == (8, True)


def test_sums_that_were_edited_are_a_mismatch(loaded):
    loaded.execute(f"UPDATE {loaded.ledger('receipt_table')} SET net_lanes = '{'a' * 32}'")
    result = loaded.reconcile()
    assert (result.verdict, result.exit_code) == ("MISMATCH", 8)
    result = loaded.reconcile(against="landed")
    assert (result.verdict, result.exit_code) == ("MISMATCH", 8)
    assert "the receipts add up to something else" in verdict(result).reason


def test_before_any_run_and_for_an_unknown_run_nothing_is_claimed(shop, loaded):
    with pytest.raises(UsageProblem) as caught:
        shop.reconcile()
    assert caught.value.exit_code == 2
    with pytest.raises(UsageProblem, match="no run has an id"):
        api.reconcile(loaded.request, run_id="ffff")
