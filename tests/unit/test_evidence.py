"""The evidence file is whole or not there, and the objects in it hold no values of rows."""

from __future__ import annotations

import json

import pytest

from messy_migration.errors import TargetError
from messy_migration.model import Fingerprint
from messy_migration.reconcile import evidence
from messy_migration.reconcile.verdict import Difference, Findings, TableVerdict, overall
from messy_migration.runner.evidence import proof_object
from messy_migration.runner.proof import Proof

NET = Fingerprint(3, 1, 2**64 - 1)
MATCH = TableVerdict("good", (), "shop.s", NET, NET, "MATCH")
UNREAD = TableVerdict("hidden", (("shop", "oslo"),), "shop.s@oslo", NET, None, "UNKNOWN", "why")
WRONG = TableVerdict("bad", (), "shop.t", NET, Fingerprint(2, 5, 6), "MISMATCH", "2 rows")
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


def test_evidence_is_written_into_a_folder_that_it_makes(tmp_path):
    path = evidence.write(tmp_path / "a" / "b", "run.json", {"é": [1], "a": None})
    assert path == tmp_path / "a" / "b" / "run.json"
    text = path.read_text(encoding="utf-8")
    assert json.loads(text) == {"é": [1], "a": None}
    assert "é" in text
    assert text.endswith("\n")
    assert [one.name for one in path.parent.iterdir()] == ["run.json"]


def test_evidence_written_again_replaces_the_old_one_whole(tmp_path):
    evidence.write(tmp_path, "run.json", {"long": "x" * 1_000})
    evidence.write(tmp_path, "run.json", {"a": 1})
    assert json.loads((tmp_path / "run.json").read_text()) == {"a": 1}


def test_evidence_that_cannot_be_written_keeps_the_old_one_and_leaves_no_rest(tmp_path):
    evidence.write(tmp_path, "run.json", {"a": 1})
    with pytest.raises(TypeError):
        evidence.write(tmp_path, "run.json", {"a": object()})
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(TargetError):
        evidence.write(tmp_path, "folder.json", {"a": 2})
    assert json.loads((tmp_path / "run.json").read_text()) == {"a": 1}
    assert sorted(one.name for one in tmp_path.iterdir()) == ["folder.json", "run.json"]


def test_a_folder_that_cannot_be_made_is_an_error_that_says_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TargetError, match="evidence file cannot be written") as caught:
        evidence.write(tmp_path / "file", "run.json", {})
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
    found = proof_object(Proof((MATCH, UNREAD, WRONG), (FINDINGS,)), "MISMATCH", 8, "sqlite:///x")
    assert json.loads(json.dumps(found)) == found
    assert (found["schema"], found["verdict"], found["exit_code"]) == (1, "MISMATCH", 8)
    good, hidden, bad = found["tables"]
    assert good["expected_rows"] == good["actual_rows"] == 3
    assert good["fingerprint_expected"] == good["fingerprint_actual"] == NET.lanes
    assert (hidden["actual_rows"], hidden["fingerprint_actual"]) == (None, None)
    assert (hidden["scope"], hidden["stream"]) == ({"shop": "oslo"}, "shop.s@oslo")
    assert (bad["verdict"], bad["reason"], bad["actual_rows"]) == ("MISMATCH", "2 rows", 2)
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
