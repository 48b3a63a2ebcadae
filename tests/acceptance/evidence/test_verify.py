"""One changed byte is found; every figure is derived again; what is no evidence is one line."""

from __future__ import annotations

import copy
import hashlib
import json
import random
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from messy_migration.cli.main import migrate
from messy_migration.errors import UsageProblem
from messy_migration.evidence import document, page
from messy_migration.evidence.verify import verify
from messy_migration.evidence.witnesses import Witnesses
from messy_migration.ledger import anchors
from messy_migration.ledger.chain import Link
from messy_migration.redaction import Redactor

FLIPS = 800
NOTHING = Witnesses()


@pytest.fixture
def files(finished, tmp_path):
    """The evidence of the second run and its page, in a folder of their own."""
    evidence = Path(finished.outcomes[-1].report)
    for path in (evidence, evidence.with_suffix(".html")):
        shutil.copy(path, tmp_path)
    return tmp_path / evidence.name, tmp_path / evidence.with_suffix(".html").name


def known(finished):
    return Witnesses(anchors.read(finished.anchors))


def wrong(path, *others, known=NOTHING, given=None):
    """What is wrong with the first of some files, in words."""
    found = verify([path, *others], known, given)[0]
    if found.problem:
        return [f"{found.problem.what} {found.problem.why}"]
    return [f"{check.what}: {check.why}" for check in found.checks if check.passed is False]


def test_what_a_run_wrote_verifies_with_its_anchor(finished, files):
    for result in verify(files, known(finished)):
        assert result.is_verified, result
        assert all(check.passed is not False for check in result.checks), result


def test_a_chain_of_files_holds_together_whatever_their_order(finished):
    paths = [Path(outcome.report) for outcome in finished.outcomes]
    for order in (paths, paths[::-1]):
        results = verify(order, known(finished))
        assert all(result.is_verified for result in results)
        assert "each link follows from the one before" in [
            check.what for check in results[-1].checks
        ]


def flips(data, seed):
    generator = random.Random(seed)
    dense = {*range(200), *range(len(data) - 400, len(data))}
    places = dense | set(generator.sample(range(len(data)), min(FLIPS, len(data))))
    for place in sorted(places):
        yield (
            place,
            data[:place] + bytes([data[place] ^ (1 << generator.randrange(8))]) + data[place + 1 :],
        )


def test_one_changed_byte_of_the_evidence_is_found_wherever_it_is(files):
    path, data = files[0], files[0].read_bytes()
    missed = []
    for place, changed in flips(data, 1):
        path.write_bytes(changed)
        if not wrong(path):
            missed.append(place)
    assert missed == []


def test_one_changed_byte_of_the_page_is_found_wherever_it_is(files):
    text = files[1].read_text(encoding="utf-8")
    digest = document.read(files[0])[0]["digest"]
    assert page.seals(text) == (digest, True)
    for place, changed in flips(text.encode(), 2):
        try:
            other = changed.decode()
        except UnicodeDecodeError:
            continue
        assert page.seals(other) != (digest, True), place


def test_bytes_that_are_no_text_are_found_too(files):
    for path in files:
        path.write_bytes(path.read_bytes()[:-40] + b"\xff" + path.read_bytes()[-39:])
        assert wrong(path)


def reseal(body, path):
    """As somebody would who knows how the digest and the head are made."""
    content = {name: body[name] for name in body if name not in ("digest", "chain")}
    link = {**body["chain"], "evidence_digest": document.digest(content), "head": ""}
    link["verdict"] = body["verdict"]
    path.write_text(document.text_of(document.sealed(content, Link(**link).sealed())), "utf-8")


def change(body, *steps):
    for step in steps:
        step(body)
    return body


