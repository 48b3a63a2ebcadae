"""Whoever writes into the ledger, or sets it back with the data, is found; nobody else is."""

from __future__ import annotations

import json
import stat

import pytest

from messy_migration.errors import ConfigurationError, ProofError
from messy_migration.ledger import anchors, chain
from messy_migration.ledger.tables import ledger

from .conftest import Site

FIRST = "(SELECT min(seq) FROM {receipt})"
LAST = "(SELECT max(seq) FROM {receipt})"
OF_FIRST = f"batch_id = (SELECT batch_id FROM {{receipt}} WHERE seq = {FIRST})"
OF_LAST = f"batch_id = (SELECT batch_id FROM {{receipt}} WHERE seq = {LAST})"
TAMPERED = {
    "counts of a receipt": [
        f"UPDATE {{receipt}} SET loaded = loaded - 1, filtered = filtered + 1 WHERE seq = {LAST}"
    ],
    "who wrote a receipt": [f"UPDATE {{receipt}} SET pid = pid + 1 WHERE seq = {FIRST}"],
    "a receipt and its rows": [
        f"UPDATE {{receipt_table}} SET net_rows = 1, inserted = 1 WHERE {OF_FIRST}",
        "DELETE FROM people WHERE points > 1",
    ],
    "a receipt gone with its parts": [
        f"DELETE FROM {{receipt_table}} WHERE {OF_LAST}",
        f"DELETE FROM {{receipt}} WHERE seq = {LAST}",
    ],
    "a receipt without its parts": [f"DELETE FROM {{receipt}} WHERE seq = {FIRST}"],
    "parts gone": ["DELETE FROM {receipt_table}", "DELETE FROM people"],
    "an amount": [f"UPDATE {{receipt_table}} SET amounts = '{{{{}}}}' WHERE {OF_FIRST}"],
    "a reason": [f"UPDATE {{receipt}} SET reason = 'all is well' WHERE seq = {FIRST}"],
    "a record gone from quarantine": ["DELETE FROM {quarantine}"],
    "a payload in quarantine": ["UPDATE {quarantine} SET payload = 'x'"],
    "a plan": ["UPDATE {partition} SET bounds = '{{}}' WHERE ordinal = 0"],
    "a verdict": ["UPDATE {run} SET verdict = 'UNKNOWN'"],
    "a run": ["DELETE FROM {run} WHERE started_at = (SELECT min(started_at) FROM {run})"],
    "a table that is no longer known": ["DELETE FROM {table_state}", "DELETE FROM people"],
    "a link": ["UPDATE {chain} SET verdict = 'MISMATCH' WHERE ordinal = 1"],
    "a link gone": ["DELETE FROM {chain} WHERE ordinal = 1"],
    "the newest link gone": ["DELETE FROM {chain} WHERE ordinal = 2"],
    "the chain gone": ["DELETE FROM {chain}"],
}


def test_a_link_holds_fast_every_column_of_a_receipt():
    tables = ledger("sqlite")
    assert {"seq", "reason", *chain.RECEIPT} <= set(tables.receipt.c.keys())
    assert {"batch_id", *chain.PART} <= set(tables.receipt_table.c.keys())


@pytest.mark.parametrize("statements", TAMPERED.values(), ids=TAMPERED)
def test_what_somebody_wrote_into_the_ledger_is_found_and_nothing_is_claimed(site, statements):
    site.execute(*statements)
    result = site.reconcile()
    assert result.exit_code == 8
    assert result.verdict != "MATCH"
    assert all(item.verdict != "MATCH" for item in result.proof.verdicts)
    assert result.audit.reasons


def test_without_anybody_having_written_into_it_all_of_it_is_right(site):
    for _ in range(2):
        result = site.reconcile()
        assert (result.verdict, result.exit_code, result.audit.reasons) == ("MATCH", 0, ())
        assert "link 2" in result.audit.anchor
        assert result.audit.is_anchored


def test_a_receipt_that_was_added_by_hand_belongs_to_no_run_that_is_open(site):
    made = {"seq": "seq + 1000", "batch_id": "'made'"}
    names = ledger(site.kind).receipt.columns.keys()
    site.execute(
        f"INSERT INTO {{receipt}} ({', '.join(names)})"
        f" SELECT {', '.join(made.get(name, name) for name in names)} FROM {{receipt}}"
        " WHERE seq = (SELECT max(seq) FROM {receipt})"
    )
    assert "which is closed, are in no link" in str(site.reconcile().audit.reasons)
    assert "which is closed, are in no link" in site.refused().why


QUICK = (
    *("counts of a receipt", "a receipt gone with its parts", "a receipt without its parts"),
    *("a link", "a link gone", "the newest link gone", "the chain gone"),
)


@pytest.mark.parametrize("name", QUICK)
def test_a_run_does_not_begin_on_a_ledger_that_was_changed(site, name):
    site.execute(*TAMPERED[name])
    error = site.refused()
    assert isinstance(error, ProofError)
    assert error.what == "the ledger is not what runs have written"
    assert "restore ledger and data together" in error.next


