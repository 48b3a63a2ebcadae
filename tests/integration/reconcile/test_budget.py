"""After so many differences or seconds nothing more is looked at, whatever is compared."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from messy_migration.cli.main import migrate
from messy_migration.compare import budget
from messy_migration.evidence.verify import verify
from messy_migration.evidence.witnesses import Witnesses
from messy_migration.reconcile import replay

from ..shop import ROWS, SCHEMA, kinds, lines, shop_of, verdict

FORMS = ("ledger", "landed", "source")
SECOND = """
[files.streams.zeta]
path = "zeta*.csv"
schema = "zeta.toml"
"""
CHANGE = "UPDATE orders SET name = 'secret' WHERE id <= 4"


@pytest.fixture
def two(shop):
    """Two tables, as one run has left them."""
    shop.configure(more=SECOND)
    (shop.folder / "zeta.toml").write_text(SCHEMA.replace('"orders"', '"zeta"'))
    shop.write_orders(*lines(3), name="zeta.csv")
    assert shop.run().exit_code == 0
    return shop


@pytest.mark.parametrize("against", FORMS)
def test_after_so_many_differences_no_further_table_is_looked_at(two, against):
    two.execute(CHANGE)
    result = two.reconcile(against=against, stop_after=2)
    assert (result.verdict, result.exit_code) == ("MISMATCH", 8)
    [found] = result.proof.findings
    assert (found.total, len(found.differences)) == (4, 2)
    left = verdict(result, "zeta")
    assert left.verdict == "UNKNOWN"
    assert left.reason == "not looked at: 4 differences were found before"


@pytest.mark.parametrize("against", FORMS)
def test_before_so_many_differences_everything_is_looked_at(two, against):
    two.execute(CHANGE)
    result = two.reconcile(against=against, stop_after=5)
    assert verdict(result, "zeta").verdict == "MATCH"
    assert len(kinds(result)) == 4


def test_a_table_that_is_gone_is_a_difference_too(two):
    two.execute("DROP TABLE orders")
    result = two.reconcile(stop_after=1)
    assert verdict(result).verdict == "MISMATCH"
    assert verdict(result, "zeta").reason == "not looked at: 1 differences were found before"


@pytest.mark.parametrize("against", FORMS)
def test_without_time_nothing_is_looked_at_and_nothing_matches(two, against):
    result = two.reconcile(against=against, seconds=1e-9)
    assert (result.verdict, result.exit_code) == ("UNKNOWN", 8)
    reasons = {(item.verdict, item.reason) for item in result.proof.verdicts}
    assert reasons == {("UNKNOWN", "not looked at: the 1e-09 seconds are over")}


@pytest.mark.parametrize("against", FORMS)
def test_with_time_enough_the_verdict_is_what_it_is_without_a_limit(two, against):
    assert two.reconcile(against=against, seconds=600, stop_after=1).exit_code == 0
    two.execute(CHANGE)
    limited = two.reconcile(against=against, seconds=600)
    plain = two.reconcile(against=against)
    assert limited.proof.verdicts == plain.proof.verdicts
    assert limited.proof.findings == plain.proof.findings


@pytest.fixture
def slow(monkeypatch):
    """Reading a batch again takes an hour."""
    clock = [time.monotonic()]
    original = replay.prepare_batch

    def prepare_batch(*arguments):
        clock[0] += 3_600
        return original(*arguments)

    monkeypatch.setattr(replay, "prepare_batch", prepare_batch)
    # Not the module's own: the loop of a server in another thread would sleep for ever.
    monkeypatch.setattr(budget, "time", SimpleNamespace(monotonic=lambda: clock[0]))


def test_when_time_ends_on_the_way_the_verdicts_that_are_known_stay(two, slow):
    two.execute(CHANGE)
    result = two.reconcile(seconds=60)
    words = {item.table: item.verdict for item in result.proof.verdicts}
    assert words == {"orders": "MISMATCH", "zeta": "MATCH"}
    [found] = result.proof.findings
    assert (found.total, found.note) == (0, "not looked at: the 60 seconds are over")


def test_when_time_ends_values_that_were_not_compared_are_no_match(two, slow):
    result = two.reconcile(against="landed", seconds=60)
    assert {item.verdict for item in result.proof.verdicts} == {"UNKNOWN"}


def test_when_time_ends_what_the_ledger_knows_to_be_wrong_stays_wrong(two, slow):
    two.execute(CHANGE)
    result = two.reconcile(against="landed", seconds=60)
    assert verdict(result).verdict == "MISMATCH"
    assert verdict(result).reason.endswith("; not looked at: the 60 seconds are over")


def test_a_scan_that_takes_too_long_is_ended(tmp_path, request, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shop = shop_of("postgresql", tmp_path, request)
    shop.run()
    with shop.connect() as connection, connection.transaction():
        connection.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        result = shop.reconcile(seconds=1, report=True)
    assert verdict(result).reason == "not looked at: the 1 seconds are over"
    assert result.verdict == "UNKNOWN"
    assert shop.reconcile(seconds=60).exit_code == 0


@pytest.mark.parametrize("against", FORMS)
def test_values_are_shown_only_where_somebody_asks(two, against):
    two.execute("UPDATE orders SET name = 'secret' WHERE id = 4")
    assert "secret" not in repr(two.reconcile(against=against).proof)
    [found] = two.reconcile(against=against, show_values=True).proof.findings
    assert found.differences[0].values == (("name", "name 4", "secret"),)


def test_evidence_says_what_was_not_looked_at_and_verifies(two):
    two.execute("UPDATE orders SET name = 'ada@example.org' WHERE id <= 4")
    result = two.reconcile(stop_after=2, show_values=True, report=True)
    text = Path(result.report).read_text(encoding="utf-8")
    words = {item["table"]: item["reason"] for item in json.loads(text)["tables"]}
    assert words["zeta"] == "not looked at: 4 differences were found before"
    assert "ada@example.org" not in text
    assert "masked:" in text
    for verified in verify([Path(result.report), Path(result.report_page)], Witnesses()):
        assert not any(check.passed is False for check in verified.checks), verified


def test_a_mass_of_differences_is_told_by_column_and_batch(tmp_path, request, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shop = shop_of("postgresql", tmp_path, request)
    shop.configure(profile="batch_records = 10")
    assert shop.run().exit_code == 0
    monkeypatch.setattr("messy_migration.compare.locate.MOST", ROWS)
    shop.execute("UPDATE orders SET weight = weight + 1 WHERE id <= 30")
    [found] = shop.reconcile().proof.findings
    assert not found.is_exact
    assert "sample" in found.note
    assert dict(found.columns) == {"weight": found.looked_at}
    assert len(found.batches) == 3
    assert 20 <= found.total <= 40


def shell(*arguments):
    return CliRunner().invoke(migrate, ["reconcile", *arguments], standalone_mode=False)


@pytest.mark.parametrize(
    "arguments, why",
    [
        (("--quick", "--seconds", "5"), "--quick reads no values"),
        (("--quick", "--show-values"), "--quick reads no values"),
        (("--repair", "--stop-after", "5"), "have to look at everything"),
        (("--accept-foreign", "x", "--seconds", "5"), "have to look at everything"),
    ],
)
def test_what_means_nothing_together_is_refused_with_a_reason(arguments, why):
    assert why in str(shell(*arguments).exception)


def test_the_last_line_says_what_was_left_out(two):
    two.execute(CHANGE)
    last = shell("--stop-after", "2").output.splitlines()[-1]
    assert last.startswith("MISMATCH  orders: 0 missing, 0 extra, 2 changed among those listed")
    assert "; 1 table could not be proven" in last
    (two.folder / "orders.csv").unlink()
    assert (
        shell()
        .output.splitlines()[-1]
        .startswith("MISMATCH  orders: what differs could not be named")
    )


def test_the_command_takes_them_in_every_form(two):
    two.execute(CHANGE)
    for against in FORMS:
        result = shell("--against", against, "--stop-after", "1", "--show-values", "--json")
        body = json.loads(result.stdout)
        assert body["verdict"] == "MISMATCH"
        assert body["differences"][0]["values"] == {"name": {"left": "name 1", "right": "secret"}}
        assert "not looked at" in {item["table"]: item for item in body["tables"]}["zeta"]["reason"]
