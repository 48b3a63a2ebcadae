"""Amounts that Arrow's own casts wrap: each goes to quarantine, none into the target."""

from __future__ import annotations

from decimal import Decimal

import pytest

ROUNDED = 'id = { type = "int64", required = true }\namount = { type = "decimal(10,2)", %s }'
WRAPPING = [
    "350000000",
    "-350000000.5",
    "3402823669209384634633746074317682114.57",
    "34028236692093846346337460743176821145600000001.00",
    str(2**256 + 100),
    "9" * 131_072,
]


@pytest.mark.parametrize("option", ['loss = "round(2)"', "required = false"])
def test_g01_an_amount_that_would_wrap_is_one_record_in_quarantine(anywhere, option):
    good = "7,12345678.9\n8,-0.10\n9,00001.000\n"
    rows = "".join(f"{number},{text}\n" for number, text in enumerate(WRAPPING, 10))
    anywhere.stream("sales", f"id,amount\n{good}{rows}", columns=ROUNDED % option)
    anywhere.configure(profile="quarantine_limit = 1.0")
    result = anywhere.migrate("run", "--json")
    assert result.json["verdict"] == "MATCH"
    assert result.stream("files.sales")["quarantined"] == len(WRAPPING)
    stored = anywhere.query("SELECT id, amount FROM sales ORDER BY id")
    assert [(number, Decimal(str(amount))) for number, amount in stored] == [
        (7, Decimal("12345678.90")), (8, Decimal("-0.10")), (9, Decimal(1)),
    ]  # fmt: skip
    anywhere.assert_balanced()
    assert {column for _, _, column, _ in anywhere.quarantine()} == {"amount"}


def test_g01_what_round_takes_away_is_taken_from_the_true_amount(project):
    project.stream(
        "sales", "id,amount\n1,12345678.905\n2,99999999.994\n3,99999999.995\n4,-0.005\n",
        columns=ROUNDED % 'loss = "round(2)"',
    )  # fmt: skip
    project.configure(profile="quarantine_limit = 1.0")
    project.migrate("run", "--json")
    stored = project.query("SELECT id, amount FROM sales ORDER BY id")
    assert stored == [(1, "12345678.91"), (2, "99999999.99"), (4, "-0.01")]