def test_ledger_and_data_set_back_together_to_an_older_state_are_found(site):
    site.run()
    site.restore("second", anchors=False)
    result = site.reconcile()
    assert (result.verdict, result.exit_code) == ("UNKNOWN", 8)
    assert "link 3" in result.audit.reasons[0]
    assert "set back to an older state" in result.audit.reasons[0]
    assert "set back to an older state" in site.refused().why


def test_all_rows_of_ledger_and_data_deleted_together_are_no_match(site):
    site.execute(*(f"DELETE FROM {place}" for place in [*site.places.values(), "people"]))
    result = site.reconcile()
    assert (result.verdict, result.exit_code) == ("UNKNOWN", 8)
    assert "is missing" in result.audit.reasons[0]


def test_the_anchor_given_by_hand_counts_instead_of_what_is_anchored_here(site):
    second = site.reconcile().audit.newest.head
    site.run()
    site.restore("second", anchors=False)
    assert site.reconcile(anchor="f" * 16).exit_code == 8
    assert "given with --anchor" in site.refused(anchor="f" * 16).why
    result = site.reconcile(anchor=second[:12].upper())
    assert (result.verdict, result.exit_code) == ("MATCH", 0)
    # What was accepted once is anchored from then on.
    assert site.reconcile().exit_code == 0
    assert site.run().exit_code == 0


def test_on_another_machine_it_says_so_and_does_not_fail(site):
    site.anchors.unlink()
    result = site.reconcile()
    assert (result.verdict, result.exit_code) == ("MATCH", 0)
    assert "no anchor here" in result.audit.anchor
    assert not result.audit.is_anchored
    assert "link 2" in site.reconcile().audit.anchor


def test_runs_of_another_machine_extend_what_is_anchored_here(site):
    kept = site.anchors.read_bytes()
    site.run()
    site.anchors.write_bytes(kept)
    result = site.reconcile()
    assert (result.verdict, result.audit.newest.ordinal) == ("MATCH", 3)
    assert result.audit.anchor.startswith("link 2")


def test_receipts_of_a_run_that_was_killed_are_covered_by_the_next_link(site):
    last = "(SELECT max(ordinal) FROM {chain})"
    site.execute(
        "DELETE FROM {change} WHERE seq = (SELECT max(seq) FROM {change})",
        "UPDATE {run} SET state = 'open', verdict = NULL, exit_code = NULL, report = NULL,"
        " finished_at = NULL"
        f" WHERE run_id = (SELECT run_id FROM {{chain}} WHERE ordinal = {last})",
        "DELETE FROM {chain} WHERE ordinal = 2",
    )
    site.anchors.write_bytes(b"\n".join(site.anchors.read_bytes().splitlines()[:1]) + b"\n")
    result = site.reconcile()
    assert (result.audit.reasons, result.audit.pending) == ((), 1)
    assert site.run().exit_code == 0
    assert (site.document()["chain"]["ordinal"], site.document()["chain"]["receipts"]) == (2, 1)
    assert site.reconcile().audit.pending == 0


def test_a_target_that_is_gone_is_told_from_one_that_never_was(tmp_path):
    path = tmp_path / "target.db"
    site = Site(tmp_path, f"sqlite:///{path}")
    site.make()
    kept = path.read_bytes()
    path.unlink()
    with pytest.raises(ProofError, match="the ledger is gone"):
        site.reconcile()
    # To begin anew is allowed: all of it is loaded and proven again, under a new name.
    outcome = site.run()
    assert (outcome.verdict, outcome.link) == ("MATCH", 1)
    assert site.reconcile().exit_code == 0
    path.write_bytes(kept)
    assert "another head" in site.refused().why


def test_heads_are_the_hash_of_all_that_a_link_says(site):
    with_fields = site.document()["chain"]
    link = chain.Link(**with_fields)
    assert chain.head_of(link) == link.head
    for name, value in with_fields.items():
        if name not in ("head", "mac"):
            other = value + 1 if isinstance(value, int) else f"{value}x"
            assert chain.head_of(chain.Link(**{**with_fields, name: other})) != link.head


def test_anchors_are_readable_by_their_owner_alone_and_only_grow(site):
    assert stat.S_IMODE(site.anchors.stat().st_mode) == 0o600
    before = site.anchors.read_bytes()
    site.run()
    assert site.anchors.read_bytes().startswith(before)
    last = anchors.read(site.anchors)[-1]
    assert (last.ordinal, last.head) == (3, site.outcomes[-1].head)


def test_a_line_that_was_torn_says_nothing_and_swallows_no_other(tmp_path):
    path = tmp_path / "anchors"
    one = anchors.Anchor("t", "l", "g", 1, "h", "r", "now")
    anchors.append(path, one)
    with path.open("ab") as file:
        file.write(b'{"target": "t", "la')
    assert anchors.read(path) == [one]
    anchors.append(path, one)
    assert anchors.read(path) == [one, one]
    path.write_text("{}\n" + json.dumps({"target": 1}) + "\n")
    with pytest.raises(ConfigurationError, match="damaged"):
        anchors.read(path)
