"""The evidence file is whole or not there, and the objects in it hold no values of rows."""

from __future__ import annotations

import json

import pytest

from messy_migration.api.reconciliations import Reconciliation, reconciliation_object
from messy_migration.compare.findings import Difference, Findings
from messy_migration.errors import TargetError
from messy_migration.evidence import files
from messy_migration.ledger.audit import Audit
from messy_migration.model import Fingerprint
from messy_migration.reconcile.reconcile import Proof
from messy_migration.reconcile.verdict import TableVerdict, overall

NET = Fingerprint(3, 1, 2**64 - 1)
MATCH = TableVerdict("good", (), "shop.s", NET, NET, "MATCH")
UNREAD = TableVerdict("hidden", (("shop", "oslo"),), "shop.s@oslo", NET, None, "UNKNOWN", "why")
WRONG = TableVerdict("bad", (), "shop.t", NET, Fingerprint(2, 5, 6), "MISMATCH", "2 rows")
AUDIT = Audit(None, "", "no anchor here", is_anchored=False, reasons=(), is_full=True)
FINDINGS = Findings(
    "bad",
    (
        Difference("bad", (("id", "7"),), "changed", ("v", "w")),
        Difference("bad", (), "extra", (), 4),
    ),
    9,
    (("v", 1), ("w", 1)),
    "not all of it",
)


def test_a_file_is_written_into_a_folder_that_it_makes(tmp_path):
    path = tmp_path / "a" / "b" / "run.json"
    files.write(path, "é\n")
    assert path.read_bytes() == "é\n".encode()
    assert [one.name for one in path.parent.iterdir()] == ["run.json"]


def test_a_file_written_again_replaces_the_old_one_whole(tmp_path):
    files.write(tmp_path / "run.json", "x" * 1_000)
    files.write(tmp_path / "run.json", "y")
    assert (tmp_path / "run.json").read_text() == "y"


def test_a_file_that_cannot_be_written_keeps_the_old_one_and_leaves_no_rest(tmp_path):
    files.write(tmp_path / "run.json", "old")
    with pytest.raises(UnicodeEncodeError):
        files.write(tmp_path / "run.json", "\udc80")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(TargetError):
        files.write(tmp_path / "folder.json", "new")
    assert (tmp_path / "run.json").read_text() == "old"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["folder.json", "run.json"]


def test_a_folder_that_cannot_be_made_is_an_error_that_says_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TargetError, match="evidence file cannot be written") as caught:
        files.write(tmp_path / "file" / "run.json", "")
    assert "report" in caught.value.next
    assert caught.value.exit_code == 6


@pytest.mark.parametrize(
    "verdicts, word",
    [
        ([], "UNKNOWN"),
        ([MATCH], "MATCH"),
        ([MATCH, UNREAD], "UNKNOWN"),
        ([UNREAD, WRONG, MATCH], "MISMATCH"),
    ],
)
def test_the_worst_table_speaks_for_all(verdicts, word):
    assert overall(verdicts) == word


def test_a_proof_as_json_says_what_was_expected_and_found():
    found = reconciliation_object(
        Reconciliation(
            "sqlite:///x", Proof((MATCH, UNREAD, WRONG), (FINDINGS,)), "MISMATCH", 8, audit=AUDIT
        )
    )
    assert json.loads(json.dumps(found)) == found
    assert (found["schema"], found["verdict"], found["exit_code"]) == (1, "MISMATCH", 8)
    good, hidden, bad = found["tables"]
    assert good["expected_rows"] == good["actual_rows"] == 3
    assert good["fingerprint_expected"] == good["fingerprint_actual"] == NET.lanes
    assert (hidden["actual_rows"], hidden["fingerprint_actual"]) == (None, None)
    assert (hidden["scope"], hidden["stream"]) == ({"shop": "oslo"}, "shop.s@oslo")
    assert (bad["verdict"], bad["reason"], bad["actual_rows"]) == ("MISMATCH", "2 rows", 2)
    assert (found["ledger"]["anchor"], found["ledger"]["links"]) == ("no anchor here", 0)
    changed, extra = found["differences"]
    assert changed == {
        "table": "bad",
        "key": {"id": "7"},
        "kind": "changed",
        "columns": ["v", "w"],
        "rows": 1,
    }
    assert (extra["kind"], extra["key"], extra["rows"]) == ("extra", {}, 4)
    assert found["located"] == [
        {
            "table": "bad",
            "rows": 9,
            "columns": {"v": 1, "w": 1},
            "rules": {},
            "is_exact": True,
            "looked_at": 9,
            "batches": {},
            "note": "not all of it",
        }
    ]
