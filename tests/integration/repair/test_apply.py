"""Rows that differ are put right from the input, signed for twice, and reconciled again."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import pytest
from sqlalchemy import make_url

from messy_migration.cli.main import run
from messy_migration.databases.open import open_target
from messy_migration.errors import Locked, UsageProblem
from messy_migration.repair import apply as repairing

from ..shop import ROWS, SCHEMA, kinds, lines, verdict

DAMAGE = (
    "UPDATE orders SET name = 'other', total = '7.77' WHERE id = 3",
    "DELETE FROM orders WHERE id IN (4, 5)",
    "INSERT INTO orders (id, name) VALUES (99, 'extra')",
)


def acts(result):
    """What was done to the table: inserted, restored, removed."""
    [table] = result.repaired.tables
    return table.inserted, table.restored, table.removed


def test_missing_and_changed_rows_are_put_right_and_extra_ones_listed(loaded):
    before = loaded.query("SELECT * FROM orders ORDER BY id")
    loaded.execute(*DAMAGE)
    result = loaded.reconcile(repair="differing")
    assert acts(result) == (2, 1, 0)
    assert (result.verdict, result.exit_code) == ("MISMATCH", 8)
    assert kinds(result) == {("99", "extra")}
    assert loaded.query("SELECT * FROM orders WHERE id < 99 ORDER BY id") == before
    result = loaded.reconcile(repair="all")
    assert (acts(result), result.verdict, result.exit_code) == ((0, 0, 1), "MATCH", 0)
    assert loaded.query("SELECT * FROM orders ORDER BY id") == before
    kind = f"SELECT kind, count(*) FROM {loaded.ledger('receipt')} GROUP BY kind ORDER BY kind"
    assert loaded.query(kind) == [("found", 2), ("load", 1), ("repair", 2)]
    states = f"SELECT state, verdict FROM {loaded.ledger('run')} ORDER BY started_at"
    assert loaded.query(states) == [("done", "MATCH"), ("done", "MISMATCH"), ("done", "MATCH")]
    for item in verdict(result).money:
        assert item.expected == item.actual


def test_a_dry_run_says_the_same_and_writes_nothing(loaded):
    loaded.execute(*DAMAGE)
    count = f"SELECT count(*) FROM {loaded.ledger('receipt')}"
    before = loaded.query(count)
    result = loaded.reconcile(repair="all", dry_run=True)
    assert (acts(result), result.repaired.run_id, result.exit_code) == ((2, 1, 1), "", 8)
    assert loaded.query(count) == before


def test_a_row_that_is_newer_than_what_was_loaded_stays(loaded):
    newer = "2030-01-01T00:00:00.000000Z" if loaded.kind == "sqlite" else "2030-01-01Z"
    loaded.execute(
        f"UPDATE orders SET name = 'paid', changed = '{newer}' WHERE id = 7",
        f"INSERT INTO orders (id, name, changed) VALUES (99, 'sold', '{newer}')",
    )
    result = loaded.reconcile(repair="all")
    assert acts(result) == (0, 0, 0)
    assert dict(result.repaired.tables[0].kept) == {"rows are newer than what was loaded": 2}
    assert loaded.query("SELECT name FROM orders WHERE id = 7") == [("paid",)]


def test_g57_rows_that_others_wrote_or_deleted_may_be_left_alone(on_postgres):
    on_postgres.execute(DAMAGE[0], DAMAGE[1])
    result = on_postgres.reconcile(repair="corrupted")
    assert acts(result) == (0, 0, 0)
    assert dict(result.repaired.tables[0].kept) == {
        "rows are gone, and no database keeps who deleted them": 2,
        "rows were written by others since the load": 1,
    }


def test_g57_a_row_that_others_wrote_or_may_have_written_is_not_taken_for_corrupted(loaded):
    loaded.execute(*DAMAGE)
    before = loaded.query("SELECT * FROM orders ORDER BY id")
    loaded.reconcile(repair="corrupted")
    assert loaded.query("SELECT * FROM orders ORDER BY id") == before


def test_a_table_without_a_key_loses_and_gains_exactly_the_rows_that_differ(shop):
    shop.configure(SCHEMA.replace('key = ["id"]', "key = []").replace("bookmark", "# bookmark"))
    shop.write_orders(*lines(), lines()[0], lines()[0])
    assert shop.run().exit_code == 0
    shop.execute(
        "DELETE FROM orders WHERE id = 1",
        "INSERT INTO orders SELECT * FROM orders WHERE id = 2",
        "INSERT INTO orders SELECT * FROM orders WHERE id = 2",
    )
    result = shop.reconcile(repair="all")
    assert (acts(result), result.verdict) == ((3, 0, 3), "MATCH")


def test_what_cannot_be_read_again_is_not_repaired(loaded):
    loaded.execute(DAMAGE[0])
    (loaded.folder / "orders.csv").unlink()
    result = loaded.reconcile(repair="differing")
    assert (acts(result), result.exit_code) == ((0, 0, 0), 8)
    assert "cannot be read again" in result.repaired.tables[0].problem


def test_an_adopted_change_is_not_taken_back(loaded):
    loaded.execute(DAMAGE[0])
    adopted = loaded.reconcile(accept_foreign="corrected by hand")
    assert (adopted.verdict, adopted.exit_code) == ("MATCH", 0)
    loaded.execute("DELETE FROM orders WHERE id = 4")
    result = loaded.reconcile(repair="differing")
    assert "does not give the rows" in result.repaired.tables[0].problem
    assert acts(result) == (0, 0, 0)


def test_a_repair_waits_for_no_other_run(loaded):
    target = open_target(make_url(loaded.target), "test")
    with target.dialect.lock(target.engine) as held:
        assert held is not None
        with pytest.raises(Locked):
            loaded.reconcile(repair="differing")


def test_a_repair_that_is_killed_is_finished_by_the_same_command(loaded):
    """It is killed in its second transaction, when the first is committed."""
    loaded.execute("DELETE FROM orders WHERE id <= 10")
    script = f"""
        import os, signal
        from messy_migration import api
        from messy_migration.repair import apply as repair
        from messy_migration.workspace import Request
        from pathlib import Path
        repair.ROWS = 4
        done = repair._sign
        calls = []
        def sign(*arguments):
            calls.append(1)
            done(*arguments)
            if len(calls) == 2:
                os.kill(os.getpid(), signal.SIGKILL)
        repair._sign = sign
        api.reconcile(Request(config=Path({str(loaded.folder / "migrate.toml")!r})),
                      options=api.ReconcileOptions(repair="differing"))
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert loaded.query("SELECT count(*) FROM orders") == [(ROWS - 6,)]
    states = f"SELECT count(*) FROM {loaded.ledger('run')} WHERE state = 'open'"
    assert loaded.query(states) == [(1,)]
    result = loaded.reconcile(repair="differing")
    assert (acts(result), result.verdict, result.exit_code) == ((6, 0, 0), "MATCH", 0)
    assert loaded.query(states) == [(0,)]


def test_rows_that_change_while_they_are_repaired_are_not_overwritten(loaded, monkeypatch):
    loaded.execute(DAMAGE[0])
    real = repairing.decoded

    def meanwhile(table, rows):
        loaded.execute("UPDATE orders SET name = 'meanwhile' WHERE id = 3")
        return real(table, rows)

    monkeypatch.setattr(repairing, "decoded", meanwhile)
    result = loaded.reconcile(repair="differing")
    assert result.exit_code == 8
    assert "changed while they were being repaired" in str(result.problems[0])
    assert loaded.query("SELECT name FROM orders WHERE id = 3") == [("meanwhile",)]


def test_options_that_mean_nothing_together_are_refused(loaded, capfd):
    for wrong in (["--dry-run"], ["--repair", "--against", "landed"], ["--quick", "--strict"]):
        assert run(["reconcile", *wrong]) == UsageProblem.exit_code
        assert capfd.readouterr().err.count("\n") == 1
