"""The sentences on top of the page say which form of the proof it was, and what it leaves open."""

from __future__ import annotations

import pytest

from messy_migration.evidence import words

TABLE = {
    "table": "people", "scope": {}, "stream": "files.people", "expected_rows": 3, "orphans": {},
    "reason": "", "waivers": {},
}  # fmt: skip
SAID = {
    "ledger": ("was loaded", "held against the receipts of all runs", "it was not asked"),
    "landed": ("was read", "held against the values that were read", "it was not asked"),
    "source": (
        "the source has now",
        "held against the source, which was read again",
        "as it is now",
    ),
}


def of(verdict, against, **rest):
    tables = [{**TABLE, "verdict": verdict}]
    document = {"verdict": verdict, "kind": "reconciliation", "tables": tables, "against": against}
    return words.of({**document, **rest})


@pytest.mark.parametrize("against", SAID)
def test_g59_each_form_has_its_own_words_and_leaves_something_open(against):
    subject, other, unproven = SAID[against]
    said = of("MATCH", against)
    assert f"Everything that {subject} is in the target" in said.sentence
    assert other in said.sentence
    assert f"hold what {subject}" in said.proven[0]
    assert unproven in " ".join(said.unproven)
    assert f"not what {subject}: people differs" in of("MISMATCH", against).sentence
    assert f"what {subject}: people could not" in of("UNKNOWN", against).sentence


def test_g59_the_receipts_are_named_by_the_form_that_rests_on_them_alone():
    for against in ("landed", "source"):
        said = of("MATCH", against)
        assert "receipts" not in said.sentence
        assert "fingerprint" not in " ".join(said.proven)


def test_evidence_in_no_link_says_so():
    said = of("MATCH", "ledger", unlinked="the role may not write")
    assert "in no link of the chain (the role may not write)" in " ".join(said.unproven)
