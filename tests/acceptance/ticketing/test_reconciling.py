"""`migrate reconcile` after a cutover: with the source as it was, as it is now, and without it."""

from __future__ import annotations

import pytest

from messy_migration_ticketing import uid

from .site import PLUGINS


@pytest.fixture(scope="module")
def reread(loaded):
    """The sources are read again and held against the target."""
    site, _ = loaded
    return site.migrate("reconcile", "--json", "--against", "source")


def test_the_sources_as_they_are_now_hold_what_the_target_holds(loaded, undisturbed, reread):
    site, _ = loaded
    _, result, _, _ = undisturbed
    assert reread.matched().fingerprints == result.fingerprints
    assert site.migrate("reconcile", "--json", "--against", "landed").matched().fingerprints


@pytest.fixture(scope="module")
def moved_on(loaded, reread):
    """A ticket is renamed at the source after the cutover: its key, and what is said of it."""
    site, sources = loaded
    (_, record), *_ = [it for it in sources.records("auckland", "tickets") if not it[0]]
    sources.change("auckland", "tickets", record["_id"], name="Renamed After The Cutover")
    key = uid("vivenu", "auckland", "tickets", record["_id"])
    return key, site.migrate("reconcile", "--json", "--against", "source")


def test_a_ticket_that_changed_at_the_source_since_is_named(loaded, moved_on):
    site, _ = loaded
    key, result = moved_on
    result.ended(8, "MISMATCH")
    (found,) = result.json["differences"]
    assert (found["table"], found["key"]) == ("tickets", {"id": key})
    assert "holder_name" in found["columns"]
    # What was loaded is still what was read.
    site.reconcile().matched()


def test_a_key_that_was_withdrawn_after_the_cutover_is_told_and_not_needed(loaded, moved_on):
    site, sources = loaded
    calls, variables = len(sources.calls), dict(site.env)
    site.env.clear()
    try:
        result = site.reconcile()
        asked = site.migrate("reconcile", "--against", "source")
    finally:
        site.env.update(variables)
    result.matched()
    assert result.err.count("is left out, no input of it is read") == 2, result.err
    assert asked.code == 3, asked.text
    assert len(sources.calls) == calls


def test_sandboxes_are_planned_and_reconciled_by_the_same_flag(new_site):
    site = new_site("sqlite:///sandbox.db")
    flags = (*PLUGINS, "--sandbox", "--json", "--select", "vivenu.events")
    planned = site.migrate("plan", *flags)
    assert planned.code == 0, planned.text
    assert {it["stream"] for it in planned.json["streams"]} == {"vivenu.events"}
    assert not (site.folder / "sandbox.db").exists()
    site.migrate("run", *flags).matched()
    site.migrate("reconcile", *flags[:-2], "--against", "source").matched()
