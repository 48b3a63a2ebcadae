"""Whatever data, file names and servers hold, none of it acts on a terminal or a page."""

from __future__ import annotations

import logging
import unicodedata
from pathlib import Path

import pytest

from messy_migration.api.comparisons import Comparison
from messy_migration.api.plans import Plan
from messy_migration.api.reconciliations import Reconciliation
from messy_migration.cli.compare import comparison_text
from messy_migration.cli.plan import plan_text
from messy_migration.cli.progress import Lines
from messy_migration.cli.render import complain, say, table
from messy_migration.cli.summary import differences_text, reconciliation_text
from messy_migration.compare.findings import Difference, Findings
from messy_migration.errors import SourceError
from messy_migration.evidence import notation
from messy_migration.ledger.completeness import Completeness
from messy_migration.logs import configure
from messy_migration.model import Column, ColumnType, Fingerprint, Partition, Stream, Table
from messy_migration.reconcile.reconcile import Proof
from messy_migration.reconcile.verdict import Check, TableVerdict
from messy_migration.redaction import Redactor, printable
from messy_migration.run.plan import StreamPlan
from messy_migration.run.proofs import FiledProof

HOSTILE = [
    "\x1b[31mRED\x1b]0;pwn\x07",
    "\x9b31mC1",
    "abc\u202egnp.exe\u2066",
    "lone \ud83d surrogate",
    "line\r\nMATCH  1 row\x00\x7f\x08",
    "\u2028MATCH\u2029 \u200f \ufeff",
]

COLUMNS = (Column("id", ColumnType.parse("int64")),)


def assert_harmless(text):
    wrong = [
        char
        for char in text
        if char != "\n" and (unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp"))
    ]
    assert not wrong, text.encode("unicode_escape")


@pytest.fixture(params=HOSTILE)
def evil(request):
    return request.param


def findings(evil):
    return Findings(
        evil,
        (Difference(evil, ((evil, evil),), "changed", (evil,), values=((evil, evil, evil),)),),
        9,
        ((evil, 1),),
        evil,
        rules=((evil, ((evil, 1),)),),
        batches=((evil, 1),),
    )


def test_g22_every_line_about_a_difference_is_escaped(evil):
    for text in differences_text([findings(evil)]):
        assert_harmless(text)
        assert "MATCH  1 row" not in [line.strip() for line in text.splitlines()]


def test_g22_a_whole_reconciliation_is_escaped(evil):
    net = Fingerprint(1, 2, 3)
    verdict = TableVerdict(
        evil, ((evil, evil),), evil, net, None, "UNKNOWN", evil,
        checks=(Check("counter", evil, "UNKNOWN", evil, evil),),
        losses=((evil, 1),),
    )  # fmt: skip
    proof = Proof(
        (verdict,),
        (findings(evil),),
        notes=(evil,),
        allowed=(evil,),
        completeness=(Completeness(evil, evil, 2, 0, 2, 0, 1.0),),
    )
    filed = FiledProof(Path(evil), Path(evil), None, evil)
    text = reconciliation_text(Reconciliation(evil, proof, "UNKNOWN", 8, strict=True, filed=filed))
    assert_harmless(text)
    assert "MATCH  1 row" not in [line.strip() for line in text.splitlines()]
    assert_harmless(comparison_text(Comparison(evil, evil, (evil, evil), "", (), "UNKNOWN", 8)))


def test_g22_a_plan_is_escaped(evil):
    stream = Stream("shop.s", (Table("s", COLUMNS),), tenant=evil)
    problem = SourceError(evil, evil, evil, evil)
    plan = Plan(evil, evil, (StreamPlan(stream, "p", problems=(problem,)),), (), 5)
    assert_harmless(plan_text(plan))


def test_g22_what_is_printed_is_escaped_whoever_wrote_it(evil, capsys):
    say(evil)
    complain(SourceError(evil, evil, evil))
    Lines()._say(evil)
    assert_harmless(table([evil], [[evil]]))
    for text in capsys.readouterr():
        assert_harmless(text)


def test_g22_a_log_line_is_escaped(evil, capsys, monkeypatch):
    # pytest would keep the raw text, and cannot hand a lone surrogate from one process to another.
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    for style in ("console", "json"):
        configure("info", style, Redactor(), color=False)
        logging.getLogger("x").warning("it says %s", evil)
        assert_harmless(capsys.readouterr().err)


def test_g22_the_page_uses_the_same_function(evil):
    for text in (notation.shown(evil), notation.prose(evil), notation.moment(evil)):
        assert_harmless(text.replace(notation.NARROW, ""))
    assert notation.shown(evil) == printable(evil)
    assert_harmless(notation.moment(f"2026-11-30T{evil}"))


def test_g36_an_estimate_of_the_source_is_marked():
    def records(*parts):
        stream = Stream("sql.t", (Table("t", COLUMNS),))
        plan = Plan("", "", (StreamPlan(stream, "p", parts),), (), 0)
        return plan_text(plan).splitlines()[2].split()[2]

    known, guess = Partition("a", "1", records=2), Partition("b", "2", records=1130, estimated=True)
    assert records(known) == "2"
    assert records(guess) == "~1,130"
    assert records(known, guess) == "~1,132"
    assert records(known, Partition("c", "3")) == "?"
