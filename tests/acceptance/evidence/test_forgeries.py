"""Forty ways to forge evidence, anchors and sets of both, by JSON, page and folder.

With a key or an anchor each is WRONG; with neither it cannot be verified, and is never taken.
Whoever forges knows the program: each digest, head, name and page is made again.
"""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from messy_migration.evidence import document, page
from messy_migration.evidence.verify import verify
from messy_migration.evidence.witnesses import Witnesses
from messy_migration.fingerprint.signing import Signer
from messy_migration.ledger import anchors
from messy_migration.ledger.chain import Link
from messy_migration.run import proofs

from .conftest import Site

SECRET, FORGER = "7" * 64, "8" * 64
KEY = frozenset({Signer(SECRET).public})
WRONG_ROW = "UPDATE people SET points = points + 1 WHERE points = 3"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two runs, a reconciliation that is a MISMATCH, and one that is a MATCH again, signed."""
    site = Site(tmp_path_factory.mktemp("forged"))
    site.write(".env", f"SIGNING_KEY={SECRET}\n")
    site.profile = 'signing_key = "env://SIGNING_KEY"\n'
    site.make()
    site.execute(WRONG_ROW)
    with pytest.MonkeyPatch.context() as patch:
        # Names are by the second.
        patch.setattr(proofs, "now", lambda: "2026-12-01T02:03:04.000000Z")
        site.proofs = [site.reconcile(report=True)]
        site.execute("UPDATE people SET points = points - 1 WHERE name = 'Person 3'")
        patch.setattr(proofs, "now", lambda: "2026-12-01T02:03:05.000000Z")
        site.proofs.append(site.reconcile(report=True))
    assert [proof.verdict for proof in site.proofs] == ["MISMATCH", "MATCH"]
    return site


class Forger:
    """The files of a target in a folder of their own, its anchors, and what can be made anew."""

    def __init__(self, made, folder):
        self.folder = folder
        shutil.copytree(made.folder / "reports", folder)
        self.anchors = anchors.read(made.anchors)
        runs, proofs = made.outcomes, made.proofs
        names = [Path(one.report).name for one in (*runs, *proofs)]
        self.first, self.second, self.mismatch, self.match = (folder / name for name in names)

    def body(self, path):
        return json.loads(path.read_text(encoding="utf-8"))

    def seal(self, path, body, *, link=True, signer="keep", where=None):
        """Write a document whose digest, head, page and signature are right, as far as can be."""
        content = {
            name: body[name] for name in body if name not in ("digest", "chain", "signature")
        }
        signature = body.get("signature")
        draft = {**content, "digest": "", **({"chain": body["chain"]} if link else {})}
        if signature and signer is not None:
            draft["signature"] = signature
        content["page"] = {
            "renderer": page.renderer(),
            "sha256": page.sha256(page.blank(copy.deepcopy(draft))),
        }
        chain = None
        if link:
            values = {**body["chain"], "head": "", "verdict": body["verdict"]}
            chain = Link(**{**values, "evidence_digest": document.digest(content)}).sealed()
        forged = document.sealed(content, chain)
        if isinstance(signer, Signer):
            forged = document.sealed(content, chain, signer, body["moments"]["written_at"])
        elif signature and signer == "keep":
            forged["signature"] = signature
        where = where or path
        where.write_text(document.text_of(forged), encoding="utf-8")
        where.with_suffix(".html").write_text(page.render(forged), encoding="utf-8")
        return where

    def edit(self, path, change, **how):
        body = self.body(path)
        change(body)
        return [self.seal(path, body, **how)]

    def page_of(self, path, old, new, *, renderer=None):
        """A page with another text, under a digest that is right."""
        place = path.with_suffix(".html")
        text = place.read_text(encoding="utf-8").replace(old, new)
        assert new in text
        if renderer:
            text = text.replace(page.renderer(), renderer)
        begin = text.rindex("sha256 ") + 7
        zeroed = text[:begin] + "0" * 64 + text[begin + 64 :]
        digest = hashlib.sha256(zeroed.encode()).hexdigest()
        place.write_text(zeroed.replace("0" * 64, digest), encoding="utf-8")
        return [place]


def to_match(body):
    for table in body["tables"]:
        table.update(verdict="MATCH", reason="", actual_rows=table["expected_rows"])
        table.update(fingerprint_actual=table["fingerprint_expected"])
    body.update(verdict="MATCH", exit_code=0, differences=[], located=[])


def to_match_alone(forger):
    body = forger.body(forger.mismatch)
    to_match(body)
    body["digest"] = document.digest(body)
    forger.mismatch.write_text(document.text_of(body), encoding="utf-8")
    forger.mismatch.with_suffix(".html").write_text(page.render(body), encoding="utf-8")
    return [forger.mismatch]


def actor(body):
    body["run"]["actor"] = "somebody else"


def later(body):
    body["moments"]["written_at"] = "2031-01-02T03:04:05.000000Z"


def in_its_place(forger, source, wanted):
    """One file under the name of another."""
    for suffix in (".json", ".html"):
        shutil.copy(source.with_suffix(suffix), wanted.with_suffix(suffix))
    return [wanted]


def without(forger, *paths):
    for path in paths:
        path.unlink()
        path.with_suffix(".html").unlink()
    return [forger.folder]


def forked(forger):
    """A forged file of a link beside the genuine one."""
    body = forger.body(forger.second)
    actor(body)
    forger.seal(forger.second, body, where=forger.folder / "of-the-second-run.json")
    return [forger.folder]


def mended_chain(forger):
    """The run is edited, and every later link is made again behind it."""
    head = None
    for path in (forger.second, forger.mismatch, forger.match):
        body = forger.body(path)
        if head is None:
            actor(body)
        else:
            body["chain"]["previous"] = head
            body["ledger"]["head"] = head
        forger.seal(path, body)
        head = forger.body(path)["chain"]["head"]
    return [forger.folder]


def another_ledger(body):
    name = "e" * 64
    body["ledger"]["id"] = name
    if body["chain"]["ordinal"] == 1:
        body["chain"]["previous"] = name


def signature_value(body, **values):
    body["signature"].update(values)


def unseal(change):
    """What is changed outside of the digest, and nothing is made again but the page."""

    def forge(forger, path=None):
        path = path or forger.second
        body = forger.body(path)
        change(body)
        path.write_text(document.text_of(body), encoding="utf-8")
        return [path]

    return forge


def anchored_twice(forger):
    line = next(one for one in forger.anchors if one.ordinal == 2)
    forger.anchors.append(replace(line, head="f" * 64, key="", signature=""))
    return [forger.second]


def anchored_otherwise(forger):
    """Evidence and its anchor, both forged."""
    forger.edit(forger.second, actor)
    head = forger.body(forger.second)["chain"]["head"]
    digest = forger.body(forger.second)["digest"]
    forger.anchors[:] = [
        replace(one, head=head, evidence=digest) if one.ordinal == 2 else one
        for one in forger.anchors
    ]
    return [forger.folder]


def anchored_by_another_key(forger):
    """The same, under a key of the forger's."""
    signer = Signer(FORGER)
    forger.edit(forger.second, actor, signer=signer)
    body = forger.body(forger.second)
    lines = []
    for one in forger.anchors:
        line = one
        if one.ordinal == 2:
            line = replace(one, head=body["chain"]["head"], evidence=body["digest"])
        signature = signer.sign("anchor", line.signed_values, line.at)
        lines.append(replace(line, key=signature.key, signature=signature.value))
    forger.anchors[:] = lines
    return [forger.folder]


