"""The same rows whatever the target is and however many workers there are."""

from __future__ import annotations

import pytest

from .site import PLUGINS, fingerprints


def test_postgres_holds_what_sqlite_holds_of_the_whole_sandbox(full, new_site, postgres_url):
    _, _, report = full
    site = new_site(postgres_url)
    arguments = ("--sandbox", "--target", postgres_url, "--workers", "4", "--json")
    result = site.migrate("run", *PLUGINS, *arguments).matched()
    assert result.json["workers"] == 4
    assert result.fingerprints == fingerprints(report)
    assert [about["refused_writes"] for about in result.json["sandbox"].values()] == [0, 0]
    for name, extracted in ((it["stream"], it["extracted"]) for it in result.json["streams"]):
        assert extracted > 0, name
    assert not (site.folder / "sandbox.db").exists()


@pytest.mark.parametrize("kind, workers", [("sqlite", 1), ("sqlite", 4), ("postgres", 1)])
def test_the_number_of_workers_changes_no_row_and_no_count(
    request, new_site, undisturbed, kind, workers
):
    _, expected, _, sources = undisturbed
    assert expected.json["workers"] == 2
    url = "sqlite:///target.db" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    site = new_site(url).configure(sources, top=50)
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
