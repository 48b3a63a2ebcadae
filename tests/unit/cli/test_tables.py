"""A table is one line; its scopes are lines where one of them is not MATCH, or on request."""

from __future__ import annotations

from dataclasses import replace

from messy_migration.cli.tables import verdicts_text
from messy_migration.ledger.totals import TableTotals
from messy_migration.model import Fingerprint
from messy_migration.reconcile.verdict import TableVerdict


def verdict(table, scope=(), rows=10, word="MATCH", reason="", actual=0):
    seen = None if word == "UNKNOWN" else Fingerprint(rows + actual)
    return TableVerdict(table, scope, "s", Fingerprint(rows), seen, word, reason)


OSLO, ROME = (("shop", "oslo"),), (("shop", "rome"),)
BOTH = [verdict("orders", OSLO, 7), verdict("orders", ROME, 1_000), verdict("people", rows=3)]


def lines(*args, **options):
    return [line.split() for line in verdicts_text(*args, **options).splitlines()]


def test_scopes_that_match_are_folded_into_their_table():
    assert lines(BOTH) == [
        ["table", "expected", "actual", "verdict"],
        ["orders", "1,007", "1,007", "MATCH"],
        ["people", "3", "3", "MATCH"],
        ["2", "scopes", "of", "1", "table", "summed", "up;", "-v", "shows", "each"],
    ]


def test_on_request_every_scope_is_a_line_under_its_table():
    text = verdicts_text(BOTH, verbose=True)
    assert [line.split()[0] for line in text.splitlines()[1:]] == [
        "orders",
        "shop=oslo",
        "shop=rome",
        "people",
    ]
    assert "\n  shop=oslo " in text


def test_one_scope_that_differs_unfolds_its_table_and_no_other():
    wrong = verdict("orders", ROME, 1_000, "MISMATCH", "1 row more", actual=1)
    more = [verdict("events", OSLO), verdict("events", ROME)]
    assert lines([BOTH[0], wrong, *more]) == [
        ["table", "expected", "actual", "verdict"],
        ["orders", "1,007", "1,008", "MISMATCH"],
        ["shop=oslo", "7", "7", "MATCH"],
        ["shop=rome", "1,000", "1,001", "MISMATCH:", "1", "row", "more"],
        ["events", "20", "20", "MATCH"],
        ["2", "scopes", "of", "1", "table", "summed", "up;", "-v", "shows", "each"],
    ]


def test_a_match_with_something_to_say_is_not_folded_away():
    said = replace(BOTH[1], reason="5 rows were written by others since the load")
    assert any("written" in words for words in lines([BOTH[0], said]))


def test_a_scope_that_could_not_be_read_makes_the_table_unknown_and_its_rows_no_number():
    unread = verdict("orders", ROME, 4, "UNKNOWN", "no right to read")
    table = lines([BOTH[0], unread])
    assert table[1] == ["orders", "11", "-", "UNKNOWN"]
    assert table[3][:3] == ["shop=rome", "4", "-"]


def test_what_a_run_did_is_added_up_and_a_scope_it_did_not_touch_counts_nothing():
    loaded = (TableTotals("orders", OSLO, 5, 1, 1), TableTotals("people", (), 3, 0, 0))
    assert lines(BOTH, loaded)[1:3] == [
        ["orders", "5", "1", "1", "1,007", "1,007", "MATCH"],
        ["people", "3", "0", "0", "3", "3", "MATCH"],
    ]
    assert lines(BOTH, loaded, verbose=True)[3][:5] == ["shop=rome", "0", "0", "0", "1,000"]


def test_a_table_of_ten_scopes_fits_eighty_columns():
    many = [verdict("custom_field_values", (("shop", str(n)),), 10**4) for n in range(10)]
    loaded = [TableTotals("custom_field_values", item.scope, 10**4, 0, 0) for item in many]
    assert max(map(len, verdicts_text(many, loaded).splitlines())) <= 80
