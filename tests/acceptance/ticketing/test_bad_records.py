"""Records that cannot be loaded, and values that may not be stored."""

from __future__ import annotations

import json

import pytest

from messy_migration_ticketing import uid
from messy_migration_vivenu.sandbox.store import Collection, Entry
from messy_migration_vivenu.sandbox.values import encode

LABEL = ("vivenu.tickets", "auckland")
# Case -> what a ticket says from now on, and the rule that it breaks.
BROKEN = {
    "H18 an enum value never seen": ({"status": "TELEPORTED"}, "vivenu.enum"),
    "H15 null in place of a value": ({"eventId": None}, "vivenu.required"),
    "H16 an object in place of a text": ({"name": {"first": "A"}}, ""),
    "H12 a NUL": ({"name": "A\0B"}, "core.nul"),
    "H12 a lone surrogate": ({"name": "A\ud800B"}, ""),
    "H19 a moment that never was": ({"createdAt": "2026-02-30T10:00:00.000Z"}, "vivenu.instant"),
}


@pytest.fixture(scope="module")
def broken(loaded):
    """A run after tickets that were loaded before have turned bad at the source."""
    site, sources = loaded
    served = sources.records("auckland", "tickets")
    ids = [record["_id"] for case, record in served if not case]
    plain = [name for name in ids if ids.count(name) == 1]
    chosen = dict(zip(BROKEN, plain, strict=False))
    before = rows_of(site, plain)
    for case, record_id in chosen.items():
        sources.change("auckland", "tickets", record_id, **BROKEN[case][0])
    twin = plain[len(chosen)]
    contradict(sources, twin)
    return site, chosen, twin, before, plain, site.run()


def contradict(sources, record_id):
    """Serve a changed ticket twice, with two names and one moment of change."""
    sources.change("auckland", "tickets", record_id, name="One Name")
    state = sources.vivenu.state.collections
    entries = state["auckland", "tickets"].entries
    (mine,) = [entry for entry in entries if entry.record_id == record_id]
    (record,) = [it for _, it in sources.records("auckland", "tickets") if it["_id"] == record_id]
    other = Entry(record_id, mine.at, encode({**record, "name": "Other Name"}))
    state["auckland", "tickets"] = Collection([*entries, other])


def rows_of(site, source_ids):
    """Source id -> the whole row of a ticket."""
    names = ", ".join(f"'{name}'" for name in source_ids)
    rows = site.query(f"SELECT source_id, * FROM tickets WHERE source_id IN ({names})")
    return {row[0]: row[1:] for row in rows}


def test_a_bad_record_goes_to_quarantine_under_its_rule(broken):
    site, chosen, _, _, _, result = broken
    run = result.json["run_id"]
    query = f"SELECT rule, payload FROM {site.ledger('quarantine')} WHERE run_id = '{run}'"
    found = {}
    for rule, payload in site.query(query):
        found.setdefault(json.loads(payload).get("_id"), []).append(rule)
    for case, record_id in chosen.items():
        assert len(found[record_id]) == 1, case
        assert BROKEN[case][1] in found[record_id][0], (case, found[record_id])


def test_of_two_contents_for_one_id_one_is_loaded_and_one_is_kept_aside(broken):
    site, _, twin, _, _, result = broken
    key = uid("vivenu", "auckland", "tickets", twin)
    ((loaded,),) = site.query(f"SELECT holder_name FROM tickets WHERE id = '{key}'")
    where = (
        f"run_id = '{result.json['run_id']}' AND rule = 'core.duplicate_key'"
        f" AND stream = '{LABEL[0]}' AND tenant = '{LABEL[1]}'"
    )
    query = f"SELECT payload FROM {site.ledger('quarantine')} WHERE {where}"
    payloads = [json.loads(text) for (text,) in site.query(query)]
    names = [payload["name"] for payload in payloads if payload["_id"] == twin]
    assert {loaded, *names} == {"One Name", "Other Name"}
    assert len(names) == 1


def test_bad_records_change_nothing_that_was_loaded_and_every_record_is_accounted_for(broken):
    site, chosen, twin, before, plain, result = broken
    result.matched()
    after = rows_of(site, plain)
    assert {name for name in before if before[name] != after[name]} == {twin}
    counts = result.stream(*LABEL)
    assert counts["extracted"] == len(chosen) + 2
    assert counts["quarantined"] == len(chosen) + 1
    assert counts["loaded"] == 1
    table = result.table("tickets", source_account="auckland")
    assert (table["inserted"], table["updated"]) == (0, 1)


def test_too_many_bad_records_are_said_with_7(loaded, broken):
    site, sources = loaded
    site.configure(sources, core={"quarantine_limit": 1})
    result = site.run("--tenant", "auckland", "--since", "2026-06-01").ended(7, "MATCH")
    assert any("vivenu.tickets" in it["where"] for it in result.json["problems"])


def test_nothing_that_is_denied_is_stored_anywhere(undisturbed):
    site, result, _, sources = undisturbed
    served = [
        record for name in ("tickets", "orders") for _, record in sources.records("auckland", name)
    ]
    assert sum("keep-out-" in json.dumps(it, default=str) for it in served) > 100
    billed = [it for records in sources.eventcombo.world.lists("orders").values() for it in records]
    assert all("DENIED" in json.dumps(it, default=str) for it in billed)
    texts = [result.text, *site.written()]
    assert any(str(served[0]["_id"]) in text for text in texts), "the search finds nothing at all"
    for word in ("keep-out-", "DENIED", '"secret"', "TokenId", "TransHash", "CardId", "Cvv"):
        assert not any(word in text for text in texts), word
