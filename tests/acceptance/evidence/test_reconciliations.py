"""The evidence of a reconciliation has a link of its own, or says that it has none."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from threading import Barrier, Thread

import pytest
from sqlalchemy import make_url

from messy_migration.evidence import document, files, page
from messy_migration.evidence.verify import verify
from messy_migration.evidence.witnesses import Witnesses
from messy_migration.ledger import anchors
from messy_migration.ledger.chain import Link
from messy_migration.run import proofs

WRONG_ROW = "UPDATE people SET points = points + 1 WHERE points = 3"


@pytest.fixture
def reported(site):
    """A folder without evidence of other tests."""
    for path in (site.folder / "reports").glob("reconciliation-*"):
        path.unlink()
    return site


def read(result):
    return json.loads(Path(result.report).read_text(encoding="utf-8"))


def links(site):
    names = [field.name for field in fields(Link)]
    query = "SELECT {} FROM {} ORDER BY ordinal".format(", ".join(names), site.places["chain"])
    return [Link(*row) for row in site.query(query)]


def forge(path):
    """Edit a MISMATCH to MATCH, and make the digest and the page again."""
    body = json.loads(path.read_text(encoding="utf-8"))
    for table in body["tables"]:
        table.update(verdict="MATCH", reason="", actual_rows=table["expected_rows"])
        table.update(fingerprint_actual=table["fingerprint_expected"])
    body.update(verdict="MATCH", exit_code=0, differences=[], located=[])
    body["digest"] = document.digest(body)
    path.write_text(document.text_of(body), encoding="utf-8")
    path.with_suffix(".html").write_text(page.render(body), encoding="utf-8")


def test_its_link_follows_the_newest_and_runs_go_on_behind_it(reported):
    result = reported.reconcile(report=True)
    body = read(result)
    newest = links(reported)[-1]
    assert (newest.kind, newest.ordinal) == ("proof", body["ledger"]["links"] + 1)
    assert body["chain"]["head"] == newest.head == result.as_json()["evidence"]["head"]
    assert newest.evidence_digest == body["digest"]
    assert anchors.read(reported.anchors)[-1].head == newest.head
    again = reported.reconcile(report=True)
    outcome = reported.run()
    assert (again.exit_code, outcome.exit_code, reported.reconcile().audit.reasons) == (0, 0, ())
    paths = [Path(result.report), Path(again.report), Path(outcome.report)]
    for one in verify(paths, Witnesses(anchors.read(reported.anchors))):
        assert one.is_verified, one
        assert not any(check.passed is False for check in one.checks), one


def test_g54_a_mismatch_that_was_edited_to_match_is_found_by_the_anchor(reported):
    reported.execute(WRONG_ROW)
    result = reported.reconcile(report=True)
    assert result.verdict == "MISMATCH"
    for path in (Path(result.report), Path(result.report_page)):
        assert verify([path], Witnesses(anchors.read(reported.anchors)))[0].is_verified
    forge(Path(result.report))
    for path in (Path(result.report), Path(result.report_page)):
        (judged,) = verify([path], Witnesses(anchors.read(reported.anchors)))
        assert not judged.is_verified
        assert any("digest of the link" in check.why for check in judged.checks)


def test_g63_two_of_one_second_are_two_files(reported, monkeypatch):
    monkeypatch.setattr(proofs, "now", lambda: "2026-12-01T02:03:04.000000Z")
    reported.execute(WRONG_ROW)
    first = reported.reconcile(report=True)
    second = reported.reconcile(report=True)
    assert [Path(one.report).stem for one in (first, second)] == [
        "reconciliation-20261201020304",
        "reconciliation-20261201020304-2",
    ]
    assert read(first)["chain"]["ordinal"] + 1 == read(second)["chain"]["ordinal"]
    assert Path(first.report_page).exists()


def test_a_run_that_was_killed_goes_on_behind_the_link_of_a_reconciliation(reported):
    last = "(SELECT max(ordinal) FROM {chain})"
    reported.execute(
        "DELETE FROM {change} WHERE seq = (SELECT max(seq) FROM {change})",
        "UPDATE {run} SET state = 'open', verdict = NULL, exit_code = NULL, report = NULL,"
        " finished_at = NULL"
        f" WHERE run_id = (SELECT run_id FROM {{chain}} WHERE ordinal = {last})",
        "DELETE FROM {chain} WHERE ordinal = 2",
    )
    reported.anchors.write_bytes(reported.anchors.read_bytes().splitlines()[0] + b"\n")
    result = reported.reconcile(report=True)
    assert (result.audit.pending, result.as_json()["evidence"]["state"]) == (1, "linked")
    assert reported.reconcile().audit.reasons == ()
    assert reported.run().exit_code == 0
    body = reported.document()
    assert (body["chain"]["ordinal"], body["chain"]["receipts"]) == (3, 1)
    after = reported.reconcile()
    assert (after.audit.reasons, after.audit.pending) == ((), 0)


def test_g61_a_host_in_another_spelling_is_the_same_target(reported):
    if reported.kind == "sqlite":
        other = f"sqlite:///{reported.folder}/../{reported.folder.name}/target.db"
    else:
        url = make_url(reported.target).set(host="localhost")
        assert url.host != make_url(reported.target).host
        other = url.render_as_string(hide_password=False)
    reported.run()
    reported.restore("second", anchors=False)
    result = reported.migrate("reconcile", "--target", other)
    assert result.code == 8, result.text
    assert "set back to an older state" in result.text


def test_nothing_is_added_to_a_ledger_that_others_wrote_into(reported):
    before = links(reported)
    reported.execute("UPDATE {run} SET verdict = 'UNKNOWN'")
    result = reported.reconcile(report=True)
    assert links(reported) == before
    assert "not what runs have written" in read(result)["unlinked"]
    assert result.as_json()["evidence"]["state"] == "unlinked"


@contextmanager
def reading_only(site):
    """The arguments of a command that may read all of the target, and not add a link."""
    if site.kind == "sqlite":
        site.execute(
            "CREATE TRIGGER closed BEFORE INSERT ON messy_migration_chain"
            " BEGIN SELECT RAISE(ABORT, 'closed'); END"
        )
        yield []
        site.execute("DROP TRIGGER closed")
        return
    site.execute(
        "CREATE ROLE mm_auditor LOGIN PASSWORD 'reads'",
        "GRANT USAGE ON SCHEMA public, messy_migration TO mm_auditor",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public, messy_migration TO mm_auditor",
    )
    url = make_url(site.target).set(username="mm_auditor", password="reads")
    try:
        yield ["--target", url.render_as_string(hide_password=False)]
    finally:
        site.execute("DROP OWNED BY mm_auditor", "DROP ROLE mm_auditor")


def test_a_role_that_may_not_write_leaves_evidence_that_says_so(reported):
    with reading_only(reported) as arguments:
        result = reported.migrate("reconcile", "--report", *arguments)
    assert result.code == 0, result.err
    assert "evidence: unlinked" in result.out
    (evidence,) = (reported.folder / "reports").glob("reconciliation-*.json")
    body = json.loads(evidence.read_text(encoding="utf-8"))
    assert body["unlinked"]
    assert "chain" not in body
    assert "in no link of the chain" in evidence.with_suffix(".html").read_text(encoding="utf-8")
    (judged,) = verify([evidence], Witnesses(anchors.read(reported.anchors)))
    assert not any(check.passed is False for check in judged.checks), judged


def test_whoever_takes_a_name_at_the_same_moment_takes_another(tmp_path):
    wanted, count = tmp_path / "reconciliation-1.json", 8
    barrier, taken = Barrier(count), []

    def take(number):
        staged = files.stage(wanted, str(number))
        barrier.wait()
        taken.append(files.appear(staged, wanted))

    threads = [Thread(target=take, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(taken)) == count
    assert sorted(path.read_text() for path in tmp_path.iterdir()) == [*map(str, range(count))]
