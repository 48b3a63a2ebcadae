"""The order in which a page shows what it shows."""

from __future__ import annotations

from messy_migration.evidence import figures


def table(name, verdict="MATCH", scope=None, money=()):
    return {
        "table": name,
        "scope": scope or {},
        "verdict": verdict,
        "actual_rows": 1,
        "expected_rows": 1,
        "fingerprint_actual": "00",
        "fingerprint_expected": "00",
        "orphans": {},
        "money": [
            {"column": "total", "currency": currency, "expected": expected, "actual": actual}
            for currency, expected, actual in money
        ],
    }


def test_tables_are_by_name_and_scope_the_worst_first():
    document = {
        "tables": [
            table("orders", scope={"shop": "rome"}),
            table("orders", scope={"shop": "oslo"}),
            table("coupons"),
            table("tickets", "UNKNOWN"),
            table("events", "MISMATCH"),
        ]
    }
    order = [(row["table"], row["scope_label"]) for row in figures.tables(document)]
    assert [name for name, _ in order] == ["events", "tickets", "coupons", "orders", "orders"]
    assert "oslo" in order[3][1]


def test_totals_that_differ_or_are_not_kept_come_first():
    document = {
        "tables": [
            table("a", money=[("EUR", "1.00", "1.00"), ("NZD", None, "2.00")]),
            table("b", money=[("EUR", "1.00", "1.01"), ("USD", "3.0", "3.00")]),
        ]
    }
    rows = [(row["table"], row["currency"], row["is_equal"]) for row in figures.money(document)]
    assert rows == [
        ("a", "NZD", False),
        ("b", "EUR", False),
        ("a", "EUR", True),
        ("b", "USD", True),
    ]
