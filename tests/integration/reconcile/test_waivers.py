"""What a verdict may rest on beside equal rows: waivers, declared losses; and `--strict`."""

from __future__ import annotations

import json

import pytest

from messy_migration.cli.main import run as command
from messy_migration.errors import ConfigurationError

from ..shop import HEADER, SCHEMA, verdict

WAIVER = """
[[waivers]]
name = "{name}"
table = "orders"
reason = "agreed with the controller"
{what}
"""


def waive(shop, *whats):
    """Write waivers, named a, b, ..."""
    text = "".join(
        WAIVER.format(name=name, what=what) for name, what in zip("abcd", whats, strict=False)
    )
    shop.configure(more=text)


def test_a_waiver_turns_what_it_covers_into_a_match_that_says_so(loaded, capfd):
    loaded.execute(
        "UPDATE orders SET name = 'other' WHERE id IN (3, 4)", "DELETE FROM orders WHERE id = 5"
    )
    waive(loaded, 'column = "name"', 'key = { id = 5 }\nkind = "missing"')
    result = loaded.reconcile()
    assert (result.verdict, result.exit_code) == ("MATCH", 0)
    assert dict(verdict(result).waivers) == {"a": 2, "b": 1}
    assert loaded.reconcile(strict=True).exit_code == 8
    capfd.readouterr()
    assert command(["reconcile"]) == 0
    assert "MATCH with 2 waivers" in capfd.readouterr().out
    assert command(["reconcile", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["tables"][0]["waivers"] == {"a": 2, "b": 1}


@pytest.mark.parametrize(
    "what",
    [
        'column = "total"',
        "key = { id = 9 }",
        'kind = "extra"',
        'column = "name"\nuntil = 2020-01-01',
    ],
)
def test_a_waiver_covers_nothing_else(loaded, what):
    loaded.execute("UPDATE orders SET name = 'other' WHERE id = 3")
    waive(loaded, what)
    result = loaded.reconcile()
    assert (result.verdict, result.exit_code) == ("MISMATCH", 8)
    assert any("expired" in note or "not used" in note for note in result.proof.notes)


@pytest.mark.parametrize("what", ["", 'kind = "whatever"', 'colum = "name"\nkind = "extra"'])
def test_a_waiver_that_says_nothing_is_refused(loaded, what):
    waive(loaded, what)
    with pytest.raises(ConfigurationError, match="waiver"):
        loaded.reconcile()


LOSSY = {
    '"text" }\ntotal': '"text", loss = "strip_nul, trim, nfc, truncate(6)" }\ntotal',
    '"decimal(12,2)"': '"decimal(12,2)", loss = "round(2)"',
    '"timestamp"': '"timestamp", loss = "milliseconds"',
}


def test_a_declared_loss_is_applied_counted_shown_and_proven(shop, capfd):
    schema = SCHEMA
    for plain, lossy in LOSSY.items():
        assert plain in schema
        schema = schema.replace(plain, lossy)
    shop.configure(schema)
    shop.write_orders(
        "1,  anna,1.005,EUR,2024-01-01T00:00:00.123456Z,1",
        "2,e\u0301va\0lina,-2.5,EUR,2024-01-01T00:00:00.123Z,1",
        "3,bob,9999999999.994999,EUR,2024-01-01T00:00:00Z,1",
        "4,toolarge,9999999999.995,EUR,2024-01-01T00:00:00Z,1",
    )
    shop.configure(schema, profile="quarantine_limit = 100")
    outcome = shop.run()
    assert outcome.exit_code == 0, outcome.problems
    assert outcome.streams[0].quarantined == 1, "what does not fit after rounding is no loss"
    [found] = outcome.proof.verdicts
    assert dict(found.losses) == {
        "name trim": 1,
        "name nfc": 1,
        "name strip_nul": 1,
        "name truncate(6)": 1,
        "total round(2)": 2,
        "changed milliseconds": 1,
    }
    rows = shop.query("SELECT name, total FROM orders ORDER BY id")
    assert [(name, str(total)) for name, total in rows][:2] == [
        ("anna", "1.01"),
        ("\u00e9valin", "-2.5" if shop.kind == "sqlite" else "-2.50"),
    ]
    assert shop.reconcile(against="landed").exit_code == 0
    strict = shop.reconcile(strict=True)
    assert (strict.verdict, strict.exit_code) == ("MATCH", 8)
    capfd.readouterr()
    assert command(["reconcile", "--strict"]) == 8
    out = capfd.readouterr().out
    assert "2 by total round(2)" in out
    assert "not accepted under --strict" in out
    assert shop.report(outcome)["tables"][0]["losses"]["total round(2)"] == 2


@pytest.mark.parametrize(
    "column, wrong",
    [
        ('"float64"', '"float64", loss = "truncate(3)"'),
        ('"float64"', '"float64", loss = "shave"'),
        ('"float64"', '"float64", loss = "round"'),
        ('"timestamp"', '"timestamp", tolerance = "0.1"'),
        ('"text" }\ntotal', '"text", tolerance = "1" }\ntotal'),
    ],
)
def test_a_loss_or_tolerance_that_means_nothing_is_refused_by_name(shop, column, wrong):
    assert column in SCHEMA
    shop.configure(SCHEMA.replace(column, wrong))
    shop.write_orders(HEADER)
    with pytest.raises(ConfigurationError) as caught:
        shop.run()
    assert "columns." in caught.value.where
