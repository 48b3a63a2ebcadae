"""The end of a run and of a reconciliation as a person reads it: one verdict line."""

from __future__ import annotations

import json

import pytest

from messy_migration.api import Reconciliation
from messy_migration.cli.summary import outcome_text, reconciliation_text
from messy_migration.compare.findings import Difference, Findings
from messy_migration.errors import SourceError
from messy_migration.ledger.audit import Audit
from messy_migration.ledger.runs import Run
from messy_migration.ledger.totals import StreamTotals, TableTotals
from messy_migration.model import Fingerprint
from messy_migration.reconcile.reconcile import Proof
from messy_migration.reconcile.verdict import TableVerdict
from messy_migration.run.as_json import run_object, status
from messy_migration.run.outcome import Outcome

NET = Fingerprint(21_380, 1, 2)
GOOD = TableVerdict("tickets", (), "shop.tickets", NET, NET, "MATCH")
OTHER = TableVerdict("orders", (("shop", "oslo"),), "shop.orders", NET, NET, "MATCH")
BAD = TableVerdict("orders", (), "shop.o", NET, Fingerprint(7), "MISMATCH", "7 rows")
UNREAD = TableVerdict("people", (), "shop.p", NET, None, "UNKNOWN", "no right\nto read")
AUDIT = Audit(None, "", "no anchor here", False, ("link 2 was changed",), True)


def outcome(**changes):
    run = Run(
        run_id="0197f3c2-0000-7abc-8def-0123456789ab",
        profile="default",
        plugins=("shop", "rules"),
        selection=(),
        state="open",
        options={},
        versions={},
        host="here",
        pid=1,
        actor="me",
        started_at="2026-01-01T00:00:00+00:00",
    )
    values = {
        "run": run,
        "target": "sqlite:///x.db",
        "resumed": False,
        "workers": 1,
        "seconds": 41.26,
        "streams": (StreamTotals("shop.tickets", "oslo", 12_014, 12_000, 14, 0),),
        "tables": (TableTotals("tickets", (), 21_000, 300, 80),),
        "proof": Proof((GOOD, OTHER), ()),
        "quarantine": (),
        "problems": (),
        "skipped": 0,
        "verdict": "MATCH",
        "exit_code": 0,
        "report": "report.json",
        "report_page": "report.html",
        "link": 3,
        "head": "ab" * 32,
    }
    return Outcome(**{**values, **changes})


def lines(**changes):
    return outcome_text(outcome(**changes)).splitlines()


def test_a_good_run_says_what_matched():
    found = lines()
    head = "run 0197f3c2-0000 . 2 plugins, 1 stream -> sqlite:///x.db . 1 worker . 41.3 s"
    assert found[0] == head
    assert "shop.tickets@oslo     12,014  12,000           14         0" in found
    assert any(line.split()[:6] == ["tickets", "21,000", "300", "80", "21,380", "21,380"]
               for line in found)  # fmt: skip
    assert "1 scope of 1 table summed up; -v shows each" in found
    assert "MATCH  42,760 rows in 2 tables: 0 missing, 0 extra, 0 changed" in found
    assert found[-2:] == ["report: report.html", f"chain: link 3, head {'ab' * 32}"]
    assert not any("quarantine:" in line or "already" in line for line in found)


def test_what_was_skipped_and_what_is_in_quarantine_is_counted():
    reasons = tuple(("shop.s", "", f"shop.r{n}", "v" if n else None, 1_000 - n) for n in range(5))
    found = lines(skipped=1, quarantine=reasons)
    assert "1 partition was in the target already" in found
    assert found[-3] == (
        "4,990 records in quarantine: 1,000 shop.r0, 999 shop.r1 (v), 998 shop.r2 (v),"
        " 997 shop.r3 (v) ..."
    )


def test_a_mismatch_names_tables_rows_and_columns():
    findings = Findings(
        "orders",
        (
            Difference("orders", (("id", "7\n"), ("part", "x")), "changed", ("v", "w")),
            Difference("orders", (), "extra", (), 1_200),
        ),
        1_300,
        (("v", 99),),
        "the input is gone",
    )
    text = reconciliation_text(
        Reconciliation(
            "sqlite:///x.db", Proof((GOOD, BAD), (findings,)), "MISMATCH", 8, audit=AUDIT
        )
    )
    found = text.splitlines()
    assert "ledger: link 2 was changed" in found
    assert "anchor: no anchor here" in found
    assert found[0] == "target sqlite:///x.db"
    assert any("MISMATCH: 7 rows" in line for line in found)
    assert any(line.split() == ["changed", "orders", "id=7\\n,", "part=x", "v,", "w", "1"]
               for line in found)  # fmt: skip
    assert any("(no key)" in line and "1,200" in line for line in found)
    assert "... and 99 more in orders" in found
    assert "orders differs in: v in 99 rows" in found
    assert "orders: the input is gone" in found
    assert found[-1] == "MISMATCH  orders: 0 missing, 1,200 extra, 1 changed among those listed"


def test_what_could_not_be_read_is_no_match_and_breaks_no_line():
    found = lines(proof=Proof((GOOD, UNREAD), ()), verdict="UNKNOWN", exit_code=6)
    assert any("UNKNOWN: no right\\nto read" in line for line in found)
    assert "UNKNOWN  people" in found
    assert not any(line.startswith("MATCH ") for line in found)


def test_a_run_without_tables_says_that_nothing_was_compared():
    assert "UNKNOWN  nothing was compared" in lines(proof=Proof((), ()), verdict="UNKNOWN")


def test_the_object_for_machines_has_what_the_design_promises():
    found = run_object(outcome(proof=Proof((GOOD, UNREAD), ()), verdict="UNKNOWN", exit_code=8))
    assert json.loads(json.dumps(found)) == found
    assert found.keys() >= {"schema", "run_id", "status", "verdict", "streams", "tables", "report"}
    assert (
        found["streams"][0].items()
        >= {
            "stream": "shop.tickets",
            "tenant": "oslo",
            "extracted": 12_014,
            "loaded": 12_000,
            "quarantined": 14,
            "filtered": 0,
        }.items()
    )
    good, unread = found["tables"]
    assert (
        good.items()
        >= {
            "table": "tickets",
            "inserted": 21_000,
            "updated": 300,
            "unchanged": 80,
            "expected_rows": 21_380,
            "actual_rows": 21_380,
            "fingerprint_expected": NET.lanes,
            "fingerprint_actual": NET.lanes,
            "verdict": "MATCH",
        }.items()
    )
    assert unread.items() >= {"inserted": 0, "actual_rows": None, "verdict": "UNKNOWN"}.items()


@pytest.mark.parametrize(
    "problems, code, word",
    [
        ((), 0, "done"),
        ((), 8, "done"),
        ((SourceError("a file is damaged"),), 5, "incomplete"),
        ((SourceError("too many in quarantine"),), 7, "done"),
    ],
)
def test_a_run_that_the_same_command_would_go_on_with_is_incomplete(problems, code, word):
    assert status(outcome(problems=problems, exit_code=code)) == word
