"""What stands beside the rows: losses, money and authors; what cannot be read is no MATCH."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import pytest

from messy_migration.errors import TargetError, TargetUnavailable
from messy_migration.ledger import receipts, schema
from messy_migration.ledger.lanes import Signature
from messy_migration.ledger.tables import ledger
from messy_migration.model import Fingerprint, TableReceipt
from messy_migration.reconcile import reconcile as reconciling
from messy_migration.reconcile.verdict import TableVerdict

from ..sqlite_site import site_in, state_of, table_of

PAID = table_of(
    "paid",
    {"id": "int32", "total": "decimal(9,2)", "currency": "text"},
    ("id",),
    amounts=(("total", "currency"),),
)
STATE = state_of(PAID)
SUM = Fingerprint(1, 2, 3)


@pytest.fixture
def workspace(tmp_path):
    """A target with a table whose receipts say that it holds 1.50 EUR."""
    site = site_in(tmp_path)
    known = ledger("sqlite")
    site.create(PAID, (1, Decimal("1.50"), "EUR"))
    part = TableReceipt(
        "paid", (), STATE.format_id, 1, 0, 0, SUM, amounts={("total", "EUR"): Decimal("1.50")}
    )
    with site.begin() as connection:
        schema.upgrade(connection)
        receipts.write(
            connection,
            known,
            Signature("run", 1, 1, "2026-01-01T00:00:00+00:00"),
            receipts.receipt_of_table("one", "shop.s", "", part),
        )
    return SimpleNamespace(target=site.target, ledger=known)


def told(workspace, word="MATCH", actual=SUM, reason=""):
    verdict = TableVerdict("paid", (), "shop.s", SUM, actual, word, reason)
    target = workspace.target
    with target.dialect.reading(target.engine) as connection:
        return reconciling._told(workspace, connection, STATE, verdict, None)[0]


def test_totals_that_agree_are_shown_and_change_nothing(workspace):
    verdict = told(workspace)
    (money,) = verdict.money
    assert (money.currency, money.expected, money.actual) == ("EUR", Decimal("1.5"), Decimal("1.5"))
    assert (verdict.verdict, verdict.reason) == ("MATCH", "")


def test_totals_that_differ_are_no_match(workspace):
    with workspace.target.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE paid SET currency = 'NZD'")
    verdict = told(workspace)
    assert verdict.verdict == "MISMATCH"
    assert verdict.reason.startswith("money differs: total: EUR 1.50 <> 0.00")


@pytest.mark.parametrize("error", [TargetError, TargetUnavailable])
@pytest.mark.parametrize("name", ["money", "losses"])
def test_what_cannot_be_read_beside_the_rows_is_no_match(workspace, monkeypatch, name, error):
    def refuse(*_):
        raise error("the target refused", "table paid", "permission denied")

    if name == "money":
        monkeypatch.setattr(reconciling, "with_money", refuse)
    else:
        monkeypatch.setattr(reconciling.amounts, "losses", refuse)
    verdict = told(workspace)
    assert (verdict.verdict, verdict.actual) == ("UNKNOWN", SUM)
    assert verdict.reason == "not all of it could be read: permission denied"
    wrong = told(workspace, "MISMATCH", reason="3 rows, expected 2")
    assert (wrong.verdict, wrong.reason) == ("MISMATCH", "3 rows, expected 2")


def test_of_a_table_that_was_not_read_no_money_is_asked(workspace):
    verdict = told(workspace, "UNKNOWN", actual=None, reason="gone")
    assert (verdict.money, verdict.verdict, verdict.reason) == ((), "UNKNOWN", "gone")