FORGED = {
    "a count of a stream": (
        lambda body: body["streams"][0].update(loaded=99),
        "does not balance",
    ),
    "a stream that balances": (
        lambda body: body["streams"][0].update(
            loaded=99,
            extracted=99 + body["streams"][0]["quarantined"] + body["streams"][0]["filtered"],
        ),
        "is not the sum of its receipts",
    ),
    "a rule of a filter": (
        lambda body: body["streams"][0].update(filters={"core.other": 7}),
        "do not add up to what was filtered",
    ),
    "a reason of the quarantine": (
        lambda body: body["quarantine"].append(
            {"stream": "files.people", "tenant": "", "rule": "r", "column": None, "records": 2}
        ),
        "do not add up to what is in quarantine",
    ),
    "rows of a table": (
        lambda body: body["tables"][0].update(inserted=1),
        "table people is not the sum of its receipts",
    ),
    "expected and actual rows": (
        lambda body: body["tables"][0].update(expected_rows=3, actual_rows=3),
        "expects 3, its sum is",
    ),
    "a fingerprint": (
        lambda body: body["tables"][0].update(fingerprint_actual="0" * 32),
        "says MATCH, and its fingerprints differ",
    ),
    "a verdict of a table": (
        lambda body: body["tables"][0].update(verdict="MISMATCH", reason="why not"),
        "the tables say MISMATCH",
    ),
    "the verdict": (lambda body: body.update(verdict="UNKNOWN"), "the tables say MATCH"),
    "the exit code": (lambda body: body.update(exit_code=7), "gives exit code 0"),
    "a receipt": (
        lambda body: body["receipts"]["rows"][0].__setitem__(17, 4711),
        "their digest is another one",
    ),
    "a receipt gone": (lambda body: body["receipts"]["rows"].pop(), "the link says"),
    "a plan": (lambda body: body["planned"][0].__setitem__(2, "f" * 64), "another one"),
    "an input": (
        lambda body: body["inputs"][-1].update(digest="f" * 64, state="read"),
        "was not planned",
    ),
    "a difference": (
        lambda body: body["differences"].append(
            {"table": "people", "key": {}, "kind": "extra", "columns": [], "rows": 1}
        ),
        "lists more differences than it counts",
    ),
    "a field": (lambda body: body.update(approved=True), "'approved' is unknown"),
    "the shape": (lambda body: body.update(streams=3), "it is not in shape"),
}


@pytest.mark.parametrize("forgery, words", FORGED.values(), ids=FORGED)
def test_a_forger_who_makes_all_digests_right_is_found_by_the_figures(files, forgery, words):
    body = copy.deepcopy(document.read(files[0])[0])
    forgery(body)
    reseal(body, files[0])
    assert words in "; ".join(wrong(files[0]))


def test_a_forger_of_all_figures_is_found_by_the_anchor(finished, files):
    body = copy.deepcopy(document.read(files[0])[0])
    body["run"]["actor"] = "somebody else"
    reseal(body, files[0])
    assert wrong(files[0]) == []
    assert "was anchored here for it" in wrong(files[0], known=known(finished))[0]
    head = finished.outcomes[-1].head
    assert "not the one that was given" in wrong(files[0], given=head)[0]


def test_the_head_that_was_written_down_is_enough(finished, files):
    head = finished.outcomes[-1].head
    assert wrong(files[0], given=head[:12]) == []
    assert verify([files[0]], NOTHING, head[:12])[0].is_verified
    assert wrong(files[0], given="0" * 12)


def test_g61_without_an_anchor_it_says_so_and_is_not_verified(finished, files):
    for path in files:
        (without,) = verify([path], NOTHING)
        assert (without.verdict, without.is_verified) == ("UNKNOWN", False)
        why = [check.why for check in without.checks if check.passed is None]
        assert any(
            "no anchor here" in reason and finished.outcomes[-1].head in reason for reason in why
        )


def test_a_page_proves_nothing_without_its_evidence_or_beside_another(finished, files):
    other = Path(finished.outcomes[0].report)
    shutil.copy(other, files[0])
    assert "of another evidence" in "; ".join(wrong(files[1]))
    files[0].unlink()
    assert "not beside its page" in wrong(files[1])[0]


def test_a_page_that_was_sealed_anew_does_not_follow_from_its_evidence(files):
    text = files[1].read_text(encoding="utf-8").replace("<h1>Migration", "<h1>Certified migration")
    start = text.rindex("sha256 ") + 7
    zeroed = text[:start] + "0" * 64 + text[start + 64 :]
    sealed = hashlib.sha256(zeroed.encode()).hexdigest()
    files[1].write_text(text[:start] + sealed + text[start + 64 :], encoding="utf-8")
    assert page.seals(files[1].read_text(encoding="utf-8"))[1]
    assert "every byte of it follows" in wrong(files[1])[0]