FORGERIES = {
    # Evidence of a reconciliation.
    "a mismatch is a match, its digest made again": to_match_alone,
    "a mismatch is a match, its link made again": lambda f: f.edit(f.mismatch, to_match),
    "a mismatch is a match in no link": lambda f: f.edit(f.mismatch, to_match, link=False),
    "a mismatch is a match in no link, and says why": lambda f: f.edit(
        f.mismatch, lambda body: (to_match(body), body.update(unlinked="no right")), link=False
    ),
    "a mismatch is a match, signed by another": lambda f: f.edit(
        f.mismatch, to_match, signer=Signer(FORGER)
    ),
    "a mismatch is a match in no link, signed by another": lambda f: f.edit(
        f.mismatch, to_match, link=False, signer=Signer(FORGER)
    ),
    "a mismatch is a match without a signature": lambda f: f.edit(
        f.mismatch, to_match, signer=None
    ),
    "the match under the name of the mismatch": lambda f: in_its_place(f, f.match, f.mismatch),
    "the moment of a reconciliation": lambda f: f.edit(f.match, later),
    "a note of a reconciliation": lambda f: f.edit(
        f.match, lambda body: body.update(notes=["all is well"])
    ),
    "the target of a reconciliation": lambda f: f.edit(
        f.match, lambda body: body.update(target="sqlite:///other.db")
    ),
    "the form of a reconciliation": lambda f: f.edit(
        f.mismatch, lambda body: (to_match(body), body.update(against="source"))
    ),
    # Evidence of a run.
    "who ran it": lambda f: f.edit(f.second, actor),
    "who ran it, without a signature": lambda f: f.edit(f.second, actor, signer=None),
    "who ran it, signed by another": lambda f: f.edit(f.second, actor, signer=Signer(FORGER)),
    "the host": lambda f: f.edit(f.second, lambda body: body["run"].update(host="h")),
    "the command": lambda f: f.edit(f.second, lambda body: body.update(command="migrate run")),
    "the versions": lambda f: f.edit(
        f.second, lambda body: body["run"]["versions"].update(python="2.7")
    ),
    "the moments": lambda f: f.edit(f.second, later),
    "a sandbox as a real run": lambda f: f.edit(
        f.second, lambda body: body["run"]["options"].update(sandbox=1)
    ),
    "the name of the ledger": lambda f: f.edit(f.first, another_ledger),
    "the number of the link": lambda f: f.edit(
        f.second,
        lambda body: (body["chain"].update(ordinal=3), body["ledger"].update(links=2)),
    ),
    "the head before it": lambda f: f.edit(
        f.second, lambda body: body["chain"].update(previous="d" * 64)
    ),
    "the link without its chain": unseal(lambda body: body.pop("chain")),
    "a run as a reconciliation": lambda f: f.edit(
        f.second, lambda body: body.update(kind="reconciliation")
    ),
    "an older run under the name of a newer one": lambda f: in_its_place(f, f.first, f.second),
    # Signatures.
    "the signature of another run": unseal(lambda body: signature_value(body, value="0" * 128)),
    "the moment of the signature": unseal(lambda body: signature_value(body, at="2031-01-01T0Z")),
    "another key in the signature": unseal(
        lambda body: signature_value(body, key=Signer(FORGER).public)
    ),
    "a signature that was taken off": unseal(lambda body: body.pop("signature")),
    "more in the signature": unseal(lambda body: signature_value(body, approved="yes")),
    "no shape in the signature": unseal(lambda body: body.update(signature=["x"])),
    # Pages.
    "a word of a page": lambda f: f.page_of(f.mismatch, "MISMATCH", "MATCH"),
    "a figure of a page": lambda f: f.page_of(f.second, "<h1>", "<h1>Certified "),
    "a page by a renderer that is not here": lambda f: f.page_of(
        f.mismatch, "MISMATCH", "MATCH", renderer="messy-migration 9.9 0000000000000000"
    ),
    "the head on a page": lambda f: f.page_of(
        f.second, f.body(f.second)["chain"]["head"], "c" * 64
    ),
    "the page of another": lambda f: [
        Path(shutil.copy(f.match.with_suffix(".html"), f.mismatch.with_suffix(".html")))
    ],
    # Sets and anchors.
    "two files of one link": forked,
    "a chain that was made again": mended_chain,
    "an anchor with another head": anchored_twice,
    "evidence and its anchor": anchored_otherwise,
    "evidence and all anchors, under another key": anchored_by_another_key,
}
MISSING = {
    "a run in the middle": lambda f: without(f, f.second),
    "the first run": lambda f: without(f, f.first),
    "the mismatch": lambda f: without(f, f.mismatch),
    "the newest": lambda f: without(f, f.match),
}
ONLY_BY_KEY = ("evidence and its anchor", "evidence and all anchors, under another key")
"""Whoever writes the anchors too is found by a key, and by no anchor."""
ONLY_BY_ANCHOR = ("an anchor with another head",)
"""The evidence is genuine."""
ONLY_AS_A_SET = ("two files of one link",)


