"""Every command tells the verdict together with what the run did not load."""

from __future__ import annotations

import copy
import json

import pytest

from messy_migration.evidence.derive import derive

from .small import Small

NOTHING = (
    "MATCH of what was loaded; 2 of 2 records are in quarantine; nothing was loaded of files.s"
)


@pytest.fixture
def small(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    return Small(tmp_path, capfd)


@pytest.fixture
def on_postgres(small, postgres_url):
    small.target = postgres_url
    small.configure()
    return small


def test_g13_nothing_loaded_is_never_a_plain_match(small):
    small.configure(profile="quarantine_limit = 100")
    small.write_rows("1,x", "2,y")
    forms = (["run"], ["reconcile"], ["reconcile", "--against", "landed"])
    for argv in (*forms, ["reconcile", "--against", "source"]):
        told = small.migrate(*argv)
        assert told.code == 7, argv
        assert told.last.startswith(NOTHING), told.out
        assert "nothing was loaded of a stream that has records" in told.err
    status = small.migrate("status")
    assert status.code == 7
    assert NOTHING in status.out
    report = small.migrate("report")
    assert report.code == 7
    assert report.last.startswith("MATCH of what was loaded")
    assert "2 of 2 records are in quarantine; nothing was loaded of files.s" in report.out
    assert small.migrate("report", "open").code == 0


def test_g13_the_page_of_nothing_loaded_is_amber_and_verifies(small):
    small.write_rows("1,x", "2,y")
    assert small.migrate("run").code == 7
    evidence, page = small.evidence
    text = page.read_text()
    assert '<section class="verdict INCOMPLETE"' in text
    assert ".verdict.INCOMPLETE { --tone: var(--UNKNOWN)" in text
    assert "<strong>MATCH of what was loaded</strong>" in text
    assert small.migrate("report", "verify", str(evidence), str(page)).code == 0
    assert small.migrate("reconcile", "--report").code == 7
    evidence, page = small.evidence
    assert evidence.name.startswith("reconciliation-")
    assert '<section class="verdict INCOMPLETE"' in page.read_text()
    assert small.migrate("report", "verify", str(evidence), str(page)).code == 0


def test_g13_the_counts_stand_in_every_json(small):
    small.write_rows("1,x", "2,y")
    counts = {"extracted": 2, "loaded": 0, "quarantined": 2, "filtered": 0}
    row = {"stream": "files.s", "tenant": "", **counts, "limit": 1.0}
    for argv in (["run"], ["reconcile"], ["status"], ["report"]):
        told = small.migrate(*argv, "--json")
        assert told.code == 7, argv
        assert told.json["completeness"] == [row], argv
        assert told.json["exit_code"] == 7, argv


def test_g13_over_the_limit_is_exit_7_in_all_four(small):
    small.write_rows("1,1", "2,y", "3,3")
    for argv in (["run"], ["reconcile"], ["status"], ["report"]):
        told = small.migrate(*argv)
        assert told.code == 7, argv
        assert "MATCH of what was loaded" in told.out, argv
        assert "1 of 3 records is in quarantine" in told.out, argv
    assert '<section class="verdict INCOMPLETE"' in small.evidence[1].read_text()


def test_g13_under_the_limit_is_told_and_exit_0(small):
    small.configure(profile="quarantine_limit = 50")
    small.write_rows("1,1", "2,y", "3,3")
    for argv in (["run"], ["reconcile"], ["status"], ["report"]):
        told = small.migrate(*argv)
        assert told.code == 0, argv
        assert "MATCH of what was loaded" in told.out, argv
        assert "1 of 3 records is in quarantine" in told.out, argv
    assert '<section class="verdict MATCH"' in small.evidence[1].read_text()


def test_g13_all_loaded_is_a_plain_match_everywhere(small):
    small.write_rows("1,1", "2,2")
    for argv in (["run"], ["reconcile"], ["status"], ["report"]):
        told = small.migrate(*argv)
        assert told.code == 0, argv
        assert "of what was loaded" not in told.out, argv


def test_g13_a_mismatch_wins_over_the_limit_and_still_says_what_was_not_loaded(small):
    small.write_rows("1,1", "2,y")
    assert small.migrate("run").code == 7
    small.execute("UPDATE s SET amt = 5 WHERE id = 1")
    told = small.migrate("reconcile", "--report")
    assert told.code == 8
    assert told.last.startswith("MISMATCH")
    assert "1 of 2 records is in quarantine" in told.last
    assert small.migrate("report", str(small.evidence[0])).code == 8
    # The ledger alone says nothing of the rows: what it says is that too little was loaded.
    assert small.migrate("status").code == 7


def test_g13_a_stream_that_is_not_asked_for_is_told_by_reconcile_and_not_by_run(small):
    small.configure(
        more='[files.streams.t]\npath = "t*.csv"\nschema = "t.toml"\n',
    )
    schema = (small.folder / "s.toml").read_text().replace('table = "s"', 'table = "t"')
    (small.folder / "t.toml").write_text(schema)
    small.write_rows("1,1")
    small.write_rows("1,x", name="t.csv")
    assert small.migrate("run").code == 7
    told = small.migrate("run", "--select", "files.s")
    assert (told.code, "of what was loaded" in told.out) == (0, False)
    assert "nothing was loaded of files.t" in small.migrate("reconcile").last


def test_g13_the_quick_form_says_it_too(on_postgres):
    on_postgres.write_rows("1,x", "2,y")
    assert on_postgres.migrate("run").last.startswith(NOTHING)
    told = on_postgres.migrate("reconcile", "--quick")
    assert told.code == 7
    assert "2 of 2 records are in quarantine; nothing was loaded of files.s" in told.last
    assert on_postgres.migrate("reconcile", "--quick", "--json").json["completeness"]
    assert on_postgres.migrate("reconcile").last.startswith(NOTHING)


def test_g13_evidence_whose_counts_were_edited_does_not_verify(small):
    small.write_rows("1,x", "2,y")
    small.migrate("run")
    document = json.loads(small.evidence[0].read_text())
    for edit, why in (
        ({"quarantined": 0, "loaded": 2}, "is not the sum of its receipts"),
        ({"quarantined": 1}, "does not balance"),
        ({"limit": 100.0, "extracted": 400, "loaded": 398}, "is not the sum of its receipts"),
        ({"limit": 100.0, "loaded": 1, "quarantined": 1}, "gives exit code 0, the file says 7"),
    ):
        edited = copy.deepcopy(document)
        edited["completeness"][0].update(edit)
        found = {check.what: check for check in derive(edited)}
        wrong = " ".join(check.why for check in found.values() if check.passed is False)
        assert why in wrong


def test_a_mended_file_counts_with_its_newest_content_only(small):
    small.write_rows("1,1", "2,y")
    assert small.migrate("run").code == 7
    small.write_rows("1,1", "2,2")
    assert small.migrate("run").code == 0
    for argv in (["reconcile"], ["status"], ["report"]):
        told = small.migrate(*argv)
        assert (told.code, "in quarantine" in told.out) == (0, False), told.out