BROKEN = {
    "empty": (lambda _: "", "cut short"),
    "cut short": (lambda text: text[: len(text) // 2], "cut short"),
    "without its last line": (lambda text: text[:-3], "cut short"),
    "not JSON": (lambda _: "hello", "not JSON"),
    "a list": (lambda _: "[]", "not evidence"),
    "another document": (lambda _: '{"a": 1}', "not evidence"),
    "a newer version": (
        lambda text: text.replace('"schema": 2', '"schema": 3'),
        "newer program it is of version 3, this program knows 2",
    ),
    "an older version": (lambda text: text.replace('"schema": 2', '"schema": 1'), "version 1"),
    "a version that is none": (lambda text: text.replace('"schema": 2', '"schema": "2"'), "number"),
    "a doubled key": (
        lambda text: text.replace('\n "target"', '\n "schema": 2,\n "target"', 1),
        "'schema' is there twice",
    ),
    "a huge number": (
        lambda text: text.replace('"workers": 1', f'"workers": {"9" * 5_000}'),
        "a number of 5,000 digits",
    ),
    "a huge fraction": (lambda text: text.replace('"workers": 1', '"workers": 1e999'), "too large"),
    "no number": (lambda text: text.replace('"workers": 1', '"workers": NaN'), "NaN"),
    "nested without an end": (lambda _: "[" * 100_000, "nested too deep"),
    "other blanks": (lambda text: text.replace('": ', '":  ', 1), "was changed"),
    "other line ends": (lambda text: text.replace("\n", "\r\n"), "was changed"),
}


@pytest.mark.parametrize("spoil, words", BROKEN.values(), ids=BROKEN)
def test_what_is_no_evidence_any_more_is_one_line_and_exit_code_8(files, spoil, words):
    text = spoil(files[0].read_text(encoding="utf-8"))
    files[0].write_bytes(text.encode())
    found = wrong(files[0])
    assert len(found) == 1
    assert words in found[0]
    assert invoke("report", "verify", str(files[0])) == 8


def invoke(*arguments):
    with migrate.make_context("migrate", list(arguments), obj=Redactor()) as context:
        return migrate.invoke(context)


def test_the_command_says_each_check_in_words(finished, files, monkeypatch, capsys):
    monkeypatch.chdir(finished.folder)
    assert invoke("report", "verify", *map(str, files)) == 0
    out = capsys.readouterr().out
    assert "extracted = loaded + quarantined + filtered, for every stream" in out
    assert "it is what was kept outside of the database" in out
    assert out.count("VERIFIED") == 2
    assert invoke("report", "verify", "--json", "--anchor", "0" * 12, str(files[0])) == 8
    told = json.loads(capsys.readouterr().out)
    assert told["verified"] is False
    assert [check["passed"] for check in told["files"][0]["checks"]][-1] is False


def test_the_newest_report_is_shown_and_opened_and_one_of_a_run_is_found(
    finished, monkeypatch, capsys
):
    monkeypatch.chdir(finished.folder)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert invoke("report") == 0
    out = capsys.readouterr().out
    assert finished.outcomes[-1].head in out
    assert "MATCH" in out
    first = finished.outcomes[0]
    assert invoke("report", "--json", first.run.run_id) == 0
    assert json.loads(capsys.readouterr().out)["run_id"] == first.run.run_id
    Path(first.report_page).unlink()
    assert invoke("report", "open", first.run.run_id[:13]) == 0
    assert first.report_page.rpartition("/")[2] in capsys.readouterr().out
    assert page.seals(Path(first.report_page).read_text(encoding="utf-8"))[1]


@pytest.mark.parametrize(
    "arguments", [("report", "nothing"), ("report", "open", "x.json"), ("report", "verify", "x")]
)
def test_what_is_not_there_is_usage(finished, arguments, monkeypatch):
    monkeypatch.chdir(finished.folder)
    with pytest.raises(UsageProblem):
        invoke(*arguments)


def test_a_bad_anchor_is_usage(finished, monkeypatch):
    result = CliRunner().invoke(migrate, ["report", "verify", "--anchor", "xyz", "f"])
    assert result.exit_code == 2
    assert "hexadecimal" in result.output


def test_the_snapshot_of_the_proof_sees_what_the_run_committed(finished):
    body = finished.document()
    if finished.kind == "sqlite":
        assert "snapshot" not in body
        return
    first, end, under_way = body["snapshot"]["transactions"].split(":")
    place = body["receipts"]["columns"].index("xid")
    numbers = {int(row[place]) for row in body["receipts"]["rows"]}
    assert numbers
    assert int(first) <= int(end)
    assert max(numbers) < int(end)
    assert numbers.isdisjoint(int(part) for part in under_way.split(",") if part)
    moments = body["moments"]
    assert moments["proof_began"] <= body["snapshot"]["at"] <= moments["proof_ended"]


@pytest.mark.parametrize("seen", ["", "7:5:", "5:7:9", "5:7:4", "5:7", "a:b:", "5:7:6,"])
def test_a_snapshot_that_is_none_is_found_and_older_evidence_has_none(files, seen):
    body = json.loads(files[0].read_text(encoding="utf-8"))
    body.pop("snapshot", None)
    reseal(body, files[0])
    assert wrong(files[0]) == []
    body["snapshot"] = {"at": "2026-01-01T00:00:00Z", "transactions": "5:9:5,7"}
    reseal(body, files[0])
    assert wrong(files[0]) == []
    body["snapshot"]["transactions"] = seen
    reseal(body, files[0])
    assert any("the snapshot of the proof" in line for line in wrong(files[0]))


def test_a_reconciliation_keeps_its_snapshot_too(finished):
    result = finished.reconcile(report=True)
    body = json.loads(Path(result.report).read_text(encoding="utf-8"))
    assert ("snapshot" in body) == (finished.kind == "postgresql")
    assert all(
        item.is_verified
        for item in verify([Path(result.report), Path(result.report_page)], known(finished))
    )