@pytest.fixture
def forger(made, tmp_path):
    return Forger(made, tmp_path / "reports")


def words(paths, witnesses):
    return {one.verdict for one in verify(paths, witnesses)}


def all_ways(forger, paths):
    """The forged files, their pages, and the folder."""
    pages = [path.with_suffix(".html") for path in paths if path.suffix == ".json"]
    return [paths, *([pages] if pages else []), [forger.folder]]


def test_there_are_forty():
    assert len(FORGERIES) >= 40


def test_what_was_not_forged_is_verified_by_either_witness(forger):
    for witnesses in (
        Witnesses(forger.anchors),
        Witnesses(keys=KEY),
        Witnesses(forger.anchors, keys=KEY),
    ):
        for one in verify([forger.folder], witnesses):
            assert one.is_verified, one
    assert "VERIFIED" not in {
        one.verdict for one in verify([forger.folder], Witnesses()) if not one.is_set
    }


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_forgery_is_wrong_with_a_key_or_an_anchor_and_never_taken_without(forger, forge, request):
    name = request.node.callspec.id
    for paths in all_ways(forger, forge(forger)):
        is_set = paths == [forger.folder]
        if name in ONLY_AS_A_SET and not is_set:
            continue
        if name not in ONLY_BY_KEY:
            assert "WRONG" in words(paths, Witnesses(forger.anchors)), (paths, "anchors")
        if name not in ONLY_BY_ANCHOR:
            keyed = verify(paths, Witnesses(keys=KEY))
            assert "WRONG" in {one.verdict for one in keyed}, (paths, "key", keyed)
        neither = verify(paths, Witnesses())
        assert not all(one.is_verified for one in neither), (paths, "neither")


