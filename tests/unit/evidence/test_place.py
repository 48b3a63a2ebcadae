"""Evidence knows its place, and whether its name is that of its content."""

from __future__ import annotations

from pathlib import Path

import pytest

from messy_migration.evidence.place import check_name, place_of

RUN = {"kind": "run", "run_id": "0197f3c2-4ca3-7000-8000-000000000000"}
PROOF = {"kind": "reconciliation", "moments": {"written_at": "2026-12-01T02:03:04.5Z"}}


@pytest.mark.parametrize(
    "document, name, passed",
    [
        (RUN, "migration-0197f3c2-4ca3.json", True),
        (RUN, "migration-0197f3c2-4ca3-2.html", True),
        (RUN, "migration-0197f3c2-4ca4.json", False),
        (RUN, "reconciliation-20261201020304.json", False),
        (PROOF, "reconciliation-20261201020304.json", True),
        (PROOF, "reconciliation-20261201020304-12.html", True),
        (PROOF, "reconciliation-20261201020305.json", False),
        (PROOF, "migration-0197f3c2-4ca3.json", False),
        ({"kind": "run"}, "migration-0197f3c2-4ca3.json", False),
    ],
)
def test_a_name_is_that_of_its_content(document, name, passed):
    check = check_name(document, Path(name))
    assert check is not None
    assert check.passed is passed


def test_a_name_of_another_kind_says_nothing():
    assert check_name(RUN, Path("evidence-for-the-auditor.json")) is None


@pytest.mark.parametrize("links", [None, 3, [], [3], [{"ordinal": "x"}]])
@pytest.mark.parametrize("ledger", [None, 3, {"links": "many"}])
def test_whatever_shape_it_has_it_gets_a_place(links, ledger):
    place = place_of({"links": links, "ledger": ledger, "chain": 3}, Path("a.json"))
    assert (place.ordinal, place.is_linked) == (0, False)


def test_the_first_link_gives_the_ledger_its_name():
    chain = {"ordinal": 1, "previous": "f" * 64, "head": "a" * 64}
    place = place_of({"chain": chain, "ledger": {"id": "", "links": 0}}, Path("a.json"))
    assert (place.ledger, place.first, place.before) == ("f" * 64, 1, "f" * 64)
