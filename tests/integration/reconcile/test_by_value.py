"""Values, not fingerprints: against what landed, and against the source as it is now."""

from __future__ import annotations

import pytest

from ..shop import ROWS, SCHEMA, kinds, lines, verdict

CHANGES = {
    "UPDATE orders SET name = 'other' WHERE id = 3": {("3", "changed")},
    "DELETE FROM orders WHERE id = 4": {("4", "missing")},
    "INSERT INTO orders (id) VALUES (99)": {("99", "extra")},
    "UPDATE orders SET id = 98 WHERE id = 5": {("98", "extra"), ("5", "missing")},
}


def test_landed_compares_every_value_and_says_so(loaded):
    result = loaded.reconcile(against="landed")
    assert (result.verdict, result.exit_code, result.proof.form) == ("MATCH", 0, "landed")
    assert verdict(result).expected == verdict(result).actual
    assert verdict(result).actual.rows == ROWS


def test_landed_finds_each_kind_of_difference(loaded):
    loaded.execute(*CHANGES)
    result = loaded.reconcile(against="landed")
    assert (result.verdict, result.exit_code) == ("MISMATCH", 8)
    assert kinds(result) == set().union(*CHANGES.values())
    [found] = result.proof.findings
    assert found.total == 5
    assert found.columns == (("name", 1),)


def test_landed_does_not_trust_receipts_that_agree_with_a_wrong_target(loaded):
    """A target and a ledger that were forged together still differ from what was read."""
    loaded.execute("UPDATE orders SET name = 'other' WHERE id = 3")
    assert loaded.run(accept_foreign="forged").verdict == "MATCH"
    assert loaded.reconcile().verdict == "MATCH"
    result = loaded.reconcile(against="landed")
    assert (result.verdict, kinds(result)) == ("MISMATCH", {("3", "changed")})


def test_landed_is_unknown_when_the_input_is_gone(loaded):
    (loaded.folder / "orders.csv").unlink()
    result = loaded.reconcile(against="landed")
    assert (result.verdict, result.exit_code) == ("UNKNOWN", 8)
    assert "cannot be read again" in verdict(result).reason


@pytest.mark.parametrize("change, since", [("source", "source"), ("target", "target")])
def test_source_tells_which_side_changed(loaded, change, since):
    if change == "source":
        rows = lines()
        rows[6] = rows[6].replace("name 7", "seven")
        loaded.write_orders(*rows)
    else:
        loaded.execute("UPDATE orders SET name = 'seven' WHERE id = 7")
    result = loaded.reconcile(against="source")
    assert (result.verdict, result.exit_code, kinds(result)) == ("MISMATCH", 8, {("7", "changed")})
    assert [item.since for item in result.proof.findings[0].differences] == [since]
    assert f"1 in the {since}" in verdict(result).reason


def test_source_says_when_it_cannot_tell_the_side(loaded):
    """The file is another one and the target was touched: nobody has what was loaded any more."""
    loaded.write_orders(*lines()[1:])
    loaded.execute("UPDATE orders SET name = 'seven' WHERE id = 7")
    result = loaded.reconcile(against="source")
    assert kinds(result) == {("1", "extra"), ("7", "changed")}
    assert any("cannot be told" in note for note in result.proof.notes)
    assert any("has other content than was loaded" in note for note in result.proof.notes)
    assert {item.since for item in result.proof.findings[0].differences} == {""}


def test_source_that_is_as_it_was_loaded_matches(loaded):
    result = loaded.reconcile(against="source")
    assert (result.verdict, result.exit_code, result.proof.notes) == ("MATCH", 0, ())


def test_a_table_without_a_key_is_compared_row_by_row_with_its_multiplicity(shop):
    shop.configure(SCHEMA.replace('key = ["id"]', "key = []").replace("bookmark", "# bookmark"))
    shop.write_orders(*lines(), lines()[0])
    assert shop.run().exit_code == 0
    assert shop.reconcile(against="landed").exit_code == 0
    shop.execute("DELETE FROM orders WHERE id = 1", "UPDATE orders SET name = 'x' WHERE id = 2")
    result = shop.reconcile(against="landed")
    found = {(item.kind, item.rows) for item in result.proof.findings[0].differences}
    assert (result.exit_code, found) == (8, {("missing", 2), ("missing", 1), ("extra", 1)})


def test_a_tolerance_counts_values_that_are_near_and_hides_no_others(shop):
    schema = SCHEMA.replace('"float64"', '"float64", tolerance = "0.01"')
    shop.configure(schema.replace('"timestamp"', '"timestamp", tolerance = "2 s"'))
    assert shop.run().exit_code == 0
    shop.execute(
        "UPDATE orders SET weight = weight + 0.001 WHERE id = 3",
        "UPDATE orders SET weight = weight + 0.1 WHERE id = 4",
    )
    result = shop.reconcile(against="landed")
    assert (result.exit_code, kinds(result)) == (8, {("4", "changed")})
    assert verdict(result).tolerated == 1
    shop.execute("UPDATE orders SET weight = weight - 0.1 WHERE id = 4")
    result = shop.reconcile(against="landed")
    assert (result.verdict, result.exit_code) == ("MATCH", 0)
    assert shop.reconcile(against="landed", strict=True).exit_code == 8
    assert shop.reconcile().verdict == "MISMATCH", "a fingerprint knows no tolerance"
