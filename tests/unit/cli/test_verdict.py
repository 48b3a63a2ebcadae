"""Totals that differ come first and are red; the last line is the verdict."""

from __future__ import annotations

from decimal import Decimal

import pytest

from messy_migration.cli.render import say
from messy_migration.cli.verdict import alarming, last_line, money
from messy_migration.model import Fingerprint
from messy_migration.reconcile.reconcile import Proof
from messy_migration.reconcile.verdict import Money, TableVerdict

NET = Fingerprint(10)


def verdict(*amounts, word="MATCH", scope=()):
    return TableVerdict("orders", scope, "s", NET, NET, word, money=amounts)


def amount(currency, expected, actual=None):
    return Money("total", currency, Decimal(expected), Decimal(actual or expected))


RIGHT = [amount(name, "10.00") for name in ("AUD", "CHF", "EUR", "GBP", "NZD", "USD")]
WRONG = amount("ZAR", "5.00", "5.01")


def test_every_total_that_differs_comes_before_those_that_agree():
    lines = money([verdict(*RIGHT, WRONG, word="MISMATCH")])
    assert lines[0] == "ZAR 5.00 <> 5.01 in orders.total"
    assert lines[1] == "AUD 10.00 = 10.00 in orders.total"
    assert lines[-1] == "... and 2 more totals agree"
    assert len(lines) == 6


def test_one_total_more_agrees():
    assert money([verdict(*RIGHT[:5])])[-1] == "... and 1 more total agrees"


def test_few_totals_are_all_there():
    assert money([verdict(*RIGHT[:4])])[-1] == "GBP 10.00 = 10.00 in orders.total"
    assert money([verdict()]) == []


def test_scopes_of_one_table_are_one_table():
    scopes = [verdict(scope=(("shop", name),)) for name in ("oslo", "rome")]
    assert last_line("MATCH", Proof(tuple(scopes), ())) == (
        "MATCH  20 rows in 1 table: 0 missing, 0 extra, 0 changed"
    )


@pytest.mark.parametrize("word", ["MISMATCH", "UNKNOWN"])
def test_what_is_wrong_is_alarming(word):
    proof = Proof((verdict(*RIGHT, WRONG, word=word),), ())
    assert alarming(word, proof) == {
        "ZAR 5.00 <> 5.01 in orders.total",
        last_line(word, proof),
    }
    assert alarming("MATCH", Proof((verdict(*RIGHT),), ())) == frozenset()


def test_red_is_for_terminals_that_want_it(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    say("good\nbad", red={"bad"})
    assert capsys.readouterr().out == "good\n\x1b[31mbad\x1b[0m\n"
    monkeypatch.setenv("NO_COLOR", "1")
    say("good\nbad", red={"bad"})
    assert capsys.readouterr().out == "good\nbad\n"


def test_red_does_not_reach_a_file(capsys):
    say("bad", red={"bad"})
    assert capsys.readouterr().out == "bad\n"