@pytest.mark.parametrize("remove", MISSING.values(), ids=MISSING)
def test_g60_a_link_that_is_missing_in_a_folder_is_told(forger, remove):
    (folder,) = remove(forger)
    (judged,) = (one for one in verify([folder], Witnesses(forger.anchors)) if one.is_set)
    assert judged.verdict == "UNKNOWN"
    assert "link" in "; ".join(check.why for check in judged.checks if check.passed is None)


def test_g60_a_gap_among_files_and_newer_links_are_told(forger):
    judged = verify([forger.first, forger.mismatch], Witnesses(forger.anchors))
    assert judged[-1].verdict == "UNKNOWN"
    assert "no evidence of link 2" in str(judged[-1].checks)
    assert "newer links are known here, up to link 4" in judged[0].notes[0]
    assert judged[0].is_verified


def test_g61_anchors_of_another_target_do_not_speak_for_it(forger):
    elsewhere = {"ledger": "a" * 64, "label": "sqlite:///x.db", "evidence": "b" * 64, "file": ""}
    others = [replace(one, **elsewhere) for one in forger.anchors]
    (judged,) = verify([forger.second], Witnesses(others))
    assert judged.verdict == "UNKNOWN"
    assert "of other ledgers, in sqlite:///x.db" in str(judged.checks)


def test_a_folder_with_evidence_of_three_targets_is_three_sets(forger, tmp_path):
    lines = list(forger.anchors)
    for number in range(2):
        site = Site(tmp_path / f"site{number}")
        site.folder.mkdir()
        site.make()
        lines += anchors.read(site.anchors)
        for path in (site.folder / "reports").iterdir():
            shutil.copy(path, forger.folder)
    sets = [one for one in verify([forger.folder], Witnesses(lines)) if one.is_set]
    assert [one.verdict for one in sets] == ["VERIFIED"] * 3


def test_a_revoked_key_and_another_key_are_named(forger):
    revoked = Witnesses(keys=KEY, revoked=KEY)
    other = Witnesses(keys=frozenset({Signer(FORGER).public}))
    for witnesses, text in ((revoked, "which was revoked"), (other, "signed by another key")):
        (judged,) = verify([forger.second], witnesses)
        assert judged.verdict == "WRONG"
        assert text in str(judged.checks)
        assert next(iter(KEY)) in str(judged.checks)
        # A head that was kept elsewhere does not need the key.
        (judged,) = verify([forger.second], replace(witnesses, anchors=forger.anchors))
        assert judged.verdict == "VERIFIED"


def test_evidence_of_two_gigabytes_is_refused_unread(tmp_path):
    for name in ("migration-0197f3c2-4ca3.json", "migration-0197f3c2-4ca3.html"):
        path = tmp_path / name
        with path.open("wb") as file:
            file.write(b"<!doctype html>" if path.suffix == ".html" else b"{\n")
            file.truncate(2 * 1024**3)
        (judged,) = verify([path], Witnesses())
        assert judged.verdict == "UNKNOWN"
        assert judged.problem is not None
        assert "larger" in judged.problem.what


def test_every_line_of_the_anchors_is_signed(forger):
    for line in forger.anchors:
        assert line.key in KEY
        assert set(asdict(line)) >= {"kind", "evidence", "file", "signature"}
