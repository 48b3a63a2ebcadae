"""The published description judges the sandbox: calls, answers, errors."""

from __future__ import annotations

import json

import pytest

from messy_migration_vivenu.sandbox.cases import NULLED
from messy_migration_vivenu.sandbox.endpoints import COMPARISONS, LISTINGS, SINGLES

SORTED = {"sortDir"}
PAGED = {"top", "skip"}


def test_the_same_endpoints_are_described_and_served(contract):
    served = set(LISTINGS) | {f"{prefix}{{id}}" for prefix in SINGLES}
    assert set(contract.document["paths"]) == served


@pytest.mark.parametrize("path", LISTINGS)
def test_the_same_parameters_are_described_and_taken(contract, path):
    listing = LISTINGS[path]
    described = contract.document["paths"][path]["get"]["parameters"]
    names = {item["name"]: item for item in map(contract._resolved, described)}
    taken = set(listing.filters) | PAGED | (SORTED if listing.is_sorted else set())
    assert set(names) == taken
    ranges = {name for name, item in names.items() if item.get("style") == "deepObject"}
    kinds = {"instants", "numbers"}
    assert ranges == {name for name, item in listing.filters.items() if item.kind in kinds}
    for name in ranges:
        assert set(names[name]["schema"]["properties"]) == set(COMPARISONS)


@pytest.mark.parametrize("path", LISTINGS)
def test_every_record_keeps_the_contract_but_where_it_is_said_not_to(contract, plain, path):
    collection = LISTINGS[path].collection
    is_choice = "oneOf" in contract._resolved(contract.record_schema(path))
    broken = 0
    for tenant in ("auckland", "frankfurt"):
        entries = plain.state.collections[tenant, collection].entries
        said = {entry.body: set(entry.deviates) for entry in entries}
        answer = plain.get(path, tenant, top=1000)
        found = 0
        while records := as_served(answer):
            for body in records:
                wanted = said[body]
                # Of a schema with a choice one only learns that nothing fits.
                wanted = {""} if wanted and is_choice else wanted
                assert contract.wrong_with_record(path, json.loads(body)) == wanted
                broken += bool(wanted)
            found += len(records)
            answer = plain.get(path, tenant, top=1000, skip=found)
        assert found == len(entries)
    assert bool(broken) == (collection != "series")


def as_served(answer):
    """The texts of the records of a page, byte by byte as they were sent."""
    text = answer.content
    opening = text.index(b"[") + 1
    closing = text.rindex(b"]")
    decoder = json.JSONDecoder()
    inner = text[opening:closing].decode()
    found, place = [], 0
    while place < len(inner):
        _, end = decoder.raw_decode(inner, place)
        found.append(inner[place:end].encode())
        place = end + 1
    return found


@pytest.mark.parametrize("path", LISTINGS)
def test_the_envelope_keeps_the_contract(contract, plain, path):
    answer = plain.get(path, top=1)
    wrong = contract.wrong_with_answer(path, 200, answer.json())
    assert [pointer for pointer, _ in wrong if pointer.split("/")[-1] not in NULLED] == []


def test_the_judge_can_say_no(contract):
    assert contract.wrong_with_answer("/api/tickets", 200, {"rows": {}, "total": 1})
    assert contract.wrong_with_answer("/api/tickets", 200, {"rows": [{}], "total": "1"})
    assert contract.wrong_with_answer("/api/tickets", 418, {})
    assert contract.wrong_with_call("GET", "/api/tickets", "eventId=1")
    assert contract.wrong_with_call("GET", "/api/tickets", "top=1001")
    assert contract.wrong_with_call("GET", "/api/tickets", "updatedAt[$after]=2026-01-01")
    assert contract.wrong_with_call("GET", "/api/tickets", "updatedAt[$gt]=yesterday")
    assert contract.wrong_with_call("GET", "/api/coupons", "")
    assert contract.wrong_with_call("POST", "/api/tickets", "")
    good = "top=1000&skip=0&updatedAt[$gte]=2026-01-01T00:00:00.000Z"
    assert contract.wrong_with_call("GET", "/api/tickets", good) == []


@pytest.mark.parametrize("path", LISTINGS)
@pytest.mark.parametrize(
    "query",
    [
        "eventID=1",
        "modifiedSince=2026-01-01",
        "include=tickets",
        "top=0",
        "top=1001",
        "top=ten",
        "skip=-1",
        "top=1&top=2",
        "name[$gt]=a",
    ],
)
def test_what_the_contract_does_not_know_is_refused_in_its_words(contract, plain, path, query):
    pairs = [part.split("=") for part in query.split("&")]
    answer = plain.get(f"{path}?{'&'.join('='.join(pair) for pair in pairs)}")
    assert answer.status_code == 400
    assert contract.wrong_with_answer(path, 400, answer.json()) == []
    assert answer.json()["statusCode"] == "400"


@pytest.mark.parametrize("prefix", SINGLES)
def test_single_records_and_those_that_are_not_there(contract, plain, prefix):
    name = SINGLES[prefix]
    entry = plain.state.collections["auckland", name].entries[0]
    answer = plain.get(f"{prefix}{entry.record_id}")
    assert answer.content == entry.body
    missing = plain.get(f"{prefix}ffffffffffffffffffffffff")
    assert missing.status_code == 404
    assert contract.wrong_with_answer(f"{prefix}1", 404, missing.json()) == []
