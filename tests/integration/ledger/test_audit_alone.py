"""One reason at a time: what an audit finds where nothing else gives the edit away."""

from __future__ import annotations

import pytest
from sqlalchemy import make_url

from messy_migration.databases.open import open_target
from messy_migration.ledger.audit import audit
from messy_migration.ledger.tables import ledger

from ..shop import lines, shop_of


@pytest.fixture
def shop(request, tmp_path, monkeypatch):
    """Two closed runs; the second one found nothing new and wrote no receipt."""
    monkeypatch.chdir(tmp_path)
    shop = shop_of("sqlite", tmp_path, request)
    shop.write_orders(*lines(3))
    assert [shop.run().exit_code, shop.run().exit_code] == [0, 0]
    for (name,) in shop.query("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
        shop.execute(f'DROP TRIGGER "{name}"')
    return shop


def reasons(shop, *, full):
    """As a machine that has written no head down."""
    target = open_target(make_url(shop.target), "mm:test")
    with target.dialect.reading(target.engine) as connection:
        return audit(connection, ledger("sqlite"), (), full=full).reasons


@pytest.mark.parametrize("full", [False, True])
def test_what_runs_have_written_is_what_they_have_written(shop, full):
    assert reasons(shop, full=full) == ()


def test_a_closed_run_whose_link_is_gone_is_told_although_it_wrote_no_receipt(shop):
    chain = shop.ledger("chain")
    shop.execute(f"DELETE FROM {chain} WHERE ordinal = (SELECT max(ordinal) FROM {chain})")
    (reason,) = reasons(shop, full=True)
    assert "is closed, and no link of the chain is of it" in reason


@pytest.mark.parametrize("full", [False, True])
def test_a_receipt_smuggled_below_all_others_is_told_when_a_run_begins(shop, full):
    """No link is read for it but the newest: its number lies in a range that was covered before."""
    receipt = shop.ledger("receipt")
    names = [row[1] for row in shop.query(f"PRAGMA table_info({receipt})")]
    values = {"seq": "0", "batch_id": "'smuggled'"}
    chosen = ", ".join(values.get(name, f'"{name}"') for name in names)
    shop.execute(f"INSERT INTO {receipt} SELECT {chosen} FROM {receipt} LIMIT 1")
    assert any("receipts" in reason for reason in reasons(shop, full=full))
