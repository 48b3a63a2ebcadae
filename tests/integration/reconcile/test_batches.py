"""On Postgres only those batches are read again whose rows do not add up to their receipts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from messy_migration.reconcile import by_receipts as byledger
from messy_migration.reconcile import replay

from ..shop import kinds, lines, verdict

SWAP = ((3, 99), (35, 3), (99, 35))
CHANGES = {
    "changed": ["UPDATE orders SET name = 'x' WHERE id = 3"],
    "deleted": ["DELETE FROM orders WHERE id = 3"],
    "inserted": ["INSERT INTO orders (id, name) VALUES (99, 'x')"],
    "exchanged": [f"UPDATE orders SET id = {new} WHERE id = {old}" for old, new in SWAP],
    "moved": [
        "CREATE TABLE aside AS SELECT * FROM orders WHERE id = 3",
        "DELETE FROM orders WHERE id IN (3, 23)",
        "INSERT INTO orders SELECT * FROM aside",
        "UPDATE aside SET id = 23",
        "INSERT INTO orders SELECT * FROM aside",
    ],
    "doubled": [
        "ALTER TABLE orders DROP CONSTRAINT orders_pkey",
        "INSERT INTO orders SELECT * FROM orders WHERE id = 3",
    ],
    "a batch is gone": ["DELETE FROM orders WHERE id <= 5"],
    "all at once": [
        "UPDATE orders SET name = 'x' WHERE id = 3",
        "DELETE FROM orders WHERE id = 13",
        "INSERT INTO orders (id, name) VALUES (99, 'x')",
    ],
    "everywhere": ["UPDATE orders SET name = 'x'"],
    "gone and restored": [
        "CREATE TABLE aside AS SELECT * FROM orders",
        "DELETE FROM orders",
        "INSERT INTO orders SELECT * FROM aside WHERE id <> 7",
    ],
}


@pytest.fixture
def prepared(monkeypatch):
    """The batches that were read again: number of the file, ordinal in it."""
    found = []
    original = replay.prepare_batch

    def spy(registry, stream, partition, part, unstorable):
        found.append((int(partition.name.split(".")[0][-1]), part.ordinal))
        return original(registry, stream, partition, part, unstorable)

    monkeypatch.setattr(replay, "prepare_batch", spy)
    return found


@pytest.mark.parametrize("change", CHANGES)
def test_the_same_differences_are_named_as_by_reading_everything(
    in_batches, prepared, monkeypatch, change
):
    in_batches.execute(*CHANGES[change])
    narrow = in_batches.reconcile()
    read = set(prepared)
    with monkeypatch.context() as patch:
        patch.setattr(byledger, "rest", lambda *_: None)
        prepared.clear()
        whole = in_batches.reconcile()
    assert len(set(prepared)) == 8
    assert replace(narrow.proof, snapshot=None) == replace(whole.proof, snapshot=None)
    assert (narrow.verdict, narrow.exit_code) == ("MISMATCH", 8)
    assert narrow.proof.findings[0].total > 0
    expected = {
        "changed": {(0, 0)},
        "deleted": {(0, 0)},
        "inserted": set(),
        "exchanged": {(0, 0), (3, 0)},
        "moved": {(0, 0), (2, 0)},
        "doubled": set(),
        "a batch is gone": {(0, 0)},
        "all at once": {(0, 0), (1, 0)},
        "everywhere": set(prepared),
        "gone and restored": set(prepared),
    }[change]
    assert read == expected


def test_a_row_that_is_put_back_as_it_was_is_no_difference(in_batches, prepared):
    in_batches.execute(
        "CREATE TABLE aside AS SELECT * FROM orders WHERE id = 3",
        "DELETE FROM orders WHERE id = 3",
        "INSERT INTO orders SELECT * FROM aside",
    )
    assert in_batches.reconcile().exit_code == 0
    assert prepared == []


def test_inputs_of_batches_that_are_as_they_were_loaded_are_not_needed(in_batches):
    in_batches.execute("UPDATE orders SET name = 'x' WHERE id = 3")
    (in_batches.folder / "orders2.csv").unlink()
    result = in_batches.reconcile()
    assert (kinds(result), result.proof.findings[0].note) == ({("3", "changed")}, "")
    (in_batches.folder / "orders0.csv").unlink()
    assert "cannot be read again" in in_batches.reconcile().proof.findings[0].note


def test_rows_that_a_later_run_replaced_are_read_with_what_replaced_them(in_batches, prepared):
    newer = "3,newer,3.25,EUR,2025-01-01T00:00:00Z,1"
    in_batches.write_orders(newer, lines(41)[40], name="orders4.csv")
    assert in_batches.run().exit_code == 0
    in_batches.execute("UPDATE orders SET name = 'x' WHERE id IN (3, 23)")
    result = in_batches.reconcile()
    assert kinds(result) == {("3", "changed"), ("23", "changed")}
    assert result.proof.findings[0].note == ""
    assert set(prepared) == {(0, 0), (2, 0), (4, 0)}


@pytest.mark.parametrize("shift", [0, 1])
def test_the_content_of_a_file_that_changed_stands_for_what_it_replaced(
    in_batches, prepared, shift
):
    rows = [line.replace("name 3,", "newer,") for line in lines()[:10]]
    in_batches.write_orders(*lines(41)[40 : 40 + shift], *rows, name="orders0.csv")
    assert in_batches.run().exit_code == 0
    in_batches.execute("UPDATE orders SET name = 'x' WHERE id IN (3, 23)")
    result = in_batches.reconcile()
    assert kinds(result) == {("3", "changed"), ("23", "changed")}
    assert result.proof.findings[0].note == ""
    if shift:
        assert len(set(prepared)) == 9, "the batches hold other rows than those they replaced"
    else:
        assert set(prepared) == {(0, 0), (2, 0)}


@pytest.mark.parametrize("value", ["NULL", "'7999999999'"])
def test_without_numbers_of_transactions_everything_is_read(in_batches, prepared, value):
    in_batches.execute(
        f"UPDATE messy_migration.receipt SET xid = {value}",
        "UPDATE orders SET name = 'x' WHERE id = 3",
    )
    assert kinds(in_batches.reconcile()) == {("3", "changed")}
    assert len(set(prepared)) == 8


def test_adopted_and_repaired_rows_are_read_with_everything(in_batches, prepared):
    in_batches.execute("UPDATE orders SET name = 'paid' WHERE id = 3")
    assert in_batches.reconcile(repair="differing").exit_code == 0
    in_batches.execute("UPDATE orders SET name = 'x' WHERE id = 4")
    prepared.clear()
    result = in_batches.reconcile()
    assert (kinds(result), result.proof.findings[0].note) == ({("4", "changed")}, "")
    assert len(set(prepared)) == 8
    assert verdict(result).drift.others == 1
