"""The same rows and counts whatever the target is and however many workers there are."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("kind, workers", [("sqlite", 1), ("sqlite", 4), ("postgres", 1)])
def test_the_number_of_workers_changes_no_row_and_no_count(
    request, new_site, undisturbed, kind, workers
):
    _, expected, _, sources = undisturbed
    assert expected.json["workers"] == 2
    url = "sqlite:///target.db" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    site = new_site(url).configure(sources)
    result = site.run("--workers", str(workers)).matched()
    assert result.json["workers"] == workers
    assert result.fingerprints == expected.fingerprints
    assert counts(result) == counts(expected)


def counts(result):
    """What a result says of each stream, without what depends on the cutting."""
    return {
        (it["stream"], it["tenant"]): (
            it["extracted"],
            it["loaded"],
            it["quarantined"],
            it["filters"],
            it["warnings"],
        )
        for it in result.json["streams"]
    }
